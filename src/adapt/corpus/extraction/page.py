"""Finds the main content of a web page.

Enters: the page's HTML. Leaves: title, content as Markdown, and how many advert blocks went. What belongs to the site and not to the
page is recognised by its element, its ARIA role, or a class or id that is made of nothing but known words: `ad-slot` is an
advert, `ad-hoc-arbitration` is not; `share-bar` is clutter, `share-capital` is not.
"""

import re
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lxml import etree, html

from adapt.corpus.extraction.blocks import TextBlock, find_blocks
from adapt.corpus.extraction.density import densest
from adapt.corpus.extraction.formulas import write_formulas
from adapt.corpus.extraction.hidden import is_hidden
from adapt.corpus.extraction.main_text import choose_blocks
from adapt.corpus.extraction.marks import Marks
from adapt.corpus.extraction.rendering import inline_text, render
from adapt.corpus.extraction.teasers import drop_teasers
from adapt.text.letters import count_letters

_NEVER = {
    "script", "style", "noscript", "template", "svg", "canvas", "iframe", "frame", "object", "embed", "applet", "audio", "video", "map",
    "button", "input", "select", "textarea", "datalist", "dialog", "title",
}  # fmt: skip
"""Elements that hold no text of the page."""
_FRAME = {"nav", "footer", "form", "menu", "search"}
_FRAME_ROLES = {"navigation", "banner", "contentinfo", "search", "dialog", "alertdialog", "menu", "menubar", "toolbar"}
_ADVERT_WORDS = {
    "ad", "ads", "adv", "advert", "adverts", "advertisement", "advertisements", "advertorial", "adslot", "adbox", "adunit", "adsense",
    "adsbygoogle", "dfp", "sponsor", "sponsors", "sponsored", "promo", "promos", "promoted",
}  # fmt: skip
_CLUTTER_WORDS = {
    "nav", "navbar", "navigation", "topnav", "topbar", "menu", "breadcrumb", "breadcrumbs", "pagination", "pager", "skip", "skiplink",
    "cookie", "cookies", "cookiebar", "cookiebanner", "gdpr", "footer", "colophon", "sidebar", "share", "sharing", "sharebar", "social",
    "related", "recommended", "recommendations", "newsletter", "subscribe", "subscription", "signup", "comment", "comments", "commentlist",
    "respond", "disqus", "widget", "widgets", "popup", "toolbar", "banner", "byline",
}  # fmt: skip
_PLAIN_WORDS = {
    "area", "bar", "bars", "block", "blocks", "bottom", "box", "boxes", "button", "buttons", "card", "cards", "center", "column", "consent",
    "container", "content", "desktop", "fixed", "form", "grid", "group", "head", "header", "icons", "inline", "inner", "item", "items", "label",
    "large", "left", "link",
    "links", "list", "main", "media", "mid", "middle", "mobile", "notice", "outer", "overlay", "page", "panel", "placeholder",
    "post", "posts", "right", "row", "secondary", "section", "side", "site", "slot", "small", "space", "sticky", "text", "tools", "top", "unit",
    "wrap", "wrapper", "zone",
}  # fmt: skip
"""Words that may stand beside an advert or clutter word without changing what it means."""
_SPONSORED = re.compile(r"\s*(sponsored( content| post)?\s*[:：]|paid content\s*[:：]|[\[【(（](广告|推广|赞助)[\]】)）])", re.IGNORECASE)
_MAY_SPONSOR = ("sponsored", "paid content", "广告", "推广", "赞助")
"""Without one of these words a page has no such label, and its blocks need not be opened to look for one."""
_SPONSORED_LENGTH = 300
"""Longest block, in characters other than white space, that a leading label such as "Sponsored:" makes an advert."""
_LABELS_BEGIN = "sSpP[【(（"
_LONGEST_LABEL = 40
"""Characters that hold every such label."""
_WORD = re.compile(r"[a-z]+|[0-9]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_MIN_ROOT_SHARE = 0.2
"""An `article` or `main` with less than this share of the page's text is a teaser, not the content."""
_NOSCRIPT = 300
"""Letters of paragraphs that an article in a `noscript` has at least."""
_LINK_SHARE = 0.6
"""Where a page marks no main content, a block whose text is links by more than this share is navigation."""


@dataclass(frozen=True)
class Page:
    """The main content of a page."""

    title: str
    text: str
    """Markdown; empty when there is none."""
    adverts: int = 0
    """Advert blocks that were removed."""
    letters: int = 0
    """Letters and digits of all text in the page's body, hidden or not; scripts and controls of forms hold none."""
    hidden_letters: int = 0
    """Those of hidden parts."""
    advert_letters: int = 0
    """Those of adverts."""


def extract(source: str, *, keep_adverts: bool) -> Page:
    """The main content of the page. Raises RecursionError for pages whose elements are nested beyond reason."""
    parser = html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True)
    try:
        tree = html.document_fromstring(source.encode("utf-8", "replace"), parser=parser)
    except etree.ParserError:  # nothing in it
        return Page("", "")
    lowered = source.lower()
    elements = list(tree.iter())  # held, since lxml makes an element's object anew whenever none is left
    title = _title(tree)
    write_formulas(tree)
    _open_noscript(tree)
    etree.strip_elements(tree, *_NEVER, with_tail=False)
    whole = _letters(tree)
    _drop(tree, is_hidden)
    visible = _letters(tree)
    holders = _holders(tree)
    labels = any(word in lowered for word in _MAY_SPONSOR)
    adverts = 0 if keep_adverts else _drop(tree, lambda element: element not in holders and _is_advert(element, labels))
    left = _letters(tree) if adverts else visible
    drop_teasers(tree, lambda element: keep_adverts and _is_advert(element, labels))
    blocks = find_blocks(tree)
    marks = Marks(source)
    with marks.on(blocks):
        chosen = set(choose_blocks(tree, blocks, marks.read(_text_by_elements(tree, keep_adverts, labels)), marks))
    heading = _own_heading(blocks, chosen)
    for number, block in enumerate(blocks):
        if number not in chosen:
            block.remove()
    del elements
    return Page(heading or title, render(tree), adverts, whole, whole - visible, visible - left)


