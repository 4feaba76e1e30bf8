"""Records that have one field under several usual names, as rows merged from several sources do: the first that is filled is read."""

from dataclasses import replace
from typing import Any

from adapt.corpus.draft import Draft, Edit, Rejected
from adapt.corpus.readers.texts import as_text

_DIFFERENCE = "differing_fields"
_READ = {
    "text": ("text", "title"), "question": ("instruction", "input", "output"), "preference": ("instruction", "input", "chosen", "output", "rejected"),
    "chat": ("messages", "instruction", "input", "output", "history", "system"),
}  # fmt: skip
"""What is read of a record, by the kind of its draft."""
_WRITTEN = {"chosen": "output", "history": "messages", "system": "messages"}
"""Names of the spec for fields that it has under others."""


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
        differing = [name for name in others if _differ(record[name], record[read])]
        if differing and field in _READ[draft.kind]:
            meant = f"`fields.{_WRITTEN.get(field, field)}` of the source says which is meant."
            edits.append(Edit(_DIFFERENCE, f"'{read}' is read, and {_listed(differing)} differs from it; {meant}"))
    return replace(draft, edits=(*draft.edits, *edits)) if edits else draft


def _differ(one: Any, other: Any) -> bool:
    return bool(one != other) and (isinstance(one, list | dict) or as_text(one) != as_text(other))


def _listed(found: list[str]) -> str:
    return " and ".join(f"'{name}'" for name in found)
