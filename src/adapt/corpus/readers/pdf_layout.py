"""Lines of a PDF page in the order in which people read them, whatever the order they were drawn in.

Enters: a page of PDFium. Leaves: lines with their type's size and place. Characters that follow each other on one base line are a run; runs beside
each other are a line, or lines of two columns when a gutter without text runs between prose on both sides. A table has such gutters too, with
little text in its cells, and is read across. Raised digits become exponents (`10^6`) or marks of notes (`[12]`).
"""

import ctypes
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

_SAME_LINE = 0.35
"""Largest difference of base lines within a line, in sizes of its type."""
_WIDE_GAP = 1.2
"""Smallest gap between two runs of a line, in sizes of their type."""
_WORD_GAP = 0.15
_SMALLER = 0.85
"""A raised mark is set in type of at most this share of the line's."""
_RAISED = 0.15
"""A raised mark stands at least this far above the base line, in sizes of the line's type."""
_GUTTER_POINTS = 8
_CROSSING_RUNS = 2
_CROSSING = 0.1
"""So many runs, and this share of them, may cross a gutter: headings over both columns."""
_PROSE_CHARACTERS = 20
"""Mean length of runs beside a gutter from which both sides are columns, and not a table."""
_COLUMN_RUNS = 4
_DEPTH = 3
"""Gutters within a column of a column."""
_UNIT = re.compile(r"(?:^|[^A-Za-z])(?:[kcdmµn]?m|ft|in|s|x|y|z|r|h|[A-Z])$")
_BREAKS = "\r\n"


@dataclass(slots=True)
class Run:
    """Characters that follow each other on one base line; in points from the left and the foot of the page."""

    text: str
    left: float
    right: float
    base: float
    size: float


@dataclass(slots=True)
class Line:
    """A line of a page."""

    text: str
    size: float
    """Of its type, in points."""
    height: float
    """Of its base line over the foot of the page, in points."""
    page: int
    column: int = 0
    """Counts the columns of the page that were read before it."""


def read_lines(page: Any, number: int) -> list[Line]:
    """The lines of a page that are not blank; `page` is PDFium's, `number` the one that lines carry."""
    runs = [run for run in _runs(page) if run.text.strip()]
    lines: list[Line] = []
    for column, part in enumerate(_columns(runs, _DEPTH)):
        lines += [line for row in _rows(part) if (line := _line(row, number, column)).text]
    return lines


def _runs(page: Any) -> Iterator[Run]:
    """Runs in the order in which they were drawn. Text that is turned, such as a mark along the margin, comes last."""
    import pypdfium2.raw as pdfium

    text = page.get_textpage()
    handle, x, y = text.raw, ctypes.c_double(), ctypes.c_double()
    box, matrix = pdfium.FS_RECTF(), pdfium.FS_MATRIX()
    turned: list[Run] = []
    run, letters, low, scaled, pending = None, "", 0, 1.0, False
    for at in range(text.count_chars()):
        code = pdfium.FPDFText_GetUnicode(handle, at)
        if 0xD800 <= code < 0xDC00:  # the first half of a character beyond the basic plane
            low = code
            continue
        if 0xDC00 <= code < 0xE000 and low:
            code, low = 0x10000 + ((low - 0xD800) << 10) + (code - 0xDC00), 0
        letter = chr(code) if code else ""
        if not letter or letter in _BREAKS:
            continue
        if letter.isspace():
            pending = True
            continue
        pdfium.FPDFText_GetCharOrigin(handle, at, x, y)
        pdfium.FPDFText_GetLooseCharBox(handle, at, box)
        size = pdfium.FPDFText_GetFontSize(handle, at)
        if run is None or not _goes_on(run, x.value, y.value, size * scaled):
            if run is not None:
                run.text = letters
                yield run
            pdfium.FPDFText_GetMatrix(handle, at, matrix)
            scaled = math.hypot(matrix.c, matrix.d) or 1.0
            if abs(matrix.b) > abs(matrix.a):
                turned.append(Run(letter, box.left, box.right, y.value, size * scaled))
                run, letters, pending = None, "", False
                continue
            run, letters, pending = Run("", x.value, box.right, y.value, round(size * scaled, 1)), "", False
        elif pending or (x.value - run.right > _WORD_GAP * run.size and not _is_wide(letter) and not _is_wide(letters[-1])):
            letters, pending = f"{letters} ", False
        letters += letter
        run.right = max(box.right, x.value)
    if run is not None:
        run.text = letters
        yield run
    yield from _joined(turned)


def _joined(turned: Sequence[Run]) -> Iterator[Run]:
    """Turned characters as one run at the foot of the page."""
    if turned:
        yield Run("".join(run.text for run in turned), turned[0].left, turned[0].right, -1.0, turned[0].size)


