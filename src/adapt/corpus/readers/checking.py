"""Holds the fields of the spec against the data before anything is read: a path that no record has is a mistake in the spec, not in the data.

A look at the first records of the first inputs of a source is enough, and costs the same however large they are. A field that only some records need,
such as a date, may come later and gives no error.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from functools import cache, partial
from itertools import islice
from pathlib import Path

from adapt.corpus.cleaning.encoding import UndecodableError
from adapt.corpus.readers.mapping import Lack, Mapping, Unplaced
from adapt.corpus.readers.names import USUAL
from adapt.corpus.readers.portion import beginning
from adapt.corpus.readers.reading import mapping_of, read_records
from adapt.corpus.sources.inputs import RawInput, ReaderName
from adapt.corpus.sources.storage import Refused
from adapt.errors import InputError
from adapt.spec.corpus import Constant, Fields, FileSource, Limits, Source

log = logging.getLogger(__name__)

_INPUTS = 20
_RECORDS = 100
_NEEDED = ("records", "messages", "rejected", "text", "output", "instruction")
_OF_DOCUMENTS = ("title", "licence", "date", "group", "label")
_CHECKED = ("json", "jsonl", "xml", "csv", "parquet")
"""Readers of records in files. Those with a header hold the names of the spec against it themselves."""
_WITHOUT_HEADER = "; if that is a row of data, name the columns, as in corpus.sources.{}.columns: [question, answer]"
_FIELD = {"answer": "output", "question": "instruction"}


def check_fields(source: Source, inputs: Sequence[RawInput], *, limits: Limits, root: Path | None) -> None:
    """Raises InputError when a path that every record needs leads nowhere in the first records of `inputs`,
    those of one source in their order, and when all of them are records under names that say nothing.

    Warns of fields that no reader of these inputs looks at.
    """
    _say_what_has_no_effect(source, inputs)
    mapped = cache(partial(_mapping_of_first_records, source, limits=limits, root=root))
    _require_names(inputs, mapped)
    lacks: dict[str, Lack] | None = None
    for input in [input for input in inputs if input.reader in _CHECKED][:_INPUTS]:
        mapping = mapped(input)
        if mapping is None:
            continue
        found = {name: lack for name, lack in mapping.lacking().items() if name in _NEEDED}
        lacks = found if lacks is None else {name: lack for name, lack in lacks.items() if name in found}
        if not lacks:
            return
    for name, lack in (lacks or {}).items():
        raise InputError(
            f"corpus.sources.{inputs[0].source}.fields.{name}: the first records of {inputs[0].name} have nothing at '{lack.written}'",
            hint=f"there is: {lack.outline}",
        )


def _mapping_of_first_records(source: Source, input: RawInput, *, limits: Limits, root: Path | None) -> Mapping | None:
    """What a mapping noted of the first records of an input; None where there are none. Raises InputError for
    a column that is not there."""
    mapping = mapping_of(source, input)
    try:
        deque(islice(read_records(beginning(input, source), source, mapping, limits=limits, root=root), _RECORDS), maxlen=0)
    except (Refused, UndecodableError, UnicodeError, OSError):
        return None
    return None if mapping.idle else mapping


def _require_names(inputs: Sequence[RawInput], mapped: Callable[[RawInput], Mapping | None]) -> None:
    """Where a source is nothing but records, one of its first files must have names that are known or that
    the spec gives."""
    if not inputs or any(input.reader not in _CHECKED for input in inputs):
        return
    first: tuple[RawInput, Unplaced] | None = None
    for input in inputs[:_INPUTS]:
        mapping = mapped(input)
        unplaced = mapping.unplaced() if mapping else None
        if mapping and unplaced is None:
            return
        if unplaced and first is None:
            first = input, unplaced
    if first is not None:
        input, (what, there, free) = first
        field = _FIELD[what]
        raise InputError(
            f"corpus.sources.{input.source}.fields: {input.name} has no {what} under a usual name; it has: {', '.join(there) or 'nothing'}",
            hint=f"say where it stands, as in fields: {{{field}: {free or 'NAME'}}}; usual names are {', '.join(USUAL[field][:4])}"
            + (_WITHOUT_HEADER.format(input.source) if input.reader == "csv" else ""),
        )


def _say_what_has_no_effect(source: Source, inputs: Sequence[RawInput]) -> None:
    set_here = {name: value for name in Fields.model_fields if (value := getattr(source.fields, name)) is not None}
    readers = {input.reader for input in inputs}
    if isinstance(source, FileSource) and source.encoding and readers and readers <= {"parquet", "pdf", "docx"}:
        log.warning("corpus.sources.%d.encoding has no effect on the reader %s", inputs[0].source, ", ".join(sorted(readers)))
    for name, value in set_here.items():
        constant = isinstance(value, Constant) and name in _OF_DOCUMENTS
        if readers and not any(_looks_at(reader, name, constant) for reader in readers):
            log.warning("corpus.sources.%d.fields.%s has no effect on the reader %s", inputs[0].source, name, ", ".join(sorted(readers)))


def _looks_at(reader: ReaderName, field: str, constant: bool) -> bool:
    if reader in ("csv", "sql"):
        return field != "records"
    if reader == "xml":
        return field not in ("messages", "roles")
    return reader in ("json", "jsonl", "parquet", "hub") or (constant and reader != "python_docs")
