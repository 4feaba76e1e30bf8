"""Tables of questions and answers: one row, one draft; its locator is the physical line on which the row begins."""

import csv
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TextIO

from adapt.corpus.draft import Draft, Rejected
from adapt.corpus.readers.rows import chosen, question
from adapt.errors import InputError
from adapt.spec.corpus import FieldNames

log = logging.getLogger(__name__)

_DELIMITERS = ",;\t"
_MAX_FIELD = 1 << 24
"""Longest cell in characters; the csv module's own limit of 131072 is below long answers."""


@dataclass(frozen=True)
class _Columns:
    instruction: int
    input: int | None
    output: int


def read_csv(file: TextIO, name: str, fields: FieldNames) -> Iterator[Draft | Rejected]:
    """Yields a draft or a rejection for every row after the header; blank lines are skipped.

    Raises InputError when the spec names a column that the header lacks.
    """
    csv.field_size_limit(_MAX_FIELD)
    if fields.messages is not None:
        log.warning("%s: fields.messages is for jsonl files and has no effect on tables", name)
    header_line = next((line for line in file if line.strip()), "")
    delimiter = _delimiter(header_line)
    file.seek(0)
    rows = csv.reader(file, delimiter=delimiter, strict=True)
    columns: _Columns | None = None
    begin, count = 1, 0
    while True:
        try:
            row = next(rows)
        except StopIteration:
            break
        except csv.Error:
            yield Rejected(f"line {begin}", "unreadable", "The row is not well-formed CSV: a quote is out of place or never closed.")
            begin = rows.line_num + 1
            continue
        line, begin = begin, rows.line_num + 1
        if not any(cell.strip() for cell in row):
            continue
        if columns is None:
            columns = _columns(row, name, fields)
            if columns is None:
                yield Rejected("", "missing_field", "The header has no column of questions or no column of answers.")
                return
            continue
        count += 1
        yield _read_row(row, columns, name, f"line {line}")
    if not count:
        yield Rejected("", "empty_file", "The table has no rows.")


def _delimiter(header: str) -> str:
    """The delimiter that splits the header into most columns."""
    widths = {mark: len(next(csv.reader([header], delimiter=mark), [])) for mark in _DELIMITERS}
    return max(_DELIMITERS, key=lambda mark: widths[mark])


def _columns(header: list[str], name: str, fields: FieldNames) -> _Columns | None:
    names = [cell.strip() for cell in header]
    missing = [wanted for wanted in (fields.instruction, fields.input, fields.output) if wanted is not None and wanted not in names]
    if missing:
        raise InputError(
            f"{name}: no column {', '.join(repr(column) for column in missing)}; columns found: {', '.join(names)}",
            hint="name the columns of this file under `fields` of its source in the spec",
        )
    instruction, material, output = chosen(fields, names)
    if instruction is None or output is None:
        return None
    return _Columns(names.index(instruction), None if material is None else names.index(material), names.index(output))


def _read_row(row: list[str], columns: _Columns, name: str, locator: str) -> Draft | Rejected:
    def cell(at: int | None) -> str:
        return row[at].strip() if at is not None and at < len(row) else ""

    return question(cell(columns.instruction), cell(columns.input), cell(columns.output), name, locator)
