"""Web pages: one page, one draft that holds the main content as Markdown."""

from collections.abc import Iterator
from typing import Literal

from adapt.corpus.cleaning.headings import has_prose
from adapt.corpus.draft import Draft, Edit, Rejected


def read_html(text: str, name: str, adverts: Literal["drop", "keep"]) -> Iterator[Draft | Rejected]:
    """Yields the one draft of the page; its title is the `h1`, else the `<title>`."""
    from adapt.corpus.extraction.page import extract  # lxml loads only for corpora that hold pages

    try:
        page = extract(text, keep_adverts=adverts == "keep")
    except RecursionError:
        yield Rejected("", "unreadable", "The elements of the page are nested too deeply.")
        return
    if not has_prose(page.text):
        yield Rejected("", "no_content", "The page has no main content beside navigation, adverts and the like.")
        return
    adverts_gone = f"{page.adverts} advert {'block was' if page.adverts == 1 else 'blocks were'} removed from the page."
    edits = (Edit(rule="drop_advert", reason=adverts_gone, score=page.adverts),) if page.adverts else ()
    yield Draft(source=name, locator="", kind="text", title=page.title, text=page.text, edits=edits)
