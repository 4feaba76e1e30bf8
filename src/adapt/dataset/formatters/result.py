"""What a formatter makes of a document: records, and rows for what did not become one."""

from collections.abc import Sequence
from typing import NamedTuple

from adapt.artifact.digest import digest_text
from adapt.records import AlpacaRecord, Document, LedgerRow


class Candidate(NamedTuple):
    """A record, and the text by which duplicates of it are known."""

    record: AlpacaRecord
    content: str


class Formatted(NamedTuple):
    """The records of one document, and its parts that made none."""

    candidates: list[Candidate]
    dropped: list[LedgerRow]


def make_candidate(
    document: Document,
    *,
    instruction: str,
    output: str,
    input: str = "",
    system: str = "",
    history: Sequence[tuple[str, str]] = (),
    part: str = "",
    heading: str = "",
) -> Candidate:
    """A record of `document`; `part` names its place inside the document.

    Duplicates are known by what is asked and answered, without system message and earlier turns. A section asks with its `heading`: the
    title that its instruction may add differs between two pages that carry the same section.
    """
    turns = [text for turn in history for text in turn]
    record = AlpacaRecord(
        id=digest_text(instruction, input, output, system, *turns),
        instruction=instruction,
        input=input,
        output=output,
        system=system,
        history=tuple(history),
        language=document.language,
        source=document.source,
        locator=_place(document, part),
        document=document.id,
    )
    return Candidate(record, "\n".join((heading or instruction, input, output)))


def drop_part(document: Document, rule: str, reason: str, *, part: str = "") -> LedgerRow:
    """A ledger row for a part of `document` that cannot become a record."""
    return LedgerRow(
        record=document.id,
        source=document.source,
        locator=_place(document, part),
        action="dropped",
        rule=rule,
        reason=reason,
    )


def _place(document: Document, part: str) -> str:
    return ", ".join(place for place in (document.locator, part) if place)
