"""Marks that name the blocks of a page in whatever is made of the page.

A mark is two symbols before a block's first word. They are printable and no letters, so that readers of pages neither drop
them nor take them for words, and come from a part of Unicode that the page itself does not use.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from adapt.corpus.extraction.blocks import TextBlock

_DIGITS = 255
_ALPHABETS = (0x2801, 0x2501, 0x2301, 0x2901, 0x2A01)
"""Where runs of 255 symbols begin: Braille, box drawing, technical symbols, arrows, operators."""


class Marks:
    """Puts marks on blocks and reads them again.

    >>> marks = Marks(source)
    >>> with marks.on(blocks):
    ...     numbers = marks.read(text_made_of(tree))
    """

    most = _DIGITS**2
    """How many blocks can be marked; those behind them are not."""

    def __init__(self, source: str) -> None:
        """`source` is the page; of the symbols that it holds least, marks are made."""
        ranges = {first: f"[{chr(first)}-{chr(first + _DIGITS - 1)}]" for first in _ALPHABETS}
        free = (first for first, symbols in ranges.items() if re.search(symbols, source) is None)
        self._first = next(free, _ALPHABETS[0])
        self._pair = re.compile(ranges[self._first] + "{2}")

    @contextmanager
    def on(self, blocks: Sequence[TextBlock]) -> Iterator[None]:
        """Within this context each block's number stands before it."""
        unmarked = []
        for number, block in enumerate(blocks[: self.most]):
            node, place = block.first_text()
            text = getattr(node, place)
            unmarked.append((node, place, text))
            mark = chr(self._first + number // _DIGITS) + chr(self._first + number % _DIGITS)
            setattr(node, place, mark + text.lstrip())
        try:
            yield
        finally:
            for node, place, text in unmarked:
                setattr(node, place, text)

    def read(self, text: str) -> set[int]:
        """Numbers of the blocks whose beginnings are in `text`."""
        pairs = self._pair.findall(text)
        return {(ord(pair[0]) - self._first) * _DIGITS + ord(pair[1]) - self._first for pair in pairs}
