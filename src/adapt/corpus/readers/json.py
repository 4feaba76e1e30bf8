"""JSON files: a list of records, one record, or records further in, where `fields.records` leads to them.

A file of up to `corpus.limits.max_record_mib` is parsed whole; of a longer one, the items of its outermost list are parsed one at a time. What
cannot be parsed to its end gives the items before the fault, whatever its size.
"""

from collections.abc import Iterator
from typing import IO, Any, TextIO

from adapt.corpus.draft import Draft, Rejected
from adapt.corpus.readers.jsonl import BROKEN, parse_json
from adapt.corpus.readers.mapping import Mapping
from adapt.corpus.readers.paths import Every, Step, walk
from adapt.corpus.readers.texts import without_surrogates

_DEPTH = 2000
_TOP: tuple[Step, ...] = (Every.ITEM,)


def read_json(file: TextIO, name: str, mapping: Mapping, limit: int) -> Iterator[Draft | Rejected]:
    """Yields a draft or a rejection for every record. `limit` is in bytes; the file can be read twice."""
    text = file.read(limit + 1)
    if not text.strip("\ufeff \t\r\n"):
        yield Rejected("", "empty_file", "The file holds nothing but white space.")
        return
    value = parse_json(text) if len(text) <= limit else BROKEN
    if value is not BROKEN:
        steps = _TOP if isinstance(value, list) else ()
        yield from mapping.drafts(value, name, steps=steps)
        return
    large = len(text) > limit
    del text  # before the items are read
    file.seek(0)
    yield from _read_items(file, name, mapping, limit, large)


def holds_lines(head: str | bytes) -> bool:
    """Whether a file that begins so, cut off anywhere, holds lines of JSON: its first line, or the second, is an object by itself."""
    raw = head.encode("utf-8", "replace") if isinstance(head, str) else head
    lines = [line for line in raw.lstrip(b"\xef\xbb\xbf \t\r\n").split(b"\n") if line.strip()]
    if len(lines) < 2 or not lines[0].startswith(b"{"):
        return False
    return any(isinstance(parse_json(line), dict) for line in lines[:2])


def _read_items(file: TextIO, name: str, mapping: Mapping, limit: int, large: bool) -> Iterator[Draft | Rejected]:
    import ijson

    steps = _TOP if mapping.records is None else mapping.records.steps
    outer = steps.index(Every.ITEM) if Every.ITEM in steps else None
    keys = steps[:outer]
    if outer is None or mapping.reaches_out or not all(isinstance(key, str) for key in keys):
        why: tuple[Any, str] = ("too_large", "The file is one record, and larger than corpus.limits.max_record_mib.") if large else _BROKEN
        yield Rejected("", *why)
        return
    bounded = _Bounded(file, limit)
    locator = ".".join(map(str, keys))
    count = 0
    try:
        for item in ijson.items(bounded, ".".join([*map(str, keys), "item"])):
            bounded.item_read()
            yield from _of_item(without_surrogates(item), name, mapping, steps[outer + 1 :], f"{locator}[{count}]")
            count += 1
    except _ItemTooLargeError:
        yield Rejected(f"{locator}[{count}]", "too_large", "An item is larger than corpus.limits.max_record_mib; nothing behind it is read.")
        return
    except (ijson.JSONError, ValueError, RecursionError):
        yield Rejected(f"{locator}[{count}]" if count else "", *_BROKEN)
        return
    if not count:
        yield from mapping.drafts([], name, steps=steps)


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
