"""Files that are one document each: web pages, Markdown, plain text, PDF and Word; what the spec says of their source is put to the draft."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from adapt.corpus.cleaning.encoding import Encoding
from adapt.corpus.draft import Draft, Edit, Rejected
from adapt.corpus.readers.dates import iso_date
from adapt.corpus.readers.docx import read_docx
from adapt.corpus.readers.html import read_html
from adapt.corpus.readers.markdown import read_markdown
from adapt.corpus.readers.pdf import read_pdf
from adapt.corpus.readers.text import read_text
from adapt.corpus.sources.inputs import RawInput
from adapt.corpus.sources.storage import open_bytes, open_text
from adapt.spec.corpus import CommonSource, Constant, FileSource, Limits

Piece = Draft | Rejected
READ_AS = "read as "
"""What stands before a codec in the reason of a ledger row, where the report finds it."""
_TOLD_BY = {"mark": "its byte-order mark says", "declared": "it declares", "spec": "corpus.sources says", "found": "its bytes show"}


def read_document(input: RawInput, source: CommonSource, limits: Limits, adverts: Literal["drop", "keep"]) -> Iterator[Piece]:
    """The one draft of a file, or why there is none. Raises what opening raises."""
    for piece in _pieces(input, source, limits, adverts):
        yield replace(piece, **_said(source)) if isinstance(piece, Draft) else piece  # type: ignore[arg-type]


def decoding(encoding: Encoding) -> Edit | None:
    """What was done to bytes that are not plain UTF-8."""
    if encoding.damaged:
        reason = f"{encoding.damaged} byte sequences were not valid UTF-8 and became U+FFFD."
        return Edit(rule="repair_encoding", reason=reason, score=encoding.damaged)
    if encoding.codec in ("utf-8", "utf-8-sig"):
        return None
    if encoding.repaired:
        return Edit(rule="repair_encoding", reason=f"The file is not UTF-8; it was {READ_AS}{encoding.codec}.")
    return Edit(rule="decode", reason=f"The file was {READ_AS}{encoding.codec}, as {_TOLD_BY[encoding.origin]}.")


def named_encoding(source: CommonSource) -> str | None:
    """The encoding that the spec gives the files of a source."""
    return source.encoding if isinstance(source, FileSource) else None


def _pieces(input: RawInput, source: CommonSource, limits: Limits, adverts: Literal["drop", "keep"]) -> Iterator[Piece]:
    bound = limits.max_record_mib << 20
    if input.reader in ("pdf", "docx"):
        with open_bytes(input, limits, seekable=True) as file:
            if input.reader == "pdf":
                yield from read_pdf(file, input.name, bound)
            else:
                state = source.tracked_changes if isinstance(source, FileSource) else "final"
                yield from read_docx(file, input.name, bound, limits.max_expansion, state=state)
        return
    with open_text(input, limits, page=input.reader == "html", named=named_encoding(source)) as (lines, encoding):
        text = lines.read(bound + 1)
    if len(text) > bound:
        yield Rejected("", "too_large", "The text is longer than corpus.limits.max_record_mib.")
        return
    text = text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
    if not text.strip("\ufeff \t\n"):
        yield Rejected("", "empty_file", "The file holds nothing but white space.")
        return
    edit = decoding(encoding)
    for piece in _of_text(input, text, adverts):
        yield piece.edited({}, [edit]) if edit and isinstance(piece, Draft) else piece


def _of_text(input: RawInput, text: str, adverts: Literal["drop", "keep"]) -> Iterator[Piece]:
    if input.reader == "html":
        return read_html(text, input.name, adverts)
    return read_markdown(text, input.name) if input.reader == "markdown" else read_text(text, input.name)


def _said(source: CommonSource) -> dict[str, str]:
    """The licence of the source, and the constants that its fields give for title, licence, date, group and label."""
    constants = {
        field: value.constant
        for field in ("title", "licence", "date", "group", "label")
        if isinstance(value := getattr(source.fields, field), Constant)
    }
    if "date" in constants:
        constants["date"] = iso_date(constants["date"])
    return {"licence": source.licence} | constants
