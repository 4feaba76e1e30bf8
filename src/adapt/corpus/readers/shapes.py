"""Records in JSON values that are none themselves: lists within lists, lists under a key, columns, and the orients of pandas.

Enters: a value, and what makes a record (`Recognition`). Leaves: its records with their places. Of an object only what leads to records is looked
into; lists of objects beside it that lead to none are given as they are, so that their rejection is told.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from adapt.corpus.draft import Edit
from adapt.corpus.readers.embedded import are_turns
from adapt.corpus.readers.recognition import Recognition

_DEPTH = 6
_LOOKED_AT = 5
"""Items of a list from which what it holds is told."""


class Found(NamedTuple):
    """A record, and its place in the value."""

    record: Any
    place: str
    edits: tuple[Edit, ...] = ()


def find_records(value: Any, known: Recognition, place: str = "") -> Iterator[Found]:
    """The records of a value; the value itself where nothing else is known of it."""
    if isinstance(value, dict) and (rows := _columnar(value, known)) is not None:
        yield from (Found(row, _join(place, f"row {number}")) for number, row in enumerate(rows, 1))
        return
    if isinstance(value, dict) and not known.asks(value) and known.needed(value) is None:
        found = [(key, below) for key, below in value.items() if isinstance(below, dict | list)]
        leading = [key for key, below in found if _leads(below, known, _DEPTH)]
        if leading:
            for key, below in found:
                if key in leading:
                    yield from _inside(below, known, f"{place}.{key}" if place else str(key), _DEPTH)
                elif isinstance(below, list) and below and all(isinstance(item, dict) for item in below):
                    yield Found(below, f"{place}.{key}" if place else str(key))
            return
    yield from _inside(value, known, place, _DEPTH)


def find_below(value: Any, known: Recognition, place: str = "") -> Iterator[Found]:
    """The same for a value in a list: a record with lists in its fields is one, and no table of columns."""
    return _inside(value, known, place, _DEPTH)


def is_several(value: Any) -> bool:
    """Whether a value is a list of records or conversations, and no record."""
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict | list) and item for item in value)


def _inside(value: Any, known: Recognition, place: str, depth: int) -> Iterator[Found]:
    if isinstance(value, list) and value and depth:
        if are_turns(value):
            yield Found({"messages": value}, place)
        elif (rows := _headed(value, known)) is not None:
            yield from (Found(row, f"{place}[{number}]") for number, row in enumerate(rows, 1))
        else:
            for number, item in enumerate(value):
                if isinstance(item, dict) and known.places(item):
                    yield Found(item, f"{place}[{number}]")
                else:
                    yield from _inside(item, known, f"{place}[{number}]", depth - 1)
    elif isinstance(value, dict) and depth and not known.places(value):
        yield from _of_object(value, known, place, depth)
    else:
        yield Found(value, place)


def _of_object(value: dict[str, Any], known: Recognition, place: str, depth: int) -> Iterator[Found]:
    """The records of an object that is none: what one of its keys leads to, with the material that stands beside it, as in SQuAD."""
    answered = _answered(value, known)
    if answered is not None:
        yield Found(answered[0], place, answered[1])
        return
    leading = [] if known.asks(value) else [key for key, below in value.items() if _leads_to_questions(below, known, depth - 1)]
    if len(leading) != 1:
        yield Found(value, place)
        return
    material = known.material(value)
    for found in _inside(value[leading[0]], known, f"{place}.{leading[0]}" if place else leading[0], depth - 1):
        record = found.record
        if material and isinstance(record, dict) and not known.material(record):
            record = {**material, **record}
        yield found._replace(record=record)


def _answered(value: dict[str, Any], known: Recognition) -> tuple[dict[str, Any], tuple[Edit, ...]] | None:
    """A question with a list of `answers`, the first of which is taken."""
    given = value.get("answers")
    if not known.asks(value) or not isinstance(given, list | dict):
        return None
    texts = given.get("text") if isinstance(given, dict) else [item.get("text") if isinstance(item, dict) else item for item in given]
    given_texts = list(dict.fromkeys(text for text in texts if isinstance(text, str))) if isinstance(texts, list) else []
    edits = (Edit("first_answer", f"The first of {len(given_texts)} answers is taken."),) if len(given_texts) > 1 else ()
    return {**value, "answer": given_texts[0] if given_texts else ""}, edits


def _leads(value: Any, known: Recognition, depth: int) -> bool:
    """Whether there are records in a value."""
    if not depth:
        return False
    if isinstance(value, list):
        return are_turns(value) or _headed(value, known) is not None or any(_leads(item, known, depth - 1) for item in value[:_LOOKED_AT])
    return isinstance(value, dict) and (known.places(value) or _leads_to_questions(value, known, depth))


def _leads_to_questions(value: Any, known: Recognition, depth: int) -> bool:
    """Whether there are questions with answers in a value: deep in a record, a text alone may be anything."""
    if depth <= 0:
        return False
    if isinstance(value, list):
        return any(_leads_to_questions(item, known, depth - 1) for item in value[:_LOOKED_AT])
    if not isinstance(value, dict):
        return False
    if known.answers(value) or _answered(value, known) is not None:
        return True
    return not known.places(value) and any(_leads_to_questions(below, known, depth - 1) for below in value.values())


def _headed(value: list[Any], known: Recognition) -> list[dict[str, Any]] | None:
    """The rows of a list of lists whose first is a header."""
    if len(value) < 2 or not all(isinstance(row, list) for row in value[:_LOOKED_AT]):
        return None
    names = value[0]
    if not names or not all(isinstance(name, str) for name in names) or not known.places(dict.fromkeys(names)):
        return None
    return [dict(zip(names, row, strict=False)) if isinstance(row, list) else row for row in value[1:]]


def _columnar(value: dict[str, Any], known: Recognition) -> list[Any] | None:
    """The rows of an object that holds columns: lists, or the orients `split`, `columns` and `index` of pandas. None for another."""
    names, data = value.get("columns"), value.get("data")
    if isinstance(names, list) and isinstance(data, list) and data and all(isinstance(row, list) and len(row) == len(names) for row in data):
        return [dict(zip(map(str, names), row, strict=True)) for row in data]
    needed = known.needed(value)
    if needed is None:
        if len(value) > 1 and all(isinstance(row, dict) and row for row in value.values()):
            rows = list(value.values())
            return rows if all(known.places(row) for row in rows[:_LOOKED_AT]) else None
        return None
    columns = [value[name] for name in needed]
    if all(isinstance(column, dict) for column in columns) and len({tuple(column) for column in columns}) == 1 and columns[0]:
        return [_at(value, row, dict) for row in columns[0]]
    if not all(isinstance(column, list) for column in columns) or any(map(are_turns, columns)):
        return None
    count = max(map(len, columns))
    if not all(columns) or (len(value[needed[0]]) == 1 and count > 1) or (len(columns) == 1 and not is_several(value[needed[0]])):
        return None  # one question with several answers is one record
    return [_at(value, row, list) for row in range(count)]


def _at(value: dict[str, Any], row: Any, kind: Any) -> dict[str, Any]:
    """A row of columns; what is no column belongs to all. A column that is too short has nothing there."""
    record: dict[str, Any] = {}
    for name, column in value.items():
        if column.__class__ is not kind:
            record[name] = column
        elif isinstance(column, list):
            record[name] = column[row] if row < len(column) else None
        else:
            record[name] = column.get(row)
    return record


def _join(place: str, inner: str) -> str:
    return f"{place} {inner}".strip()
