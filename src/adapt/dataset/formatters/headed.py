"""Running text becomes one record per section that has a body: the heading asks, the body answers.

What a section is: below an `#` heading (or in a text without one) the shallowest headings found there open sections, and
deeper ones stay in the body. An `#` heading with nothing below it is a section itself, as is a whole text that has a title and
no heading. Text before the first section is a section too, which the title asks for. Tables, lists and code stay in the
body where they stand: a table answers as a whole, and its rows say little without the words around it. Duplicates are known by the heading
and the body, since the title that an instruction may add differs between two pages that carry the same section.
"""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from adapt.dataset.formatters.instruction import ask
from adapt.dataset.formatters.outline import Block, plain, read_outline
from adapt.dataset.formatters.result import Formatted, drop_part, known_by, make_candidate
from adapt.records import Document
from adapt.spec.dataset import Headings


class _Section(NamedTuple):
    title: str
    """Heading of the `#` that it stands under."""
    heading: str
    """Empty for text before the first heading of a document that has no title."""
    body: str


def format_headed(document: Document, headings: Headings) -> Formatted:
    """Records of a document of kind `text`."""
    title = plain(document.title)
    blocks = read_outline(document.text)
    if len(blocks) == 1 and not title:
        return Formatted(
            [], [drop_part(document, "no_heading", "Running text with neither a title nor a heading: nothing asks for it.", texts=[document.text])]
        )
    sections = [_Section(title, title, blocks[0].body)] if len(blocks) == 1 else list(_sections(blocks, title))
    result = Formatted([], [])
    seen: Counter[str] = Counter()
    for section in sections:
        part = _part(section, seen)
        if not section.heading:
            reason = "Running text before the first heading, and no title: nothing asks for it."
            result.dropped.append(drop_part(document, "no_heading", reason, part=part, texts=[section.body]))
        elif not section.body.strip():
            result.dropped.append(drop_part(document, "empty_section", "A heading with no text under it.", part=part))
        else:
            instruction = ask(section.heading, section.title or title, document.language, headings)
            candidate = make_candidate(document, instruction=instruction, output=section.body, part=part)
            result.candidates.append(candidate._replace(content=known_by(section.heading, "", section.body)))
    return result


def _sections(blocks: list[Block], title: str) -> Iterator[_Section]:
    """Sections in their order, those of each `#` heading found apart; `title` is the document's."""
    starts = [0, *(number for number, block in enumerate(blocks) if block.level == 1), len(blocks)]
    for start, end in pairwise(starts):
        if start < end:
            yield from _sections_below(blocks[start], blocks[start + 1 : end], title)


def _sections_below(top: Block, below: list[Block], named: str) -> Iterator[_Section]:
    """Sections under one `#` heading, or of the text before the first one."""
    title = top.heading
    if not below:
        if top.level or top.body.strip():
            yield _Section(title, title or named, top.body)
        return
    level = min(block.level for block in below)
    first = next(number for number, block in enumerate(below) if block.level == level)
    opening = "\n\n".join(text for text in (top.body, *(block.text for block in below[:first])) if text.strip())
    if opening:
        yield _Section(title, title or named, opening)
    number = first
    while number < len(below):
        end = next((later for later in range(number + 1, len(below)) if below[later].level == level), len(below))
        parts = (below[number].body, *(block.text for block in below[number + 1 : end]))
        yield _Section(title, below[number].heading, "\n\n".join(part for part in parts if part.strip()))
        number = end


def _part(section: _Section, seen: Counter[str]) -> str:
    """Name of a section inside its document; a heading that comes again is numbered."""
    heading = section.heading or "before the first section"
    path = f"{section.title} > {heading}" if section.title and section.title != section.heading else heading
    seen[path] += 1
    return path if seen[path] == 1 else f"{path} ({seen[path]})"
