"""The records of a dataset folder as items to train on, those that are too long left out and counted."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapt.adapter.prompt import Prompt
from adapt.artifact.lines import read_lines
from adapt.artifact.progress import Progress
from adapt.errors import InputError
from adapt.records import TRAIN, VALIDATION, AlpacaRecord
from adapt.spec.common_train import CommonTrain

if TYPE_CHECKING:
    from adapt.adapter.objectives.objective import Item, Objective

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Intake:
    """What is trained and measured on."""

    items: Sequence[Item]
    validation: Sequence[Item]
    left_out: int
    """Training items longer than train.max_length_tokens."""
    left_out_validation: int


def read_items(folder: Path, objective: Objective[Any], prompt: Prompt, settings: CommonTrain, progress: Progress) -> Intake:
    """The items of train.jsonl and validation.jsonl in `folder`. Raises InputError when there is nothing to train on."""
    items, left_out = _encode(folder / TRAIN, objective, prompt, settings, progress)
    validation, unmeasured = _encode(folder / VALIDATION, objective, prompt, settings, progress)
    limit = settings.max_length_tokens
    if not items:
        found = f"all {left_out} records are longer than train.max_length_tokens ({limit})" if left_out else "train.jsonl has no records"
        hint = "raise train.max_length_tokens" if left_out else "look at the dataset's ledger"
        raise InputError(f"there is nothing to train on: {found}", hint=hint)
    if left_out or unmeasured:
        log.warning("left out as longer than train.max_length_tokens (%d): %d training and %d validation records", limit, left_out, unmeasured)
    if not validation and settings.patience is not None:
        log.warning("there are no validation records, so train.patience has no effect and the last weights are kept")
    return Intake(items, validation, left_out, unmeasured)


def _encode(path: Path, objective: Objective[Any], prompt: Prompt, settings: CommonTrain, progress: Progress) -> tuple[list[Item], int]:
    """The items of the records in `path` that are short enough, and how many are not."""
    items: list[Item] = []
    left_out = 0
    with progress.task(f"tokenising {path.name}") as task:
        for record in _records(path):
            for item in objective.encode(record, prompt):
                if max(map(len, objective.sequences([item]))) <= settings.max_length_tokens:
                    items.append(item)
                else:
                    left_out += 1
            task.advance()
    return items, left_out


def _records(path: Path) -> Iterable[AlpacaRecord]:
    if not path.is_file():
        raise InputError(f"{path} does not exist", hint="build the dataset stage first, or run `adapt build`")
    return read_lines(path, AlpacaRecord)
