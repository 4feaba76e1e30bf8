"""JSON files: a list of records, one record, records in whatever else leads to them, or further in, where `fields.records` says.

A file of up to `corpus.limits.max_record_mib` is parsed whole; of a longer one, the items of its outermost list are parsed one at a time. What
cannot be parsed to its end gives the items before the fault, and those behind it where the next one can be told, whatever its size.
"""

import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from typing import IO, Any, AnyStr, TextIO

from adapt.corpus.draft import Draft, Rejected
from adapt.corpus.readers.json_values import MENDED, Broken, Values
from adapt.corpus.readers.jsonl import read_below
from adapt.corpus.readers.lines import bounded_lines
from adapt.corpus.readers.mapping import Mapping
from adapt.corpus.readers.parsing import BROKEN, parse_json
from adapt.corpus.readers.paths import Every, Step, walk
from adapt.corpus.readers.shapes import find_records
from adapt.corpus.readers.texts import without_surrogates
from adapt.records import LedgerRow

_DEPTH = 2000
_TOP: tuple[Step, ...] = (Every.ITEM,)


def read_json(file: TextIO, name: str, mapping: Mapping, limit: int) -> Iterator[Draft | Rejected | LedgerRow]:
    """Yields a draft or a rejection for every record, and a ledger row about commas that were left out. `limit` is in bytes; the file can be read
    twice."""
    text = file.read(limit + 1)
    if not text.strip("\ufeff \t\r\n"):
        yield Rejected("", "empty_file", "The file holds nothing but white space.")
        return
    large = len(text) > limit
    value = BROKEN if large else parse_json(text.removeprefix("\ufeff"))
    if value is not BROKEN:
        yield from _of_value(value, name, mapping, "")
        return
    wrapped = text.lstrip("\ufeff \t\r\n").startswith("{")
    del text  # before the items are read
    file.seek(0)
    if mapping.records is None and not (large and wrapped):
        yield from _read_values(file, name, mapping, limit)
    elif mapping.records is None:
        yield from _read_wrapped(file, name, mapping, limit)
    else:
        yield from _read_items(file, name, mapping, limit, large)


def holds_lines(file: IO[AnyStr], limit: int, *, named: bool) -> bool:
    """Whether a file, which is read from its start and left there, holds lines of JSON: its first line, or the second, is a value by itself.

    `named`: its name says so, and one line is enough. Lines of more than `limit` are passed over, and say nothing.
    """
    lines = (line for _, line in bounded_lines(file, limit) if line is None or line.strip())
    found = list(islice(lines, 2))
    file.seek(0)
    first = _opening(found[0]) if found else ""
    if named and first not in ("{", "["):
        return True
    if len(found) < 2 and not named:
        return False
    values = [None if line is None else parse_json(_bare(line)) for line in found]
    if named:
        return any(value is not BROKEN for value in values)
    if first == "[":
        return all(isinstance(value, list) for value in values)
    return first in ("{", "") and any(isinstance(value, dict) for value in values)


def _opening(line: str | bytes | None) -> str:
    """The first character of a line; empty for one that is not known."""
    if line is None:
        return ""
    return _bare(line)[:1] if isinstance(line, str) else _bare(line)[:1].decode("ascii", "replace")


def _bare(line: AnyStr) -> AnyStr:
    """The line without the mark of its encoding, blanks and a comma behind its value."""
    if isinstance(line, str):
        return line.removeprefix("\ufeff").strip().removesuffix(",")
    return line.removeprefix(b"\xef\xbb\xbf").strip().removesuffix(b",")


def _of_value(value: Any, name: str, mapping: Mapping, locator: str) -> Iterator[Draft | Rejected]:
    """A draft or a rejection for every record of a whole value."""
    if mapping.records is not None:
        yield from mapping.drafts(value, name, locator)
        return
    if value == []:
        yield Rejected(locator, "empty_file", "The list is empty.")
        return
    for found in find_records(value, mapping.recognition):
        draft = mapping.draft(found.record, name, f"{locator} {found.place}".strip())
        if isinstance(draft, Draft):
            yield draft.edited({}, list(found.edits))
        elif found.place and isinstance(found.record, dict):
            yield draft
        else:
            yield draft._replace(reason=f"{draft.reason} {_TEXTS if isinstance(found.record, str) else _HINT}")


_TEXTS = "Texts without an object around them are read with `fields: {text: .}`."
_HINT = "If records stand further in, `fields.records` of the source says where, as in `data[*].questions[*]`."


def _read_values(file: TextIO, name: str, mapping: Mapping, limit: int) -> Iterator[Draft | Rejected | LedgerRow]:
    """The records of a file that is no JSON value, or too long to be parsed whole."""
    values = Values(file, limit)
    place = ""
    for place, value in values:
        if isinstance(value, Broken):
            begin = "The value" if value.goes_on else "From here on the file"
            yield Rejected(place, value.rule, value.reason if value.rule == "too_large" else f"{begin} is not valid JSON: {value.said()}.")
        elif place.startswith("[") and mapping.records is None:
            yield from read_below(value, name, mapping, place)
        else:
            yield from _of_value(value, name, mapping, place)
    if values.mended:
        rule, reason = MENDED
        yield LedgerRow(record=f"{name}:", source=name, locator="", action="edited", rule=rule, reason=reason)
    if not place:
        yield Rejected("", "empty_file", "The list is empty.")


