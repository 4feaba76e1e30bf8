"""The values of a JSON text one after the other, whatever the text is: a list, whose items they are, or values that follow each other.

Enters: a text of any length. Leaves: values with their places, and faults with line and column. One value stands in memory at a time. Read as well
are NaN and Infinity, raw control characters in strings, and lists with a comma too many or too few, which is noted (`Values.mended`).
"""

import json
import re
from collections.abc import Iterator
from typing import IO, Any, Literal, NamedTuple

from adapt.corpus.readers.texts import without_surrogates

MENDED = ("mend_json", "Lists with a comma too many or too few are read as if they were well-formed.")
"""Rule and reason of what is said of such lists."""
_BLOCK = 1 << 18
_FORGOTTEN = 4
"""Blocks behind the place of reading from which they are forgotten."""
_BLANK = re.compile(r"[\s\ufeff]*")
_COMMA = re.compile(r'("(?:[^"\\]|\\.)*(?:"|\Z))|,(?=\s*[\]}])', re.DOTALL)
_NEAR = 16
"""Characters at the end of what was read so far in which a fault may only be a cut."""
_ADVICE = {
    "'": "strings and keys stand in double quotes", "N": "write null for None", "T": "write true for True", "F": "write false for False",
    "/": "JSON has no comments", "#": "JSON has no comments", "\u201c": "strings stand in plain double quotes",
}  # fmt: skip
_REST = re.compile(r"[-+.eE0-9]*\Z")
"""What may belong to a number where the text at hand ends."""
_HALF = re.compile(r"\\u[dD]")
"""What may be half of a surrogate pair."""
_DECODER = json.JSONDecoder(strict=False)


class Broken(NamedTuple):
    """What is no JSON. `reason` holds no text of it."""

    reason: str
    line: int = 0
    column: int = 0
    rule: Literal["invalid_json", "too_large"] = "invalid_json"
    goes_on: bool = False
    """Whether values behind it are read."""

    def said(self, *, line: bool = True) -> str:
        """Where and why."""
        if not self.column:
            return self.reason
        return f"{f'line {self.line}, ' if line else ''}column {self.column}: {self.reason}"


def _without_commas(text: str) -> str:
    """The text without commas before a closing bracket."""
    return _COMMA.sub(lambda found: found[1] or "", text)


def _advice(error: json.JSONDecodeError) -> str:
    """Why a text is no JSON, without a word of it."""
    found = error.doc[error.pos : error.pos + 1]
    if not found or error.msg.startswith("Unterminated"):
        return "the text breaks off" if not found else "a string is not closed"
    return _ADVICE.get(found) or error.msg[:1].lower() + error.msg[1:]


