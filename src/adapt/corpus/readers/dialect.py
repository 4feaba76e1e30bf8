"""The dialect of a table as text: what divides cells, what quotes them, and what escapes both.

The grammar is that of RFC 4180 and of Python's `csv`, whose parser reads every row; here stands only which of its settings a file needs.
"""

import csv
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

DELIMITERS = ",;\t|"
NO_DELIMITER = "\uffff"
"""Divides the cells of a table of one column: it is no character, so no text has it."""
_PAIR = re.compile(r"\\(.|\r\n|\n|\r|\Z)", re.DOTALL)


@dataclass(frozen=True)
class Dialect:
    """Settings of a parser of rows."""

    delimiter: str
    quote: str = '"'
    """Empty where quotes are characters like others."""
    escapes: bool = False
    """A backslash before a quote, a delimiter, a line end or a backslash takes their meaning away."""
    spaced: bool = False
    """Blanks behind a delimiter are no part of the cell, so that a quote behind them opens one."""

    def reader(self, lines: Iterable[str], *, strict: bool = True) -> Any:
        """A reader of rows, which asks for as many lines as a row has. Raises csv.Error for rows that are none, unless not `strict`."""
        options: dict[str, Any] = {"quotechar": self.quote} if self.quote else {"quoting": csv.QUOTE_NONE}
        if self.escapes:
            options["escapechar"] = "\\"
            lines = map(self._escaped, lines)
        return csv.reader(lines, delimiter=self.delimiter, skipinitialspace=self.spaced, strict=strict, **options)

    def alone(self, line: str) -> tuple[list[str], bool]:
        """The cells of a line by itself, and whether it is whole; a quote that it leaves open, or that is out of place, divides nothing."""
        if (not self.quote or self.quote not in line) and not self.escapes:
            return line.rstrip("\r\n").split(self.delimiter), True
        try:
            return next(self.reader([line])), True
        except StopIteration:
            return [], True
        except csv.Error:
            pass
        try:
            cells: list[str] = next(self.reader([line], strict=False), [])
        except csv.Error:
            return [], False
        return [*cells[:-1], *cells[-1].rstrip("\r\n").split(self.delimiter)] if cells else [], False

    def opens(self, line: str) -> bool:
        """Whether the line has a quote that it does not close."""
        return bool(self.quote) and (_PAIR.sub("", line) if self.escapes else line).count(self.quote) % 2 == 1

    def quoted_cells(self, row: str) -> tuple[int, int]:
        """Of the text of a row: how many cells stand in quotes, and how many of them had to."""
        if not self.quote or self.quote not in row:
            return 0, 0
        cells = [found[1] for found in self._quoted.finditer(row)]
        return len(cells), sum(self._needs(cell) for cell in cells)

    def _needs(self, cell: str) -> bool:
        """Whether a cell has a character that only quotes let it have."""
        return self.delimiter in cell or self.quote * 2 in cell or "\n" in cell or "\r" in cell or (self.escapes and "\\" + self.quote in cell)

    @cached_property
    def _quoted(self) -> re.Pattern[str]:
        mark, quote = re.escape(self.delimiter), re.escape(self.quote)
        inside = rf"(?:[^{quote}\\]|{quote}{quote}|\\.)*" if self.escapes else rf"(?:[^{quote}]|{quote}{quote})*"
        return re.compile(rf"(?:(?<=\A)|(?<={mark})) ?{quote}({inside}){quote}(?={mark}|[\r\n]*\Z)", re.DOTALL)

    def _escaped(self, line: str) -> str:
        """The line with two backslashes for every one that escapes nothing, as in `C:\\new`: Python's parser would drop it."""
        if "\\" not in line:
            return line
        special = (self.quote, self.delimiter, "\\", "\n", "\r", "\r\n")
        return _PAIR.sub(lambda pair: pair[0] if pair[1] and pair[1] in special else "\\\\" + pair[1], line)
