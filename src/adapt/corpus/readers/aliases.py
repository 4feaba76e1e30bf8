"""Records that have one field under several usual names, as rows merged from several sources do: the first that is filled is read."""

from dataclasses import replace
from typing import Any

from adapt.corpus.draft import Draft, Edit, Rejected
from adapt.corpus.readers.texts import as_text

_DIFFERENCE = "differing_fields"


def is_filled(value: Any) -> bool:
    """Whether a value says something: no null, NaN, blank text or empty list."""
    if isinstance(value, str):
        return bool(value) and not value.isspace()
    if value is None or isinstance(value, float):
        return bool(as_text(value))
    return not isinstance(value, list | dict | tuple) or any(map(is_filled, value.values() if isinstance(value, dict) else value))


def with_differences(draft: Draft | Rejected, record: Any, aliases: tuple[tuple[str, tuple[str, ...]], ...]) -> Draft | Rejected:
    """The draft, with a note of every field that stands there in two forms. `aliases` are the fields with several names."""
    if isinstance(draft, Rejected) or not isinstance(record, dict):
        return draft
    edits = []
    for field, found in aliases:
        read, *others = [name for name in found if is_filled(record.get(name))] or [""]
        differing = [name for name in others if as_text(record[name]) != as_text(record[read]) or isinstance(record[name], list | dict)]
        if differing:
            reason = f"'{read}' is read, and {_listed(differing)} differs from it; `fields.{field}` of the source says which is meant."
            edits.append(Edit(_DIFFERENCE, reason))
    return replace(draft, edits=(*draft.edits, *edits)) if edits else draft


def _listed(found: list[str]) -> str:
    return " and ".join(f"'{name}'" for name in found)
