"""Embeddings to the place at which each question finds its answer."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING

from adapt.evaluate.metrics import Figures

if TYPE_CHECKING:
    from torch import Tensor

_QUESTIONS_AT_ONCE = 512


def ranks(questions: Tensor, answers: Tensor, texts: Sequence[Hashable]) -> list[int]:
    """Place of each question's own answer among all, from 1, by cosine; both (records, size), of length one.

    An answer with the same text as the own is as good; of equally near ones the own comes last, so that embeddings that are all alike find nothing.
    """
    import torch

    numbers: dict[Hashable, int] = {}
    same = torch.tensor([numbers.setdefault(text, len(numbers)) for text in texts])
    places: list[int] = []
    for start in range(0, len(questions), _QUESTIONS_AT_ONCE):
        rows = torch.arange(start, min(start + _QUESTIONS_AT_ONCE, len(questions)))
        cosines = questions[rows] @ answers.T
        own = cosines[torch.arange(len(rows)), rows].unsqueeze(1)
        before = (cosines >= own) & (same.unsqueeze(0) != same[rows].unsqueeze(1))
        places += (1 + before.sum(1)).tolist()
    return places


def retrieval_figures(places: Sequence[int]) -> Figures:
    """Mean reciprocal rank, and the shares found among the first 1, 5 and 10."""
    count = len(places)
    shares = {number: sum(place <= number for place in places) / count for number in (1, 5, 10)}
    return {"mrr": sum(1 / place for place in places) / count, "recall_1": shares[1], "recall_5": shares[5], "recall_10": shares[10]}
