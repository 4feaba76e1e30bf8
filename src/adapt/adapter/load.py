"""Loads a trained adapter on its base, ready to score and to answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapt.adapter.folder import HEAD, TEMPLATE, TRAINING
from adapt.adapter.prompt import Prompt
from adapt.artifact.manifest import verify
from adapt.base.load import load_model, load_tokenizer, resolve_device
from adapt.base.numerics import NumericClass, forward_dtype, numeric_class
from adapt.errors import InputError

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from adapt.adapter.methods.door import Fitted
    from adapt.adapter.states import Tokens


@dataclass(frozen=True)
class LoadedAdapter:
    """An adapter on its base, whichever method made it."""

    fitted: Fitted
    tokenizer: PreTrainedTokenizerBase
    prompt: Prompt
    dtype: str
    """Name of the number format that it computes in, such as `bfloat16`."""
    trained_dtype: str
    """That in which it was trained."""
    numerics: NumericClass
    """The class of what it says here."""
    objective: Mapping[str, Any] = field(default_factory=lambda: {"kind": "sft"})
    """What it was trained for, with its settings, as `train.objective` has them; of a classifier also `labels`, with how many records had each."""
    head: Mapping[str, Tensor] = field(default_factory=dict)
    """Its own weights beside the adapter: `reward`, `classification` or `value`, (outputs, size) in float32."""

    @property
    def labels(self) -> tuple[str, ...]:
        """A classifier's labels, in the order of its outputs."""
        return tuple(self.objective.get("labels", ()))

    def outputs(self, sequences: Sequence[Tokens], *, batch_tokens: int) -> Tensor:
        """What its head says of token sequences, (sequences, outputs) in float32: rewards, or a logit for each of `labels`.

        Raises InputError for an adapter without a head.
        """
        from adapt.adapter.outputs import head_outputs

        weight = self.head.get("reward", self.head.get("classification"))
        if weight is None:
            raise InputError("the adapter has no head that scores texts", hint="train it with objective reward or classification")
        return head_outputs(self.model, weight, sequences, batch_tokens=batch_tokens)

    def embed(self, sequences: Sequence[Tokens], *, batch_tokens: int) -> Tensor:
        """Embeddings (sequences, size) of length one, pooled as it was trained; `objectives.contrastive.embedded_ids` makes a text a sequence."""
        from adapt.adapter.outputs import embeddings

        return embeddings(self.model, sequences, pooling=self.objective.get("pooling", "mean"), batch_tokens=batch_tokens)

    @property
    def model(self) -> PreTrainedModel | PeftModel:
        """In eval mode; takes `input_ids` and gives logits, those of virtual tokens before them if there are any."""
        return self.fitted.model

    def disabled(self) -> AbstractContextManager[Any]:
        """While it is open, the model is the base alone."""
        return self.fitted.disabled()

    def merge(self) -> PreTrainedModel:
        """The adapter folded into the base; `model` is used up. Raises InputError when the method cannot be merged."""
        return self.fitted.merge()


def load_adapter(adapter: Path, base: Path, *, dtype: str | None = None, device: str = "auto") -> LoadedAdapter:
    """The adapter in folder `adapter` on the prepared base in folder `base`.

    The base is loaded unquantized, for a QLoRA adapter too: that is the base that serves it. `dtype` is by default the one
    that the adapter was trained with, or float32 where the device has no products in that (`adapt.base.numerics.forward_dtype`).
    Raises InputError when the folder is not a finished adapter or differs from its manifest.
    """
    from safetensors.torch import load_file

    from adapt.adapter.methods.door import fit

    verify(adapter)
    trained = read_training(adapter)
    place, trained_dtype = resolve_device(device), str(trained["dtype"])
    chosen = dtype if dtype is not None else forward_dtype(trained_dtype, place)
    tokenizer = load_tokenizer(base)
    prompt = Prompt((adapter / TEMPLATE).read_text(encoding="utf-8"), tokenizer)
    fitted = fit(load_model(base, dtype=chosen, device=place), adapter)
    fitted.model.eval()
    head = load_file(adapter / HEAD) if (adapter / HEAD).is_file() else {}
    objective = trained.get("objective", {"kind": "sft"})
    return LoadedAdapter(
        fitted=fitted,
        tokenizer=tokenizer,
        prompt=prompt,
        dtype=chosen,
        trained_dtype=trained_dtype,
        numerics=numeric_class(chosen, place),
        objective=objective,
        head=head,
    )


def read_training(adapter: Path) -> dict[str, Any]:
    """The contents of training.json: method, steps, losses, tokens, number format."""
    value: dict[str, Any] = json.loads((adapter / TRAINING).read_bytes())
    return value
