"""Section `lora`: the shape of a low-rank adapter (Hu et al. 2021, arXiv:2106.09685)."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints

from adapt.spec.methods import METHODS, settled_lora
from adapt.spec.section import Section

ModuleName = Annotated[str, StringConstraints(min_length=1)]


class LoraSpec(Section):
    """A low-rank adapter. Which fields a method reads stands in docs/methods.md; setting another is refused."""

    r: int | None = Field(default=None, ge=1, le=512)
    """Rank of the update; vLLM serves up to 512. Unset: the method's own, 16 for `lora`."""
    lora_alpha: int | None = Field(default=None, ge=1)
    """Numerator of the scaling alpha / r; unset: the method's own multiple of r, 2 r for `lora`."""
    lora_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout on the adapter's input while training."""
    target_modules: Literal["all-linear"] | Annotated[tuple[ModuleName, ...], Field(min_length=1)] = "all-linear"
    """Linear modules that get an adapter, by the last part of their name; `all-linear`: every one of the language model
    but the output head."""
    use_rslora: bool = False
    """Scale by alpha / sqrt(r) (Kalajdzievski 2023, arXiv:2312.03732)."""

    @property
    def rank(self) -> int:
        """The rank in force. Settled sections name it."""
        if self.r is None:
            raise AssertionError("the method reads no rank")
        return self.r

    @property
    def alpha(self) -> int:
        """The scaling numerator in force."""
        return self.lora_alpha if self.lora_alpha is not None else 2 * self.rank


def with_settled_lora(values: Any) -> Any:
    """Fields of a model that has sections `lora` and `train`, the first as the method of the second reads it.

    A step before validation: what is not well-formed is left to validation, which says so.
    """
    if not isinstance(values, Mapping):
        return values
    train, lora = values.get("train", {}), values.get("lora", {})
    method = train.get("method", "lora") if isinstance(train, Mapping) else getattr(train, "method", None)
    given = lora.model_dump(exclude_unset=True) if isinstance(lora, BaseModel) else lora
    if not isinstance(method, str) or method not in METHODS or not isinstance(given, Mapping):
        return values
    return {**values, "lora": settled_lora(method, given)}
