"""Chooses the golden prompts: what an export and its adapter are compared on.

Enters: test.jsonl, the adapter's prompt. Leaves: token ids with the positions that predict the answer's first tokens. The records with the
smallest ids are taken, a draw in which the file's order has no say. Long records are cut: both sides see the same tokens, which is all that
the comparison needs, and its cost stays bounded.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from adapt.adapter.prompt import Prompt
from adapt.artifact.lines import read_lines
from adapt.errors import InputError
from adapt.records import AlpacaRecord

ANSWER_TOKENS = 64
"""Tokens of one answer that are compared, at most."""
TOKENS = 1024
"""Tokens of one prompt and answer together, at most; the prompt's beginning is cut."""


@dataclass(frozen=True)
class Golden:
    """A test record as token ids."""

    record: str
    """Id of the record."""
    text: str
    """The whole prompt as text."""
    prompt_ids: tuple[int, ...]
    """Token ids of `text`."""
    ids: tuple[int, ...]
    """Token ids of prompt and answer, cut to what is compared."""
    positions: int
    """Tokens at the end of `ids` that are predicted and compared."""


def choose_goldens(test: Path, prompt: Prompt, *, count: int, context: int) -> list[Golden]:
    """The `count` records of the test split with the smallest ids, or all when there are fewer, for a model of `context` positions.

    Raises InputError when the test split is missing, empty or unreadable.
    """
    chosen = heapq.nsmallest(count, read_records(test), key=lambda record: record.id)
    if not chosen:
        raise InputError(f"{test} has no records to compare an export on", hint="give the test split a larger share, or add data")
    return [_golden(record, prompt, min(TOKENS, context)) for record in chosen]


def read_records(split: Path) -> Iterator[AlpacaRecord]:
    """The records of a split, one at a time. Raises InputError when it is missing or unreadable."""
    if not split.is_file():
        raise InputError(
            f"{split} does not exist, and an export is made and compared with the adapter on its records", hint="build the dataset again"
        )
    try:
        yield from read_lines(split, AlpacaRecord)
    except (ValidationError, UnicodeDecodeError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else "not UTF-8"
        raise InputError(f"{split} cannot be read: {reason}", hint="delete the dataset folder and build it again") from None


def _golden(record: AlpacaRecord, prompt: Prompt, limit: int) -> Golden:
    example = prompt.encode(record)
    longest = min(ANSWER_TOKENS, limit - 1)  # at least one token stands before the first that is predicted
    answer = tuple(example.ids[example.prompt_length : example.prompt_length + longest])
    prompt_ids = tuple(example.ids[: example.prompt_length])
    ids = (*prompt_ids, *answer)[-limit:]
    return Golden(record=record.id, text=prompt.text(record.messages)[0], prompt_ids=prompt_ids, ids=ids, positions=len(answer))
