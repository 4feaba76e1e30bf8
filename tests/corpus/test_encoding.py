from pathlib import Path

import pytest

from adapt.corpus.encoding import UndecodableError, detect
from tests.corpus.corpora import Corpus


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
def test_encoding_is_detected_and_noted_as_repaired(tmp_path: Path, text: str, codec: str) -> None:
    path = tmp_path / "f.txt"
    path.write_bytes(text.encode(codec))
    encoding = detect(path)
    assert (encoding.read(path), encoding.repaired) == (text, True)


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "ascii"])
def test_utf_and_marked_files_are_read_without_repair(tmp_path: Path, codec: str) -> None:
    text = "plain text" if codec == "ascii" else "中文 and café"
    path = tmp_path / "f.txt"
    path.write_bytes(text.encode(codec))
    encoding = detect(path)
    assert (encoding.read(path), encoding.repaired) == (text, False)


def test_utf16_without_a_mark_is_recognised(tmp_path: Path) -> None:
    path = tmp_path / "f.txt"
    path.write_bytes("Plain English text, saved by an old editor.".encode("utf-16-le"))
    assert detect(path).read(path) == "Plain English text, saved by an old editor."


def test_declared_charset_of_a_page_counts_and_a_false_one_does_not(tmp_path: Path) -> None:
    path = tmp_path / "p.html"
    path.write_bytes('<meta charset="gb2312"><p>短</p>'.encode("gbk"))
    assert (detect(path, page=True).codec, detect(path, page=True).repaired) == ("gb18030", False)
    path.write_bytes('<meta charset="iso-8859-1"><p>中文</p>'.encode())
    assert detect(path, page=True).codec == "utf-8"
    path.write_bytes('<meta charset="utf-8"><p>“£5”</p>'.encode("cp1252"))
    assert (detect(path, page=True).codec, detect(path, page=True).repaired) == ("cp1252", True)
    path.write_bytes('<meta charset="no-such-thing"><p>£5, café</p>'.encode("cp1252"))
    assert detect(path, page=True).codec == "cp1252"


def test_utf8_with_a_few_broken_bytes_stays_utf8(corpus: Corpus) -> None:
    corpus.write("a.md", "中文内容很多很多，".encode() * 20 + b"\xff\xe4" + "结尾。".encode())
    corpus.build()
    assert corpus.document("a.md").text.endswith("\ufffd\ufffd结尾。")
    assert corpus.rows("a.md") == [("", "repair_encoding", 2.0)]


@pytest.mark.parametrize("raw", [bytes(range(256)) * 4, b"\0" * 50, b"abc\x00\x01\x02\x03def" * 20, b"\x81\x8d\x8f\x90\x9d" * 9])
def test_binary_is_undecodable(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "f.txt"
    path.write_bytes(raw)
    with pytest.raises(UndecodableError):
        detect(path)


def test_encoding_is_judged_by_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "f.txt"
    for tail, codec, damaged in ((("尾部才有中文字。".encode() + "，".encode()[:2]), "utf-8", 1), ("尾部才有中文字。".encode("gbk"), "gb18030", 0)):
        path.write_bytes(b"plain\n" * 200_000 + tail)
        encoding = detect(path)
        assert (encoding.codec, encoding.repaired, encoding.damaged) == (codec, True, damaged)
        assert "尾部才有中文字。" in encoding.read(path)
