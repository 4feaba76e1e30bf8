"""PDF files: one file, one draft. Lines come from PDFium; headings are told by the size of their type, paragraphs by the gaps between lines.

Running heads and page numbers are dropped: what stands apart at the head or the foot of a page, at the same place of many pages, and says the same or
counts the pages. Forms of one layout stay, whose lines stand at the same places too. A scanned page holds no text, and none is recognised.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from typing import BinaryIO

from adapt.corpus.draft import Draft, Edit, Rejected
from adapt.corpus.readers.pdf_layout import Line, read_lines
from adapt.text.letters import count_letters

_LARGER = 1.15
"""A heading is set in type of at least this many times the size of the body."""
_HEADING_CHARACTERS = 150
_GAP = 1.45
"""A paragraph begins where lines stand this many times further apart than is usual in the file."""
_APART = 3
"""Lines further apart than so many times their size say nothing of what is usual."""
_FURNITURE_SHARE = 0.4
"""Share of the pages on which furniture stands: heads of left and right pages take turns."""
_ZONE = 0.12
"""Head and foot of a page, as shares of its height."""
_OUTERMOST = 3
"""Lines that a running head or foot has at most."""
_SET_APART = 1.3
"""Furniture stands this many times further from the text than lines of the text from each other."""
_FAR = 50
"""Largest difference between a page's place in the file and the number that counts it beside other words."""
_DIGITS = re.compile(r"\d+")
_NUMBERED = re.compile(r"(?:page|seite|página|pagina|p|s|of|von|de|sur|di|第|页|頁|共|/|[\W\d_])*", re.IGNORECASE)
"""A line that holds nothing but the number of a page."""
_BULLET = re.compile(r"[•‣▪●◦∙·\uf0b7][ \t]*")
_HYPHENS = "-\ufffe\x02\u00ad"
"""How a line ends within a word: PDFium writes some hyphens in its own way."""
_BROKEN_WORD = re.compile("(\\w+)\ufffe(\\w+)")
_COMPOUND = re.compile(r"\w+-\w+")
_WORD = re.compile(r"\w{2,}")


def read_pdf(file: BinaryIO, name: str, limit: int) -> Iterator[Draft | Rejected]:
    """Yields the one draft of the file, of at most `limit` characters; its title is the heading in the largest type on the first page."""
    import pypdfium2

    try:
        with pypdfium2.PdfDocument(file) as document:
            lines: list[Line] = []
            heights: list[float] = []
            held = 0
            for number in range(len(document)):
                page = document[number]
                heights.append(page.get_height())
                lines += read_lines(page, number)
                held = sum(len(line.text) for line in lines) if number % 64 == 0 else held
                if held > limit:
                    break
    except pypdfium2.PdfiumError as error:
        encrypted = "password" in str(error).lower()
        yield Rejected("", "unreadable", "The PDF is encrypted." if encrypted else "The file is no PDF, or is damaged.")
        return
    furniture = _find_furniture(lines, heights)
    kept = [line for number, line in enumerate(lines) if number not in furniture]
    if not kept:
        reason = "The PDF holds nothing but running heads and page numbers." if lines else "The PDF holds no text; it may be scanned."
        yield Rejected("", "no_content", reason, sum(count_letters(line.text) for line in lines))
        return
    title, text = _markdown(kept)
    letters = sum(count_letters(lines[number].text) for number in furniture)
    reason = f"{len(furniture)} lines that repeat from page to page were removed."
    edits = (Edit("drop_page_furniture", reason, len(furniture), characters=letters),) if furniture else ()
    yield Draft(source=name, locator="", kind="text", title=title, text=_mended(text), wrapped=True, edits=edits)


def _find_furniture(lines: Sequence[Line], heights: Sequence[float]) -> set[int]:
    """Numbers of the lines that are running heads, running feet and page numbers."""
    usual = _usual_gap(lines)
    places: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    for number in _outer_lines(lines, heights, usual):
        places[_DIGITS.sub("0", lines[number].text), round(lines[number].height)].append(number)
    least = max(2, _FURNITURE_SHARE * len(heights))
    return {number for group in places.values() if len(group) >= least and _is_furniture([lines[at] for at in group]) for number in group}


def _outer_lines(lines: Sequence[Line], heights: Sequence[float], usual: float) -> Iterator[int]:
    """Numbers of the lines at the head and the foot of each page that stand apart from its text."""
    numbered: Mapping[int, list[int]] = {
        page: sorted((number for number, _ in group), key=lambda number: -lines[number].height)
        for page, group in groupby(enumerate(lines), key=lambda item: item[1].page)
    }
    for page, order in numbered.items():
        height = heights[page]
        heads = [number for number in order if lines[number].height >= (1 - _ZONE) * height]
        feet = [number for number in reversed(order) if lines[number].height <= _ZONE * height]
        for outer, inward in ((heads, order), (feet, order[::-1])):
            yield from _set_apart([lines[number] for number in inward], outer, usual)


