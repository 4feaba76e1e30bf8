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
from adapt.base.load import load_config
from adapt.errors import InputError
from adapt.records import AlpacaRecord
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
    """Training items longer than `longest`."""
    left_out_validation: int
    longest: int
    """Longest sequence in tokens: train.max_length_tokens, or what the base has positions for where that is less."""


def read_items(folder: Path, objective: Objective[Any], prompt: Prompt, settings: CommonTrain, progress: Progress, *, base: Path) -> Intake:
    """The items of train.jsonl and validation.jsonl in `folder`, those left out that are longer than the settings or the positions of the model in
    folder `base` allow. Raises InputError when there is nothing to train on."""
    limit, what, hint = settings.max_length_tokens, "train.max_length_tokens", "raise train.max_length_tokens"
    places = positions_for(base, settings)
    if places is not None and places < limit:
        limit, what, hint = places, "the base has positions for", "choose a base with more positions, or shorten the records"
    items, left_out = _encode(folder / "train.jsonl", objective, prompt, limit, progress)
    validation, unmeasured = _encode(folder / "validation.jsonl", objective, prompt, limit, progress)
    if not items:
        found = f"all {left_out} records are longer than {what} ({limit})" if left_out else "train.jsonl has no records"
        raise InputError(f"there is nothing to train on: {found}", hint=hint if left_out else "look at the dataset's ledger")
    if left_out or unmeasured:
        log.warning("left out as longer than %s (%d): %d training and %d validation records", what, limit, left_out, unmeasured)
    if not validation and settings.patience is not None:
        log.warning("there are no validation records, so train.patience has no effect and the last weights are kept")
    return Intake(items, validation, left_out, unmeasured, limit)


def positions_for(base: Path, settings: CommonTrain) -> int | None:
    """Tokens of a record that the model in folder `base` has positions for, virtual ones taken off; None where its configuration sets no bound."""
    text: Any = load_config(base).get_text_config()
    found = getattr(text, "max_position_embeddings", None)
    return None if found is None else int(found) - int(getattr(settings, "virtual_tokens", 0))


def _encode(path: Path, objective: Objective[Any], prompt: Prompt, limit: int, progress: Progress) -> tuple[list[Item], int]:
    """The items of the records in `path` that are short enough, and how many are not."""
    items: list[Item] = []
    left_out = 0
    with progress.task(f"tokenising {path.name}") as task:
        for record in _records(path):
            for item in objective.encode(record, prompt):
                if max(map(len, objective.sequences([item]))) <= limit:
                    items.append(item)
                else:
                    left_out += 1
            task.advance()
    return items, left_out


def _records(path: Path) -> Iterable[AlpacaRecord]:
    if not path.is_file():
        raise InputError(f"{path} does not exist", hint="build the dataset stage first, or run `adapt build`")
    return read_lines(path, AlpacaRecord)
