"""Supervised fine-tuning: the likelihood of answers, given their prompts."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from adapt.adapter.batches import answer_rows
from adapt.adapter.head import Head, summed_loss
from adapt.adapter.objectives.objective import Loss, Objective
from adapt.adapter.prompt import Example, Prompt
from adapt.adapter.states import States, Tokens
from adapt.records import AlpacaRecord


class Sft(Objective[Example]):
    """The mean negative log-likelihood of answer tokens, end token included, in nats."""

    def __init__(self, smoothing: float = 0.0) -> None:
        """`smoothing` is the share of each target that is spread over the vocabulary (Szegedy et al. 2016, arXiv:1512.00567)."""
        self._smoothing = smoothing

    def encode(self, record: AlpacaRecord, prompt: Prompt) -> list[Example]:
        return [prompt.encode(record)]

    def weight(self, items: Sequence[Example]) -> int:
        """Answer tokens."""
        return sum(item.length - item.prompt_length for item in items)

    def sequences(self, items: Sequence[Example]) -> list[Tokens]:
        return [item.ids for item in items]

    def targets(self, states: States, items: Sequence[Example]) -> tuple[Tensor, Tensor] | None:
        if self._smoothing:
            return None
        rows, targets = answer_rows(items, states.starts)
        return rows.to(states.hidden.device), targets.to(states.hidden.device)

    def loss(self, states: States, items: Sequence[Example], head: Head) -> Loss:
        rows, targets = (part.to(states.hidden.device) for part in answer_rows(items, states.starts))
        return Loss(summed_loss(head, states.hidden[rows], targets, smoothing=self._smoothing))
