"""Formulas of Word files (OMML, ISO/IEC 29500-1, 22.1) as LaTeX."""

from collections.abc import Callable
from typing import Any

_M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_NARY = {"∑": r"\sum", "∏": r"\prod", "∫": r"\int", "∬": r"\iint", "∭": r"\iiint", "∮": r"\oint", "⋃": r"\bigcup", "⋂": r"\bigcap"}
_ACCENTS = {
    "\u0302": "hat", "\u0303": "tilde", "\u0304": "bar", "\u0305": "bar", "\u0307": "dot", "\u0308": "ddot", "\u20d7": "vec", "\u030c": "check",
}  # fmt: skip
_SYMBOLS = {
    "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ", "≈": r"\approx ", "±": r"\pm ", "×": r"\times ", "÷": r"\div ", "·": r"\cdot ", "→": r"\to ",
    "∞": r"\infty ", "∂": r"\partial ", "∇": r"\nabla ", "∈": r"\in ", "α": r"\alpha ", "β": r"\beta ", "γ": r"\gamma ", "δ": r"\delta ",
    "ε": r"\varepsilon ", "θ": r"\theta ", "λ": r"\lambda ", "μ": r"\mu ", "π": r"\pi ", "ρ": r"\rho ", "σ": r"\sigma ", "τ": r"\tau ",
    "φ": r"\varphi ", "χ": r"\chi ", "ω": r"\omega ", "Δ": r"\Delta ", "Σ": r"\Sigma ", "Ω": r"\Omega ", "%": r"\%", "#": r"\#", "&": r"\&",
    "{": r"\{", "}": r"\}",
}  # fmt: skip
_NEXT_ROW = r" \\ "
_FENCES = {"{": r"\{", "}": r"\}", "⟨": r"\langle ", "⟩": r"\rangle ", "‖": r"\|"}


def write_latex(formula: Any) -> str:
    """LaTeX of an `m:oMath` element, without dollar signs. What is not known here is written as the parts that it holds."""
    return " ".join("".join(map(_write, formula)).split())


def _write(element: Any) -> str:
    if not isinstance(element.tag, str) or not element.tag.startswith(_M):
        return ""
    name = element.tag.removeprefix(_M)
    if name == "r":
        return "".join(_SYMBOLS.get(letter, letter) for text in element.iter(f"{_M}t") for letter in text.text or "")
    if name.endswith("Pr"):
        return ""
    writer = _WRITERS.get(name)
    return writer(element) if writer else "".join(map(_write, element))


def _part(element: Any, name: str) -> str:
    found = element.find(f"{_M}{name}")
    return "" if found is None else "".join(map(_write, found)).strip()


def _value(element: Any, properties: str, name: str, default: str) -> str:
    """A property's `m:val`; `default` where the property is not there. An empty value stays empty."""
    found = element.find(f"{_M}{properties}/{_M}{name}")
    return default if found is None else str(found.get(f"{_M}val", ""))


def _base(element: Any) -> str:
    """What an index or exponent stands at; longer ones in braces, so that it belongs to all of it."""
    base = _part(element, "e")
    return base if len(base) <= 1 or base.startswith("\\left") else f"{{{base}}}"


def _fraction(element: Any) -> str:
    above, below = _part(element, "num"), _part(element, "den")
    kind = _value(element, "fPr", "type", "bar")
    if kind == "lin":
        return f"{above}/{below}"
    return rf"\binom{{{above}}}{{{below}}}" if kind == "noBar" else rf"\frac{{{above}}}{{{below}}}"


def _root(element: Any) -> str:
    degree = _part(element, "deg")
    return rf"\sqrt[{degree}]{{{_part(element, 'e')}}}" if degree else rf"\sqrt{{{_part(element, 'e')}}}"


def _nary(element: Any) -> str:
    sign = _value(element, "naryPr", "chr", "∫")
    below, above = _part(element, "sub"), _part(element, "sup")
    limits = (f"_{{{below}}}" if below else "") + (f"^{{{above}}}" if above else "")
    return f"{_NARY.get(sign, sign)}{limits} {_part(element, 'e')}"


def _delimited(element: Any) -> str:
    first, last = _value(element, "dPr", "begChr", "("), _value(element, "dPr", "endChr", ")")
    divider = _value(element, "dPr", "sepChr", "|")
    inner = divider.join("".join(map(_write, part)).strip() for part in element.findall(f"{_M}e"))
    return rf"\left{_FENCES.get(first, first) or '.'}{inner}\right{_FENCES.get(last, last) or '.'}"


def _function(element: Any) -> str:
    name = _part(element, "fName")
    return f"\\{name} {_part(element, 'e')}" if name.isalpha() and name.isascii() else f"{name} {_part(element, 'e')}"


def _accent(element: Any) -> str:
    return rf"\{_ACCENTS.get(_value(element, 'accPr', 'chr', '̂'), 'hat')}{{{_part(element, 'e')}}}"


def _bar(element: Any) -> str:
    return rf"\{'overline' if _value(element, 'barPr', 'pos', 'bot') == 'top' else 'underline'}{{{_part(element, 'e')}}}"


def _matrix(element: Any) -> str:
    rows = [" & ".join("".join(map(_write, cell)).strip() for cell in row.findall(f"{_M}e")) for row in element.findall(f"{_M}mr")]
    return rf"\begin{{matrix}} {_NEXT_ROW.join(rows)} \end{{matrix}}"


def _lines(element: Any) -> str:
    rows = ["".join(map(_write, line)).strip() for line in element.findall(f"{_M}e")]
    return rf"\begin{{aligned}} {_NEXT_ROW.join(rows)} \end{{aligned}}"


_WRITERS: dict[str, Callable[[Any], str]] = {
    "f": _fraction,
    "rad": _root,
    "nary": _nary,
    "d": _delimited,
    "func": _function,
    "acc": _accent,
    "bar": _bar,
    "m": _matrix,
    "eqArr": _lines,
    "sSup": lambda element: f"{_base(element)}^{{{_part(element, 'sup')}}}",
    "sSub": lambda element: f"{_base(element)}_{{{_part(element, 'sub')}}}",
    "sSubSup": lambda element: f"{_base(element)}_{{{_part(element, 'sub')}}}^{{{_part(element, 'sup')}}}",
    "sPre": lambda element: f"{{}}_{{{_part(element, 'sub')}}}^{{{_part(element, 'sup')}}}{_part(element, 'e')}",
    "limLow": lambda element: f"{_part(element, 'e')}_{{{_part(element, 'lim')}}}",
    "limUpp": lambda element: f"{_part(element, 'e')}^{{{_part(element, 'lim')}}}",
}
