"""Looks through a table as text for its dialect, its header and what its rows have in common, before any row is read.

Lines are sampled from the whole file: the first ones, and where they have few quotes, those around quotes further on. Each dialect that the sample
speaks for parses it, and the one under which fewest lines belong to no row is taken. A file whose first quote is in its last row is read as one
whose first row has it.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import mode

from adapt.corpus.readers.dialect import DELIMITERS, NO_DELIMITER, Dialect
from adapt.corpus.readers.rows import Fault, Layout, NumberedLine, Row, Rows

_HEAD = 200
"""Lines from which delimiter, widths and lengths of cells are told."""
_SIZE = 1 << 20
"""Characters at the beginning that are looked at, and as many further on."""
_QUOTED, _ENOUGH = 1000, 50
"""Most lines with a quote that are looked at, and as many as are enough."""
_BEHIND, _LONGEST = 20, 1000
"""Lines that are looked at behind one with a quote, and within a cell."""
_KNOWN_ROWS = 5
_MOST = 0.9
_SUSPECT = 3
"""Lines of a cell from which it is suspect."""
_SURE = 10
"""Cells in quotes that had to be, from which quotes are trusted."""

Known = Callable[[Sequence[str]], int]
"""How many of these names of columns are known."""


@dataclass(frozen=True)
class Survey:
    """What a table needs to be read."""

    dialect: Dialect
    preamble: int
    """Lines before its first row."""
    layout: Layout | None
    """None where there are no rows."""
    suspect: int
    """Fewest lines of a cell that may be rows between stray quotes."""
    literal: bool = False
    """Quotes are characters, though its delimiter is one of tables that quote."""


@dataclass
class _Trial:
    """What became of the sample under a dialect."""

    dialect: Dialect
    lost: int = 0
    """Lines in no row."""
    certain: int = 0
    """The same without rows that may be cells of several lines."""
    quoted: int = 0
    """Cells in quotes."""
    needed: int = 0
    """The same, where only quotes let them have what they have."""
    header: bool = False
    """All of the header is in quotes."""
    rows: int = 0
    """Rows behind the header."""

    @property
    def regular(self) -> bool:
        """Whether quotes stand where a program that quotes all cells, or all of a column, sets them."""
        return self.header or (self.rows >= _KNOWN_ROWS and self.quoted >= _MOST * self.rows)


def survey_table(lines: Iterator[NumberedLine], limit: int, known: Known, columns: Sequence[str]) -> Survey:
    """What is said by the lines of a table; `columns` are those that the spec gives to one without a header."""
    sample = _Sample(lines, known)
    if not sample.head:
        return Survey(Dialect(","), sample.preamble, None, _SUSPECT)
    header = None if columns else sample.head[0]
    delimiter = sample.delimiter or _delimiter(sample.head, known, columns)
    width = len(columns) or len(Dialect(delimiter).alone(header or "")[0])
    marks = "\"'" if sample.apostrophes else '"'
    plain = [line.rstrip("\r\n").split(delimiter) for line in sample.head[header is not None :] if not any(mark in line for mark in marks)]
    layout = _layout(plain, width)
    if not (sample.quoted or sample.escaped or sample.apostrophes):
        return Survey(Dialect(delimiter), sample.preamble, layout, _least_suspect(Dialect(delimiter), layout))
    trials: dict[Dialect, _Trial] = {}
    for dialect in _dialects(delimiter, sample):
        if dialect.quote != "'" or sample.doubled or all(trial.lost for trial in trials.values()):
            trial = trials[dialect] = _tried(dialect, sample, limit, columns, layout)
            if dialect == Dialect(delimiter) and trial.lost == 0 and trial.needed:
                break  # no other can be better
    best = _best(trials, delimiter)
    if header is not None:
        width = max(1, len(best.dialect.alone(header)[0]))
    layout = _layout(plain, width)
    literal = not best.dialect.quote and not best.dialect.escapes and delimiter != "\t"
    return Survey(best.dialect, sample.preamble, layout, _suspect(best, layout), literal)


def _suspect(trial: _Trial, layout: Layout) -> int:
    """From how many lines on a cell is suspect: from none where many cells had to be quoted and none is amiss."""
    if trial.certain == 0 and (trial.header or trial.needed >= _SURE * max(1, trial.lost)):
        return sys.maxsize
    return _SUSPECT if trial.needed >= _KNOWN_ROWS else _least_suspect(trial.dialect, layout)


def _least_suspect(dialect: Dialect, layout: Layout) -> int:
    """The same where nothing speaks for quotes: a cell of two lines is suspect where tabs divide, which texts seldom have, or cells are known."""
    return _SUSPECT - (dialect.delimiter == "\t" or bool(layout.lengths))


class _Sample:
    """Lines of a table: its beginning, and those around quotes, in runs that follow each other."""

    def __init__(self, lines: Iterator[NumberedLine], known: Known) -> None:
        self._known = known
        self.delimiter = ""
        """What the first line says it is."""
        self.preamble = 0
        self.head: list[str] = []
        self.runs: list[list[NumberedLine]] = [[]]
        self.doubled = False
        """Apostrophes stand side by side, or at the beginning of a line."""
        self.quoted = self.escaped = self.apostrophes = self.spaced = False
        self.whole = False
        """The last run ends where the table does."""
        self._take(lines)

    def _take(self, lines: Iterator[NumberedLine]) -> None:
        """Take the first lines, and where they have few quotes, those around quotes further on. No run ends within a cell of several lines, as far as
        quotes in pairs say."""
        size = quoted = since = 0
        joined, within = True, False
        for number, line in lines:
            if line is None:
                joined = False
                continue
            if not self.head and self._is_before(line):
                self.preamble = number
                continue
            marks = line.count('"')
            quoted, since, within = quoted + (marks > 0), 0 if marks else since + 1, within ^ bool(marks % 2)
            if size > _SIZE and since > (_LONGEST if within else _BEHIND):
                joined = within = False
                continue
            if not joined and self.runs[-1]:
                self.runs.append([])
            joined = True
            self.runs[-1].append((number, line))
            self._note(line, marks)
            size += len(line)
            if len(self.head) < _HEAD:
                self.head.append(line)
            if quoted >= _QUOTED or size > 2 * _SIZE or (size > _SIZE and quoted >= _ENOUGH):
                return
        self.whole = True

    def _is_before(self, line: str) -> bool:
        """Whether a line stands before the header: a blank one, a comment, or what says the delimiter to a spreadsheet."""
        text = line.strip("\ufeff \r\n").strip('"')
        if text[:4].lower() == "sep=" and len(text) == 5:
            self.delimiter = text[4]
            return True
        return not text.strip() or (text.startswith("#") and not any(self._known(text.split(mark)) > 1 for mark in DELIMITERS))

    def _note(self, line: str, marks: int) -> None:
        self.quoted = self.quoted or marks > 0
        self.escaped = self.escaped or ("\\" in line and any(f"\\{mark}" in line for mark in ('"', "'", *DELIMITERS, "\n", "\r")))
        if "'" in line:
            self.apostrophes = self.apostrophes or line.startswith("'") or any(f"{mark}'" in line for mark in DELIMITERS)
            self.doubled = self.doubled or "''" in line or line.startswith("'")
        self.spaced = self.spaced or (marks > 0 and any(f'{mark} "' in line for mark in DELIMITERS))


def _delimiter(head: Sequence[str], known: Known, columns: Sequence[str]) -> str:
    """What divides the header into most names that are known, and as many rows as can be into as many cells."""
    best, best_score = NO_DELIMITER, (0, 0.0, 1)
    for mark in DELIMITERS:
        rows = [row for row in Dialect(mark).reader(head, strict=False) if any(map(str.strip, row))]
        width = len(columns) or (len(rows[0]) if rows else 0)
        if width < 2:
            continue
        share = sum(len(row) == width for row in rows) / len(rows)
        score = (0 if columns else known(rows[0]), round(share, 1), width)
        if score > best_score:
            best, best_score = mark, score
    return best


def _layout(rows: Sequence[list[str]], width: int) -> Layout:
    """What rows have in common; cells that many rows leave out at their end are optional."""
    widths = [len(cells) for cells in rows if any(map(str.strip, cells))]
    usual = mode(widths) if len(widths) >= _KNOWN_ROWS else width
    whole = [cells for cells in rows if len(cells) == width]
    empty = frozenset(at for cells in whole for at, cell in enumerate(cells) if not cell.strip())
    padded = any(cell[:1].isspace() for cells in whole for cell in cells)
    lengths: list[tuple[int, int]] = []
    if len(whole) >= _KNOWN_ROWS and width > 1:
        lengths = [(min(map(len, column)), max(map(len, column))) for column in zip(*whole, strict=True)]
    return Layout(width, usual if 1 < usual < width else width, empty, padded, tuple(lengths))


def _dialects(delimiter: str, sample: _Sample) -> Iterator[Dialect]:
    """The dialects that the sample may be in, the likeliest first."""
    base = Dialect(delimiter)
    yield base
    yield replace(base, quote="")
    if sample.spaced:
        yield replace(base, spaced=True)
    if sample.apostrophes:
        yield replace(base, quote="'")
    if sample.escaped:
        yield replace(base, escapes=True)
        yield replace(base, quote="", escapes=True)
    if sample.escaped and sample.apostrophes:
        yield replace(base, quote="'", escapes=True)


def _tried(dialect: Dialect, sample: _Sample, limit: int, columns: Sequence[str], layout: Layout) -> _Trial:
    """The sample under a dialect."""
    trial = _Trial(dialect)
    width = len(columns)
    for at, run in enumerate(sample.runs):
        cut = at < len(sample.runs) - 1 or not sample.whole
        rows = Rows(iter(run), dialect, limit, cut=cut, suspect=_least_suspect(dialect, layout))
        if width:
            rows.layout = layout._replace(width=width, least=min(layout.least, width))
        for found in rows:
            if isinstance(found, Fault):
                trial.lost += found.lines
                trial.certain += 0 if found.doubtful else found.lines
            else:
                _weigh(trial, found, header=not at and not width)
            if not width:
                width = len(found.cells) if isinstance(found, Row) else 1
                rows.layout = layout._replace(width=width, least=min(layout.least, width))
    return trial


def _weigh(trial: _Trial, row: Row, *, header: bool) -> None:
    """Count the cells in quotes of a row."""
    text = "".join(line or "" for _, line in row.text)
    trial.rows += not header
    if not header and trial.dialect.quote not in text:
        return
    quoted, needed = trial.dialect.quoted_cells(text.removeprefix("\ufeff"))
    trial.quoted += quoted
    trial.needed += max(needed, quoted == len(row.cells) > 1)
    if header:
        trial.header = quoted == len(row.cells)
    if trial.dialect.quote == "'":  # who quotes with it quotes every cell that has one
        loose = text.count("'") > 2 * quoted and not needed
        trial.lost += loose
        trial.certain += loose
    if trial.dialect == Dialect(trial.dialect.delimiter) and not needed and '\\"' in text and text.count('"') == text.count('\\"'):
        trial.lost += 1
        trial.certain += 1


def _best(trials: dict[Dialect, _Trial], delimiter: str) -> _Trial:
    """The dialect under which fewest lines are lost. Cells in quotes speak for quoting, in tables with tabs only those that had to be quoted."""
    base, bare = trials[Dialect(delimiter)], trials.get(Dialect(delimiter, quote=""))
    best = base
    for trial in trials.values():
        gained = best.lost - trial.lost
        if trial.dialect.quote != "'":
            better = gained > 0 and (bool(trial.dialect.quote) or trial.dialect.escapes)
        elif best.dialect.quote == "'":
            better = gained > 0
        else:
            shown = trial.needed > 0 or trial.header
            better = shown and (gained >= 0 if not base.quoted else gained > 0 and trial.quoted > 2 * base.quoted)
        if better:
            best = trial
    if bare is None or best.dialect.quote == "":
        return best
    weight = best.quoted if best.regular or delimiter != "\t" else best.needed
    if best.lost - bare.lost > 2 * weight or (delimiter == "\t" and weight == 0 and bare.lost <= best.lost):
        return bare
    return best
