"""PDF files: one file, one draft. Lines come from PDFium; headings are told by the size of their type, paragraphs by the gaps between lines.

What stands at the same place of most pages (running heads, page numbers) is dropped. A scanned page holds no text, and none is recognised.
"""

import ctypes
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, BinaryIO

from adapt.corpus.draft import Draft, Edit, Rejected

_LARGER = 1.15
"""A heading is set in type of at least this many times the size of the body."""
_HEADING_CHARACTERS = 150
_GAP = 1.45
"""A paragraph begins where lines stand this many times further apart than is usual in the file."""
_APART = 3
"""Lines further apart than so many times their size say nothing of what is usual."""
_FURNITURE_SHARE = 0.5
_DIGITS = re.compile(r"\d+")
_BULLET = re.compile(r"[•‣▪●◦∙·\uf0b7][ \t]*")
_BROKEN_WORD = re.compile("(\\w+)[\ufffe\x02](\\w+)")
_COMPOUND = re.compile(r"\w+-\w+")


@dataclass(slots=True)
class _Line:
    text: str
    size: float
    """Of its type, in points."""
    height: float
    """Of its base line over the foot of the page, in points."""
    page: int


def read_pdf(file: BinaryIO, name: str, limit: int) -> Iterator[Draft | Rejected]:
    """Yields the one draft of the file, of at most `limit` characters; its title is the heading in the largest type on the first page."""
    import pypdfium2

    try:
        with pypdfium2.PdfDocument(file) as document:
            lines: list[_Line] = []
            held = 0
            for number in range(len(document)):
                lines += _lines(document, number)
                held = sum(len(line.text) for line in lines) if number % 64 == 0 else held
                if held > limit:
                    break
    except pypdfium2.PdfiumError as error:
        encrypted = "password" in str(error).lower()
        yield Rejected("", "unreadable", "The PDF is encrypted." if encrypted else "The file is no PDF, or is damaged.")
        return
    furniture = _furniture(lines)
    kept = [line for line in lines if (_DIGITS.sub("0", line.text), round(line.height)) not in furniture]
    if not kept:
        yield Rejected("", "no_content", "The PDF holds no text; it may be scanned.")
        return
    title, text = _markdown(kept)
    gone = len(lines) - len(kept)
    edits = (Edit(rule="drop_page_furniture", reason=f"{gone} lines that repeat from page to page were removed.", score=gone),) if gone else ()
    yield Draft(source=name, locator="", kind="text", title=title, text=_mended(text), wrapped=True, edits=edits)


def _lines(document: Any, number: int) -> list[_Line]:
    """Lines of a page that are not blank."""
    import pypdfium2.raw as pdfium

    page = document[number].get_textpage()
    text = page.get_text_range()
    exact = len(text) == page.count_chars()  # characters beyond the basic plane shift the places of those behind them
    found: list[_Line] = []
    at = 0
    left, foot = ctypes.c_double(), ctypes.c_double()
    for line in text.split("\r\n"):
        bare = line.strip()
        if bare:
            first = at + len(line) - len(line.lstrip())
            pdfium.FPDFText_GetCharOrigin(page.raw, first, left, foot)
            size = pdfium.FPDFText_GetFontSize(page.raw, first + len(bare) // 2) if exact else 0.0
            found.append(_Line(bare, round(size, 1), foot.value if exact else 0.0, number))
        at += len(line) + 2
    return found


def _furniture(lines: list[_Line]) -> set[tuple[str, int]]:
    """(text with numbers made equal, height) of lines that stand at the same height on at least half of the pages, and on two."""
    pages = lines[-1].page + 1 if lines else 0
    counts = Counter({(_DIGITS.sub("0", line.text), round(line.height), line.page) for line in lines})
    places = Counter((text, height) for text, height, _ in counts)
    return {place for place, count in places.items() if count >= max(2, _FURNITURE_SHARE * pages)}


def _markdown(lines: list[_Line]) -> tuple[str, str]:
    """Title and text."""
    body = _commonest((line.size, len(line.text)) for line in lines)
    usual = _commonest((round(gap, 1), 1) for before, line in pairwise(lines) if 0 < (gap := before.height - line.height) <= _APART * line.size)
    sizes = sorted({line.size for line in lines if _is_heading(line, body)}, reverse=True)
    parts: list[str] = []
    title = ""
    before: _Line | None = None
    for line in lines:
        headed = _is_heading(line, body)
        text = _BULLET.sub("- ", line.text, count=1) if _BULLET.match(line.text) else line.text
        if headed and before is not None and before.size == line.size and _near(before, line, 2 * usual):
            parts[-1] += f" {text}"  # a heading of two lines
        elif headed:
            level = min(sizes.index(line.size), 3) + (1 if title or line.page == 0 else 2)
            parts += ["", f"{'#' * max(level, 2 if title else 1)} {text}", ""]
        else:
            if before is not None and not _is_heading(before, body) and not _goes_on(before, line, usual):
                parts.append("")
            parts.append(text)
        if headed and not title and line.size == sizes[0] and line.page == 0:
            title = text
        before = line
    return title, "\n".join(parts).strip("\n")


def _is_heading(line: _Line, body: float) -> bool:
    return line.size >= _LARGER * body > 0 and len(line.text) <= _HEADING_CHARACTERS and any(letter.isalpha() for letter in line.text)


def _near(before: _Line, line: _Line, distance: float) -> bool:
    return before.page == line.page and 0 <= before.height - line.height <= distance


def _goes_on(before: _Line, line: _Line, usual: float) -> bool:
    """Whether a line belongs to the paragraph of the one before; at the head of a page or column, when that one does not end a sentence."""
    if before.page != line.page or line.height > before.height + usual:
        return before.text[-1] not in '.!?:;。！？：；”"' and before.size == line.size
    return before.height - line.height <= _GAP * usual or not usual


def _commonest(weighted: Iterator[tuple[float, int]]) -> float:
    counts: Counter[float] = Counter()
    for value, weight in weighted:
        counts[value] += weight
    return max(counts, key=lambda value: (counts[value], -value)) if counts else 0.0


def _mended(text: str) -> str:
    """Words broken at the end of a line in one piece; those that the file also writes with a hyphen keep it."""
    compounds = set(_COMPOUND.findall(text)) if "\ufffe" in text or "\x02" in text else set()
    return _BROKEN_WORD.sub(lambda match: hyphenated if (hyphenated := f"{match[1]}-{match[2]}") in compounds else match[1] + match[2], text)
