"""Examples to batches of at most so many tokens, in an order that depends on the seed and the epoch alone."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from adapt.adapter.prompt import Example

if TYPE_CHECKING:
    from torch import Tensor

Micro = list[int]
"""Positions of the examples in one forward pass."""
Step = list[Micro]
"""The forward passes of one optimiser step."""
WINDOW_EXAMPLES = 256
WINDOW_PASSES = 16
"""Examples are sorted by length inside windows of this many forward passes, and of no fewer examples than above."""


def pack(lengths: Sequence[int], order: Sequence[int], *, batch_tokens: int, padded: bool = True) -> Iterator[Micro]:
    """Cut `order` into runs of at most `batch_tokens`: longest length times count when `padded`, else the sum. A longer example stands alone."""
    batch: Micro = []
    longest = total = 0
    for position in order:
        longest, total = max(longest, lengths[position]), total + lengths[position]
        if batch and (longest * (len(batch) + 1) if padded else total) > batch_tokens:
            yield batch
            batch, longest, total = [], lengths[position], lengths[position]
        batch.append(position)
    if batch:
        yield batch


def pack_sorted(lengths: Sequence[int], *, batch_tokens: int, padded: bool = True) -> Iterator[Micro]:
    """All examples, longest first, in as few tokens as `pack` gets to; longest first finds a lack of memory at once."""
    order = sorted(range(len(lengths)), key=lambda position: (-lengths[position], position))
    return pack(lengths, order, batch_tokens=batch_tokens, padded=padded)


def plan_epoch(lengths: Sequence[int], *, batch_tokens: int, accumulate: int, seed: int, epoch: int, padded: bool = True) -> list[Step]:
    """The steps of one epoch: shuffled examples, sorted by length inside windows where they are padded, packed, grouped, and shuffled again by step.

    Neighbours are grouped before steps are shuffled, so two passes of B tokens hold the examples that one pass of 2 B would hold.
    """
    shuffled = random.Random(f"{seed}/{epoch}")
    order = list(range(len(lengths)))
    shuffled.shuffle(order)
    window = max(WINDOW_EXAMPLES, WINDOW_PASSES * batch_tokens * accumulate * len(lengths) // max(1, sum(lengths)))
    steps: list[Step] = []
    for start in range(0, len(order), window):
        inside = order[start : start + window]
        if padded:
            inside.sort(key=lambda position: lengths[position])
        passes = list(pack(lengths, inside, batch_tokens=batch_tokens, padded=padded))
        steps += [passes[first : first + accumulate] for first in range(0, len(passes), accumulate)]
    shuffled.shuffle(steps)
    return steps


class Plan:
    """Every step of a training, in order; a share of an epoch is the first steps of one more."""

    def __init__(self, lengths: Sequence[int], *, epochs: float, batch_tokens: int, accumulate: int, seed: int, padded: bool = True) -> None:
        self._lengths, self._batch_tokens, self._accumulate, self._seed, self._padded = lengths, batch_tokens, accumulate, seed, padded
        self._taken: list[int] = []
        """Steps taken from each epoch."""
        for epoch in range(int(epochs)):
            self._taken.append(len(self.epoch(epoch)))
        if share := epochs - int(epochs):
            self._taken.append(max(1, round(share * len(self.epoch(int(epochs))))))
        self.steps = sum(self._taken)
        self.mean_tokens = sum(lengths) / max(1, sum(len(step) for step in self.epoch(0)))
        """Tokens in a forward pass, on average."""

    def after(self, done: int) -> Iterator[Step]:
        """The steps that follow the first `done`."""
        for epoch, taken in enumerate(self._taken):
            if done < taken:
                yield from self.epoch(epoch)[done:taken]
            done = max(0, done - taken)

    def epoch(self, epoch: int) -> list[Step]:
        """Every step of one epoch, counted from 0."""
        return plan_epoch(
            self._lengths, batch_tokens=self._batch_tokens, accumulate=self._accumulate, seed=self._seed, epoch=epoch, padded=self._padded
        )


def answer_rows(examples: Sequence[Example], starts: Sequence[int]) -> tuple[Tensor, Tensor]:
    """(rows, targets), both (answer tokens,): the hidden states that predict an answer token, for examples that begin at row `starts`, and the
    predicted tokens; example by example."""
    import torch

    rows, targets = [], []
    for example, start in zip(examples, starts, strict=True):
        rows.append(torch.arange(start + example.prompt_length - 1, start + example.length - 1))
        targets.append(torch.tensor(example.ids[example.prompt_length :], dtype=torch.long))
    return torch.cat(rows), torch.cat(targets)
