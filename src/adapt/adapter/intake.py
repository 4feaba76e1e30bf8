"""The records of a dataset folder as items to train on, those that are too long left out and counted."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapt.adapter.prompt import Prompt
from adapt.artifact.lines import read_lines
from adapt.artifact.progress import Progress
from adapt.errors import InputError
from adapt.records import AlpacaRecord
from adapt.spec.common_train import CommonTrain

if TYPE_CHECKING:
    from adapt.adapter.objectives.objective import Item, Objective

log = logging.getLogger(__name__)


@dataclass
class Split:
    """The items of one split, and what was left out of it."""

    items: list[Item] = field(default_factory=list)
    too_long: int = 0
    """Items longer than train.max_length_tokens."""
    without_answer: int = 0
    """Items with no token to learn, such as an empty running text."""


@dataclass(frozen=True)
class Intake:
    """What is trained and measured on."""

    train: Split
    validation: Split


def read_items(folder: Path, objective: Objective[Any], prompt: Prompt, settings: CommonTrain, progress: Progress) -> Intake:
    """The items of train.jsonl and validation.jsonl in `folder`. Raises InputError when there is nothing to train on."""
    train = _encode(folder / "train.jsonl", objective, prompt, settings, progress)
    validation = _encode(folder / "validation.jsonl", objective, prompt, settings, progress)
    limit = settings.max_length_tokens
    if not train.items:
        if train.too_long:
            found = f"all {train.too_long} records are longer than train.max_length_tokens ({limit})"
            raise InputError(f"there is nothing to train on: {found}", hint="raise train.max_length_tokens")
        found = "no record has an answer" if train.without_answer else "train.jsonl has no records"
        raise InputError(f"there is nothing to train on: {found}", hint="look at the dataset's ledger")
    for reason, left_out, unmeasured in (
        (f"longer than train.max_length_tokens ({limit})", train.too_long, validation.too_long),
        ("without a token to learn", train.without_answer, validation.without_answer),
    ):
        if left_out or unmeasured:
            log.warning("left out as %s: %d training and %d validation records", reason, left_out, unmeasured)
    if not validation.items and settings.patience is not None:
        log.warning("there are no validation records, so train.patience has no effect and the last weights are kept")
    return Intake(train, validation)


def _encode(path: Path, objective: Objective[Any], prompt: Prompt, settings: CommonTrain, progress: Progress) -> Split:
    """The items of the records in `path` that can be trained on."""
    split = Split()
    with progress.task(f"tokenising {path.name}") as task:
        for record in _records(path):
            for item in objective.encode(record, prompt):
                if not objective.weight([item]):
                    split.without_answer += 1
                elif max(map(len, objective.sequences([item]))) > settings.max_length_tokens:
                    split.too_long += 1
                else:
                    split.items.append(item)
            task.advance()
    return split


def _records(path: Path) -> Iterable[AlpacaRecord]:
    if not path.is_file():
        raise InputError(f"{path} does not exist", hint="build the dataset stage first, or run `adapt build`")
    return read_lines(path, AlpacaRecord)
