"""A base model in memory once, however many adapters are trained on it.

Enters: the folder of a prepared base. Leaves: models that have modules of their own and share the weights, so that each method may wrap, replace
and hook modules as if it were alone. A method that changes weights in place takes a `Base` of its own; `adapt.spec.methods` says which do.
"""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING

from adapt.adapter.prompt import Prompt, effective_template
from adapt.base.load import load_model, load_tokenizer
from adapt.spec.prompt import PinnedPrompt

if TYPE_CHECKING:
    from transformers import BitsAndBytesConfig, PreTrainedModel, PreTrainedTokenizerBase


class Base:
    """The base in `folder`, read at most once for each number format and quantization."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._loaded: dict[str, PreTrainedModel] = {}
        self._tokenizer: PreTrainedTokenizerBase | None = None

    def prompt(self, spec: PinnedPrompt) -> Prompt:
        """How records become prompts; the tokenizer is read at most once, for half a second of sixteen adapters each is eight."""
        self._tokenizer = self._tokenizer or load_tokenizer(self.folder)
        return Prompt(effective_template(spec, self._tokenizer), self._tokenizer)

    def load(self, *, dtype: str, device: str, quantization: BitsAndBytesConfig | None = None) -> PreTrainedModel:
        """A model as `adapt.base.load.load_model` gives it: modules of its own, weights shared with every other one of this number format."""
        key = f"{dtype}/{device}/{None if quantization is None else quantization.to_json_string()}"
        if key not in self._loaded:
            self._loaded[key] = load_model(self.folder, dtype=dtype, device=device, quantization=quantization)
        pristine = self._loaded[key]
        shared = {id(tensor): tensor for tensor in (*pristine.parameters(), *pristine.buffers())}
        return deepcopy(pristine, shared)

    def forget(self) -> None:
        """Let go of what was read, when the one model that was made of it has its weights elsewhere."""
        self._loaded.clear()
