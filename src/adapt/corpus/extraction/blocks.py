"""The text blocks of a page: each stretch of inline text that a reader sees as one paragraph, item, cell or heading.

Enters: a parsed page. Leaves: its blocks in document order, which can be marked, measured and removed one by one.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from adapt.text.letters import count_letters

BLOCK_TAGS = frozenset(
    {
        "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "dialog", "dir",
        "div", "dl", "dt", "fieldset", "figcaption", "figure", "form", "h1", "h2", "h3", "h4", "h5", "h6", "head",
        "header", "hgroup", "hr", "html", "legend", "li", "main", "ol", "p", "pre", "section", "summary", "table",
        "tbody", "td", "tfoot", "th", "thead", "tr", "ul",
    }
)  # fmt: skip
"""Elements that begin a line of their own."""

Part = tuple[Literal["text", "tail", "element"], Any]
"""The text that opens an element, the text behind one, or an inline element with its content."""


@dataclass(frozen=True, eq=False)
class TextBlock:
    """A stretch of inline text, and the element that it lies in."""

    element: Any
    parts: tuple[Part, ...]

    @cached_property
    def size(self) -> int:
        """Number of its letters and digits."""
        return count_letters("".join(map(_text_of, self.parts)))

    @cached_property
    def linked(self) -> int:
        """Number of its letters and digits that are links to other pages."""
        if any(map(_leads_away, (self.element, *self.element.iterancestors("a")))):
            return self.size
        inline = [node for kind, node in self.parts if kind == "element"]
        links = [link for node in inline for link in node.iter("a") if _leads_away(link)]
        return sum(count_letters(link.text_content()) for link in links)

    @property
    def text(self) -> str:
        """Its text on one line."""
        return " ".join("".join(map(_text_of, self.parts)).split())

    def first_text(self) -> tuple[Any, Literal["text", "tail"]]:
        """Where its first word stands: an element, and whether in it or behind it."""
        for kind, node in self.parts:
            if kind == "tail":
                if node.tail.strip():
                    return node, "tail"
                continue
            for inner in [node] if kind == "text" else node.iter():
                if inner.text and inner.text.strip():
                    return inner, "text"
                if inner is not node and inner.tail and inner.tail.strip():
                    return inner, "tail"
        raise AssertionError("a block of white space")

    def remove(self) -> None:
        """Take it out of the page; what stands around it stays."""
        for kind, node in self.parts:
            if kind == "text":
                node.text = None
            elif kind == "tail":
                node.tail = None
            elif (parent := node.getparent()) is not None:
                parent.remove(node)


def find_blocks(root: Any) -> list[TextBlock]:
    """The blocks of text in and below `root`, in document order; white space alone makes none."""
    holds_blocks: set[Any] = set()
    for element in root.iter(*BLOCK_TAGS):
        above = element
        while above is not None and above not in holds_blocks:
            holds_blocks.add(above)
            above = above.getparent()
    blocks: list[TextBlock] = []
    _walk(root, holds_blocks, blocks)
    return blocks


def _walk(element: Any, holds_blocks: set[Any], blocks: list[TextBlock]) -> None:
    parts: list[Part] = [("text", element)] if element.text else []
    for child in element:
        if child in holds_blocks:
            _close(element, parts, blocks)
            _walk(child, holds_blocks, blocks)
            parts = []
        else:
            parts.append(("element", child))
        if child.tail:
            parts.append(("tail", child))
    _close(element, parts, blocks)


def _close(element: Any, parts: list[Part], blocks: list[TextBlock]) -> None:
    if parts and any(not _text_of(part).isspace() and _text_of(part) for part in parts):
        blocks.append(TextBlock(element, tuple(parts)))


def _leads_away(element: Any) -> bool:
    return element.tag == "a" and not element.get("href", "").startswith("#")


def _text_of(part: Part) -> str:
    kind, node = part
    return str((node.text if kind == "text" else node.tail if kind == "tail" else node.text_content()) or "")
