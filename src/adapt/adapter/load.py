"""Loads a trained adapter on its base, ready to score and to answer."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapt.adapter.folder import TEMPLATE, TRAINING
from adapt.adapter.prompt import Prompt
from adapt.artifact.manifest import verify
from adapt.base.load import load_model, load_tokenizer, resolve_device

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from adapt.adapter.methods.door import Fitted


@dataclass(frozen=True)
class LoadedAdapter:
    """An adapter on its base, whichever method made it."""

    fitted: Fitted
    tokenizer: PreTrainedTokenizerBase
    prompt: Prompt
    dtype: str
    """Name of the base's number format, such as `bfloat16`."""

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
    that the adapter was trained with. Raises InputError when the folder is not a finished adapter or differs from its manifest.
    """
    from adapt.adapter.methods.door import fit

    verify(adapter)
    trained = read_training(adapter)
    chosen = dtype if dtype is not None else str(trained["dtype"])
    tokenizer = load_tokenizer(base)
    prompt = Prompt((adapter / TEMPLATE).read_text(encoding="utf-8"), tokenizer)
    fitted = fit(load_model(base, dtype=chosen, device=resolve_device(device)), adapter)
    fitted.model.eval()
    return LoadedAdapter(fitted=fitted, tokenizer=tokenizer, prompt=prompt, dtype=chosen)


def read_training(adapter: Path) -> dict[str, Any]:
    """The contents of training.json: method, steps, losses, tokens, number format."""
    value: dict[str, Any] = json.loads((adapter / TRAINING).read_bytes())
    return value