class Values:
    """The values of a text; an iterator over pairs of a place, such as `[3]` or `line 7`, and a value or `Broken`."""

    def __init__(self, file: IO[str], limit: int) -> None:
        """`limit` is the most characters of a value."""
        self.mended = 0
        """How often commas were left out."""
        self._file, self._limit = file, limit
        self._text, self._at, self._end = "", 0, False
        self._line, self._before = 1, 0
        """Number of the line on which the text at hand begins, and how many characters of that line stand before it."""
        self._counted = (0, 0)
        """A place in the text at hand, and how many line ends stand before it."""

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        count, last, same = 0, 0, 1
        while self._peek():
            if self._text[self._at] == "[":
                self._at += 1
                for item in self._items():
                    value = self._judged(item)
                    yield f"[{count}]", value
                    count += 1
                    if isinstance(value, Broken) and not value.goes_on:
                        return
                continue
            if self._text[self._at] == "," and last:
                self._at += 1
                self.mended += 1
                continue
            line = self._line_of(self._at)[0]
            same = same + 1 if line == last else 1
            last = line
            value = self._judged(self._value())
            yield f"line {line}" if same == 1 else f"line {line} ({same})", value
            if isinstance(value, Broken) and not value.goes_on:
                return

    def _items(self) -> Iterator[Any]:
        """Those of a list, up to its end."""
        first = True
        mark = ""
        while (mark := self._peek()) and mark != "]":
            if not first:
                if mark == ",":
                    self._at += 1
                elif mark not in "{[":
                    yield self._broken(json.JSONDecodeError("Expecting ',' delimiter", self._text, self._at))
                    return
                if mark != "," or self._peek() == "]":
                    self.mended += 1
                    first = True
                    continue
            value = self._value()
            yield value
            first = isinstance(value, Broken)
        if mark:
            self._at += 1
        else:
            yield self._broken(json.JSONDecodeError("Expecting ',' delimiter", self._text, self._at))

    def _value(self) -> Any:
        """The next one. What is cut off where the text at hand ends is tried again with more of it."""
        self._cut()
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._at)
            except RecursionError:
                return Broken("it is nested too deeply", *self._line_of(self._at))
            except ValueError as error:
                fault = error if isinstance(error, json.JSONDecodeError) else json.JSONDecodeError(str(error)[:40], self._text, self._at)
                if not self._end and (fault.msg.startswith("Unterminated") or fault.pos >= len(self._text) - _NEAR):
                    if len(self._text) - self._at > self._limit:
                        return Broken("An item is larger than corpus.limits.max_record_mib; nothing behind it is read.", rule="too_large")
                    self._read_on()
                    continue
                mended = _without_commas(self._text[self._at :])
                if len(mended) < len(self._text) - self._at:
                    self.mended += 1
                    self._text = self._text[: self._at] + mended
                    continue
                return self._broken(fault)
            if not self._end and isinstance(value, int | float) and _REST.match(self._text, end):
                self._read_on()
                continue
            start, self._at = self._at, end
            return without_surrogates(value) if _HALF.search(self._text, start, end) else value

    def _broken(self, fault: json.JSONDecodeError) -> Broken:
        return Broken(_advice(fault), *self._line_of(fault.pos))

    def _judged(self, value: Any) -> Any:
        return value._replace(goes_on=self._goes_on(value)) if isinstance(value, Broken) else value

    def _goes_on(self, broken: Broken) -> bool:
        """Whether another value begins behind a fault: on a line that begins as that of the broken one does. Reading goes on there."""
        begin = self._text.rfind("\n", 0, self._at) + 1
        indent = self._text[begin : self._at]
        if broken.rule == "too_large" or indent.strip(" \t,") or (not begin and self._before):
            return False
        sought = re.compile(r"^" + re.escape(indent.replace(",", "")) + r"(?=\{)", re.MULTILINE)
        start = self._at + 1
        while True:
            if found := sought.search(self._text, start):
                self._at = found.end()
                return True
            if self._end or len(self._text) - self._at > self._limit:
                return False
            start = max(start, self._text.rfind("\n", 0, len(self._text)))
            self._read_on()

    def _peek(self) -> str:
        """The next character that is no blank; empty at the end."""
        while True:
            self._at = _BLANK.match(self._text, self._at).end()  # type: ignore[union-attr]  # it matches nothing at least
            if self._at < len(self._text) or self._end:
                return self._text[self._at : self._at + 1]
            self._cut()
            self._read_on()

    def _cut(self) -> None:
        """Forget what was read, once it is long; the line at hand stays, where it is not as long itself."""
        if self._at <= _FORGOTTEN * _BLOCK:
            return
        begin = self._text.rfind("\n", 0, self._at) + 1
        if begin <= self._at // 2:
            begin = self._at
        line, column = self._line_of(begin)
        self._line, self._before = line, column - 1
        self._text, self._at, self._counted = self._text[begin:], self._at - begin, (0, 0)

    def _read_on(self) -> None:
        """As much again as is at hand, so that a long value is looked at few times."""
        block = self._file.read(max(_BLOCK, len(self._text) - self._at))
        self._end = not block
        self._text += block

    def _line_of(self, place: int) -> tuple[int, int]:
        """Line and column of a place in the text at hand."""
        start, before = self._counted if self._counted[0] <= place else (0, 0)
        line = before + self._text.count("\n", start, place)
        self._counted = place, line
        column = place - self._text.rfind("\n", 0, place)
        return self._line + line, column if line else column + self._before