def _open_noscript(tree: Any) -> None:
    """Take a `noscript` for content where the page has less prose elsewhere: its script would have put the article in that place."""
    for element in list(tree.iter("noscript")):
        held = sum(map(_letters, element.iter("p")))
        if held >= _NOSCRIPT and held > sum(map(_letters, tree.iter("p"))) - held:
            element.drop_tag()


def _letters(tree: Any) -> int:
    return count_letters(tree.text_content())


def _text_by_elements(tree: Any, keep_adverts: bool, labels: bool) -> str:
    """The text that our reading of elements, roles and class names takes for content."""
    copy = deepcopy(tree)
    elements = list(copy.iter())
    holders = _holders(copy)
    _drop(copy, lambda element: _is_frame(element, holders) and not (keep_adverts and _is_advert(element, labels)))
    text = "\n".join(root.text_content() for root in _roots(copy, holders))
    del elements
    return text


def _own_heading(blocks: list[TextBlock], chosen: set[int]) -> str:
    """The first `h1` of the chosen content."""
    headings = (blocks[number].element for number in sorted(chosen))
    return next((inline_text(element) for element in headings if element.tag == "h1"), "")


def _title(tree: Any) -> str:
    """The first heading of the whole page, else what the browser's tab shows."""
    named = (inline_text(element) for tag in ("h1", "title") for element in tree.iter(tag))
    return next((text for text in named if text), "")


def _drop(tree: Any, condition: Callable[[Any], bool]) -> int:
    """Remove the outermost elements that meet the condition; returns how many."""
    doomed = [element for element in tree.iterdescendants("*") if condition(element)]
    every = set(doomed)
    outermost = [element for element in doomed if every.isdisjoint(element.iterancestors())]
    for element in outermost:
        element.drop_tree()
    return len(outermost)


