"""Turns HTML elements into Markdown that reads as plain text too.

Kept: headings, paragraphs, lists, tables, code, quotations, definition lists. Emphasis, links and images leave their text only: an
answer is learned for what it says. Exponents and indices keep their sense as `x^2` and `H2O`.
"""

import re
from itertools import pairwise
from typing import Any

from lxml import html

from adapt.corpus.extraction.blocks import BLOCK_TAGS

_HEADINGS = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6}
_SPACE = re.compile(r"[ \t\r\n\f]+")
_BREAK = "\x00"
_VISIBLE = re.compile("[^\\s\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u2064\u2800\ufeff]")
"""Pages hold elements open with characters that show nothing."""
_LOOKS_LIKE_HEADING = re.compile(r"#{1,6}\s")


def render(root: Any) -> str:
    """The element's content as Markdown; a heading gives itself."""
    return "\n\n".join(_Renderer().blocks(root) if root.tag not in _HEADINGS else _Renderer().heading(root, _HEADINGS[root.tag]))


def inline_text(element: Any) -> str:
    """The element's text on one line."""
    text = _SPACE.sub(" ", _inline(element).replace(_BREAK, " ")).strip()
    return text if _VISIBLE.search(text) else ""


class _Renderer:
    """Holds the level of the last heading, which the summaries of folded answers go below."""

    def __init__(self) -> None:
        self._level = 1

    def blocks(self, element: Any) -> list[str]:
        """The Markdown blocks inside an element; loose text between blocks makes paragraphs."""
        done: list[str] = []
        loose = _loose(element.text)
        for child in element:
            if child.tag in BLOCK_TAGS:
                done += _paragraph(loose) + self._block(child)
                loose = ""
            elif any(inner.tag in BLOCK_TAGS for inner in child.iterdescendants()):
                done += _paragraph(loose) + self.blocks(child)
                loose = ""
            else:
                loose += _inline_element(child)
            loose += _loose(child.tail)
        return done + _paragraph(loose)

    def _block(self, element: Any) -> list[str]:
        tag = element.tag
        if tag in _HEADINGS:
            return self.heading(element, _HEADINGS[tag])
        if tag == "summary":
            return self.heading(element, min(self._level + 1, 6), folded=True)
        if tag == "pre":
            return _fenced(_code_text(element))
        if tag in ("ul", "ol", "dir"):
            return [text] if (text := self._list(element)) else []
        if tag == "dl":
            return [text] if (text := _definitions(element)) else []
        if tag == "table":
            return self._table(element)
        if tag == "blockquote":
            inside = "\n\n".join(self.blocks(element))
            return [re.sub(r"(?m)^", "> ", inside).replace("> \n", ">\n")] if inside else []
        return self.blocks(element)

    def heading(self, element: Any, level: int, *, folded: bool = False) -> list[str]:
        """The line of a heading; a folded one opens no level of its own."""
        text = inline_text(element)
        if text and not folded:
            self._level = level
        return [f"{'#' * level} {text}"] if text else []

    def _list(self, element: Any) -> str:
        """Items may hold blocks of their own; those are indented below the item's first line."""
        items: list[str] = []
        number = int(start) if (start := element.get("start", "1")).lstrip("-").isdigit() else 1
        for child in element:
            blocks = self.blocks(child)
            mark = f"{number}. " if element.tag == "ol" else "- "
            if child.tag in ("ul", "ol") and items:  # a list straight inside a list belongs to the item before it
                items[-1] += "\n" + _indented(self._list(child), 3)
            elif blocks:
                text = blocks[0] + "".join(("\n" if block.startswith(("- ", "1. ")) else "\n\n") + block for block in blocks[1:])
                items.append(mark + _indented(text, len(mark)).lstrip())
                number += 1
        return "\n".join(items)

    def _table(self, element: Any) -> list[str]:
        """A table of data becomes pipe rows, one of numbered lines code; one that lays out the page the blocks of its cells."""
        rows = _own_rows(element)
        code = _code_of_table(rows)
        if code is not None:
            return _fenced(code)
        grid = _grid(rows)
        if _lays_out_page(element, rows) or max(map(len, grid), default=0) < 2:
            return [block for row in rows for cell in row for block in self.blocks(cell)]
        width = max(map(len, grid))
        padded = [row + [""] * (width - len(row)) for row in grid]
        lines = [f"| {' | '.join(row)} |" for row in padded]
        captions = [text for caption in element.iterchildren("caption") if (text := inline_text(caption))]
        return [*captions, "\n".join([lines[0], "|" + " --- |" * width, *lines[1:]])]


