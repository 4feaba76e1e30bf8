"""Word files: one file, one draft; headings, lists and tables become Markdown."""

import re
import zipfile
from collections.abc import Iterator
from typing import IO, Any, BinaryIO, cast

from adapt.corpus.draft import Draft, Rejected
from adapt.corpus.readers.texts import as_text

_PICTURES = 8
_HEADING = re.compile(r"(?:heading|标题|überschrift|titre) ?([1-6])", re.IGNORECASE)
_LIST = re.compile(r"list (bullet|number|paragraph)|列表", re.IGNORECASE)


def read_docx(file: BinaryIO, name: str, limit: int, expansion: int) -> Iterator[Draft | Rejected]:
    """Yields the one draft of the file; its title is the first heading of level 1 or the title that its properties give.

    Parts of text of more than `limit` bytes, and parts of more than `expansion` times the bytes that they are stored in, are refused before they
    are unpacked.
    """
    import docx

    try:
        with zipfile.ZipFile(file) as parts:
            if not _is_bounded(parts, limit, expansion):
                yield Rejected("", "too_large", "The file, or a part of it, is larger unpacked than corpus.limits allow.")
                return
        file.seek(0)
        document = docx.Document(cast(IO[bytes], file))
        blocks = list(_blocks(document))
        named = (document.core_properties.title or "").strip()
    except Exception:  # a damaged file fails in as many ways as python-docx has lines
        yield Rejected("", "unreadable", "The file is no Word document (.docx), or is damaged or encrypted.")
        return
    text = "\n\n".join(blocks)
    if not any(not block.startswith("#") for block in blocks):
        yield Rejected("", "no_content", "The document holds no text beside headings.")
        return
    heading = next((block[2:] for block in blocks if block.startswith("# ")), "")
    yield Draft(source=name, locator="", kind="text", title=heading or named, text=text)


def _is_bounded(parts: zipfile.ZipFile, limit: int, expansion: int) -> bool:
    """Whether text parts keep the limit, and all parts with the pictures, which are loaded as well, eight times as much. zipfile never unpacks
    more than these sizes say."""
    found = parts.infolist()
    texts = [part for part in found if part.filename.endswith((".xml", ".rels"))]
    expanded = any(part.file_size > max(part.compress_size, 1) * expansion for part in found)
    return not expanded and all(part.file_size <= limit for part in texts) and sum(part.file_size for part in found) <= _PICTURES * limit


def _blocks(document: Any) -> Iterator[str]:
    """Paragraphs, lists and tables in their order."""
    items: list[str] = []
    for block in document.iter_inner_content():
        if hasattr(block, "rows"):
            text, item = _table(block), False
        else:
            text, item = _paragraph(block)
        if items and not item:
            yield "\n".join(items)
            items = []
        if item and text:
            items.append(text)
        elif text:
            yield text
    if items:
        yield "\n".join(items)


def _paragraph(paragraph: Any) -> tuple[str, bool]:
    """A paragraph as Markdown, and whether it is an item of a list."""
    text = paragraph.text.strip()
    style = (paragraph.style.name if paragraph.style is not None else "") or ""
    if not text:
        return "", False
    if style.lower() in ("title", "标题"):
        return f"# {_one_line(text)}", False
    if level := _level(paragraph, style):
        return f"{'#' * level} {_one_line(text)}", False
    numbering = paragraph._p.pPr.numPr if paragraph._p.pPr is not None else None
    if numbering is not None or _LIST.match(style):
        depth = numbering.ilvl.val if numbering is not None and numbering.ilvl is not None else 0
        mark = "1." if "number" in style.lower() else "-"
        return f"{'  ' * depth}{mark} {_one_line(text)}", True
    return text, False


def _level(paragraph: Any, style: str) -> int:
    """Level of a heading, by its style or its outline; 0 for other paragraphs."""
    match = _HEADING.match(style)
    return int(match[1]) if match else 0


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _table(table: Any) -> str:
    """A table as Markdown; a cell that spans several columns stands in the first of them."""
    rows: list[list[str]] = []
    for row in table.rows:
        cells: list[str] = []
        before = None
        for cell in row.cells:
            cells.append("" if cell._tc is before else cell.text.strip())
            before = cell._tc
        rows.append(cells)
    return as_text(rows)
