"""What a formatter makes of a document: records, and rows for what did not become one."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from adapt.artifact.digest import digest_text
from adapt.records import AlpacaRecord, Document, LedgerRow
from adapt.text.letters import count_letters


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
    rejected: str = "",
    part: str = "",
) -> Candidate:
    """A record of `document`; `part` names its place inside the document.

    Duplicates are known by what is asked and answered, without system message and earlier turns; a formatter that asks in words which
    differ between copies replaces `content`.
    """
    turns = tuple(history)
    record = AlpacaRecord(
        id=record_id(instruction, input, output, system, turns, rejected),
        instruction=instruction,
        input=input,
        output=output,
        system=system,
        history=turns,
        language=document.language,
        source=document.source,
        locator=place(document, part),
        document=document.id,
        rejected=rejected,
        licence=document.licence,
        label=document.label,
    )
    return Candidate(record, known_by(instruction, input, output, rejected))


def record_id(instruction: str, input: str, output: str, system: str = "", history: Iterable[tuple[str, str]] = (), rejected: str = "") -> str:
    """Digest of all that is trained on. Turns come in pairs, so a last text without a partner can only be the rejected answer."""
    turns = [text for turn in history for text in turn]
    return digest_text(instruction, input, output, system, *turns, *([rejected] if rejected else []))


def known_by(instruction: str, input: str, output: str, rejected: str = "") -> str:
    """The text by which duplicates of a record are known."""
    return "\n".join((instruction, input, output, rejected) if rejected else (instruction, input, output))


def drop_part(document: Document, rule: str, reason: str, *, part: str = "", texts: Iterable[str] = ()) -> LedgerRow:
    """A ledger row for a part of `document` that cannot become a record; `texts` are what it says."""
    return LedgerRow(
        record=document.id,
        source=document.source,
        locator=place(document, part),
        action="dropped",
        rule=rule,
        reason=reason,
        characters=sum(map(count_letters, texts)),
    )


def place(document: Document, part: str) -> str:
    """Locator of a part of `document`."""
    return f"{document.locator}, {part}" if document.locator and part else document.locator or part
