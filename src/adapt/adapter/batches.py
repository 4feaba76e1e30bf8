"""Examples to batches of at most so many padded tokens, in an order that depends on the seed and the epoch alone."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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


def pack(lengths: Sequence[int], order: Sequence[int], *, batch_tokens: int) -> Iterator[Micro]:
    """Cut `order` into runs whose padded size, longest length times count, is at most `batch_tokens`. A longer example stands alone."""
    batch: Micro = []
    longest = 0
    for position in order:
        grown = max(longest, lengths[position])
        if batch and grown * (len(batch) + 1) > batch_tokens:
            yield batch
            batch, grown = [], lengths[position]
        batch.append(position)
        longest = grown
    if batch:
        yield batch


def pack_sorted(lengths: Sequence[int], *, batch_tokens: int) -> Iterator[Micro]:
    """All examples, longest first, in as few padded tokens as `pack` gets to; longest first finds a lack of memory at once."""
    order = sorted(range(len(lengths)), key=lambda position: (-lengths[position], position))
    return pack(lengths, order, batch_tokens=batch_tokens)


def plan_epoch(lengths: Sequence[int], *, batch_tokens: int, accumulate: int, seed: int, epoch: int) -> list[Step]:
    """The steps of one epoch: shuffled examples, sorted by length inside windows, packed, grouped, and shuffled again by step.

    Neighbours are grouped before steps are shuffled, so two passes of B tokens hold the examples that one pass of 2 B would hold.
    """
    shuffled = random.Random(f"{seed}/{epoch}")
    order = list(range(len(lengths)))
    shuffled.shuffle(order)
    window = max(WINDOW_EXAMPLES, WINDOW_PASSES * batch_tokens * accumulate * len(lengths) // max(1, sum(lengths)))
    steps: list[Step] = []
    for start in range(0, len(order), window):
        inside = sorted(order[start : start + window], key=lambda position: lengths[position])
        passes = list(pack(lengths, inside, batch_tokens=batch_tokens))
        steps += [passes[first : first + accumulate] for first in range(0, len(passes), accumulate)]
    shuffled.shuffle(steps)
    return steps


class Plan:
    """Every step of a training, in order; a share of an epoch is the first steps of one more."""

    def __init__(self, lengths: Sequence[int], *, epochs: float, batch_tokens: int, accumulate: int, seed: int) -> None:
        self._lengths, self._batch_tokens, self._accumulate, self._seed = lengths, batch_tokens, accumulate, seed
        self._taken: list[int] = []
        """Steps taken from each epoch."""
        for epoch in range(int(epochs)):
            self._taken.append(len(self._epoch(epoch)))
        if share := epochs - int(epochs):
            self._taken.append(max(1, round(share * len(self._epoch(int(epochs))))))
        self.steps = sum(self._taken)

    def after(self, done: int) -> Iterator[Step]:
        """The steps that follow the first `done`."""
        for epoch, taken in enumerate(self._taken):
            if done < taken:
                yield from self._epoch(epoch)[done:taken]
            done = max(0, done - taken)

    def _epoch(self, epoch: int) -> list[Step]:
        return plan_epoch(self._lengths, batch_tokens=self._batch_tokens, accumulate=self._accumulate, seed=self._seed, epoch=epoch)


@dataclass(frozen=True)
class Batch:
    """Examples side by side, padded on the right."""

    ids: Tensor
    """(examples, tokens)."""
    rows: Tensor
    """(answer tokens,): places in the flattened ids whose hidden state predicts an answer token."""
    targets: Tensor
    """(answer tokens,): the predicted tokens."""
    counts: list[int]
    """Answer tokens of each example; rows and targets follow their order."""
    tokens: int
    """Tokens without the padding."""


def collate(examples: Sequence[Example], *, padding: int, device: str = "cpu") -> Batch:
    """A Batch of `examples`; `padding` is any token id, for nothing looks at it."""
    import torch

    longest = max(len(example.ids) for example in examples)
    ids = torch.full((len(examples), longest), padding, dtype=torch.long)
    rows, targets = [], []
    for number, example in enumerate(examples):
        tokens = torch.tensor(example.ids, dtype=torch.long)
        ids[number, : len(tokens)] = tokens
        rows.append(number * longest + torch.arange(example.prompt_length - 1, len(tokens) - 1))
        targets.append(tokens[example.prompt_length :])
    return Batch(
        ids=ids.to(device),
        rows=torch.cat(rows).to(device),
        targets=torch.cat(targets).to(device),
        counts=[len(answer) for answer in targets],
        tokens=sum(len(example.ids) for example in examples),
    )
