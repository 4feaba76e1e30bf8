"""Every text of both tables, in every encoding that it comes in, is read as it was written."""

import unicodedata
from collections.abc import Iterator
from io import BytesIO

import pytest

from adapt.corpus.cleaning.encoding import UndecodableError, detect
from tests.corpus.encodings.coding import encode
from tests.corpus.encodings.held_out import HELD_OUT
from tests.corpus.encodings.texts import TABLE


def read(raw: bytes, **said: object) -> str:
    file = BytesIO(raw)
    encoding = detect(file, **said)  # type: ignore[arg-type]
    file.seek(0)
    return unicodedata.normalize("NFC", encoding.text(file).read())


def cases(table: tuple[object, ...]) -> Iterator[tuple[str, str, str]]:
    for sample in table:
        for codec in sample.codecs:  # type: ignore[attr-defined]
            yield sample.language, codec, sample.short  # type: ignore[attr-defined]
            yield sample.language, codec, sample.long  # type: ignore[attr-defined]


@pytest.mark.parametrize(("language", "codec", "text"), cases((*TABLE, *HELD_OUT)))
def test_text_is_read_as_it_was_written(language: str, codec: str, text: str) -> None:
    assert read(encode(text, codec)) == text, language


def test_the_table_has_thirty_encodings_and_more() -> None:
    assert len({codec for sample in TABLE for codec in sample.codecs}) >= 30


@pytest.mark.parametrize(("language", "codec", "text"), [case for case in cases(TABLE) if not case[1].startswith(("utf", "iso2022"))])
def test_a_beginning_is_read_right_or_refused(language: str, codec: str, text: str) -> None:
    """A dozen characters: not all can be told, and none is read as something else."""
    part = text[:12] if codec in ("cp874", "tis_620", "iso8859_11", "euc_kr") else text[:24]
    try:
        assert read(encode(part, codec)) == part, language
    except UndecodableError:
        pass
