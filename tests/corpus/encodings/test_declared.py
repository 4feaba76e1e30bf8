"""What a page, an XML file or the spec says of an encoding, and when it is not believed."""

import pytest

from adapt.corpus.cleaning.encoding import UndecodableError, detect
from adapt.spec.encodings import codecs_of
from tests.corpus.encodings.coding import encode, read
from tests.corpus.encodings.texts import TABLE

_LONG = {sample.language: sample.long for sample in reversed(TABLE)}
_ZH_HANT = next(sample.long for sample in TABLE if "big5" in sample.codecs)


@pytest.mark.parametrize(
    ("label", "codec", "text"),
    [
        ("Shift_JIS", "cp932", "①電源を切る。②髙橋さんに知らせる。"),
        ("x-sjis", "cp932", "㈱山﨑製作所"),
        ("euc-jp", "euc_jis_2004", "①電源を切る。②カバーを外す。"),
        ("ks_c_5601-1987", "cp949", "햏자들은 똠얌꿍을 먹었다."),
        ("euc-kr", "cp949", "펲"),
        ("gb2312", "gb18030", "镕基路，㐀字。"),
        ("gbk", "gb18030", "短"),
        ("iso-8859-1", "cp1252", "It’s £5 — “fine”."),
        ("us-ascii", "cp1252", "It’s fine."),
        ("iso-8859-9", "cp1254", "“Şu” güzel…"),
        ("tis-620", "cp874", "“ราคา” ๕ บาท…"),
        ("big5", "big5hkscs", "佢哋話呢間舖頭嘅嘢好食。"),
        ("koi8-r", "koi8_r", "Да"),
        ("iso-8859-2", "iso8859_2", "Žluťoučký kůň"),
        ("windows-1255", "cp1255", "שלום"),
        ("iso-2022-jp", "iso2022_jp", "水を抜く。"),
    ],
)
def test_a_declared_encoding_is_what_browsers_read_under_it(label: str, codec: str, text: str) -> None:
    page = f'<html><head><meta charset="{label}"></head><body><p>{text}</p></body></html>'
    assert read(page.encode(codec), page=True) == page
    prolog = f"<?xml version='1.0' encoding='{label}'?><a>{text}</a>"
    assert read(prolog.encode(codec), page=True) == prolog


def test_a_declaration_in_words_of_the_page_is_none() -> None:
    page = "<!-- <meta charset=koi8-r> --><p>Set encoding=koi8-r in the file. The café serves crème brûlée until ten.</p>"
    assert read(page.encode("cp1252"), page=True) == page


@pytest.mark.parametrize(
    ("label", "codec", "language"),
    [
        ("iso-8859-1", "cp1251", "ru"), ("windows-1251", "koi8_r", "ru"), ("shift_jis", "euc_jp", "ja"), ("utf-8", "cp1251", "ru"),
        ("iso-8859-1", "gb18030", "zh"), ("windows-1250", "iso8859_2", "cs"), ("utf-16", "utf-8", "zh"), ("iso-8859-1", "cp932", "ja"),
    ],
)  # fmt: skip
def test_a_false_declaration_is_not_believed(label: str, codec: str, language: str) -> None:
    page = f'<html><head><meta charset="{label}"></head><body><p>{_LONG[language]}</p></body></html>'
    assert read(page.encode(codec), page=True) == page


def test_hebrew_in_visual_order_is_refused() -> None:
    """ISO-8859-8 was written from left to right; the final letters show it."""
    page = f'<meta charset="iso-8859-8"><p>{_LONG["he"][::-1]}</p>'
    with pytest.raises(UndecodableError):
        read(page.encode("iso8859_8"), page=True)


@pytest.mark.parametrize(
    ("named", "codec", "text"),
    [
        ("koi8-r", "koi8_r", "Да"), ("latin1", "cp1252", "naïve"), ("Shift_JIS", "cp932", "①"), ("big5", "big5hkscs", "佢哋話"),
        ("gb2312", "gb18030", "镕"),
        ("UTF-16", "utf-16-le", "中"), ("utf-16le", "utf-16", "中文"), ("utf-8", "utf-8-sig", "中"),
        ("cp850", "cp850", "é"), ("utf-8", "utf-8", "plain"),
    ],
)  # fmt: skip
def test_the_encoding_of_the_spec_is_taken_as_it_is(named: str, codec: str, text: str) -> None:
    assert read(encode(text, codec), named=named) == text
    assert detect_origin(encode(text, codec), named) == "spec"


def detect_origin(raw: bytes, named: str) -> str:
    from io import BytesIO

    return detect(BytesIO(raw), named=named).origin


def test_a_file_that_is_not_in_the_encoding_of_the_spec_is_refused() -> None:
    with pytest.raises(UndecodableError, match=r"does not decode as utf-8, the encoding that its entry in corpus\.sources gives it"):
        read("naïve".encode("cp1252"), named="utf-8")


@pytest.mark.parametrize("label", ["no-such-thing", "base64", "utf-7", "idna", "", "rot13", "unicode_escape"])
def test_what_is_no_encoding_of_text_has_no_codec(label: str) -> None:
    assert codecs_of(label) == ()


def test_traditional_chinese_under_big5_keeps_the_signs_of_windows() -> None:
    page = f'<meta charset="big5"><p>一‧二 {_ZH_HANT}</p>'
    assert read(page.encode("cp950"), page=True) == page
