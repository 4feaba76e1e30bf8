"""What a formatter makes of a document: records, and rows for what did not become one."""

from collections.abc import Sequence
from typing import NamedTuple

from adapt.artifact.digest import digest_text
from adapt.records import AlpacaRecord, Document, LedgerRow


class Formatted(NamedTuple):
    """The records of one document, and its parts that made none."""

    records: list[AlpacaRecord]
    dropped: list[LedgerRow]


def make_record(
    document: Document,
    *,
    instruction: str,
    output: str,
    input: str = "",
    system: str = "",
    history: Sequence[tuple[str, str]] = (),
    part: str = "",
) -> AlpacaRecord:
    """A record of `document`; `part` names its place inside the document."""
    turns = [text for turn in history for text in turn]
    return AlpacaRecord(
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
