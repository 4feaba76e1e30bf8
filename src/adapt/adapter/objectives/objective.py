"""What a training minimises: records in, items to train on, a loss of their hidden states.

One class; each objective of `train.objective` overrides what it needs. The loop knows items only by their length and record, and objectives know
nothing of packing, accumulation, optimisers or checkpoints, so that every objective works with every method, alone or beside other adapters.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from torch import Tensor
from torch.nn import Parameter

from adapt.adapter.head import Head
from adapt.adapter.methods.attached import Attached
from adapt.adapter.prompt import Prompt
from adapt.adapter.states import States, Tokens
from adapt.records import AlpacaRecord


class Item(Protocol):
    """One unit of the order of training: an example, a pair, a prompt to answer."""

    @property
    def record_id(self) -> str:
        """Id of the record that it was made from."""

    @property
    def length(self) -> int:
        """Tokens that it takes in a forward pass, all its sequences together."""


ItemT = TypeVar("ItemT", bound=Item)


@dataclass(frozen=True)
class Loss:
    """Of the items of one forward pass."""

    total: Tensor
    """Sum of the items' losses, a scalar with a gradient, in nats where the objective is a likelihood."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """Further sums over the same weight, such as `accuracy`; the loop divides them as it divides the loss and draws them beside it."""


class Objective(ABC, Generic[ItemT]):
    """What is minimised."""

    divisible: bool = True
    """Whether the loss of a pass is the sum of those of its parts, so that processes may share a pass."""
    repeats: int = 1
    """Optimiser steps on what one step of the plan was expanded to."""

    @abstractmethod
    def encode(self, record: AlpacaRecord, prompt: Prompt) -> list[ItemT]:
        """The items of one record. Raises InputError for a record that this objective cannot read, naming what it lacks."""

    @abstractmethod
    def weight(self, items: Sequence[ItemT]) -> int:
        """What the sum of these items' losses is divided by: answer tokens, pairs, texts. Known before any forward pass."""

    @abstractmethod
    def sequences(self, items: Sequence[ItemT]) -> list[Tokens]:
        """The token sequences of one forward pass over `items`."""

    @abstractmethod
    def loss(self, states: States, items: Sequence[ItemT], head: Head) -> Loss:
        """The loss of `items`, given the hidden states of what `sequences` gave, in the same order."""

    def targets(self, states: States, items: Sequence[ItemT]) -> tuple[Tensor, Tensor] | None:
        """Rows of `states` and the tokens that follow them, both (rows,), where the loss is the sum of those tokens' negative log-likelihoods and
        nothing else; then that of several adapters' items is taken at once."""
        return None

    def weights(self) -> dict[str, Parameter]:
        """Trainable weights of the objective's own, such as a reward head, by name without `/`."""
        return {}

    def prepare(self, attached: Attached, items: Sequence[ItemT]) -> None:
        """Called once for the training items and once for the validation items, before the first step and before a resume, while the weights are
        those of the start: the place to measure a reference model. Must give the same each time."""

    def expand(self, attached: Attached, items: Sequence[ItemT], *, seed: int) -> Sequence[ItemT]:
        """What is really trained on in a step whose plan holds `items`: rollouts, for objectives that learn from what the model says. `seed` is of
        this step."""
        return items

    def check_passes(self, passes: Sequence[Sequence[ItemT]]) -> None:
        """Raise InputError when nothing could be learnt from the forward passes of an epoch. Asked of objectives whose loss depends on what stands
        in one pass."""

    def measured(self, attached: Attached, items: Sequence[ItemT]) -> Sequence[ItemT]:
        """What the validation loss is taken on, given the validation items; the model is in eval mode."""
        return items

    def save(self, folder: Path) -> Mapping[str, Any]:
        """Write the objective's own weights, if any, into the adapter folder; returns what training.json says of the objective."""
        return {}
