"""Finds the main content of a page that marks none, by where its sentences stand.

After the text-density methods of boilerplate removal (Kohlschütter et al. 2010), reduced to one rule: going down from the body, a container
that holds nearly all sentences of the page is entered, and what stands beside it is left. Pages whose sentences are spread over several
containers keep them all, and so do pages where code, lists or tables with a head stand beside the sentences: content need not be sentences.
"""

from typing import Any

from adapt.text.words import without_unspaced

_CONTAINERS = {"body", "html", "center", "div", "form", "section", "span", "font", "table", "tbody", "thead", "tr", "td"}
_CONTENT = ("pre", "th", "dl", "ol", "ul")
_SENTENCE = 20
"""Characters that make a piece of text more than a label; those of scripts without spaces count twice."""
_SHARE = 0.7
"""A container with this share of the sentences is the content, or around it."""


def densest(tree: Any) -> Any:
    """The innermost container that holds nearly all sentences of the page; the tree itself when there are none."""
    weights = _weights(tree)
    enough = _SHARE * weights.get(tree, 0)
    inner = tree
    while enough:
        following = next((child for child in inner if child.tag in _CONTAINERS and weights.get(child, 0) >= enough), None)
        if following is None or any(next(child.iter(*_CONTENT), None) is not None for child in inner if child is not following):
            break
        inner = following
    return inner


def _weights(tree: Any) -> dict[Any, int]:
    """Characters of sentences inside each element, links left out."""
    weights: dict[Any, int] = {}
    for element in reversed(list(tree.iter())):  # children before their parents
        weight = weights.get(element, 0) + (0 if element.tag == "a" else _weight(element.text))
        weights[element] = weight
        parent = element.getparent()
        if parent is not None:
            weights[parent] = weights.get(parent, 0) + (0 if element.tag == "a" else weight) + _weight(element.tail)
    return weights


def _weight(text: str | None) -> int:
    bare = text.strip() if text else ""
    length = len(bare) + without_unspaced(bare)[1] if bare else 0
    return length if length >= _SENTENCE else 0
