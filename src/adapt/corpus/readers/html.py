"""Web pages: one page, one draft that holds the main content as Markdown."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from adapt.corpus.cleaning.headings import has_prose
from adapt.corpus.draft import Draft, Edit, Rejected
from adapt.text.letters import count_letters

if TYPE_CHECKING:
    from adapt.corpus.extraction.page import Page


def read_html(text: str, name: str, adverts: Literal["drop", "keep"]) -> Iterator[Draft | Rejected]:
    """Yields the one draft of the page; its title is the `h1`, else the `<title>`."""
    from adapt.corpus.extraction.page import extract  # lxml loads only for corpora that hold pages

    try:
        page = extract(text, keep_adverts=adverts == "keep")
    except RecursionError:
        yield Rejected("", "unreadable", "The elements of the page are nested too deeply.")
        return
    if not has_prose(page.text):
        yield Rejected("", "no_content", "The page has no main content beside navigation, adverts and the like.", page.letters)
        return
    yield Draft(source=name, locator="", kind="text", title=page.title, text=page.text, edits=tuple(_edits(page)))


def _edits(page: "Page") -> Iterator[Edit]:
    if page.hidden_letters:
        yield Edit("drop_hidden_text", "Text that a reader of the page does not see was left out.", characters=page.hidden_letters)
    if page.adverts:
        reason = f"{page.adverts} advert {'block was' if page.adverts == 1 else 'blocks were'} removed from the page."
        yield Edit("drop_advert", reason, page.adverts, characters=page.advert_letters)
    if furniture := page.letters - page.hidden_letters - page.advert_letters - count_letters(page.text):
        yield Edit("drop_page_furniture", "Navigation, teasers and other parts of the site around the main text were left out.", characters=furniture)
