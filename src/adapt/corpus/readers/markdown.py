"""Markdown files: one file, one draft; the body stays as it is, but for front matter and underlined headings."""

import re
from collections.abc import Iterator

from adapt.corpus.cleaning.headings import title_of, underlined_to_atx
from adapt.corpus.draft import Draft, Edit, Rejected
from adapt.text.letters import count_letters

_FRONT_MATTER = re.compile(r"---[ \t]*\n((?:[A-Za-z_][\w-]*[ \t]*:|#).*\n(?:.*\n)*?)(?:---|\.\.\.)[ \t]*(?:\n|$)")
_TITLE = re.compile(r"""^title[ \t]*:[ \t]*(["']?)(.*?)\1[ \t]*$""", re.MULTILINE | re.IGNORECASE)


def read_markdown(text: str, name: str) -> Iterator[Draft | Rejected]:
    """Yields the one draft of the file; its title is the first level-1 heading, else the `title` of the front matter."""
    front = _FRONT_MATTER.match(text)
    body = underlined_to_atx(text[front.end() :] if front else text)
    edits = (Edit("drop_front_matter", "The front matter is no text of the document.", characters=count_letters(front[0])),) if front else ()
    named = _TITLE.search(front[1]) if front else None
    title = title_of(body) or (named[2] if named else "")
    if not body.strip():
        yield Rejected("", "empty_file", "The file holds nothing but front matter.", count_letters(text))
    else:
        yield Draft(source=name, locator="", kind="text", title=title, text=body, edits=edits)