def _lays_out_page(table: Any, rows: list[Any]) -> bool:
    """Whether the cells hold parts of a page: headings, lists, code, or tables without headed columns around them."""
    if table.get("role") == "presentation" or any(True for _ in table.iter(*_HEADINGS, "ul", "ol", "pre")):
        return True
    nested = any(inner is not table for inner in table.iter("table"))
    return nested and not any(cell.tag == "th" for row in rows for cell in row)


def _cell_text(cell: Any) -> str:
    """A cell on one line; the rows of a table inside it are divided by semicolons, their cells by commas."""
    if next(cell.iter("table"), None) is None:
        return inline_text(cell)
    parts = [_loose(cell.text)]
    for child in cell:
        tables = _outermost_tables(child)
        grids = [_grid(_own_rows(table)) for table in tables]
        rows = "; ".join(", ".join(filter(None, row)) for grid in grids for row in grid)
        parts += [f" {rows} " if tables else f" {inline_text(child)} ", _loose(child.tail)]
    return _SPACE.sub(" ", "".join(parts)).strip()


def _outermost_tables(element: Any) -> list[Any]:
    """Tables in `element`, or itself, that stand in no other table within it."""
    if element.tag == "table":
        return [element]
    return [table for child in element for table in _outermost_tables(child)]


def _own_rows(table: Any) -> list[Any]:
    """The rows of a table without those of tables in its cells."""
    return [row for row in table.iter("tr") if next(row.iterancestors("table")) is table]


def _grid(rows: list[Any]) -> list[list[str]]:
    """The cells' texts; a cell that spans rows is repeated in each, one that spans columns leaves the others empty."""
    below: dict[int, tuple[int, str]] = {}
    grid: list[list[str]] = []
    for row in rows:
        line: list[str] = []
        cells = [cell for cell in row if cell.tag in ("td", "th")]
        while cells or len(line) in below:
            if len(line) in below:
                left, text = below.pop(len(line))
                carried = (left, text)
            else:
                cell = cells.pop(0)
                carried = (_span(cell, "rowspan"), _cell_text(cell).replace("|", "\\|"))
                extra = _span(cell, "colspan") - 1
                cells = [*[html.Element("td") for _ in range(extra)], *cells]
            if carried[0] > 1:
                below[len(line)] = (carried[0] - 1, carried[1])
            line.append(carried[1])
        if any(line):
            grid.append(line)
    return grid


def _span(cell: Any, name: str) -> int:
    value = cell.get(name, "1").strip()
    return min(max(int(value), 1), 50) if value.isascii() and value.isdigit() else 1


def _definitions(element: Any) -> str:
    """`- term: definition; definition` lines; terms and definitions without text, such as the pictures of a gallery, make none."""
    entries: list[tuple[str, list[str]]] = []
    for child in element.iter("dt", "dd"):
        text = inline_text(child)
        if child.tag == "dt" or not entries:
            entries.append((text, []))
        elif text:
            entries[-1][1].append(text)
    lines = [": ".join(filter(None, (term, "; ".join(definitions)))) for term, definitions in entries]
    return "\n".join(f"- {line}" for line in lines if line)


