"""An export as its users run it: what it predicts at golden positions, how long it took to load, and how fast it answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from adapt.export.golden import Golden
from adapt.export.logprobs import torch_rows

if TYPE_CHECKING:
    from torch import Tensor

ANSWERED = 32
"""Tokens of the answer that the speed is measured on."""
CONTEXT = 512
"""Tokens of the prompt before it, at most."""


class Runner(Protocol):
    """A loaded export."""

    @property
    def load_seconds(self) -> float: ...

    def score(self, index: int, golden: Golden) -> Tensor:
        """Log-probabilities of every token at the positions of the golden prompt `index`, float32 on the CPU, shape (positions, vocabulary)."""

    def tokens_per_second(self, golden: Golden) -> float:
        """Speed of a greedy answer of `ANSWERED` tokens to a golden prompt, the reading of the prompt included."""


@dataclass(frozen=True)
class TorchRunner:
    """A torch model."""

    model: Any
    load_seconds: float

    @classmethod
    def open(cls, load: Callable[[], Any]) -> TorchRunner:
        """Load the model and time it."""
        started = time.perf_counter()
        model = load()
        return cls(model, time.perf_counter() - started)

    def score(self, index: int, golden: Golden) -> Tensor:
        return torch_rows(self.model, golden)

    def tokens_per_second(self, golden: Golden) -> float:
        import torch

        ids, cache = torch.tensor([golden.prompt_ids[-CONTEXT:]], device=self.model.device), None
        started = time.perf_counter()
        with torch.inference_mode():
            for _ in range(ANSWERED):
                out = self.model(input_ids=ids, past_key_values=cache, use_cache=True)
                ids, cache = out.logits[:, -1:].argmax(-1), out.past_key_values
        return ANSWERED / (time.perf_counter() - started)
