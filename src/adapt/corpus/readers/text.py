"""Plain text notes: one file, one draft whose headings are `#` lines."""

from collections.abc import Iterator

from adapt.corpus.cleaning.characters import tidy_whitespace
from adapt.corpus.cleaning.headings import plain_to_markdown, title_of
from adapt.corpus.draft import Draft, Rejected


def read_text(text: str, name: str) -> Iterator[Draft | Rejected]:
    """Yields the one draft of the file."""
    body = plain_to_markdown(tidy_whitespace(text))
    yield Draft(source=name, locator="", kind="text", title=title_of(body), text=body, wrapped=True)
