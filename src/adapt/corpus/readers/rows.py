"""Rows of a table as text, whole or at fault: a quote that is out of place costs one row, never those behind it.

Enters: numbered lines and a dialect. Leaves: rows with the number of their first line, and faults. A quote that is left open on its line opens a
cell of several lines, or is a stray one. It is stray when nothing closes it as the grammar has it, and when all lines up to its close look like rows
by themselves: so many cells as there are columns, each as long as those of its column are elsewhere.
"""

import csv
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from adapt.corpus.draft import QuarantineRule
from adapt.corpus.readers.dialect import Dialect

NumberedLine = tuple[int, str | None]
"""Number and text of a line; None in place of one that is too long."""
_SKIPPED = 200
"""Lines behind a damaged row among which the next one is looked for."""


class Row(NamedTuple):
    """A row with as many cells as there are columns."""

    line: int
    cells: list[str]
    lacking: int
    """Cells at its end that the file left out."""
    text: Sequence[NumberedLine]


class Fault(NamedTuple):
    """What is no row. `reason` holds no text of it."""

    line: int
    rule: QuarantineRule
    reason: str
    lines: int = 1
    """How many lines it takes up."""
    doubtful: bool = False
    """It may have been a cell of several lines."""
    cells: Sequence[str] = ()
    """Those of a row that has too few, filled up."""


class Layout(NamedTuple):
    """What the rows of a table have in common."""

    width: int
    """Number of columns."""
    least: int
    """Fewest cells of a row; what is missing behind them was left out as empty."""
    empty: frozenset[int] = frozenset()
    """Columns with empty cells."""
    padded: bool = False
    """Cells may begin with a blank."""
    lengths: tuple[tuple[int, int], ...] = ()
    """Shortest and longest cell of each column; empty where too few are known."""

    def has(self, cells: list[str]) -> bool:
        """Whether the cells look like those of a row."""
        if len(cells) != self.width:
            return False
        for at, cell in enumerate(cells):
            if not cell.strip():
                if at not in self.empty:
                    return False
            elif (cell[0].isspace() and not self.padded) or (self.lengths and not self._fits(at, len(cell))):
                return False
        return True

    def _fits(self, column: int, length: int) -> bool:
        shortest, longest = self.lengths[column]
        return shortest <= 2 * length and length <= 2 * longest


