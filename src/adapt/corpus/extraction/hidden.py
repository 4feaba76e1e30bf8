"""Tells which elements of a page a reader never sees."""

import re
from typing import Any

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


def is_hidden(element: Any) -> bool:
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