def _read_wrapped(file: TextIO, name: str, mapping: Mapping, limit: int) -> Iterator[Draft | Rejected | LedgerRow]:
    """The records of a long file that begins with an object: those in the lists under its keys; else in the objects that follow each other."""
    import ijson

    keys: list[str] = []
    try:
        before = ""
        for prefix, event, _ in ijson.parse(_Bounded(file, sys.maxsize)):
            if event in ("start_map", "start_array") and before and prefix == f"{before}.item" and before not in keys:
                keys.append(before)
            before = prefix if event == "start_array" and prefix and not prefix.endswith("item") else ""
            if event == "end_map" and not prefix:
                break
    except (ijson.JSONError, ValueError, RecursionError):
        pass  # whoever reads it says so
    file.seek(0)
    if not keys:
        yield from _read_values(file, name, mapping, limit)
        return
    for key in keys:
        file.seek(0)
        yield from _stream(file, key, limit, partial(_below, name, mapping))


def _below(name: str, mapping: Mapping, item: Any, locator: str) -> Iterator[Draft | Rejected]:
    return read_below(item, name, mapping, locator)


def _read_items(file: TextIO, name: str, mapping: Mapping, limit: int, large: bool) -> Iterator[Draft | Rejected]:
    """Records that `fields.records` leads to, in a file that is no JSON value, or too long to be parsed whole."""
    steps = mapping.records.steps if mapping.records else _TOP
    outer = steps.index(Every.ITEM) if Every.ITEM in steps else None
    keys = steps[:outer]
    if outer is None or mapping.reaches_out or not all(isinstance(key, str) for key in keys):
        why: tuple[Any, str] = ("too_large", "The file is one record, and larger than corpus.limits.max_record_mib.") if large else _BROKEN
        yield Rejected("", *why)
        return
    inner = steps[outer + 1 :]
    count = 0
    for piece in _stream(file, ".".join(map(str, keys)), limit, lambda item, locator: _of_item(item, name, mapping, inner, locator)):
        count += 1
        yield piece
    if not count:
        yield from mapping.drafts([], name, steps=steps)


def _stream(file: TextIO, key: str, limit: int, read: Callable[[Any, str], Iterator[Draft | Rejected]]) -> Iterator[Draft | Rejected]:
    """What `read` makes of each item of the list under a key, one in memory at a time."""
    import ijson

    bounded = _Bounded(file, limit)
    count = 0
    try:
        for item in ijson.items(bounded, f"{key}.item" if key else "item"):
            bounded.item_read()
            yield from read(without_surrogates(item), f"{key}[{count}]")
            count += 1
    except _ItemTooLargeError:
        yield Rejected(f"{key}[{count}]", "too_large", "An item is larger than corpus.limits.max_record_mib; nothing behind it is read.")
    except (ijson.JSONError, ValueError, RecursionError):
        yield Rejected(f"{key}[{count}]" if count else "", *_BROKEN)


_BROKEN: tuple[Any, str] = ("invalid_json", "From here on the file is not valid JSON.")


def _of_item(item: Any, name: str, mapping: Mapping, steps: tuple[Step, ...], locator: str) -> Iterator[Draft | Rejected]:
    for record, enclosing, inner in walk(item, steps):
        yield mapping.draft(record, name, locator + (inner if inner.startswith("[") or not inner else f".{inner}"), (None, *enclosing))


class _ItemTooLargeError(Exception):
    pass


class _Bounded:
    """The file as UTF-8 bytes, which refuses to give more than the limit for one item, or one that is nested deeper than anything is.

    ijson's memory grows with the square of the depth. Brackets are counted without a look at what is a string, which is close enough for that.
    """

    def __init__(self, file: IO[str], limit: int) -> None:
        self._file, self._limit = file, limit
        self._since = self._depth = 0

    def item_read(self) -> None:
        """Begin to count for the next item."""
        self._since = self._depth = 0

    def read(self, size: int = -1) -> bytes:
        """At most `size` characters."""
        if self._since > self._limit:
            raise _ItemTooLargeError
        block = self._file.read(size if size >= 0 else self._limit).encode("utf-8", "replace")
        self._since += len(block)
        deepest, end = _depths(block)
        if self._depth + deepest > _DEPTH:
            raise ValueError("nested too deeply")
        self._depth = max(self._depth + end, 0)
        return block


def _depths(block: bytes) -> tuple[int, int]:
    """How many more brackets are open than before the block, at most and at its end."""
    import numpy as np

    signs = np.frombuffer(block, dtype=np.uint8) | 0x20  # [ and ] become { and }
    depths = np.cumsum((signs == ord("{")).astype(np.int64) - (signs == ord("}")))
    return (int(depths.max()), int(depths[-1])) if len(depths) else (0, 0)
