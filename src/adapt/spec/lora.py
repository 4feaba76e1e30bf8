"""Section `lora`: the shape of a low-rank adapter (Hu et al. 2021, arXiv:2106.09685)."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from adapt.spec.section import Section

ModuleName = Annotated[str, StringConstraints(min_length=1)]


class LoraSpec(Section):
    """A low-rank adapter."""

    r: int = Field(default=16, ge=1, le=512)
    """Rank of the update; vLLM serves up to 512."""
    lora_alpha: int | None = Field(default=None, ge=1)
    """Numerator of the scaling alpha / r; unset: 2 r."""
    lora_dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout on the adapter's input while training."""
    target_modules: Literal["all-linear"] | Annotated[tuple[ModuleName, ...], Field(min_length=1)] = "all-linear"
    """Linear modules that get an adapter, by the last part of their name; `all-linear`: every one but the output head."""
    use_rslora: bool = False
    """Scale by alpha / sqrt(r) (Kalajdzievski 2023, arXiv:2312.03732)."""

    @property
    def alpha(self) -> int:
        """The scaling numerator in force."""
        return self.lora_alpha if self.lora_alpha is not None else 2 * self.r
