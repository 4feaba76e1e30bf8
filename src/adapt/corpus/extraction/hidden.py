"""Tells which elements of a page a reader never sees."""

import re
from typing import Any

from lxml import etree

_HIDING_STYLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)|(?:left|top|right|text-indent)\s*:\s*-\d{3,}"
    r"|clip\s*:\s*rect\(\s*(?:0|1px)[\s,]|clip-path\s*:\s*inset\(\s*(?:50|100)%|font-size\s*:\s*0(?:px|em|rem|%)?\s*(?:;|$|!)"
    r"|opacity\s*:\s*0(?:\.0+)?\s*(?:;|$|!)",
    re.IGNORECASE,
)
_HIDING_CLASSES = {
    "sr-only", "visually-hidden", "visuallyhidden", "screen-reader-text", "screen-reader-only", "screenreader-only",
    "element-invisible", "offscreen", "off-screen", "hide-text", "a11y-hidden",
}  # fmt: skip
"""Class names that widely used style sheets give to text for screen readers alone."""
_SHELL = {"html", "body"}
"""Pages hide these until a script has run."""


_BY_ATTRIBUTE, _BY_CLASS = etree.XPath("descendant::*[@hidden or @aria-hidden or @style]"), etree.XPath("descendant::*[@class]")


def drop_hidden(tree: Any, source: str) -> None:
    """Remove what a reader never sees. `source` is the page as it was written: most name no class that hides, and then classes are not looked at."""
    lowered = source.lower()
    candidates = _BY_ATTRIBUTE(tree)
    if any(name in lowered for name in _HIDING_CLASSES):
        candidates += _BY_CLASS(tree)
    for element in candidates:
        if element.getparent() is not None and _is_hidden(element):  # one may be in both lists
            element.drop_tree()


def _is_hidden(element: Any) -> bool:
    """Whether attributes, style or a well-known class keep the element from the eye: `hidden`, off-screen, transparent."""
    if element.tag in _SHELL or not element.attrib:
        return False
    if element.get("hidden") is not None and element.get("hidden") != "until-found":
        return True
    if element.get("aria-hidden", "").strip().lower() == "true":
        return True
    style = element.get("style")
    if style and _HIDING_STYLE.search(style):
        return True
    return not _HIDING_CLASSES.isdisjoint(element.get("class", "").lower().split())
