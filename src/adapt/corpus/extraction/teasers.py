"""Finds teasers of other pages inside a page's content: lists of headlines, and rows of cards with a linked heading each.

Enters: a parsed page. Leaves: the elements to take out. Which of them are content cannot be told from one alone, so they are looked at beside the
page's own prose: a page that says little else, such as a list of products or an index, keeps them.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from lxml import etree

from adapt.text.letters import count_letters

_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_LISTS = etree.XPath("descendant::*[self::ul or self::ol][count(li) >= 3][count(li//a[@href]) >= count(li)]")
_LINKED_HEADINGS = etree.XPath(f"descendant::*[{' or '.join(f'self::{name}' for name in _HEADINGS)}][descendant::a or ancestor::a]")
_CARDS = frozenset({"a", "article", "div", "figure", "li", "section"})
_LEAST = 3
"""Members of a list or a row of teasers."""
_CARD = range(15, 400)
"""Letters of a teaser."""
_HEADLINE = 15
"""Mean letters of the links of a list of headlines; those of tags and of a menu are shorter, and known by other signs."""
_LINKED = 0.8
"""Share of a headline's letters that are a link."""
_PROSE = 40
"""Letters from which a paragraph counts as prose."""
_PROSE_LINKS = 0.3
_LARGEST = 1.5
"""Teasers may have so many times the letters of the page's prose; beyond that they are what the page is about."""
_SOURCES = re.compile(
    r"\W*(?:\d+\W+)?(?:sources?|references?|bibliography|further reading|see also|external links|links|resources|notes|footnotes|citations|contents"
    r"|table of contents|in this (?:article|section)|downloads?|documents?|publications?|quellen|literatur|weblinks|einzelnachweise|siehe auch|inhalt"
    r"|fuentes|referencias|bibliografía|enlaces externos|véase también|références|bibliographie|liens externes|voir aussi|fonti|bibliografia|note"
    r"|источники|литература|примечания|ссылки|см\. также|参考文献|参考资料|外部链接|脚注|出典|関連項目|外部リンク|각주|참고 문헌|같이 보기)\b.*",
    re.IGNORECASE,
)
"""Headings of lists of links that belong to the article."""
_NOTES = re.compile(
    r"note|tip|warn|admonition|callout|info|important|caution|hint|example|definition|quote|topic|danger|alert|aside-|explain|fact", re.IGNORECASE
)
"""Names of an `aside` that says something of the text beside it."""


def drop_teasers(tree: Any, keeps: Callable[[Any], bool]) -> None:
    """Take teasers out of the page, each list with the heading before it; an `aside` in the content too, unless it is a note or `keeps` says so."""
    for element in list(_find_asides(tree)):
        if not keeps(element):
            _remove(element)
    groups = [*_find_lists(tree), *_find_cards(tree)]
    if not groups:
        return
    prose = [element for element in tree.iter("p", "blockquote", "pre", "td") if _is_prose(element)]
    for members, tail_only in groups:
        letters = sum(_letters(member) for member in members)
        inside = set(members)
        outside = [element for element in prose if inside.isdisjoint((element, *element.iterancestors()))]
        if letters > _LARGEST * sum(map(_letters, outside)) or (tail_only and _is_followed(members, outside)):
            continue
        for element in _with_heading(members):
            _remove(element)


def _find_asides(tree: Any) -> Iterator[Any]:
    for element in tree.iter("aside"):
        if next(element.iterancestors("article", "main"), None) is None:
            continue
        names = " ".join((element.get("class", ""), element.get("id", ""), element.get("role", "")))
        if not _NOTES.search(names) and not element.get("role", "").startswith("doc-"):
            yield element


def _find_lists(tree: Any) -> Iterator[tuple[list[Any], bool]]:
    """Lists of which each item is a headline that leads away."""
    for parent in _LISTS(tree):
        items = parent.findall("li")
        if all(map(_is_headline, items)) and sum(map(_letters, items)) >= _HEADLINE * len(items):
            heading = _heading_before(parent)
            if heading is None or not _SOURCES.fullmatch(" ".join(heading.text_content().split())):
                yield [parent], True


def _find_cards(tree: Any) -> Iterator[tuple[list[Any], bool]]:
    """Siblings of one kind, each a card with a linked heading."""
    seen: set[Any] = set()
    for heading in _LINKED_HEADINGS(tree):
        for card in (heading, *heading.iterancestors()):
            parent = card.getparent()
            if card.tag not in _CARDS or parent is None or len(parent) < _LEAST or parent in seen:
                continue
            seen.add(parent)
            kind = (card.tag, card.get("class", ""))
            members = [child for child in parent if (child.tag, child.get("class", "")) == kind]
            if len(members) >= _LEAST and all(map(_is_card, members)):
                yield members, False
                break


def _is_headline(item: Any) -> bool:
    letters = _letters(item)
    links = sum(_letters(link) for link in item.iter("a") if _leads_away(link))
    return letters > 0 and links >= _LINKED * letters


def _is_card(element: Any) -> bool:
    heading = next(element.iter(*_HEADINGS), None)
    if heading is None or _letters(element) not in _CARD:
        return False
    link = next((link for link in (*heading.iter("a"), *heading.iterancestors("a")) if _leads_away(link)), None)
    return link is not None and sum(1 for _ in element.iter(*_HEADINGS)) == 1


def _is_prose(element: Any) -> bool:
    letters = _letters(element)
    return letters >= _PROSE and sum(map(_letters, element.iter("a"))) < _PROSE_LINKS * letters


def _is_followed(members: list[Any], prose: list[Any]) -> bool:
    """Whether the article goes on behind a list."""
    behind = set(members[-1].iterancestors())
    following = (element for above in (members[-1], *members[-1].iterancestors()) for element in above.itersiblings())
    after = set(following)
    return any(not after.isdisjoint((element, *element.iterancestors())) for element in prose if element not in behind)


def _with_heading(members: list[Any]) -> list[Any]:
    """The members with the heading before them, which says nothing without them."""
    heading = _heading_before(members[0])
    return [*([heading] if heading is not None else []), *members]


def _heading_before(element: Any) -> Any:
    """The heading, other than the page's own, that stands right before an element, or before the box that begins with it."""
    while element is not None:
        before = element.getprevious()
        if before is not None:
            return before if before.tag in _HEADINGS[1:] else None
        parent = element.getparent()
        if parent is None or (parent.text and parent.text.strip()):
            return None
        element = parent
    return None


def _remove(element: Any) -> None:
    if element.getparent() is not None:
        element.drop_tree()


def _leads_away(link: Any) -> bool:
    return link.tag == "a" and not link.get("href", "#").startswith("#")


def _letters(element: Any) -> int:
    return count_letters(element.text_content())
