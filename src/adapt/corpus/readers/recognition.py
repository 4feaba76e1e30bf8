"""What the keys of an object say: whether it is a record, by the fields that the spec places and the usual names of the others."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from adapt.corpus.readers import names
from adapt.corpus.readers.fields import NamedField

_KEPT = 1024
"""Sets of keys that are remembered."""


class _Said(NamedTuple):
    """What a set of keys says."""

    needed: tuple[str, ...] | None
    """Keys that make a record of it; None where it is none."""
    asks: bool
    """It has one of the texts of a question or of a preference pair."""
    answers: bool
    """It has a question and its answer."""
    material: str | None
    """The key of the material that a question works on."""


class Recognition:
    """Tells records from other objects by their keys."""

    def __init__(self, named: Mapping[str, NamedField]) -> None:
        """`named` are the fields that the spec places."""
        self._named = named
        self._roots = {root for field in named.values() for root in field.roots}
        self._said: dict[tuple[str, ...], _Said] = {}

    def known(self, found: Sequence[str]) -> int:
        """How many of these names of columns the spec has, or are usual."""
        bare = {name.strip("\ufeff \t\"'#") for name in found}
        return len(bare & self._roots) + sum(names.usual_name(bare - self._roots, usual) is not None for usual in names.USUAL.values())

    def places(self, value: Mapping[str, Any]) -> bool:
        """Whether an object has the fields of a record."""
        return self._of(value).needed is not None

    def needed(self, value: Mapping[str, Any]) -> tuple[str, ...] | None:
        """The keys that make a record of an object."""
        return self._of(value).needed

    def asks(self, value: Mapping[str, Any]) -> bool:
        """Whether it has a question, an answer, or a chosen or rejected one."""
        return self._of(value).asks

    def answers(self, value: Mapping[str, Any]) -> bool:
        """Whether it has a question and an answer."""
        return self._of(value).answers

    def material(self, value: Mapping[str, Any]) -> dict[str, Any]:
        """The material of an object, under its key; empty where it has none."""
        key = self._of(value).material
        return {} if key is None else {key: value[key]}

    def _of(self, value: Mapping[str, Any]) -> _Said:
        keys = tuple(value)
        said = self._said.get(keys)
        if said is None:
            if len(self._said) >= _KEPT:
                self._said.clear()
            said = self._said[keys] = self._say(keys)
        return said

    def _say(self, keys: tuple[str, ...]) -> _Said:
        place = {field: self._place(field, keys) for field in names.USUAL}
        asked, output = place["instruction"] or place["input"], place["output"] or place["chosen"]
        needed: tuple[str, ...] | None = None
        for field in ("rejected", "messages", "text"):
            if needed is None and (found := place[field]):
                needed = (found, output) if field == "rejected" and output else (found,)
        if asked and output and not place["rejected"] and not place["messages"]:
            needed = (asked, output)
        asks = bool(place["instruction"] or output or place["rejected"])
        return _Said(needed, asks, bool(place["instruction"] and output), place["input"] or None)

    def _place(self, field: str, keys: Collection[str]) -> str | None:
        if field not in self._named:
            return names.usual_name(keys, names.USUAL[field])
        return next((root for root in self._named[field].roots if root in keys), None)
