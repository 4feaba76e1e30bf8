"""Lines of JSON; one line is one record, or holds several where `fields.records` leads to them."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from adapt.corpus.draft import Draft, Rejected
from adapt.corpus.readers.mapping import Mapping
from adapt.corpus.readers.texts import without_surrogates

_INT_BOUND = 2.0**63
_LOOKED_INTO = (dict, list, float)


def read_jsonl(lines: Iterable[tuple[int, str | bytes | None]], name: str, mapping: Mapping, limit: int) -> Iterator[Draft | Rejected]:
    """Yields a draft or a rejection for every record of every line that is not blank; a line of None was longer than `limit` bytes."""
    for number, line in lines:
        locator = f"line {number}"
        if line is None:
            yield Rejected(locator, "too_large", f"The line is longer than the {limit >> 20} MiB of corpus.limits.max_record_mib.")
        elif line and not line.isspace():
            value = parse_json(line)
            if value is BROKEN:
                yield Rejected(locator, "invalid_json", "The line is not valid JSON.")
            elif mapping.records is None:
                yield mapping.draft(value, name, locator)
            else:
                yield from mapping.drafts(value, name, locator)


BROKEN = object()
"""What stands for text that is no JSON."""


def parse_json(text: str | bytes) -> Any:
    """The value, or BROKEN.

    orjson is four times as fast as the standard library, whose reading holds all the same: orjson refuses NaN and halves of surrogate pairs, and
    rounds whole numbers beyond 64 bits, so such texts are read again.
    """
    try:
        value = orjson.loads(text)
    except ValueError:
        return _parse_leniently(text)
    return _parse_leniently(text) if _rounded(value) else value


def _parse_leniently(text: str | bytes) -> Any:
    try:
        return without_surrogates(json.loads(text))
    except (ValueError, RecursionError):
        return BROKEN


def _rounded(value: Any) -> bool:
    """Whether a number in the value may be a longer one."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, float):
            if abs(each) >= _INT_BOUND:
                return True
        elif isinstance(each, dict | list):
            waiting += [below for below in (each.values() if isinstance(each, dict) else each) if below.__class__ in _LOOKED_INTO]
    return False
