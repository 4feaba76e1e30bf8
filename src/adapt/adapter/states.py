"""Token sequences to hidden states in one forward pass, whether they are padded side by side or packed behind each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from adapt.adapter.methods.attached import Attached

Tokens = Sequence[int]
"""Token ids of one sequence."""
_PADDING = 0
"""Any token id: nothing looks at it."""


class States(NamedTuple):
    """Last hidden states of several sequences, which never attend to one another."""

    hidden: Tensor
    """(rows, size); rows of padding, if any, stand between sequences and mean nothing."""
    starts: list[int]
    """Row of each sequence's first token; token t of sequence i is row `starts[i] + t`."""


@dataclass(frozen=True)
class Layout:
    """Where the tokens of several sequences stand in the input of one forward pass."""

    ids: Tensor
    """(rows, tokens)."""
    starts: list[int]
    """Place of each sequence's first token in the flattened ids."""
    lengths: list[int]
    """Tokens of each sequence."""
    packed: bool
    """Whether the sequences follow each other in one row, rather than having a row each that is padded on the right."""

    @property
    def tokens(self) -> int:
        """Tokens without the padding."""
        return sum(self.lengths)


def side_by_side(sequences: Sequence[Tokens], device: str = "cpu") -> Layout:
    """A row for each sequence, padded on the right to the longest."""
    longest = max(len(tokens) for tokens in sequences)
    ids = torch.full((len(sequences), longest), _PADDING, dtype=torch.long)
    for row, tokens in zip(ids, sequences, strict=True):
        row[: len(tokens)] = torch.tensor(tokens, dtype=torch.long)
    starts = [number * longest for number in range(len(sequences))]
    return Layout(ids.to(device), starts, [len(tokens) for tokens in sequences], packed=False)


def behind_each_other(sequences: Sequence[Tokens], device: str = "cpu") -> Layout:
    """One row of all sequences without padding; attention has to keep them apart."""
    lengths = [len(tokens) for tokens in sequences]
    ids = torch.cat([torch.tensor(tokens, dtype=torch.long) for tokens in sequences]).unsqueeze(0)
    return Layout(ids.to(device), [end - length for end, length in zip(accumulate(lengths), lengths, strict=True)], lengths, packed=True)


def states_of(attached: Attached, sequences: Sequence[Tokens], *, packed: bool = False) -> States:
    """Hidden states of `sequences` in one forward pass, with the attention and in the number format that training uses."""
    layout = (behind_each_other if packed else side_by_side)(sequences, attached.causal.device.type)
    with attached.attention(), attached.computing():
        return attached.states(layout)