def _set_apart(inward: Sequence[Line], outer: Sequence[int], usual: float) -> Sequence[int]:
    """Of the lines in a zone, those outside its last wide gap; `inward` are the page's lines from that edge on."""
    for count in range(min(len(outer), _OUTERMOST), 0, -1):
        gap = abs(inward[count - 1].height - inward[count].height) if count < len(inward) else float("inf")
        if gap >= _SET_APART * (usual or inward[count - 1].size):
            return outer[:count]
    return []


def _is_furniture(group: Sequence[Line]) -> bool:
    """Whether lines of one form at one place say the same on each page, or count the pages."""
    if len({line.text for line in group}) == 1:
        return True
    counted = [[int(digits) for digits in _DIGITS.findall(line.text)] for line in group]
    columns = list(zip(*counted, strict=True)) if len({len(found) for found in counted}) == 1 else []
    offsets = [{number - line.page for number, line in zip(column, group, strict=True)} for column in columns if len(set(column)) > 1]
    if not offsets or any(len(offset) > 1 for offset in offsets):
        return False
    return all(_NUMBERED.fullmatch(line.text) for line in group) or all(abs(offset) <= _FAR for (offset,) in offsets)


def _usual_gap(lines: Sequence[Line]) -> float:
    """The commonest distance of two lines of a column, in points; 0 where there is none."""
    pairs = ((before.height - line.height, line.size) for before, line in pairwise(lines) if _same_column(before, line))
    return _commonest((round(gap, 1), 1) for gap, size in pairs if 0 < gap <= _APART * size)


def _same_column(before: Line, line: Line) -> bool:
    return before.page == line.page and before.column == line.column


def _markdown(lines: list[Line]) -> tuple[str, str]:
    """Title and text."""
    body = _commonest((line.size, len(line.text)) for line in lines)
    usual = _usual_gap(lines)
    sizes = sorted({line.size for line in lines if _is_heading(line, body)}, reverse=True)
    parts: list[str] = []
    title = ""
    before: Line | None = None
    for line in lines:
        headed = _is_heading(line, body)
        text = _BULLET.sub("- ", line.text, count=1) if _BULLET.match(line.text) else line.text
        if headed and before is not None and before.size == line.size and _near(before, line, 2 * usual):
            parts[-1] += f" {text}"  # a heading of two lines
        elif headed:
            level = min(sizes.index(line.size), 3) + (1 if title or line.page == 0 else 2)
            parts += ["", f"{'#' * max(level, 2 if title else 1)} {text}", ""]
        else:
            goes_on = before is not None and not _is_heading(before, body) and _goes_on(before, line, usual)
            if goes_on and parts[-1][-1:] in _HYPHENS and len(parts[-1]) > 1 and parts[-1][-2].isalpha() and text[0].islower():
                parts[-1] = f"{parts[-1][:-1]}\ufffe{text}"
            else:
                parts += [text] if goes_on or before is None or _is_heading(before, body) else ["", text]
        if headed and not title and line.size == sizes[0] and line.page == 0:
            title = text
        before = line
    return title, "\n".join(parts).strip("\n")


def _is_heading(line: Line, body: float) -> bool:
    return line.size >= _LARGER * body > 0 and len(line.text) <= _HEADING_CHARACTERS and any(letter.isalpha() for letter in line.text)


def _near(before: Line, line: Line, distance: float) -> bool:
    return _same_column(before, line) and 0 <= before.height - line.height <= distance


def _goes_on(before: Line, line: Line, usual: float) -> bool:
    """Whether a line belongs to the paragraph of the one before; at the head of a page or column, when that one does not end a sentence."""
    if not _same_column(before, line) or line.height > before.height + usual:
        return before.text[-1] not in '.!?:;。！？：；”"' and before.size == line.size
    return before.height - line.height <= _GAP * usual or not usual


def _commonest(weighted: Iterator[tuple[float, int]]) -> float:
    counts: Counter[float] = Counter()
    for value, weight in weighted:
        counts[value] += weight
    return max(counts, key=lambda value: (counts[value], -value)) if counts else 0.0


def _mended(text: str) -> str:
    """Words broken at the end of a line in one piece. A hyphen stays where the file writes the word with one elsewhere, or writes both parts as words
    and the whole nowhere."""
    if "\ufffe" not in text:
        return text
    words, compounds = Counter(_WORD.findall(text)), set(_COMPOUND.findall(text))

    def mend(match: re.Match[str]) -> str:
        first, second = match.groups()
        whole, hyphenated = first + second, f"{first}-{second}"
        apart = words[first] > 1 and words[second] > 1  # each stands once at the break itself
        return hyphenated if whole not in words and (hyphenated in compounds or apart) else whole

    return _BROKEN_WORD.sub(mend, text)
