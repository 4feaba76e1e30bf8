from io import BytesIO

import pytest

from adapt.corpus.cleaning.encoding import Encoding, UndecodableError, detect


def decoded(raw: bytes, *, page: bool = False) -> tuple[str, Encoding]:
    file = BytesIO(raw)
    encoding = detect(file, page=page)
    file.seek(0)
    return encoding.text(file).read(), encoding


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        ("电话", "gb18030"),
        ("问题,答案\n什么是复利？,利息再生利息。\n", "gb18030"),
        ("合同 contract 条款 clause", "gb18030"),
        ("生僻字：㐀䶵，𠮷野家也可以写进同一个文件里。", "gb18030"),
        ("繁體中文的內容在這裡，契約自由的原則。", "big5"),
        ("Café", "cp1252"),
        ("It costs £5.", "cp1252"),
        ("He said “yes” — naïve, résumé, Ménière’s.", "cp1252"),
    ],
)
def test_encoding_is_detected_and_noted_as_repaired(text: str, codec: str) -> None:
    found, encoding = decoded(text.encode(codec))
    assert (found, encoding.repaired) == (text, True)


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "ascii"])
def test_utf_and_marked_files_are_read_without_repair(codec: str) -> None:
    text = "plain text" if codec == "ascii" else "中文 and café"
    found, encoding = decoded(text.encode(codec))
    assert (found, encoding.repaired) == (text, False)


def test_utf16_without_a_mark_is_recognised() -> None:
    text = "Plain English text, saved by an old editor."
    assert decoded(text.encode("utf-16-le"))[0] == text


@pytest.mark.parametrize(
    ("raw", "codec", "repaired"),
    [
        ('<meta charset="gb2312"><p>短</p>'.encode("gbk"), "gb18030", False),
        ('<meta charset="iso-8859-1"><p>中文</p>'.encode(), "utf-8", False),
        ('<meta charset="utf-8"><p>“£5”</p>'.encode("cp1252"), "cp1252", True),
        ('<meta charset="no-such-thing"><p>£5, café</p>'.encode("cp1252"), "cp1252", True),
    ],
)
def test_declared_charset_of_a_page_counts_and_a_false_one_does_not(raw: bytes, codec: str, repaired: bool) -> None:
    encoding = detect(BytesIO(raw), page=True)
    assert (encoding.codec, encoding.repaired) == (codec, repaired)


def test_utf8_with_a_few_broken_bytes_stays_utf8() -> None:
    found, encoding = decoded("中文内容很多很多，".encode() * 20 + b"\xff\xe4" + "结尾。".encode())
    assert found.endswith("\ufffd\ufffd结尾。")
    assert encoding == Encoding("utf-8", repaired=True, damaged=2)


@pytest.mark.parametrize("raw", [bytes(range(256)) * 4, b"\0" * 50, b"abc\x00\x01\x02\x03def" * 20, b"\x81\x8d\x8f\x90\x9d" * 9])
def test_binary_is_undecodable(raw: bytes) -> None:
    with pytest.raises(UndecodableError):
        detect(BytesIO(raw))


@pytest.mark.parametrize(
    ("tail", "codec", "damaged"),
    [("尾部才有中文字。".encode() + "，".encode()[:2], "utf-8", 1), ("尾部才有中文字。".encode("gbk"), "gb18030", 0)],
)
def test_encoding_is_judged_by_the_whole_file(tail: bytes, codec: str, damaged: int) -> None:
    found, encoding = decoded(b"plain\n" * 200_000 + tail)
    assert encoding == Encoding(codec, repaired=True, damaged=damaged)
    assert "尾部才有中文字。" in found


def test_binary_is_seen_in_the_first_part_of_a_long_file() -> None:
    class Counted(BytesIO):
        taken = 0

        def read(self, size: int | None = -1) -> bytes:
            block = super().read(size)
            self.taken += len(block)
            return block

    file = Counted(b"\0" * (20 << 20))
    with pytest.raises(UndecodableError, match="the file is binary, not text"):
        detect(file)
    assert file.taken <= 2 << 20


def test_line_ends_are_left_as_they_are() -> None:
    assert decoded(b"one\r\ntwo\rthree\n")[0] == "one\r\ntwo\rthree\n"
