"""Reads one raw file into drafts with repaired characters and whitespace."""

from collections.abc import Iterator
from typing import Literal

from adapt.corpus.clean import normalize_unicode, repair_mojibake, tidy_whitespace
from adapt.corpus.draft import Draft, Edit, Rejected
from adapt.corpus.encoding import Encoding, UndecodableError, detect
from adapt.corpus.files import RawFile
from adapt.corpus.readers.csv import read_csv
from adapt.corpus.readers.html import read_html
from adapt.corpus.readers.jsonl import read_jsonl
from adapt.corpus.readers.markdown import read_markdown
from adapt.corpus.readers.text import read_text
from adapt.records import LedgerRow


def read_file(file: RawFile, adverts: Literal["drop", "keep"]) -> Iterator[Draft | Rejected | LedgerRow]:
    """The drafts of the file, the pieces that were rejected, and for a table in another encoding one ledger row about the file."""
    try:
        if not file.path.stat().st_size:
            yield Rejected("", "empty_file", "The file is empty.")
            return
        encoding = detect(file.path, page=file.reader == "html")
        yield from _read(file, encoding, adverts)
    except OSError as error:
        yield Rejected("", "unreadable", f"The file cannot be read: {error.strerror}.")
    except UndecodableError as error:
        yield Rejected("", "undecodable", f"{str(error).capitalize()}.")


def _read(file: RawFile, encoding: Encoding, adverts: Literal["drop", "keep"]) -> Iterator[Draft | Rejected | LedgerRow]:
    decoded = _decoding(encoding)
    if file.reader in ("csv", "jsonl"):
        read = read_csv if file.reader == "csv" else read_jsonl
        if decoded is not None:
            yield LedgerRow(record=f"{file.name}:", source=file.name, locator="", action="edited", **decoded.model_dump())
        with encoding.open(file.path) as lines:
            for piece in read(lines, file.name, file.fields):
                yield clean(piece) if isinstance(piece, Draft) else piece
        return
    text = encoding.read(file.path)
    if not text.strip("\ufeff \t\n"):
        yield Rejected("", "empty_file", "The file holds nothing but white space.")
        return
    for piece in _read_whole(file, text, adverts):
        yield clean(piece.edited({}, [decoded] if decoded else [])) if isinstance(piece, Draft) else piece


def _read_whole(file: RawFile, text: str, adverts: Literal["drop", "keep"]) -> Iterator[Draft | Rejected]:
    if file.reader == "html":
        return read_html(text, file.name, adverts)
    return read_markdown(text, file.name) if file.reader == "markdown" else read_text(text, file.name)


def _decoding(encoding: Encoding) -> Edit | None:
    if encoding.damaged:
        reason = f"{encoding.damaged} byte sequences were not valid UTF-8 and became U+FFFD."
        return Edit(rule="repair_encoding", reason=reason, score=encoding.damaged)
    return Edit(rule="repair_encoding", reason=f"The file is not UTF-8; it was read as {encoding.codec}.") if encoding.repaired else None


def clean(draft: Draft) -> Draft | Rejected:
    """The draft with mojibake undone, characters normalized and whitespace tidied in each of its texts.

    A text of nothing but invisible characters is none: the draft is then rejected.
    """
    changed: dict[str, str] = {}
    repaired = normalized = 0
    for name, text in draft.fields().items():
        mended, lines = repair_mojibake(text)
        plain, characters = normalize_unicode(mended)
        tidy = tidy_whitespace(plain)
        changed[name] = tidy if draft.kind == "text" and name == "text" else tidy.strip()
        repaired, normalized = repaired + lines, normalized + characters
    empty = [name for name, text in changed.items() if not text and name not in ("title", "input")]
    if empty:
        return Rejected(draft.locator, "no_content" if draft.kind == "text" else "missing_field", f"The {empty[0]} holds no visible character.")
    edits = []
    if repaired:
        edits.append(Edit(rule="repair_encoding", reason="Text that had been decoded with the wrong encoding was put right.", score=repaired))
    if normalized:
        reason = "Invisible characters, full-width letters and digits or split accents were brought to their ordinary form."
        edits.append(Edit(rule="normalize_unicode", reason=reason, score=normalized))
    return draft.edited(changed, edits)
