"""Every text of both tables, in every encoding that it comes in, is read as it was written; a part of one is, or is refused."""

from contextlib import suppress

import pytest

from adapt.corpus.cleaning.encoding import UndecodableError
from tests.corpus.encodings.coding import encode, read
from tests.corpus.encodings.held_out import HELD_OUT
from tests.corpus.encodings.texts import TABLE, Sample


def cases(table: tuple[Sample, ...]) -> list[tuple[str, str]]:
    return [(codec, text) for sample in table for codec in sample.codecs for text in (sample.short, sample.long)]


@pytest.mark.parametrize(("codec", "text"), cases((*TABLE, *HELD_OUT)))
def test_text_is_read_as_it_was_written(codec: str, text: str) -> None:
    assert read(encode(text, codec)) == text


def test_the_table_has_thirty_encodings_and_more() -> None:
    assert len({codec for sample in TABLE for codec in sample.codecs}) >= 30


@pytest.mark.parametrize(("codec", "text"), [case for case in cases(TABLE) if not case[0].startswith(("utf", "iso2022"))])
def test_a_beginning_is_read_right_or_refused(codec: str, text: str) -> None:
    part = text[:24]
    with suppress(UndecodableError):
        assert read(encode(part, codec)) == part
