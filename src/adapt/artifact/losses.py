"""Sources of which one rule took much: a mistake in a spec looks like this, and counts over a whole corpus hide it.

A source with few rows, such as a page, is counted together with the others of its folder and ending.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import PurePosixPath

from adapt.records import Shape

GREAT_LOSS = 0.25
"""Share of a source's rows."""
MOST_LOSSES = 20
"""Losses that a report names."""
_FEW = 20
"""Rows below which a source says little by itself."""


class Loss(Shape):
    """What one rule took of one source."""

    source: str
    """A file, a database, or all files of a folder with one ending, such as `web/*.html`."""
    rule: str
    count: int
    """Rows that the rule took."""
    rows: int
    """Rows of the source."""

    @property
    def sentence(self) -> str:
        """For a person to read."""
        if self.count == self.rows:
            return f"{self.source}: all {self.rows} rows went as {self.rule}"
        return f"{self.source}: {self.count} of {self.rows} rows ({self.count / self.rows:.0%}) went as {self.rule}"


class Losses:
    """Takes sources one after the other, and keeps of each only what stands out; the others are added up by folder and ending."""

    def __init__(self, *, whole_from: int = _FEW) -> None:
        """A source of `whole_from` rows or more that lost all of them is named by itself, however few they are."""
        self._whole_from = whole_from
        self._found: list[Loss] = []
        self._rows: Counter[str] = Counter()
        self._lost: dict[str, Counter[str]] = {}

    def add(self, source: str, rows: int, lost: Mapping[str, int]) -> None:
        """A whole source: its rows, and how many of them each rule took."""
        if rows >= _FEW or self._whole_from <= rows == sum(lost.values()):
            self._found += _great_losses(source, rows, lost)
            return
        path = PurePosixPath(source)
        group = (path.parent / f"*{path.suffix}").as_posix()
        self._rows[group] += rows
        if lost:
            self._lost.setdefault(group, Counter()).update(lost)

    def find(self) -> tuple[Loss, ...]:
        """Great losses, largest first."""
        groups = [loss for group, lost in self._lost.items() if self._rows[group] >= _FEW for loss in _great_losses(group, self._rows[group], lost)]
        return tuple(sorted([*self._found, *groups], key=lambda loss: (-loss.count, loss.source, loss.rule)))


def _great_losses(source: str, rows: int, lost: Mapping[str, int]) -> list[Loss]:
    return [Loss(source=source, rule=rule, count=count, rows=rows) for rule, count in lost.items() if count >= GREAT_LOSS * rows]
