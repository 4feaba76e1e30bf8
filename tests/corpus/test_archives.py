import bz2
import gzip
import io
import lzma
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import fsspec
import pytest
import zstandard

from adapt.corpus.sources import archives
from adapt.corpus.sources.files import find_inputs
from adapt.corpus.sources.inputs import Found
from adapt.corpus.sources.storage import Refused, content_key, open_bytes
from adapt.spec.corpus import FileSource, Limits

Change = Callable[[tarfile.TarInfo], None]
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "a.tar": bytes,
    "a.tar.gz": gzip.compress,
    "a.tgz": gzip.compress,
    "a.tar.bz2": bz2.compress,
    "a.tar.xz": lzma.compress,
    "a.tar.zst": zstandard.compress,
}


def tar(*members: tuple[str, bytes], changed: dict[str, Change] | None = None) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            (changed or {}).get(name, lambda info: None)(info)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def zipped(*members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file.getvalue()


def found_in(root: Path, *globs: str, **limits: Any) -> Found:
    return find_inputs(root, tuple(FileSource(glob=glob) for glob in globs or ("**/*",)), Limits(**limits), workspace=root)


def contents(found: Found, limits: Limits = Limits()) -> dict[str, bytes]:  # noqa: B008 (immutable)
    read = {}
    for input in found.inputs:
        with open_bytes(input, limits) as stream:
            read[input.name] = stream.read()
    return read


def refusals(found: Found) -> dict[str, tuple[str, str]]:
    return {name: (rejected.rule, rejected.reason) for name, rejected in found.refused}


@pytest.mark.parametrize("name", [*PACKED, "a.zip"])
def test_members_are_inputs_in_the_order_of_their_names(tmp_path: Path, name: str) -> None:
    members = (("z/last.md", b"last"), ("./a.xml", b"<a/>"), (".hidden", b"x"), ("中文/笔记.txt", "正文".encode()), ("b.bin", b"?"))
    (tmp_path / name).write_bytes(zipped(*members) if name == "a.zip" else PACKED[name](tar(*members)))
    found = found_in(tmp_path)
    assert contents(found) == {f"{name}/a.xml": b"<a/>", f"{name}/z/last.md": b"last", f"{name}/中文/笔记.txt": "正文".encode()}
    assert ([input.reader for input in found.inputs], found.unmatched, found.refused) == (["xml", "markdown", "text"], 1, ())


def test_members_are_matched_by_their_own_names_and_by_their_archives(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    for name in ("one.zip", "two.zip", "x/three.zip"):
        (tmp_path / name).write_bytes(zipped(("a.md", b"a"), ("deep/b.txt", b"b")))
    found = find_inputs(
        tmp_path,
        (FileSource(glob="one.zip/*.md"), FileSource(glob="**/b.txt", reader="markdown"), FileSource(glob="x/*.zip")),
        Limits(),
        workspace=tmp_path,
    )
    assert [(input.name, input.source, input.reader) for input in found.inputs] == [
        ("one.zip/a.md", 0, "markdown"),
        ("one.zip/deep/b.txt", 1, "markdown"),
        ("two.zip/deep/b.txt", 1, "markdown"),
        ("x/three.zip/a.md", 2, "markdown"),
        ("x/three.zip/deep/b.txt", 1, "markdown"),
    ]
    assert found.unmatched == 1


def test_archive_that_no_source_reaches_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("{}")
    (tmp_path / "broken.zip").write_bytes(b"no zip")
    found = found_in(tmp_path, "*.jsonl")
    assert (len(found.inputs), found.refused, found.unmatched) == (1, (), 1)


def test_members_that_lead_elsewhere_or_are_no_files_are_refused(tmp_path: Path) -> None:
    def kind(letter: bytes, target: str = "") -> Change:
        def change(info: tarfile.TarInfo) -> None:
            info.type, info.linkname = letter, target

        return change

    changed = {
        "link.md": kind(tarfile.SYMTYPE, "/etc/passwd"),
        "hard.md": kind(tarfile.LNKTYPE, "good.md"),
        "null.md": kind(tarfile.CHRTYPE),
        ".hidden.md": kind(tarfile.SYMTYPE, "/etc/passwd"),
        "pipe.md": kind(tarfile.FIFOTYPE),
    }
    elsewhere = [("../up.md", b"x"), ("/abs.md", b"x"), ("a/../../b.md", b"x"), ("C:\\c.md", b"x")]
    members = [("good.md", b"good"), *elsewhere, *((name, b"") for name in changed), ("good.md", b"again"), ("inner.zip", b"x")]
    (tmp_path / "a.tar").write_bytes(tar(*members, changed=changed))
    found = found_in(tmp_path)
    assert contents(found) == {"a.tar/good.md": b"good"}
    climbs, absolute = "The member's name holds `..`: it leads out of the archive.", "The member's name is absolute: it leads out of the archive."
    other = "The member is a link, a device, a pipe or a file with holes, not a plain file."
    assert refusals(found) == {
        "a.tar/../up.md": ("unsafe", climbs),
        "a.tar//abs.md": ("unsafe", absolute),
        "a.tar/a/../../b.md": ("unsafe", climbs),
        "a.tar/C:\\c.md": ("unsafe", absolute),
        "a.tar/good.md": ("unsafe", "The archive has an earlier member of this name; that one is read."),
        "a.tar/inner.zip": ("unsafe", "The member is an archive itself; archives in archives are not entered."),
        **{f"a.tar/{name}": ("unsafe", other) for name in changed if name != ".hidden.md"},
    }


def test_zip_members_that_may_not_be_read_are_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.md")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    odd = zipfile.ZipInfo("odd.md")
    odd.compress_type = zipfile.ZIP_BZIP2
    raw = zipped(("good.md", b"good"), ("../up.md", b"x"), ("/abs.md", b"x"), (link, b"/etc/passwd"), (odd, b"x"), ("secret.md", b"secret"))
    at = raw.rindex(b"secret.md") - 46
    raw = raw[: at + 8] + b"\x01" + raw[at + 9 :]  # the mark of encryption, in the directory
    (tmp_path / "a.zip").write_bytes(raw)
    found = found_in(tmp_path)
    assert contents(found) == {"a.zip/good.md": b"good"}
    assert refusals(found) == {
        "a.zip/../up.md": ("unsafe", "The member's name holds `..`: it leads out of the archive."),
        "a.zip//abs.md": ("unsafe", "The member's name is absolute: it leads out of the archive."),
        "a.zip/link.md": ("unsafe", "The member is a link or a device, not a file."),
        "a.zip/odd.md": ("unreadable", "The member is compressed by a method that is not read; deflate is."),
        "a.zip/secret.md": ("unsafe", "The member is encrypted."),
    }


@pytest.mark.parametrize("codec", ["utf-8", "gb18030"])
def test_zip_names_of_tools_that_do_not_mark_utf8_are_read(tmp_path: Path, codec: str) -> None:
    raw = zipped(("AAAAAAAA.md", b"text")) if codec == "gb18030" else zipped(("AAAAAAAAAAAA.md", b"text"))
    name = "数据资料"
    (tmp_path / "a.zip").write_bytes(raw.replace(b"A" * len(name.encode(codec)), name.encode(codec)))
    assert contents(found_in(tmp_path)) == {f"a.zip/{name}.md": b"text"}


def test_bomb_is_refused_whole_by_what_it_becomes(tmp_path: Path) -> None:
    (tmp_path / "bomb.tar.gz").write_bytes(gzip.compress(tar(("good.md", b"good"), ("zeros.md", bytes(8 << 20)), ("more.md", b"more"))))
    (tmp_path / "bomb.zip").write_bytes(zipped(("good.md", b"good"), ("zeros.md", bytes(8 << 20))))
    found = found_in(tmp_path, max_expansion=100)
    assert refusals(found) == {
        "bomb.tar.gz": ("too_large", "The archive unpacks to more than 100 times its stored size (corpus.limits.max_expansion).")
    }
    assert [input.name for input in found.inputs] == ["bomb.zip/good.md", "bomb.zip/zeros.md"]
    with open_bytes(found.inputs[0], Limits(max_expansion=100)) as stream:
        assert stream.read() == b"good"
    with pytest.raises(Refused, match="The member unpacks to more than 100 times"), open_bytes(found.inputs[1], Limits(max_expansion=100)) as stream:
        stream.read()


def test_zip_whose_members_share_their_bytes_is_refused(tmp_path: Path) -> None:
    raw = zipped(("a.md", bytes(range(256)) * 40), method=zipfile.ZIP_STORED)
    start = raw.rindex(b"PK\x01\x02")
    end = raw.rindex(b"PK\x05\x06")
    entry, tail = raw[start:end], bytearray(raw[end:])
    count = 3
    tail[8:12] = count.to_bytes(2, "little") * 2
    tail[12:16] = (count * len(entry)).to_bytes(4, "little")
    (tmp_path / "a.zip").write_bytes(raw[:start] + entry * count + bytes(tail))
    assert refusals(found_in(tmp_path)) == {"a.zip": ("unsafe", "Members of the archive share their bytes, as those of a zip bomb do.")}


@pytest.mark.parametrize("name", ["a.tar.gz", "a.zip"])
def test_archive_of_too_many_members_is_refused(tmp_path: Path, name: str) -> None:
    members = [(f"{number}.md", b"x") for number in range(4)]
    (tmp_path / name).write_bytes(zipped(*members) if name == "a.zip" else gzip.compress(tar(*members)))
    assert refusals(found_in(tmp_path, max_members=3)) == {name: ("too_large", "The archive has more than 3 members (corpus.limits.max_members).")}
    assert len(found_in(tmp_path, max_members=4).inputs) == 4


def test_member_beyond_the_limit_is_refused_and_the_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(tar(("large.md", bytes((1 << 20) + 1)), ("small.md", b"small")))
    found = found_in(tmp_path, max_file_mib=1)
    assert (contents(found), refusals(found)["a.tar/large.md"][0]) == ({"a.tar/small.md": b"small"}, "too_large")


@pytest.mark.parametrize("packed", ["a.tar", "a.tar.gz"])
def test_archive_that_is_cut_off_keeps_what_came_before(tmp_path: Path, packed: str) -> None:
    raw = PACKED[packed](tar(("a.md", b"first"), ("b.md", os.urandom(400_000)), ("c.md", b"last")))
    (tmp_path / packed).write_bytes(raw[: len(raw) // 2])
    found = found_in(tmp_path)
    assert [input.name for input in found.inputs] == [f"{packed}/a.md", f"{packed}/b.md"]
    assert refusals(found)[packed][0] == "unreadable"
    with open_bytes(found.inputs[0], Limits()) as stream:
        assert stream.read() == b"first"
    with pytest.raises(Refused, match="cut off"), open_bytes(found.inputs[1], Limits()) as stream:
        stream.read()


def test_header_in_the_middle_that_is_no_header_is_told(tmp_path: Path) -> None:
    raw = bytearray(tar(("a.md", b"first"), ("b.md", b"second")))
    raw[1024:1124] = b"\xff" * 100
    (tmp_path / "a.tar").write_bytes(bytes(raw))
    found = found_in(tmp_path)
    assert [input.name for input in found.inputs] == ["a.tar/a.md"]
    assert refusals(found)["a.tar"] == ("unreadable", "The archive is cut off or damaged behind its last member that was found.")


def test_huge_header_of_a_tar_is_refused(tmp_path: Path) -> None:
    def header(info: tarfile.TarInfo) -> None:
        info.type = tarfile.XHDTYPE

    (tmp_path / "a.tar").write_bytes(tar(("pax", bytes(3 << 20)), ("a.md", b"x"), changed={"pax": header}))
    assert refusals(found_in(tmp_path)) == {"a.tar": ("too_large", "The archive has a header of more than 1 MiB.")}


@pytest.mark.parametrize(("small", "times"), [(1 << 20, 1), (1 << 10, 2)])
def test_compressed_tar_is_unpacked_once_to_be_listed_and_read_and_a_large_one_once_for_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small: int, times: int
) -> None:
    monkeypatch.setattr(archives, "_SMALL", small)
    members = {f"{(number * 7) % 60:02}.md": os.urandom(9_999) for number in range(60)}
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(tar(*members.items())))
    opened: list[str] = []
    unpack = archives.unpacked

    def counted(*args: Any, **kwargs: Any) -> BinaryIO:
        opened.append("again")
        return unpack(*args, **kwargs)

    monkeypatch.setattr(archives, "unpacked", counted)
    assert contents(found_in(tmp_path)) == {f"a.tar.gz/{name}": content for name, content in members.items()}
    assert len(opened) == times


def test_members_read_at_the_same_time_do_not_disturb_each_other(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(gzip.compress(tar(("a.md", b"a" * 300_000), ("b.md", b"b" * 300_000), ("c.md", os.urandom(9_999)))))
    one, two, _ = found_in(tmp_path).inputs
    with open_bytes(one, Limits()) as first, open_bytes(two, Limits()) as second:
        assert (first.read(10), second.read(10), first.read(), second.read()) == (b"a" * 10, b"b" * 10, b"a" * 299_990, b"b" * 299_990)


def test_archive_that_changes_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.tar.gz"
    path.write_bytes(gzip.compress(tar(("a.md", b"before"))))
    (input,) = found_in(tmp_path).inputs
    before = content_key(input, Limits())
    path.write_bytes(gzip.compress(tar(("a.md", b"after that"))))
    with open_bytes(input, Limits()) as stream:
        assert stream.read() == b"after that"
    assert content_key(input, Limits()) != before
    path.write_bytes(gzip.compress(tar(("other.md", b"x"))))
    with pytest.raises(Refused, match="The archive no longer has this member"), open_bytes(input, Limits()):
        pass


def test_compressed_member_is_read_through(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zipped(("rows.jsonl.gz", gzip.compress(b'{"a": 1}'))))
    found = found_in(tmp_path)
    assert (contents(found), found.inputs[0].reader) == ({"a.zip/rows.jsonl.gz": b'{"a": 1}'}, "jsonl")


def test_archive_behind_a_url_is_entered(tmp_path: Path) -> None:
    store = fsspec.filesystem("memory")
    store.pipe("/packed/a.zip", zipped(("a.md", b"a"), ("b.txt", b"b")))
    store.pipe("/packed/b.tgz", gzip.compress(tar(("c.md", b"c"))))
    assert contents(found_in(tmp_path, "memory://packed/a.zip/*.md")) == {"memory://packed/a.zip/a.md": b"a"}
    assert contents(found_in(tmp_path, "memory://packed/*", "memory://packed/*.zip")) == {
        "memory://packed/a.zip/a.md": b"a",
        "memory://packed/a.zip/b.txt": b"b",
        "memory://packed/b.tgz/c.md": b"c",
    }
