"""Writes the formulas of a page as TeX, once each: KaTeX and MathJax show one formula several times.

Enters: a parsed page, scripts included. Leaves: the page with `$...$` in the place of each formula.
"""

import re
from typing import Any

from lxml import html

_SHOWN_TWICE = {
    "MathJax", "MathJax_Preview", "MathJax_Display", "MathJax_SVG", "MathJax_CHTML", "MathJax_Processed", "MJX_Assistive_MathML",
}  # fmt: skip
"""Classes of what MathJax 2 draws beside the script that holds the formula."""
_WRAPPERS = {"katex", "katex-display", "mwe-math-element", "MathJax", "MathJax_Display"}
_TEX = re.compile(r"application/x-tex|TeX", re.IGNORECASE)
_STYLE = re.compile(r"^\s*\{?\\(?:displaystyle|textstyle)\s*(.*?)\s*\}?\s*$", re.DOTALL)


def write_formulas(tree: Any) -> None:
    """Put TeX in the place of every formula of the tree, or the formula read out where its source is not there."""
    scripts = [script for script in tree.iter("script") if script.get("type", "").startswith("math/tex")]
    if scripts:
        for drawn in list(tree.iter("span", "div", "nobr")):
            if drawn.getparent() is not None and not _SHOWN_TWICE.isdisjoint(drawn.get("class", "").split()):
                drawn.drop_tree()
    for script in scripts:
        _replace(script, _tex(script.text or ""))
    written: set[Any] = set()
    for formula in list(tree.iter("math", "mjx-container")):
        if written.isdisjoint((formula, *formula.iterancestors())):
            outermost = _outermost(formula)
            written.add(outermost)
            _replace(outermost, _source(formula))


def _replace(element: Any, text: str) -> None:
    """Put `text` where the element is."""
    written = html.Element("span")
    written.text, written.tail = text, element.tail
    element.getparent().replace(element, written)


def _outermost(formula: Any) -> Any:
    """The element around the formula that shows nothing else."""
    outer = formula
    for above in formula.iterancestors("span", "div", "mjx-container", "mjx-assistive-mml"):
        named = not _WRAPPERS.isdisjoint(above.get("class", "").split()) or above.tag.startswith("mjx-")
        outer = above if named else outer
    return outer


def _source(formula: Any) -> str:
    notes = [note for note in formula.iter("annotation") if _TEX.search(note.get("encoding", ""))]
    if notes and notes[0].text:
        return _tex(notes[0].text)
    inner = next(formula.iter("math"), formula)
    return _tex(inner.get("alttext") or _read(inner))


def _tex(source: str) -> str:
    source = " ".join(source.split())
    stripped = _STYLE.match(source)
    source = stripped[1] if stripped else source
    return f"${source}$" if source else ""


def _read(element: Any) -> str:
    """TeX of MathML: fractions, roots, exponents and indices; everything else in its order."""
    tag = element.tag.rpartition(":")[2] if isinstance(element.tag, str) else ""
    parts = [text for child in element if (text := _read(child)) or child.tag in ("mrow", "mi", "mn")]
    if tag in ("annotation", "annotation-xml"):
        return ""
    if tag in ("mi", "mn", "mo", "mtext", "ms"):
        return (element.text or "").strip()
    if tag == "mfrac" and len(parts) == 2:
        return rf"\frac{{{parts[0]}}}{{{parts[1]}}}"
    if tag == "msqrt":
        return rf"\sqrt{{{' '.join(parts)}}}"
    if tag == "mroot" and len(parts) == 2:
        return rf"\sqrt[{parts[1]}]{{{parts[0]}}}"
    if tag in ("msup", "mover") and len(parts) == 2:
        return f"{parts[0]}^{{{parts[1]}}}"
    if tag in ("msub", "munder") and len(parts) == 2:
        return f"{parts[0]}_{{{parts[1]}}}"
    if tag in ("msubsup", "munderover") and len(parts) == 3:
        return f"{parts[0]}_{{{parts[1]}}}^{{{parts[2]}}}"
    return " ".join(parts) if parts else (element.text or "").strip()
