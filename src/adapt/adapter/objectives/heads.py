"""Objectives that train a head beside the adapter: a reward model on pairs (Ouyang et al. 2022, arXiv:2203.02155) and a classifier.

A head is a linear layer on the hidden state of a text's last token, held and saved in float32.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.nn.functional import cross_entropy, linear, logsigmoid

from adapt.adapter.folder import HEAD, write_tensors
from adapt.adapter.head import Head
from adapt.adapter.objectives.objective import ItemT, Loss, Objective
from adapt.adapter.objectives.preference import Pair, both, encode_pair
from adapt.adapter.prompt import Prompt
from adapt.adapter.states import States, Tokens
from adapt.errors import InputError
from adapt.records import AlpacaRecord, Message
from adapt.spec.objective import RewardObjective


class HeadObjective(Objective[ItemT]):
    """What objectives with a head share."""

    def __init__(self, name: str, *, rows: int, size: int, seed: int, device: str) -> None:
        """A head of `rows` outputs on states of `size` units, begun small and at random from `seed` (Stiennon et al. 2020, arXiv:2009.01325)."""
        draws = torch.Generator().manual_seed(seed)
        start = torch.randn(rows, size, generator=draws) / (size + 1) ** 0.5
        self._name, self.head_weight = name, Parameter(start.to(device))

    def weights(self) -> dict[str, Parameter]:
        return {self._name: self.head_weight}

    def save(self, folder: Path) -> Mapping[str, Any]:
        write_tensors(folder / HEAD, self.weights())
        return self.about()

    @abstractmethod
    def about(self) -> Mapping[str, Any]:
        """What training.json says of the objective besides its settings."""


def last_states(states: States, sequences: Sequence[Tokens]) -> Tensor:
    """Hidden states (sequences, size) of the last tokens."""
    ends = [start + len(tokens) - 1 for start, tokens in zip(states.starts, sequences, strict=True)]
    return states.hidden[torch.tensor(ends, device=states.hidden.device)]


def scored(hidden: Tensor, weight: Tensor) -> Tensor:
    """A head's outputs (texts, outputs) in float32, whatever format products are computed in."""
    with torch.autocast(hidden.device.type, enabled=False):
        return linear(hidden.float(), weight)


class Reward(HeadObjective[Pair]):
    """-log sigmoid(r_w - r_l) (Bradley and Terry), and the square of r_w + r_l (Eisenstein et al. 2023, arXiv:2312.09244)."""

    def __init__(self, spec: RewardObjective, *, size: int, seed: int, device: str) -> None:
        super().__init__("reward", rows=1, size=size, seed=seed, device=device)
        self._centre_weight = spec.centre_weight

    def encode(self, record: AlpacaRecord, prompt: Prompt) -> list[Pair]:
        return [encode_pair(record, prompt, objective="reward")]

    def weight(self, items: Sequence[Pair]) -> int:
        return len(items)

    def sequences(self, items: Sequence[Pair]) -> list[Tokens]:
        return [example.ids for example in both(items)]

    def loss(self, states: States, items: Sequence[Pair], head: Head) -> Loss:
        rewards = scored(last_states(states, self.sequences(items)), self.head_weight).squeeze(-1)
        better, worse = rewards[: len(items)], rewards[len(items) :]
        losses = reward_losses(better, worse, centre_weight=self._centre_weight)
        margins = (better - worse).detach()
        return Loss(losses.sum(), {"accuracy": float((margins > 0).sum()), "margin": float(margins.sum())})

    def about(self) -> Mapping[str, Any]:
        return {}


def reward_losses(better: Tensor, worse: Tensor, *, centre_weight: float) -> Tensor:
    """Loss of each pair, from the rewards of both answers."""
    return -logsigmoid(better - worse) + centre_weight * (better + worse) ** 2


@dataclass(frozen=True)
class Labelled:
    """A text and the place of its label in the sorted labels."""

    ids: Tokens
    label: int
    record_id: str

    @property
    def length(self) -> int:
        return len(self.ids)


class Classification(HeadObjective[Labelled]):
    """Cross-entropy over the labels that the training records have."""

    def __init__(self, labels: Mapping[str, int], *, size: int, seed: int, device: str) -> None:
        """`labels` are the training records' with how many have each. Raises InputError for fewer than two."""
        if len(labels) < 2:
            raise InputError(
                f"the training records have {len(labels)} labels, and train.objective classification tells at least two apart",
                hint="fill the field `label`, by corpus.sources[].fields.label for one",
            )
        super().__init__("classification", rows=len(labels), size=size, seed=seed, device=device)
        self._counts = dict(sorted(labels.items()))
        self._numbers = {label: number for number, label in enumerate(self._counts)}

    def encode(self, record: AlpacaRecord, prompt: Prompt) -> list[Labelled]:
        number = self._numbers.get(record.label)
        if number is None:
            raise InputError(
                f"record {record.id[:12]} has the label {record.label!r}, which no training record has",
                hint="set dataset.split.stratify to label, so that every split has every label",
            )
        return [Labelled(classified_ids(record, prompt), number, record.id)]

    def weight(self, items: Sequence[Labelled]) -> int:
        return len(items)

    def sequences(self, items: Sequence[Labelled]) -> list[Tokens]:
        return [item.ids for item in items]

    def loss(self, states: States, items: Sequence[Labelled], head: Head) -> Loss:
        logits = scored(last_states(states, self.sequences(items)), self.head_weight)
        wanted = torch.tensor([item.label for item in items], device=logits.device)
        return Loss(cross_entropy(logits, wanted, reduction="sum"), {"accuracy": float((logits.argmax(-1) == wanted).sum())})

    def about(self) -> Mapping[str, Any]:
        return {"labels": self._counts}


def classified_ids(record: AlpacaRecord, prompt: Prompt) -> Tokens:
    """What is classified: the question as it is asked, or a running text as if it were one. Raises InputError for a record without a label."""
    if not record.label:
        raise InputError(
            f"record {record.id[:12]} has no label, and train.objective classification reads it",
            hint="fill the field `label`, by corpus.sources[].fields.label for one",
        )
    if record.instruction:
        return prompt.encode_question(record.messages[:-1])
    return prompt.encode_question([Message(role="user", content=record.output)])