def _holders(tree: Any) -> set[Any]:
    """Elements that hold the page's content and so are never dropped as a whole, as when a form wraps the page."""
    articles = sorted(tree.iter("article"), key=lambda element: _size([element]))[-1:]
    headings = [element for element in tree.iter("h1") if next(element.iterancestors("header", "nav", "footer", "aside"), None) is None]
    half = _size([tree]) / 2
    forms = [element for element in tree.iter("form") if _size([element]) > half]
    marked = [*articles, *headings, *tree.iter("main")]
    return {*tree.iter("html", "head", "body", "main"), *forms, *(above for element in marked for above in element.iterancestors())}


def _is_advert(element: Any, labels: bool) -> bool:
    """Whether it is named as an advert or, where the page has such `labels` at all, begins with one."""
    if "advert" in _names(element):
        return True
    if not labels or element.tag not in ("p", "div", "aside", "section", "li") or len(element) > 5:
        return False
    return _SPONSORED.match(_opening(element)) is not None and _size([element]) <= _SPONSORED_LENGTH


def _opening(element: Any) -> str:
    """The first words of an element; none where they begin as no label does."""
    own = (element.text or "").lstrip()
    if own and own[0] not in _LABELS_BEGIN:
        return ""
    text = ""
    for piece in element.itertext():
        text += piece if text else piece.lstrip()
        if len(text) > _LONGEST_LABEL:
            break
    return text


def _is_frame(element: Any, holders: set[Any]) -> bool:
    if element in holders:
        return False
    if element.tag in _FRAME or element.get("role", "").lower() in _FRAME_ROLES:
        return True
    if element.tag == "header":
        inside = next(element.iterancestors("article", "main"), None) is not None
        return not inside or next(element.iter("h1", "h2", "h3"), None) is None
    return "clutter" in _names(element)


def _names(element: Any) -> frozenset[str]:
    """What the classes and the id name: `advert`, `clutter` or neither."""
    named, own = element.get("class"), element.get("id")
    return _all_named(named or "", own or "") if named or own else frozenset()


@lru_cache(maxsize=4096)
def _all_named(classes: str, own: str) -> frozenset[str]:
    return frozenset(kind for name in (*classes.split(), own) for kind in _named(name))


@lru_cache(maxsize=4096)
def _named(name: str) -> tuple[str, ...]:
    """What a class or id names, numbers left out."""
    words = {word for word in _WORD.findall(_CAMEL.sub("-", name).lower()) if not word.isdigit()}
    advert = words & _ADVERT_WORDS and words <= _ADVERT_WORDS | _PLAIN_WORDS | _CLUTTER_WORDS
    clutter = words & _CLUTTER_WORDS and words <= _CLUTTER_WORDS | _PLAIN_WORDS
    return (*["advert"] * bool(advert), *["clutter"] * bool(clutter))


def _roots(tree: Any, holders: set[Any]) -> list[Any]:
    """The elements that hold the main content: `main`, the outermost articles, or what a page without them leaves."""
    mains = [element for element in tree.iter() if element.tag == "main" or element.get("role") == "main"][:1]
    articles = [element for element in tree.iter("article") if next(element.iterancestors("article"), None) is None]
    best = max(mains, articles, key=_size)
    if best and _size(best) >= _MIN_ROOT_SHARE * _size([tree]):
        return best
    _drop(tree, lambda element: element not in holders and _is_link_list(element))
    content = densest(tree)
    headings = [element for element in tree.iter("h1") if content not in element.iterancestors() and inline_text(element)]
    return [*headings[:1], content]


def _size(elements: Iterable[Any]) -> int:
    """Characters of text other than white space."""
    return sum(len("".join(element.text_content().split())) for element in elements)


def _is_link_list(element: Any) -> bool:
    if element.tag == "aside":
        return True
    if element.tag not in ("div", "ul", "ol", "section", "td", "table", "p"):
        return False
    text = _size([element])
    return text > 0 and _size(element.iter("a")) > _LINK_SHARE * text
