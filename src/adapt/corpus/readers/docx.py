"""Word files: one file, one draft; headings, lists and tables become Markdown."""

import re
import zipfile
from collections.abc import Iterator
from typing import IO, Any, BinaryIO, cast

from lxml import etree

from adapt.corpus.draft import Draft, Edit, Rejected
from adapt.corpus.readers.docx_text import Reader, State, W
from adapt.corpus.readers.texts import as_text

_PICTURES = 8
_DEEPEST = 6
"""Levels of headings in Markdown."""
_HEADING = re.compile(r"(?:heading|标题|überschrift|titre) ?([1-6])", re.IGNORECASE)
_LIST = re.compile(r"list (bullet|number|paragraph)|列表", re.IGNORECASE)


def read_docx(file: BinaryIO, name: str, limit: int, expansion: int, *, state: State = "final") -> Iterator[Draft | Rejected]:
    """Yields the one draft of the file; its title is the first heading of level 1 or the title that its properties give.

    `state` says which side of tracked changes is read. Notes stand at the end, text boxes behind the paragraph that they hang on; comments, heads and
    feet of pages are left out. Parts of text of more than `limit` bytes, and parts of more than `expansion` times the bytes that they are stored in,
    are refused before they are unpacked.
    """
    import docx

    reader = Reader(state)
    try:
        with zipfile.ZipFile(file) as parts:
            if not _is_bounded(parts, limit, expansion):
                yield Rejected("", "too_large", "The file, or a part of it, is larger unpacked than corpus.limits allow.")
                return
        file.seek(0)
        document = docx.Document(cast(IO[bytes], file))
        blocks = [*_blocks(document, document.element.body, reader), *_notes(document, reader)]
        named = (document.core_properties.title or "").strip()
    except Exception:  # a damaged file fails in as many ways as python-docx has lines
        yield Rejected("", "unreadable", "The file is no Word document (.docx), or is damaged or encrypted.")
        return
    text = "\n\n".join(blocks)
    if not any(not block.startswith("#") for block in blocks):
        yield Rejected("", "no_content", "The document holds no text beside headings.")
        return
    heading = next((block[2:] for block in blocks if block.startswith("# ")), "")
    yield Draft(source=name, locator="", kind="text", title=heading or named, text=text, edits=tuple(_edits(reader)))


def _edits(reader: Reader) -> Iterator[Edit]:
    if changed := reader.left_out["tracked changes"]:
        side = "deletions" if reader.state == "final" else "insertions"
        reason = f"{changed} characters of tracked {side} were left out: the {reader.state} state is read."
        yield Edit("settle_tracked_changes", reason, changed, characters=changed)
    if hidden := reader.left_out["hidden"]:
        yield Edit("drop_hidden_text", f"{hidden} characters of hidden text were left out.", hidden, characters=hidden)


def _is_bounded(parts: zipfile.ZipFile, limit: int, expansion: int) -> bool:
    """Whether text parts keep the limit, and all parts with the pictures, which are loaded as well, eight times as much. zipfile never unpacks
    more than these sizes say."""
    found = parts.infolist()
    texts = [part for part in found if part.filename.endswith((".xml", ".rels"))]
    expanded = any(part.file_size > max(part.compress_size, 1) * expansion for part in found)
    return not expanded and all(part.file_size <= limit for part in texts) and sum(part.file_size for part in found) <= _PICTURES * limit


def _blocks(document: Any, parent: Any, reader: Reader) -> Iterator[str]:
    """Paragraphs, lists and tables in their order."""
    from docx.text.paragraph import Paragraph

    items: list[str] = []
    begun = ""
    for block in reader.flow(parent):
        if block.tag == f"{W}tbl":
            text, item = as_text(reader.rows(block)), False
        else:
            begun += reader.text(block)
            if not reader.ends(block):
                continue
            (text, item), begun = _paragraph(Paragraph(block, document), begun), ""
        if items and not item:
            yield "\n".join(items)
            items = []
        if item and text:
            items.append(text)
        elif text:
            yield text
        boxes, reader.boxes = reader.boxes, []
        for box in boxes:
            yield from _blocks(document, box, reader)
    if items:
        yield "\n".join(items)
    if begun.strip():
        yield begun.strip()


def _notes(document: Any, reader: Reader) -> Iterator[str]:
    """The notes that the text refers to, numbered as there."""
    parts = {part.partname.rpartition("/")[2].removesuffix(".xml"): part for part in document.part.package.iter_parts()}
    trees = {kind: etree.fromstring(parts[kind].blob, parser=_safe_parser()) for kind in ("footnotes", "endnotes") if kind in parts}
    for number, (kind, identity) in enumerate(list(reader.notes), 1):
        found = [note for note in trees.get(kind, ()) if note.get(f"{W}id") == identity]
        text = " ".join(" ".join(reader.text(block) for block in reader.flow(note) if block.tag == f"{W}p") for note in found)
        if text.strip():
            yield f"[^{number}]: {_one_line(text)}"


def _safe_parser() -> Any:
    return etree.XMLParser(resolve_entities=False, no_network=True)


def _paragraph(paragraph: Any, text: str) -> tuple[str, bool]:
    """A paragraph of this text as Markdown, and whether it is an item of a list."""
    text = text.strip()
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
    """Level of a heading, by the name of its style or by its outline; 0 for other paragraphs."""
    if match := _HEADING.match(style):
        return int(match[1])
    properties = [paragraph._p.pPr, getattr(paragraph.style, "element", None)]
    for holder in properties:
        outline = None if holder is None else next(holder.iter(f"{W}outlineLvl"), None)
        if outline is not None and (value := outline.get(f"{W}val", "")).isdigit():
            return int(value) + 1 if int(value) < _DEEPEST else 0
    return 0


def _one_line(text: str) -> str:
    return " ".join(text.split())
