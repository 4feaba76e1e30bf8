"""What two builds of a data set have not in common: rows gained, lost, changed, moved and repeated, and the rule behind each."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from adapt.artifact.lines import read_lines
from adapt.dataset.split import SPLITS
from adapt.dataset.verdicts import read_verdicts
from adapt.explain.outputs import Place, is_copy
from adapt.records import AlpacaRecord

Kind = Literal["gained", "lost", "changed", "moved", "repeated"]
NEW = "new in the corpus"
GONE = "gone from the corpus"
EDITED = "text changed"
RESPLIT = "split changed"
MIXED_OUT = "left out by mixing"
MIXED = "mixing takes it another number of times"


@dataclass(frozen=True)
class Change:
    """One row that differs."""

    kind: Kind
    cause: str
    """The rule that drops it on the side where it is not, or what else happened."""
    source: str
    locator: str
    before: str | None
    """Id on side A."""
    after: str | None
    """Id on side B."""
    splits: tuple[str | None, str | None]
    lines: tuple[int, int]
    """How often it stands in its split, on either side."""


class _Kept(NamedTuple):
    """A record of a split."""

    split: str
    source: str
    locator: str
    copy: str
    """Method of augmentation; empty for a record that was not copied."""
    lines: int


class _Judged:
    """Why records that were made are in no split: the rule that dropped them, or mixing."""

    def __init__(self, folder: Path) -> None:
        self._places: dict[Place, str] = {}
        self._ids: dict[str, str] = {}
        for row in read_verdicts(folder):
            if row.rule or row.repeats == 0:
                reason = row.rule or MIXED_OUT
                self._places[Place(row.record, row.source, row.locator)] = reason
                self._ids.setdefault(row.record, reason)

    def reason(self, id: str, kept: _Kept, otherwise: str) -> str:
        """What became of a record that the other side keeps; a record of equal content stands for one that is not there."""
        if kept.copy:
            return f"copy by {kept.copy}"
        return self._places.get(Place(id, kept.source, kept.locator)) or self._ids.get(id, otherwise)


def diff(a: Path, b: Path) -> list[Change]:
    """Changes from data set folder `a` to `b`, sorted by kind, cause and place."""
    before, after = _kept(a), _kept(b)
    gone, come = before.keys() - after.keys(), after.keys() - before.keys()
    changes = list(_changed(before, after, gone, come))
    paired = {change.before for change in changes} | {change.after for change in changes}
    judged_a, judged_b = _Judged(a), _Judged(b)
    for id in gone - paired:
        row = before[id]
        changes.append(Change("lost", judged_b.reason(id, row, GONE), row.source, row.locator, id, None, (row.split, None), (row.lines, 0)))
    for id in come - paired:
        row = after[id]
        changes.append(Change("gained", judged_a.reason(id, row, NEW), row.source, row.locator, None, id, (None, row.split), (0, row.lines)))
    for id in before.keys() & after.keys():
        old, new = before[id], after[id]
        if old.split != new.split:
            changes.append(_change("moved", RESPLIT, id, id, old, new))
        elif old.lines != new.lines:
            changes.append(_change("repeated", MIXED, id, id, old, new))
    return sorted(changes, key=lambda change: (change.kind, change.cause, change.source, change.locator, change.before or "", change.after or ""))


def _kept(folder: Path) -> dict[str, _Kept]:
    """Every record in the splits, by id."""
    found: dict[str, _Kept] = {}
    for split in SPLITS:
        for record in read_lines(folder / f"{split}.jsonl", AlpacaRecord):
            copy = record.origin.method if record.origin and is_copy(record) else ""
            lines = found[record.id].lines + 1 if record.id in found else 1
            found[record.id] = _Kept(split, record.source, record.locator, copy, lines)
    return found


def _changed(before: Mapping[str, _Kept], after: Mapping[str, _Kept], gone: Iterable[str], come: Iterable[str]) -> Iterable[Change]:
    """Records that stand alone at their place on both sides, with other texts."""
    places = _unique_places(before, gone)
    for place, new in _unique_places(after, come).items():
        if old := places.get(place):
            yield _change("changed", EDITED, old, new, before[old], after[new])


def _change(kind: Kind, cause: str, id: str, new_id: str, old: _Kept, new: _Kept) -> Change:
    return Change(kind, cause, new.source, new.locator, id, new_id, (old.split, new.split), (old.lines, new.lines))


def _unique_places(kept: Mapping[str, _Kept], ids: Iterable[str]) -> dict[tuple[str, str], str]:
    """Ids by place, for places that one of `ids` alone stands at; copies stand at the place of what they were made of, and do not count."""
    places: dict[tuple[str, str], str | None] = {}
    for id in ids:
        row = kept[id]
        if not row.copy:
            place = (row.source, row.locator)
            places[place] = None if place in places else id
    return {place: id for place, id in places.items() if id is not None}
