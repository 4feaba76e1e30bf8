"""The text of XML elements, and their names as XPath expressions write them."""

from typing import Any

_BLOCKS = frozenset(
    ("p", "para", "paragraph", "li", "item", "div", "section", "sec", "title", "head", "h1", "h2", "h3", "h4", "tr", "table", "ul", "ol", "list")
)
"""Elements that stand on lines of their own also amid text."""
_BREAKS = frozenset(("br", "lb"))

Prefixes = tuple[tuple[str, str], ...]


def element_text(element: Any) -> str:
    """All text in an element, without the indentation of the file. Elements without text between them stand on lines of their own, as paragraphs do;
    amid text they run on, but for those that are blocks in HTML, DocBook or TEI."""
    parts: list[str] = []
    _gather(element, parts)
    return _dedented("".join(parts))


def name_barely(element: Any, prefixes: dict[str, str]) -> None:
    """Take the default namespace off an element's name, or note its prefix."""
    tag = element.tag
    if isinstance(tag, str) and tag[0] == "{":
        prefix = element.prefix
        if prefix is None:
            element.tag = tag[tag.index("}") + 1 :]
        elif prefix not in prefixes:
            prefixes[prefix] = tag[1 : tag.index("}")]


def _gather(element: Any, parts: list[str]) -> None:
    if element.text:
        parts.append(element.text)
    children = list(element)
    mixed = bool((element.text or "").strip()) or any((child.tail or "").strip() for child in children)
    for child in children:
        name = child.tag.rpartition("}")[2].lower() if isinstance(child.tag, str) else None
        alone = name is not None and (not mixed or name in _BLOCKS)
        if alone or name in _BREAKS:
            parts.append("\n")
        if name is not None:
            _gather(child, parts)
        if alone:
            parts.append("\n")
        if child.tail:
            parts.append(child.tail)


def _dedented(text: str) -> str:
    if "\n" not in text:
        return text.strip()
    first, *rest = text.strip().split("\n")
    margin = min((len(line) - len(line.lstrip()) for line in rest if line.strip()), default=0)
    lines = [first.rstrip(), *(line[margin:].rstrip() for line in rest)]
    return "\n".join(line for at, line in enumerate(lines) if line or lines[at - 1])
