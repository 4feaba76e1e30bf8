"""The records of a dataset folder as items to train on, those that are too long left out and counted."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapt.adapter.prompt import Prompt
from adapt.artifact.lines import read_lines
from adapt.artifact.progress import Progress
from adapt.base.load import load_config
from adapt.errors import InputError
from adapt.records import TRAIN, VALIDATION, AlpacaRecord
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
    escaped: int = 0
    """Records that hold a control token, which is written as plain words."""
    with_system: int = 0
    """Records with a system message."""
    altered: int = 0
    """Records of which the rendered text does not hold every message as it is."""


@dataclass(frozen=True)
class Intake:
    """What is trained and measured on."""

    train: Split
    validation: Split
    longest: int
    """Longest sequence in tokens: train.max_length_tokens, or what the base has positions for where that is less."""


def read_items(folder: Path, objective: Objective[Any], prompt: Prompt, settings: CommonTrain, progress: Progress, *, base: Path) -> Intake:
    """The items of train.jsonl and validation.jsonl in `folder`.

    Those are left out that are longer than the settings or the positions of the model in folder `base` allow.
    Raises InputError when there is nothing to train on.
    """
    limit, what, hint = settings.max_length_tokens, "train.max_length_tokens", "raise train.max_length_tokens"
    places = positions_for(base, settings)
    if places is not None and places < limit:
        limit, what = places, "the base has positions for"
        hint = "choose a base with more positions, or shorten the records"
    train = _encode(folder / TRAIN, objective, prompt, limit, progress)
    validation = _encode(folder / VALIDATION, objective, prompt, limit, progress)
    if not train.items:
        if train.too_long:
            found = f"all {train.too_long} records are longer than {what} ({limit})"
            raise InputError(f"there is nothing to train on: {found}", hint=hint)
        found = "no record has an answer" if train.without_answer else "train.jsonl has no records"
        raise InputError(f"there is nothing to train on: {found}", hint="look at the dataset's ledger")
    for action, trained, measured in (
        (f"left out as longer than {what} ({limit})", train.too_long, validation.too_long),
        ("left out as without a token to learn", train.without_answer, validation.without_answer),
        ("control tokens are written as plain words", train.escaped, validation.escaped),
        *_about_template(prompt, train, validation),
    ):
        if trained or measured:
            log.warning("%s: %d training and %d validation records", action, trained, measured)
    if not validation.items and settings.patience is not None:
        log.warning("there are no validation records, so train.patience has no effect and the last weights are kept")
    return Intake(train, validation, limit)


def positions_for(base: Path, settings: CommonTrain) -> int | None:
    """Tokens of a record that the model in folder `base` has positions for, virtual ones taken off.

    None where its configuration sets no bound.
    """
    text: Any = load_config(base).get_text_config()
    most = getattr(text, "max_position_embeddings", None)
    return None if most is None else int(most) - int(getattr(settings, "virtual_tokens", 0))


def _about_template(prompt: Prompt, train: Split, validation: Split) -> Iterator[tuple[str, int, int]]:
    """What the prompt template does to records, with how many of each split."""
    rule = prompt.prepared.system if prompt.prepared else "own"
    if rule in ("merge", "drop"):
        action = "joined to the user's first message" if rule == "merge" else "dropped"
        what = f"the prompt template has no place for system messages, which are {action} (prompt.system_without_place)"
        yield what, train.with_system, validation.with_system
    if rule != "drop":
        yield "the prompt template does not render every message as it is", train.altered, validation.altered


def _encode(path: Path, objective: Objective[Any], prompt: Prompt, limit: int, progress: Progress) -> Split:
    """The items of the records in `path` that can be trained on, none longer than `limit` tokens."""
    split = Split()
    refuses = prompt.prepared is not None and prompt.prepared.system == "refuse"
    with progress.task(f"tokenising {path.name}") as task:
        for record in _records(path):
            if refuses and record.system:
                raise InputError(
                    f"{path.name}: record {record.id[:12]} has a system message, and the prompt template has no place for one",
                    hint="set prompt.system_without_place to merge or drop, or choose another prompt.kind",
                )
            split.escaped += prompt.has_control(record)
            split.with_system += bool(record.system)
            for item in objective.encode(record, prompt):
                if not objective.weight([item]):
                    split.without_answer += 1
                elif max(map(len, objective.sequences([item]))) > limit:
                    split.too_long += 1
                else:
                    split.items.append(item)
            task.advance()
    split.altered, prompt.altered = len(prompt.altered), set()
    return split


def _records(path: Path) -> Iterable[AlpacaRecord]:
    if not path.is_file():
        raise InputError(f"{path} does not exist", hint="build the dataset stage first, or run `adapt build`")
    return read_lines(path, AlpacaRecord)
