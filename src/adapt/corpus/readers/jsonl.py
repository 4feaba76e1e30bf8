"""Lines of JSON; one line is one record, or holds several: where `fields.records` leads to them, in a list, or one after the other."""

import io
from collections.abc import Iterable, Iterator
from typing import Any

from adapt.corpus.draft import Draft, Edit, Rejected
from adapt.corpus.readers.json_values import MENDED, Broken, Values
from adapt.corpus.readers.mapping import Mapping
from adapt.corpus.readers.parsing import BROKEN, parse_json
from adapt.corpus.readers.shapes import find_below, is_several


def read_jsonl(lines: Iterable[tuple[int, str | bytes | None]], name: str, mapping: Mapping, limit: int) -> Iterator[Draft | Rejected]:
    """Yields a draft or a rejection for every record of every line that is not blank; a line of None was longer than `limit` bytes."""
    for number, line in lines:
        locator = f"line {number}"
        if line is None:
            yield Rejected(locator, "too_large", f"The line is longer than the {limit >> 20} MiB of corpus.limits.max_record_mib.")
        elif line and not line.isspace():
            value = parse_json(line)
            if value is BROKEN:
                yield from _read_broken(line, name, mapping, limit, locator)
            elif mapping.records is None:
                if value.__class__ is list and is_several(value):
                    yield from read_below(value, name, mapping, locator)
                else:
                    yield mapping.draft(value, name, locator)
            else:
                yield from mapping.drafts(value, name, locator)


def read_below(value: Any, name: str, mapping: Mapping, locator: str, edits: tuple[Edit, ...] = ()) -> Iterator[Draft | Rejected]:
    """A draft or a rejection for every record in a value that may hold several."""
    for found in find_below(value, mapping.recognition):
        place = found.place if found.place.startswith("[") and not locator.startswith("line") else f" {found.place}"
        draft = mapping.draft(found.record, name, (locator + place).strip())
        yield draft.edited({}, [*edits, *found.edits]) if isinstance(draft, Draft) else draft


def _read_broken(line: str | bytes, name: str, mapping: Mapping, limit: int, locator: str) -> Iterator[Draft | Rejected]:
    """The records of a line that is no JSON: several values, or one with a comma too many. A line with a fault is rejected whole."""
    text = line if isinstance(line, str) else line.decode("utf-8", "replace")
    values = Values(io.StringIO(text.strip().removesuffix(",")), limit)
    found = [value for _, value in values]
    fault = next((value for value in found if isinstance(value, Broken)), None)
    if fault or not found:
        yield Rejected(locator, "invalid_json", f"The line is not valid JSON: {fault.said(line=False) if fault else 'it holds no value'}.")
        return
    edits = (Edit(*MENDED),) if values.mended or text.strip().endswith(",") else ()
    for number, value in enumerate(found):
        place = locator if len(found) == 1 else f"{locator} [{number}]"
        if mapping.records is None:
            yield from read_below(value, name, mapping, place, edits)
        else:
            yield from mapping.drafts(value, name, place)