def _goes_on(run: Run, x: float, y: float, size: float) -> bool:
    same = abs(y - run.base) < 0.01 * run.size and abs(size - run.size) <= 0.1
    return same and -0.5 * run.size < x - run.right < _WIDE_GAP * run.size


def _is_wide(letter: str) -> bool:
    """Whether it is of a script that is written without spaces."""
    return "\u2e80" <= letter <= "\u9fff" or "\uf900" <= letter <= "\ufaff" or "\uff00" <= letter <= "\uffef" or letter >= "\U00020000"


def _columns(runs: list[Run], depth: int) -> Iterator[list[Run]]:
    """Groups of runs that are read one after the other: bands between headings over all columns, and in them columns from the left."""
    gutter = _find_gutter(runs) if depth else None
    if gutter is None:
        yield runs
        return
    band: list[Run] = []
    across: list[Run] = []
    for row in _rows(runs):
        crosses = any(run.left < gutter < run.right for run in row)
        if crosses and band:
            yield from _beside(band, gutter, depth)
            band = []
        elif across and not crosses:
            yield across
            across = []
        (across if crosses else band).extend(row)
    if across:
        yield across
    yield from _beside(band, gutter, depth)


def _beside(band: list[Run], gutter: float, depth: int) -> Iterator[list[Run]]:
    for side in ([run for run in band if run.right <= gutter], [run for run in band if run.left >= gutter]):
        if side:
            yield from _columns(side, depth - 1)


def _find_gutter(runs: Sequence[Run]) -> float | None:
    """Where no text stands between prose on both sides; the middle of the widest such strip."""
    if len(runs) < 2 * _COLUMN_RUNS:
        return None
    left, right = min(run.left for run in runs), max(run.right for run in runs)
    width = int(right - left) + 1
    covered = [0] * (width + 1)
    for run in runs:
        covered[max(0, int(run.left - left))] += 1
        covered[min(width, int(run.right - left) + 1)] -= 1
    most = max(_CROSSING_RUNS, _CROSSING * len(runs))
    count, start, best = 0, None, (0, 0.0)
    for place in range(width):
        count += covered[place]
        if count <= most and 0.2 * width < place < 0.8 * width:
            start = place if start is None else start
            if place - start + 1 > best[0]:
                best = (place - start + 1, left + (start + place + 1) / 2)
        else:
            start = None
    size, gutter = best
    if size < _GUTTER_POINTS:
        return None
    sides = [run for run in runs if run.right <= gutter], [run for run in runs if run.left >= gutter]
    prose = all(len(side) >= _COLUMN_RUNS and sum(len(run.text) for run in side) >= _PROSE_CHARACTERS * len(side) for side in sides)
    return gutter if prose else None


def _rows(runs: Iterable[Run]) -> list[list[Run]]:
    """Runs beside each other, from the head of the page down, each row from the left."""
    rows: list[list[Run]] = []
    for run in sorted(runs, key=lambda run: (-run.base, run.left)):
        row = rows[-1] if rows else None
        if row is not None and _shares_line(max(row, key=lambda other: other.size), run):
            row.append(run)
        else:
            rows.append([run])
    return [sorted(row, key=lambda run: run.left) for row in rows]


def _shares_line(main: Run, run: Run) -> bool:
    """Whether a run belongs to the row of `main`: on its base line, or raised or lowered beside it in smaller type."""
    distance = abs(main.base - run.base)
    larger, smaller = max(main.size, run.size), min(main.size, run.size)
    return distance <= (_SAME_LINE if smaller > _SMALLER * larger else 0.5) * larger


def _line(row: Sequence[Run], page: int, column: int) -> Line:
    main = max(row, key=lambda run: (len(run.text) * (run.size > 0), run.size))
    text, before = "", None
    for run in row:
        mark = _mark(run, main, text) if before is not None else run.text
        apart = before is not None and mark == run.text and run.left - before.right > _WORD_GAP * main.size
        text += f" {mark}" if apart and not text.endswith(" ") else mark
        before = run
    return Line(" ".join(text.split()), main.size, main.base, page, column)


def _mark(run: Run, main: Run, before: str) -> str:
    """A run as it stands behind `before`: a raised one as exponent or as the mark of a note."""
    raised = run.size <= _SMALLER * main.size and run.base - main.base >= _RAISED * main.size
    text = run.text.strip()
    if not raised or not before or not re.fullmatch(r"[-−–+]?\d{1,3}(?:[,–-]\d{1,3})*|[*†‡§]", text):
        return run.text
    if before[-1].isdigit() or _UNIT.search(before) or text[0] in "-−–+":
        return f"^{text}" if len(text) == 1 or text.lstrip("-−–+").isdigit() else f"^({text})"
    return f"[{text}]" if before[-1].isalpha() or before[-1] in ".,;:!?)”\"’'" else run.text
