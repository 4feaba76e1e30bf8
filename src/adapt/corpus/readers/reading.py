"""Reads a portion of a raw input into drafts; what cannot be read is said, and never raises. Nothing is cleaned here."""

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from adapt.corpus.cleaning.encoding import UndecodableError
from adapt.corpus.draft import Draft, Rejected
from adapt.corpus.readers.csv import read_csv
from adapt.corpus.readers.documents import decoding, named_encoding, read_document
from adapt.corpus.readers.json import holds_lines, read_json
from adapt.corpus.readers.jsonl import read_jsonl
from adapt.corpus.readers.lines import bounded_lines
from adapt.corpus.readers.mapping import Mapping
from adapt.corpus.readers.parquet import read_parquet
from adapt.corpus.readers.portion import Portion
from adapt.corpus.readers.xml import queries_of, read_xml
from adapt.corpus.sources.hub import read_hub
from adapt.corpus.sources.inputs import RawInput
from adapt.corpus.sources.python_docs import read_python_docs
from adapt.corpus.sources.sql import read_sql
from adapt.corpus.sources.storage import Refused, open_bytes, open_text
from adapt.records import LedgerRow
from adapt.spec.corpus import HubSource, Limits, PythonDocsSource, Source, SqlSource

log = logging.getLogger(__name__)

Piece = Draft | Rejected | LedgerRow
_TELLING = 10
"""A path that is in none of so many records of a file is worth a warning."""
_COLUMNS = ("csv", "xml", "sql")
"""Readers for which the spec names columns, or XPath expressions, and no paths."""


def read_portion(
    portion: Portion, source: Source, *, limits: Limits, adverts: Literal["drop", "keep"], root: Path | None, all_encodings: bool = False
) -> Iterator[Piece]:
    """The drafts of a portion, the pieces that were rejected, and for records in another encoding one ledger row about their file: one that nothing
    but its bytes told, and with `all_encodings` any.

    `root` is the workspace, where relative paths of SQLite files and hub folders begin. Raises InputError for what the user must mend: a spec that
    names what is not there, a database or hub that does not answer, a package that is missing.
    """
    bound = limits.max_record_mib << 20
    try:
        for piece in _pieces(portion, source, limits, adverts, root, all_encodings):
            yield _bounded(piece, bound)
    except Refused as refused:
        yield refused.rejected()
    except UndecodableError as error:
        yield Rejected("", "undecodable", _sentence(str(error)))
    except UnicodeError:
        yield Rejected("", "undecodable", "The file does not decode as it began.")
    except OSError as error:
        yield Rejected("", "unreadable", f"The file cannot be read: {error.strerror or type(error).__name__}.")


def read_lines(lines: Iterable[tuple[int, bytes]], input: RawInput, source: Source, limits: Limits) -> Iterator[Piece]:
    """The same for lines of JSON in UTF-8 that are at hand, with their numbers. One is asked for when all pieces of that before it are taken."""
    bound = limits.max_record_mib << 20
    bounded = ((number, line if len(line) - line.endswith(b"\n") <= bound else None) for number, line in lines)
    for piece in read_jsonl(bounded, input.name, mapping_of(source, input), bound):
        yield _bounded(piece, bound)


def _pieces(
    portion: Portion, source: Source, limits: Limits, adverts: Literal["drop", "keep"], root: Path | None, all_encodings: bool
) -> Iterator[Piece]:
    input = portion.input
    if input.path and not input.member and not input.size and "://" not in input.path:
        yield Rejected("", "empty_file", "The file is empty.")
        return
    place = f"corpus.sources.{input.source}"
    if isinstance(source, PythonDocsSource):
        yield from read_python_docs(source, input.name, place)
        return
    if input.reader in ("html", "markdown", "text", "pdf", "docx"):
        yield from read_document(input, source, limits, adverts)
        return
    mapping = mapping_of(source, input)
    yield from read_records(portion, source, mapping, limits=limits, root=root, all_encodings=all_encodings)
    if portion.first_line == 1:
        for field, lack in mapping.lacking().items():
            if lack.records >= _TELLING:
                log.warning("%s.fields.%s: %s has nothing at '%s'; it has: %s", place, field, input.name, lack.written, lack.outline)


def mapping_of(source: Source, input: RawInput) -> Mapping:
    """A fresh mapping for the records of an input. Raises InputError for fields that cannot be."""
    return Mapping(source.fields, licence=source.licence, place=f"corpus.sources.{input.source}", columns=input.reader in _COLUMNS)


def read_records(
    portion: Portion, source: Source, mapping: Mapping, *, limits: Limits, root: Path | None, all_encodings: bool = False
) -> Iterator[Piece]:
    """The same for readers of records, by a mapping of the caller's. Raises what opening raises."""
    input = portion.input
    place = f"corpus.sources.{input.source}"
    if isinstance(source, SqlSource):
        yield from read_sql(source, input.name, mapping, root, place)
    elif isinstance(source, HubSource):
        yield from read_hub(source, input.name, mapping, root, place)
    elif input.reader == "parquet":
        with open_bytes(input, limits, seekable=True) as file:
            yield from read_parquet(file, input.name, mapping, limits, start=portion.start, end=portion.end, first=portion.first_line)
    elif portion.end is not None:
        yield from _cut_lines(portion, mapping, limits)
    else:
        yield from _read_text(portion, source, mapping, limits, place, all_encodings)


def _cut_lines(portion: Portion, mapping: Mapping, limits: Limits) -> Iterator[Piece]:
    """Lines of a part of a UTF-8 file."""
    bound = limits.max_record_mib << 20
    with open_bytes(portion.input, limits) as file:
        file.seek(portion.start)
        lines = bounded_lines(file, bound, first=portion.first_line, size=(portion.end or 0) - portion.start)
        yield from read_jsonl(lines, portion.input.name, mapping, bound)


def _read_text(portion: Portion, source: Source, mapping: Mapping, limits: Limits, place: str, all_encodings: bool) -> Iterator[Piece]:
    """Records of a file of text, read whole."""
    input, bound = portion.input, limits.max_record_mib << 20
    with open_text(input, limits, page=input.reader == "xml", named=named_encoding(source)) as (file, encoding):
        edit = decoding(encoding)
        if edit is not None and (all_encodings or encoding.repaired):
            yield LedgerRow(
                record=f"{input.name}:", source=input.name, locator="", action="edited", rule=edit.rule, reason=edit.reason, score=edit.score
            )
        if input.reader == "csv":
            yield from read_csv(file, input.name, mapping, bound, columns=getattr(source, "columns", ()))
        elif input.reader == "xml":
            yield from read_xml(file, input.name, mapping, queries_of(source.fields, place))
        elif not holds_lines(file, bound, named=input.reader == "jsonl"):
            yield from read_json(file, input.name, mapping, bound)
        else:
            count = 0
            for piece in read_jsonl(bounded_lines(file, bound), input.name, mapping, bound):
                count += 1
                yield piece
            if not count:
                yield Rejected("", "empty_file", "The file has no lines.")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _bounded(piece: Piece, bound: int) -> Piece:
    if isinstance(piece, Draft) and _size(piece) > bound:
        return Rejected(piece.locator, "too_large", "The record is longer than corpus.limits.max_record_mib.")
    return piece


def _size(draft: Draft) -> int:
    return (
        len(draft.text)
        + len(draft.instruction)
        + len(draft.input)
        + len(draft.output)
        + len(draft.rejected)
        + sum(len(text) for _, text in draft.messages)
    )
