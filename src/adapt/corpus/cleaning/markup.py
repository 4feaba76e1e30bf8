"""Unwraps HTML that was left in a field of a record.

Enters: a text whose characters are in order. Leaves: the same text, or what a browser would show of it as Markdown, and how many tags and references
went. A field must plainly hold HTML: every tag is an element of prose, and one of them is closed or touches a word. `a < b`, `List<int>`,
code, and drafts that speak of markup stay as they are.
"""

import re
from html import unescape
from html.entities import html5

from adapt.corpus.draft import Draft

_INLINE = frozenset(["a", "abbr", "b", "big", "br", "cite", "em", "font", "i", "ins", "mark", "small", "span", "strike", "strong", "u", "wbr"])
"""Elements that leave nothing but their text; `br` leaves a line break."""
_RENDERED = frozenset({
    "address", "article", "blockquote", "caption", "center", "code", "col", "colgroup", "dd", "div", "dl", "dt", "figcaption", "figure",
    "h1", "h2", "h3", "h4", "h5", "h6", "hr", "img", "kbd", "li", "ol", "p", "pre", "q", "samp", "section", "sub", "sup", "table", "tbody",
    "td", "tfoot", "th", "thead", "tr", "tt", "ul",
})  # fmt: skip
"""Elements whose sense takes Markdown to keep."""
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9]*)((?:\s+[A-Za-z_:][\w:.-]*\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s\"'<>]+))*)\s*/?>")
_OPENING = re.compile(r"<[/!?]?[A-Za-z\[-]")
"""What begins like a tag, a comment or a declaration."""
_TOUCHING = re.compile(r"[^\s\"'“‘(（《]<(?:br|p|div|hr|li)\s*/?>|<(?:br|p|div|hr|li)\s*/?>[^\s\"'”’)）》,.，。]", re.IGNORECASE)
_REFERENCE = re.compile(r"&(?:[A-Za-z]{2,31}[0-9]{0,2}|#[0-9]{2,7}|#[xX][0-9A-Fa-f]{2,6});")
_LETTER_OR_DIGIT = re.compile(r"[^\W_]")
_CODE = re.compile(r"`|~~~|[{}]\s*$|(?<![A-Za-z0-9]);\s*$", re.MULTILINE)
_ABOUT = re.compile(
    r"html|xml|css|jsx|svg|javascript|react (?:component|app|hook)|(?:react|vue|angular)\.?js|markup|标签|标记语言|网页|前端|转义"
    r"|(?<![a-z])tags?(?![a-z])",
    re.IGNORECASE,
)
_ESCAPED = 2
"""Most times that the markup of a field is taken to have been escaped."""
_EMPTY_LINE = re.compile(r"(?<![>\s])[ \t]*\n[ \t]*\n\s*(?![<\s])")


def strip_markup(text: str, draft: Draft) -> tuple[str, int]:
    """The text without its markup, and how many tags and character references that took; the text of a draft that speaks of markup is left alone."""
    return _stripped(text, draft, _ESCAPED) if "<" in text or _REFERENCE.search(text) else (text, 0)


def _stripped(text: str, draft: Draft, escaped: int) -> tuple[str, int]:
    """As above; `escaped`: how often the markup may have been escaped."""
    tags = [(closing, name.lower()) for closing, name, _ in _TAG.findall(text)]
    if len(tags) != len(_OPENING.findall(text)) or not {name for _, name in tags} <= _INLINE | _RENDERED:
        return text, 0
    references = len(_REFERENCE.findall(text))
    if (not tags and not references) or _CODE.search(_REFERENCE.sub("x", text)) or _is_about_markup(draft):
        return text, 0
    if not tags:
        plain = _decoded(text)
        if plain == text or not escaped:
            return plain, references * (plain != text)
        inside, marks = _stripped(plain, draft, escaped - 1)  # markup that was escaped as a whole, as in feeds
        return inside, references + marks
    if not _is_closed(tags) and not _TOUCHING.search(text):
        return text, 0
    plain = _plain(text, {name for _, name in tags})
    return (plain, len(tags) + references) if _holds_all(plain, text) else (text, 0)


def _is_about_markup(draft: Draft) -> bool:
    return any(_ABOUT.search(_TAG.sub("", text)) for text in draft.fields().values())


def _is_closed(tags: list[tuple[str, str]]) -> bool:
    """Whether some element is opened and later closed."""
    opened: set[str] = set()
    for closing, name in tags:
        if closing and name in opened:
            return True
        opened.add(name)
    return False


def _decoded(text: str) -> str:
    """The text with its character references resolved; a name that HTML does not know stays."""
    return _REFERENCE.sub(lambda match: unescape(match[0]) if match[0][1] == "#" or match[0][1:] in html5 else match[0], text)


def _plain(text: str, names: set[str]) -> str:
    if names <= _INLINE:  # the text's own lines stay
        return _decoded(_TAG.sub(lambda match: "\n" if match[2].lower() == "br" else "", text))
    from lxml import html

    from adapt.corpus.extraction.rendering import render

    lined = text.replace("\n", "<br>") if names <= _INLINE | {"code", "kbd", "q", "samp", "sub", "sup", "tt"} else _EMPTY_LINE.sub("<br><br>", text)
    parser = html.HTMLParser(encoding="utf-8")
    try:
        return render(html.document_fromstring(f"<body>{lined}</body>".encode(), parser=parser))
    except RecursionError:  # elements nested beyond reason
        return ""


def _holds_all(plain: str, text: str) -> bool:
    """Whether no letter or digit was lost, as happens below elements that are nested deeper than the parser goes."""
    return len(_LETTER_OR_DIGIT.findall(plain)) >= len(_LETTER_OR_DIGIT.findall(_decoded(_TAG.sub("", text))))
