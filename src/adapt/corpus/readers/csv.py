"""Tables as text: one row, one draft; its locator is the physical line on which the row begins."""

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import TextIO

from adapt.corpus.draft import Draft, Edit, Rejected
from adapt.corpus.readers.lines import bounded_lines
from adapt.corpus.readers.mapping import Mapping
from adapt.corpus.readers.rows import Fault, Layout, Row, Rows
from adapt.corpus.readers.survey import Survey, survey_table
from adapt.records import LedgerRow


def read_csv(file: TextIO, name: str, mapping: Mapping, limit: int, *, columns: Sequence[str] = ()) -> Iterator[Draft | Rejected | LedgerRow]:
    """Yields a draft or a rejection for every row, and a ledger row where quotes are no quoting; blank lines are skipped. Rows are of at most `limit`
    characters, and the file can be read twice.

    `columns` name those of a table without a header. Raises InputError when the spec names a column that there is not.
    """
    csv.field_size_limit(limit)  # the module's own limit of 131072 is below long answers
    survey = survey_table(bounded_lines(file, limit), limit, mapping.recognition.known, columns)
    file.seek(0)
    rows = Rows(islice(bounded_lines(file, limit), survey.preamble, None), survey.dialect, limit, suspect=survey.suspect)
    found = iter(rows)
    if survey.literal:
        yield LedgerRow(record=f"{name}:", source=name, locator="", action="edited", rule="literal_quotes", reason=_LITERAL)
    names, first = name_columns(columns), True
    if names:
        mapping.require(names, name)
        rows.layout = survey.layout
    count = 0
    for row in found:
        if isinstance(row, Fault):
            count += 1
            yield _rejected(row, names, name, mapping)
        elif not names:
            names, first = name_columns(row.cells), False
            mapping.require(names, name)
            rows.layout = _laid_out(survey, names)
            if not mapping.recognition.known(names):
                yield from _refuse(row, found, names, name, mapping)
                return
        elif first and name_columns(row.cells) == names:
            first = False
        else:
            count += 1
            first = False
            yield _drafted(row, names, name, mapping)
    if not count:
        yield Rejected("", "empty_file", "The table has no rows.")


_LITERAL = "Quotes in the table are out of place where they would quote, and are read as characters."


def _laid_out(survey: Survey, names: Sequence[str]) -> Layout:
    """What the rows of a table with these columns have; those at its end that have no name may be left out."""
    named = max((at for at, name in enumerate(names, 1) if name and not name.startswith(" (")), default=1)
    layout = survey.layout or Layout(len(names), len(names))
    return layout._replace(width=len(names), least=min(layout.least, named))


def _drafted(row: Row, names: Sequence[str], source: str, mapping: Mapping) -> Draft | Rejected:
    """The draft of a row, with a note of cells that it lacks."""
    draft = mapping.draft(dict(zip(names, row.cells, strict=True)), source, f"line {row.line}")
    if isinstance(draft, Draft) and row.lacking and names[-row.lacking]:
        lacking = Edit("fill_cells", f"The row has {len(names) - row.lacking} cells for {len(names)} columns; those behind them are empty.")
        draft = replace(draft, edits=(*draft.edits, lacking))
    return draft


def _rejected(fault: Fault, names: Sequence[str], source: str, mapping: Mapping) -> Rejected:
    """The rejection of what is no row. A row that lacks what a record needs is said to lack it, as one with an empty cell is."""
    draft = mapping.draft(dict(zip(names, fault.cells, strict=True)), source, f"line {fault.line}") if fault.cells else None
    if isinstance(draft, Rejected):
        return draft._replace(reason=f"{draft.reason} {fault.reason}")
    return Rejected(f"line {fault.line}", fault.rule, fault.reason)


def _refuse(first: Row, rows: Iterator[Row | Fault], names: Sequence[str], source: str, mapping: Mapping) -> Iterator[Draft | Rejected]:
    """The rejection of every row of a table whose first row names nothing that is known; it is a header, or a row of data."""
    if any(map(_is_data, first.cells)):
        mapping.draft(dict(zip(names, first.cells, strict=True)), source, f"line {first.line}")  # for the check of the spec
        yield from (Rejected(f"line {row.line}", "no_header", f"The table has no header. {_UNKNOWN}") for row in chain([first], rows))
        return
    empty = True
    for row in rows:
        empty = False
        if isinstance(row, Fault):
            yield Rejected(f"line {row.line}", row.rule, row.reason)
        else:
            draft = _drafted(row, names, source, mapping)
            yield draft._replace(reason=f"{draft.reason} {_UNKNOWN}") if isinstance(draft, Rejected) else draft
    if empty:
        yield Rejected("", "empty_file", "The table has no rows.")


_UNKNOWN = (
    "No column has a known name: `fields` of the source says where questions and answers stand, "
    "and `columns` names those of a table without a header."
)
_SENTENCE = re.compile(r"[.?!。？！…][\"'”’）)]*$|^[\d.,+-]+$")
_LONGEST_NAME = 40


def _is_data(cell: str) -> bool:
    """Whether a cell is no name of a column: a sentence, a number, or longer than names are."""
    text = cell.strip()
    return len(text) > _LONGEST_NAME or bool(_SENTENCE.search(text))


def name_columns(header: Sequence[str]) -> list[str]:
    """Names of the columns; one that comes again has its number behind it, as in `answer (2)`."""
    seen: Counter[str] = Counter()
    names = []
    for cell in header:
        name = cell.strip("\ufeff \t")
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return names