class Rows:
    """The rows of a table; an iterator."""

    def __init__(self, lines: Iterator[NumberedLine], dialect: Dialect, limit: int, *, suspect: int, cut: bool = False) -> None:
        """`limit` is the most characters of a row, `suspect` the fewest lines of a cell that may be rows between stray quotes. With `cut` the lines
        may end within a row, which is no fault."""
        self.layout: Layout | None = None
        """Unset while the first row is read, which may be of any width."""
        self._dialect, self._suspect, self._cut = dialect, suspect, cut
        self._feed = _Feed(lines, limit)
        self._barren = 0
        """Number of the line up to which no row begins."""

    def __iter__(self) -> Iterator[Row | Fault]:
        feed = self._feed
        reader = self._dialect.reader(feed)
        while True:
            feed.begin()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except _TooLongError:
                yield self._overlong()
            except csv.Error as error:
                if self._cut and feed.ended:
                    return
                yield _too_large(feed.line) if "field limit" in str(error) else self._malformed()
            else:
                if not any(map(str.strip, cells)):
                    continue
                if len(feed.taken) == 1 or not self._holds_rows(cells):
                    yield self._measured(cells)
                    continue
                yield self._stray(doubtful=True)
            reader = self._dialect.reader(feed)

    def _measured(self, cells: list[str]) -> Row | Fault:
        """The row, filled up to its columns; a fault when it has other cells than columns."""
        line, taken, layout = self._feed.line, self._feed.taken, self.layout
        if layout is None or len(cells) == layout.width:
            return Row(line, cells, 0, taken)
        if len(cells) > layout.width:
            if not any(map(str.strip, cells[layout.width :])):
                return Row(line, cells[: layout.width], 0, taken)
            if _is_comment(cells, taken):
                return Fault(line, "no_content", "The line is a comment.")
            return Fault(line, "extra_cells", f"The row has {len(cells)} cells, and there are {layout.width} columns. {_QUOTING}", len(taken))
        if len(cells) < layout.least:
            if _is_comment(cells, taken):
                return Fault(line, "no_content", "The line is a comment.")
            reason = f"The row has {len(cells)} cells, and there are {layout.width} columns."
            return Fault(line, "missing_cells", reason, len(taken), cells=_filled(cells, layout.width))
        return Row(line, _filled(cells, layout.width), layout.width - len(cells), taken)

    def _holds_rows(self, cells: list[str]) -> bool:
        """Whether a row of several lines is rather several rows between two stray quotes."""
        layout, taken = self.layout, self._feed.taken
        if layout is None or layout.width < 2:
            return False
        if len(cells) != layout.width and any(map(str.strip, cells[layout.width :])):
            return self._holds_two()
        return len(taken) >= self._suspect and all(line is not None and layout.has(self._dialect.alone(line)[0]) for _, line in taken)

    def _holds_two(self) -> bool:
        """Whether a row begins with each of the first two lines at hand."""
        taken = list(self._feed.taken)
        both = self._begins_row(taken, 0, exact=False) and self._begins_row(taken, 1, exact=False)
        self._feed.give_back(taken[len(self._feed.taken) :])
        return both

    def _malformed(self) -> Fault:
        """The fault of a row with a quote out of place, or never closed; reading goes on where the next row seems to begin."""
        taken = self._feed.taken
        if len(taken) == 1 and not self._dialect.opens(taken[0][1] or ""):
            return _stray_quote(self._feed.line, 1)
        return self._stray()

    def _stray(self, *, doubtful: bool = False) -> Fault:
        """The fault of a row whose quote opens nothing. All lines behind its first are given back, up to where a row begins."""
        feed = self._feed
        begin, taken = feed.line, list(feed.taken)
        alike = self.layout is None or self._begins_row(taken, 0, exact=False)
        at = 1
        if not doubtful and begin > self._barren and not (alike and (len(taken) == 1 or self._begins_row(taken, 1, exact=False))):
            while at < _SKIPPED and (at < len(taken) or feed.take(taken)) and not self._begins_row(taken, at, exact=True):
                at += 1
            if at == _SKIPPED:  # so many lines are no row by themselves, and each is told
                self._barren, at = taken[at - 1][0], 1
        feed.give_back(taken[at:])
        return _stray_quote(begin, at, doubtful=doubtful)

    def _begins_row(self, taken: list[NumberedLine], at: int, *, exact: bool) -> bool:
        """Whether a row begins with a line; with `exact`, one that looks like the others. Lines behind it are added to those taken."""
        line, layout = taken[at][1], self.layout
        if line is None or layout is None:
            return layout is None
        cells, whole = self._dialect.alone(line)
        if not whole and at and self._completes(taken, at, layout.width):
            return True
        return layout.has(cells) if exact and layout.width > 1 else len(cells) == layout.width

    def _completes(self, taken: list[NumberedLine], at: int, width: int) -> bool:
        """Whether a line and those behind it are a row."""

        def lines() -> Iterator[str]:
            for place in range(at, at + _SKIPPED):
                if (place == len(taken) and not self._feed.take(taken)) or (line := taken[place][1]) is None:
                    return
                yield line

        try:
            return len(next(self._dialect.reader(lines()), ())) == width
        except csv.Error:
            return False

    def _overlong(self) -> Fault:
        """The fault of a row that is too long; what belongs to it is passed over."""
        feed = self._feed
        taken = feed.taken
        if len(taken) > 1 and self._holds_two():
            return self._stray()
        fault = _too_large(feed.line)
        if taken[-1][1] is not None and len(taken) > 1 and not self._dialect.opens(taken[-1][1]):
            last: list[NumberedLine] = []
            while feed.take(last) and last[0][1] is not None and not self._dialect.opens(last[0][1]):
                last.clear()
        return fault


_QUOTING = "A cell with a delimiter in it needs quotes."


def _is_comment(cells: list[str], taken: Sequence[NumberedLine]) -> bool:
    return len(taken) == 1 and cells[0].startswith("#")


def _filled(cells: list[str], width: int) -> list[str]:
    return cells + [""] * (width - len(cells))


def _too_large(line: int) -> Fault:
    return Fault(line, "too_large", "The row is larger than corpus.limits.max_record_mib.")


def _stray_quote(line: int, lines: int, *, doubtful: bool = False) -> Fault:
    where = "The row is not well-formed CSV" if lines == 1 else f"The row, {lines} lines from here on, is not well-formed CSV"
    return Fault(line, "unreadable", f"{where}: a quote is out of place or never closed.", lines, doubtful)


class _TooLongError(Exception):
    pass


class _Feed:
    """Lines, one at a time, and those of the row at hand, which can be given back."""

    def __init__(self, lines: Iterator[NumberedLine], limit: int) -> None:
        self._lines, self._limit = lines, limit
        self._back: deque[NumberedLine] = deque()
        self._size = 0
        self.ended = False
        """The last row ran into the end."""
        self.taken: list[NumberedLine] = []

    @property
    def line(self) -> int:
        """Number of the first line of the row."""
        return self.taken[0][0]

    def begin(self) -> None:
        """Forget the lines of the row before."""
        self.taken, self._size, self.ended = [], 0, False

    def take(self, into: list[NumberedLine]) -> bool:
        """Put the next line there; false at the end."""
        found = self._back.popleft() if self._back else next(self._lines, None)
        if found is not None:
            into.append(found)
        return found is not None

    def give_back(self, lines: Sequence[NumberedLine]) -> None:
        """The next lines are these."""
        self._back.extendleft(reversed(lines))

    def __iter__(self) -> "_Feed":
        return self

    def __next__(self) -> str:
        found = self._back.popleft() if self._back else next(self._lines, None)
        if found is None:
            self.ended = True
            raise StopIteration
        self.taken.append(found)
        line = found[1]
        if line is None:
            raise _TooLongError
        self._size += len(line)
        if self._size > self._limit and len(self.taken) > 1:
            raise _TooLongError
        return line
