"""What the paragraphs and tables of a Word file say: in one state of its tracked changes, with all that stands around runs.

Enters: elements of the document's XML (WordprocessingML, ISO/IEC 29500-1, 17). Leaves: text, and counts of what was left out. Runs may stand in
insertions, content controls, fields, smart tags and links; text boxes hang on a run, notes are in files of their own.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Literal

from adapt.corpus.readers.omml import write_latex
from adapt.text.letters import count_letters

State = Literal["final", "original"]
"""Of tracked changes: as if all were accepted, or none."""
W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_CHOICES = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_ADDED, _REMOVED = frozenset({f"{W}ins", f"{W}moveTo"}), frozenset({f"{W}del", f"{W}moveFrom"})
_WRAPPERS = frozenset(
    {f"{W}{name}" for name in ("sdt", "sdtContent", "smartTag", "customXml", "hyperlink", "fldSimple", "dir", "bdo", "ruby", "rubyBase")}
)
_NOTES = {f"{W}footnoteReference": "footnotes", f"{W}endnoteReference": "endnotes"}
_FALSE = frozenset({"0", "false", "off"})


class Reader:
    """Reads elements of one file."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.left_out: Counter[str] = Counter()
        """Characters that were left out, by the reason: `tracked changes`, `hidden`."""
        self.notes: list[tuple[str, str]] = []
        """Kind and id of the notes that were referred to, in their order."""
        self.boxes: list[Any] = []
        """Contents of text boxes that were met, and not taken yet."""

    def flow(self, parent: Any) -> Iterator[Any]:
        """Paragraphs and tables in `parent`, those within content controls and changes too."""
        for child in parent:
            if child.tag in (f"{W}p", f"{W}tbl"):
                yield child
            elif child.tag in _WRAPPERS or self._stands(child):
                yield from self.flow(child)
            elif child.tag == f"{_CHOICES}AlternateContent":
                yield from self.flow(_chosen(child))

    def text(self, paragraph: Any) -> str:
        """The text of a paragraph; formulas as LaTeX between dollar signs, marks of notes as `[^1]`."""
        return "".join(self._pieces(paragraph))

    def ends(self, paragraph: Any) -> bool:
        """Whether the paragraph ends here, and was not joined to the next by a tracked change."""
        marks = paragraph.find(f"{W}pPr/{W}rPr")
        changes = set() if marks is None else {child.tag for child in marks}
        return not changes & (_REMOVED if self.state == "final" else _ADDED)

    def rows(self, table: Any) -> list[list[str]]:
        """The cells' texts, row by row. A cell that spans columns leaves the others empty, one that spans rows is repeated."""
        grid: list[list[str]] = []
        for row in self._children(table, f"{W}tr"):
            properties = row.find(f"{W}trPr")
            if properties is not None and {child.tag for child in properties} & (_REMOVED if self.state == "final" else _ADDED):
                self.left_out["tracked changes"] += sum(count_letters(text.text or "") for text in row.iter(f"{W}t", f"{W}delText"))
                continue
            line: list[str] = []
            for cell in self._children(row, f"{W}tc"):
                merged = cell.find(f"{W}tcPr/{W}vMerge")
                goes_on = merged is not None and merged.get(f"{W}val", "continue") == "continue"
                above = grid[-1][len(line)] if grid and len(grid[-1]) > len(line) else ""
                line.append(above if goes_on else self._cell(cell))
                span = cell.find(f"{W}tcPr/{W}gridSpan")
                line += [""] * (min(int(span.get(f"{W}val", "1")), 64) - 1 if span is not None and span.get(f"{W}val", "").isdigit() else 0)
            grid.append(line)
        return grid

    def _cell(self, cell: Any) -> str:
        """A cell on one line; the rows of a table in it are divided by semicolons, their cells by commas."""
        parts = []
        for block in self.flow(cell):
            if block.tag == f"{W}p":
                parts.append(self.text(block))
            else:
                parts.append("; ".join(", ".join(filter(None, row)) for row in self.rows(block)))
        return " ".join(" ".join(parts).split())

    def _children(self, parent: Any, tag: str) -> Iterator[Any]:
        for child in parent:
            if child.tag == tag:
                yield child
            elif child.tag in _WRAPPERS or self._stands(child):
                yield from self._children(child, tag)

    def _stands(self, element: Any) -> bool:
        """Whether it is a tracked change whose content stands in the state; what does not stand is counted."""
        if element.tag in (_ADDED if self.state == "final" else _REMOVED):
            return True
        if element.tag in _ADDED | _REMOVED:
            self.left_out["tracked changes"] += sum(count_letters(text.text or "") for text in element.iter(f"{W}t", f"{W}delText"))
        return False

    def _pieces(self, parent: Any) -> Iterator[str]:
        for child in parent:
            if child.tag == f"{W}r":
                yield from self._run(child)
            elif child.tag in _WRAPPERS or self._stands(child):
                yield from self._pieces(child)
            elif child.tag == f"{_MATH}oMath":
                yield f"${write_latex(child)}$"
            elif child.tag == f"{_MATH}oMathPara":
                yield " ".join(f"$${write_latex(formula)}$$" for formula in child.iter(f"{_MATH}oMath"))
            elif child.tag == f"{_CHOICES}AlternateContent":
                yield from self._pieces(_chosen(child))

    def _run(self, run: Any) -> Iterator[str]:
        hidden = run.find(f"{W}rPr/{W}vanish")
        if hidden is not None and hidden.get(f"{W}val", "true").lower() not in _FALSE:
            self.left_out["hidden"] += sum(count_letters(text.text or "") for text in run.iter(f"{W}t", f"{W}delText"))
            return
        yield from self._run_parts(run)

    def _run_parts(self, parent: Any) -> Iterator[str]:
        for part in parent:
            if part.tag in (f"{W}t", f"{W}delText"):
                yield part.text or ""
            elif part.tag == f"{W}tab":
                yield "\t"
            elif part.tag in (f"{W}br", f"{W}cr"):
                yield "" if part.get(f"{W}type") in ("page", "column") else "\n"
            elif part.tag == f"{W}noBreakHyphen":
                yield "-"
            elif part.tag == f"{W}sym":
                yield _symbol(part.get(f"{W}char", ""))
            elif part.tag in _NOTES:
                self.notes.append((_NOTES[part.tag], part.get(f"{W}id", "")))
                yield f"[^{len(self.notes)}]"
            elif part.tag == f"{W}ruby":
                yield from self._pieces(part)
            elif part.tag == f"{_CHOICES}AlternateContent":
                yield from self._run_parts(_chosen(part))
            elif part.tag in (f"{W}drawing", f"{W}pict", f"{W}object"):
                self.boxes += [box for box in part.iter(f"{W}txbxContent") if next(box.iterancestors(f"{W}txbxContent"), None) is None]


def _chosen(alternatives: Any) -> Any:
    """The first alternative, which the newest Word shows; the others show the same in older ways."""
    choice = alternatives.find(f"{_CHOICES}Choice")
    fallback = alternatives.find(f"{_CHOICES}Fallback") if choice is None else choice
    return () if fallback is None else fallback


def _symbol(code: str) -> str:
    """A character that is given by its number; those of symbol fonts, which stand in the private area, have no name here."""
    try:
        letter = chr(int(code, 16))
    except (ValueError, OverflowError):
        return ""
    return "•" if "\ue000" <= letter <= "\uf8ff" else letter
