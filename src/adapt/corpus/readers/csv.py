"""Tables as text: one row, one draft; its locator is the physical line on which the row begins."""

import csv
from collections import Counter
from collections.abc import Iterator
from itertools import chain, repeat
from typing import TextIO

from adapt.corpus.draft import Draft, QuarantineRule, Rejected
from adapt.corpus.readers.lines import bounded_lines
from adapt.corpus.readers.mapping import Mapping

_DELIMITERS = ",;\t"


def read_csv(file: TextIO, name: str, mapping: Mapping, limit: int) -> Iterator[Draft | Rejected]:
    """Yields a draft or a rejection for every row after the header; blank lines are skipped. Cells and lines are of at most `limit` characters.

    Raises InputError when the spec names a column that the header lacks.
    """
    csv.field_size_limit(limit)  # the module's own limit of 131072 is below long answers
    source = _Lines(bounded_lines(file, limit))
    try:
        header = next((line for line in source if line.strip("\ufeff \t\r\n")), "")
    except _TooLongError:
        yield Rejected("line 1", *_LONG)
        return
    rows = csv.reader(chain([header], source), delimiter=_delimiter(header), strict=True)
    columns: list[str] | None = None
    begin, count = source.number, 0
    while True:
        try:
            row = next(rows)
        except StopIteration:
            break
        except (csv.Error, _TooLongError) as error:
            long = isinstance(error, _TooLongError) or "field limit" in str(error)
            yield Rejected(f"line {begin}", *(_LONG if long else _MALFORMED))
            begin = source.number + 1
            continue
        line, begin = begin, source.number + 1
        if not any(cell.strip() for cell in row):
            continue
        if columns is None:
            columns = _columns(row)
            mapping.require(columns, name)
            continue
        count += 1
        yield mapping.draft(dict(zip(columns, chain(row, repeat("")), strict=False)), name, f"line {line}")
    if not count:
        yield Rejected("", "empty_file", "The table has no rows.")


def _columns(header: list[str]) -> list[str]:
    """Names of the columns; one that comes again has its number behind it, as in `answer (2)`."""
    seen: Counter[str] = Counter()
    names = []
    for cell in header:
        name = cell.strip("\ufeff \t")
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return names


_LONG: tuple[QuarantineRule, str] = ("too_large", "The row is larger than corpus.limits.max_record_mib.")
_MALFORMED: tuple[QuarantineRule, str] = ("unreadable", "The row is not well-formed CSV: a quote is out of place or never closed.")


class _TooLongError(Exception):
    pass


class _Lines:
    """Lines one at a time, and the number of the last; raises for one that is too long, and goes on behind it."""

    def __init__(self, lines: Iterator[tuple[int, str | None]]) -> None:
        self._lines = lines
        self.number = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        self.number, line = next(self._lines)
        if line is None:
            raise _TooLongError
        return line


def _delimiter(header: str) -> str:
    """The delimiter that splits the header into most columns."""
    widths = {mark: len(next(csv.reader([header], delimiter=mark), [])) for mark in _DELIMITERS}
    return max(_DELIMITERS, key=lambda mark: widths[mark])