_GUTTERS = {"gutter", "lineno", "linenos", "line-number", "line-numbers", "linenumber", "ln", "hljs-ln-numbers", "blob-num"}
"""Class names that highlighters give to the numbers beside lines of code."""
_CODE_CELLS = {"code", "hljs-ln-code", "blob-code", "highlight"}
_NUMBERS = re.compile(r"[\d\s]*")


def _fenced(text: str) -> list[str]:
    """A fenced block; none of white space."""
    text = text.replace("\r\n", "\n").strip("\n").rstrip()
    fence = "~~~" if "```" in text else "```"
    return [f"{fence}\n{text}\n{fence}"] if text else []


def _code_of_table(rows: list[Any]) -> str | None:
    """The code of a table whose cells are line numbers and code; none for other tables."""
    lines = []
    for row in rows:
        code = [cell for cell in row if cell.tag in ("td", "th") and not _is_gutter(cell)]
        if len(code) != 1 or not (_classes(code[0]) & _CODE_CELLS or next(code[0].iter("pre"), None) is not None):
            return None
        lines.append(_code_text(code[0]).strip("\n"))
    numbered = any(_is_gutter(cell) for row in rows for cell in row)
    return "\n".join(lines) if numbered else None


def _is_gutter(element: Any) -> bool:
    """Line numbers: named so and nothing but numbers, or a cell whose numbers count up from line to line."""
    text = element.text_content()
    if not _NUMBERS.fullmatch(text):
        return False
    numbers = [int(number) for number in text.split()]
    counts_up = len(numbers) > 1 and all(after == before + 1 for before, after in pairwise(numbers))
    return bool(_classes(element) & _GUTTERS) or element.get("data-line-number") is not None or counts_up


def _classes(element: Any) -> set[str]:
    return set(element.get("class", "").lower().split())


def _code_text(element: Any) -> str:
    """Its text as it stands, without line numbers; a line break for each `br`, and for each element that is a line."""
    parts = [element.text or ""]
    for child in element:
        if child.tag == "br":
            parts.append("\n")
        elif not (_classes(child) & _GUTTERS and _is_gutter(child)):
            parts.append(_code_text(child))
            if child.tag in ("div", "p", "li", "tr") and not parts[-1].endswith("\n"):
                parts.append("\n")
        parts.append(child.tail or "")
    return "".join(parts)


def _inline(element: Any) -> str:
    parts = [_loose(element.text)]
    for child in element:
        parts += [f" {_inline(child)} " if child.tag in BLOCK_TAGS else _inline_element(child), _loose(child.tail)]
    return "".join(parts)


def _inline_element(element: Any) -> str:
    if element.tag == "br":
        return _BREAK
    text = _inline(element)
    if element.tag in ("sup", "sub") and (not text.strip() or next(element.iter("a"), None) is not None):
        return ""  # a footnote mark
    if element.tag == "sup":
        return f"^{text}" if re.fullmatch(r"[\w+−-]+", text) else f"^({text})"
    if element.tag == "sub":
        return text if text.isdigit() else f"_{text}"
    if element.tag in ("code", "kbd", "samp", "tt") and text.strip():
        return f"`{text.strip()}`"
    return f"“{text}”" if element.tag == "q" else text


def _loose(text: str | None) -> str:
    return _SPACE.sub(" ", text) if text else ""


def _paragraph(text: str) -> list[str]:
    """One paragraph, a line break where the page has one; an empty line where it has two."""
    if not text or not _VISIBLE.search(text):
        return []
    lines = "\n".join([_SPACE.sub(" ", line).strip() for line in text.split(_BREAK)]).strip()
    lines = re.sub(r"\n{2,}", "\n\n", lines) if "\n\n\n" in lines else lines
    return ["\\" + lines if _LOOKS_LIKE_HEADING.match(lines) else lines] if lines else []


def _indented(text: str, width: int) -> str:
    return re.sub(r"(?m)^(?=.)", " " * width, text)
