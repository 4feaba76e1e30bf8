"""Sections of running text that are too long for a record, divided into parts that fit.

An article without headings is one section, and half of all web pages have more to say than a record holds. A part asks as the section does
and says which part it is. The tokenizer measures: a section that fits is never divided, however long it looks.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adapt.dataset.formatters.division import divide
from adapt.dataset.formatters.estimates import most_tokens
from adapt.dataset.formatters.result import Candidate, make_candidate
from adapt.dataset.tokens import Counting, count_all
from adapt.records import Document

_FILLED = 0.9
"""Share of a record that a part fills by estimate: parts of one text differ in tokens for each character."""
_PARTS = {"zh": "第{part}部分，共{parts}部分。"}
_ENGLISH_PARTS = " Part {part} of {parts}."


class Divided(NamedTuple):
    """Candidates of which none is too long that could be divided."""

    owners: list[int]
    """Place of each candidate's document."""
    candidates: list[Candidate]
    tokens: NDArray[np.int64]
    sections: int
    """Sections that were divided."""


def divide_long_sections(
    documents: Sequence[Document], owners: Sequence[int], candidates: Sequence[Candidate], counting: Counting, limit: int | None
) -> Divided:
    """Count the candidates' tokens, and divide those made of running text that are longer than `limit`; None divides none.

    `owners` are places in `documents`.
    """
    tokens = count_all([candidate.record for candidate in candidates], counting)
    long = set() if limit is None else {place for place in np.flatnonzero(tokens > limit).tolist() if documents[owners[place]].kind == "text"}
    made = Divided([], [], tokens, 0)
    if limit is None or not long:
        return made._replace(owners=list(owners), candidates=list(candidates))
    counts: list[NDArray[np.int64]] = []
    sections = 0
    for place, (owner, candidate) in enumerate(zip(owners, candidates, strict=True)):
        parts = _divide(documents[owner], candidate, int(tokens[place]), limit) if place in long else [candidate]
        sections += len(parts) > 1
        made.owners.extend([owner] * len(parts))
        made.candidates.extend(parts)
        counts.append(tokens[place : place + 1] if len(parts) == 1 else count_all([part.record for part in parts], counting))
    return made._replace(tokens=np.concatenate(counts), sections=sections)


def _divide(document: Document, candidate: Candidate, tokens: int, limit: int) -> list[Candidate]:
    """A candidate of so many tokens as several; itself where its instruction leaves no room for an answer."""
    record = candidate.record
    overhead = most_tokens(record.instruction + _ENGLISH_PARTS)
    density = (tokens - min(overhead, tokens / 2)) / most_tokens(record.output)
    room = (limit - overhead) * _FILLED
    if room <= 0:
        return [candidate]
    spans = divide(record.output, lambda text: most_tokens(text) * density, room)
    if len(spans) < 2:
        return [candidate]
    known = candidate.content.removesuffix(record.output)
    mark = _PARTS.get(document.language, _ENGLISH_PARTS)
    place = record.locator.removeprefix(document.locator).removeprefix(", ")
    parts = []
    for number, span in enumerate(spans, 1):
        answer = record.output[span.start : span.end].strip("\n")
        asked = record.instruction + mark.format(part=number, parts=len(spans))
        where = ", ".join(text for text in (place, f"part {number} of {len(spans)}") if text)
        parts.append(make_candidate(document, instruction=asked, output=answer, part=where)._replace(content=known + answer))
    return parts
