import bz2
import errno
import gzip
import hashlib
import http.server
import io
import lzma
import os
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import fsspec
import pytest
import zstandard

from adapt.corpus.cleaning.encoding import Encoding, UndecodableError
from adapt.corpus.sources import storage
from adapt.corpus.sources.files import find_inputs
from adapt.corpus.sources.inputs import RawInput
from adapt.corpus.sources.storage import Refused, content_key, open_bytes, open_text
from adapt.errors import InputError, WorkspaceError
from adapt.spec.corpus import FileSource, Limits

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstandard.compress,
}
LIMITS = Limits()


def raw_input(path: Path, content: bytes | None = None) -> RawInput:
    if content is not None:
        path.write_bytes(content)
    return RawInput(path.name, 0, "text", str(path), size=len(content or b""))


def read(input: RawInput, limits: Limits = LIMITS) -> bytes:
    with open_bytes(input, limits) as stream:
        return stream.read()


@pytest.mark.parametrize("ending", PACKERS)
def test_compressed_file_is_read_through_all_its_parts(tmp_path: Path, ending: str) -> None:
    pack = PACKERS[ending]
    parts = [os.urandom(70_000), b"second part", b""]
    assert read(raw_input(tmp_path / f"a.txt{ending}", b"".join(map(pack, parts)))) == b"".join(parts)


@pytest.mark.parametrize("ending", PACKERS)
def test_compressed_file_that_is_cut_off_is_refused(tmp_path: Path, ending: str) -> None:
    packed = PACKERS[ending](os.urandom(100_000))
    with pytest.raises(Refused, match="cut off") as raised:
        read(raw_input(tmp_path / f"a.txt{ending}", packed[: len(packed) // 2]))
    assert raised.value.rejected("line 3") == ("line 3", "unreadable", str(raised.value), None)


@pytest.mark.parametrize("ending", PACKERS)
def test_file_that_is_not_what_its_ending_says_is_refused(tmp_path: Path, ending: str) -> None:
    with pytest.raises(Refused, match="The compressed data are damaged"):
        read(raw_input(tmp_path / f"a.txt{ending}", b"this was never compressed" * 10))


@pytest.mark.parametrize("ending", PACKERS)
def test_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, ending: str) -> None:
    input = raw_input(tmp_path / f"a.txt{ending}", PACKERS[ending](bytes(30 << 20)))
    taken = 0

    def take() -> None:
        nonlocal taken
        with open_bytes(input, LIMITS) as stream:
            while block := stream.read(1 << 16):
                taken += len(block)

    with pytest.raises(Refused, match=r"The file unpacks to more than 200 times its stored size \(corpus\.limits\.max_expansion\)"):
        take()
    assert taken <= 200 * (tmp_path / input.name).stat().st_size


def test_size_is_bounded_by_what_comes_out(tmp_path: Path) -> None:
    input = raw_input(tmp_path / "a.txt.gz", gzip.compress(os.urandom(1 << 19) * 3))
    with pytest.raises(Refused, match="The file is larger than 1 MiB"):
        read(input, Limits(max_file_mib=1))
    with (tmp_path / "b.txt").open("wb") as file:
        file.truncate((1 << 20) + 1)
    with pytest.raises(Refused, match="The file is larger than 1 MiB"):
        read(raw_input(tmp_path / "b.txt"), Limits(max_file_mib=1))


def test_memory_that_an_xz_file_may_ask_for_is_bounded(tmp_path: Path) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 512 << 20}]
    compressor = lzma.LZMACompressor(filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 4096}])
    packed = bytearray(compressor.compress(b"text") + compressor.flush())
    props = lzma._encode_filter_properties(filters[0])  # type: ignore[attr-defined]
    header = packed[12:20]
    header[4:5] = props
    packed[12:20] = header
    packed[20:24] = zlib.crc32(bytes(header)).to_bytes(4, "little")
    with pytest.raises(Refused, match="The compressed data are damaged"):
        read(raw_input(tmp_path / "a.txt.xz", bytes(packed)))


def test_things_that_are_no_files_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Refused, match="not a regular file"):
        read(raw_input(tmp_path / "pipe"))
    with pytest.raises(Refused, match="not a regular file"):
        read(raw_input(tmp_path))
    with pytest.raises(Refused, match=r"The file cannot be read: No such file or directory\."):
        read(raw_input(tmp_path / "gone"))


def test_compressed_stream_can_be_made_seekable(tmp_path: Path) -> None:
    input = raw_input(tmp_path / "a.bin.gz", gzip.compress(b"0123456789"))
    with open_bytes(input, LIMITS, seekable=True) as stream:
        stream.seek(-3, io.SEEK_END)
        assert stream.read() == b"789"
        stream.seek(0)
        assert stream.read(2) == b"01"


@pytest.mark.parametrize("ending", ["", ".gz"])
@pytest.mark.parametrize("codec", ["utf-8", "gb18030", "utf-16"])
def test_text_comes_with_its_encoding(tmp_path: Path, ending: str, codec: str) -> None:
    text = "第一行有些文字。\r\n第二行也有一些。\n" * 3
    raw = text.encode(codec)
    with open_text(raw_input(tmp_path / f"a.txt{ending}", gzip.compress(raw) if ending else raw), LIMITS) as (file, encoding):
        assert (file.read(), encoding) == (text, Encoding(codec, repaired=codec == "gb18030"))


def test_large_compressed_text_is_unpacked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    unpack = storage.unpacked

    def counted(*args: Any, **kwargs: Any) -> BinaryIO:
        opened.append("again")
        return unpack(*args, **kwargs)

    monkeypatch.setattr(storage, "unpacked", counted)
    line = "一行不太短的中文，用来凑数。" * 20 + "\n"
    input = raw_input(tmp_path / "a.txt.zst", zstandard.compress((line * 12_000).encode()))
    with open_text(input, Limits(max_expansion=100_000)) as (file, encoding):
        assert sum(found == line for found in file) == 12_000
    assert (encoding, opened) == (Encoding("utf-8"), ["again"])


def failing(number: int) -> Callable[..., Any]:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


def test_fault_of_the_machine_stops_the_build_and_is_not_taken_for_one_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    input = raw_input(tmp_path / "a.txt", b"text")
    monkeypatch.setattr(os, "open", failing(errno.EMFILE))
    with pytest.raises(WorkspaceError, match="the system cannot read on: Too many open files"):
        read(input)
    monkeypatch.setattr(os, "open", failing(errno.EACCES))
    with pytest.raises(Refused, match="The file cannot be read: Permission denied"):
        read(input)


def test_full_disk_while_unpacking_stops_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    input = raw_input(tmp_path / "a.txt.gz", gzip.compress(os.urandom(10)))
    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "write", failing(errno.ENOSPC))
    with pytest.raises(WorkspaceError, match=r"unpacking needs space in .*: No space left on device"), open_bytes(input, LIMITS, seekable=True):
        pass


def test_what_is_no_text_is_undecodable(tmp_path: Path) -> None:
    with pytest.raises(UndecodableError), open_text(raw_input(tmp_path / "a.txt", bytes(range(256)) * 9), LIMITS):
        pass


def test_declared_charset_counts_for_pages_only(tmp_path: Path) -> None:
    input = raw_input(tmp_path / "a.html", '<meta charset="koi8-r"><p>Привет, как дела</p>'.encode("koi8-r"))
    with open_text(input, LIMITS, page=True) as (file, encoding):
        assert ("Привет" in file.read(), encoding) == (True, Encoding("koi8-r"))


def test_content_key_is_that_of_the_stored_bytes(tmp_path: Path) -> None:
    input = raw_input(tmp_path / "a.txt.gz", gzip.compress(b"text", mtime=0))
    assert content_key(input, LIMITS) == hashlib.sha256(gzip.compress(b"text", mtime=0)).hexdigest()
    assert content_key(raw_input(tmp_path / "gone"), LIMITS) is None
    assert content_key(RawInput("memory://a", 0, "text", "memory://a"), LIMITS) is None
    assert content_key(RawInput("sql:0", 0, "sql"), LIMITS) is None


def test_url_is_read_and_one_that_fails_stops_the_build(tmp_path: Path) -> None:
    fsspec.filesystem("memory").pipe("/stored/a.txt.gz", gzip.compress("正文".encode()))
    input = RawInput("memory://stored/a.txt.gz", 0, "text", "memory://stored/a.txt.gz")
    with open_text(input, LIMITS) as (file, encoding):
        assert (file.read(), encoding) == ("正文", Encoding("utf-8"))
    with pytest.raises(InputError, match=r"memory://stored/gone\.txt cannot be read: FileNotFoundError"):
        read(RawInput("gone", 0, "text", "memory://stored/gone.txt"))


@contextmanager
def server(files: dict[str, bytes]) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = files.get(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def do_HEAD(self) -> None:
            content = files.get(self.path)
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{running.server_port}"
        running.shutdown()


def test_web_address_is_read_and_its_secrets_are_in_no_name(tmp_path: Path) -> None:
    with server({"/a.jsonl.gz?key=topsecret": gzip.compress(b'{"a": 1}\n'), "/b.jsonl?key=topsecret": b"{}"}) as host:
        sources = tuple(FileSource(glob=f"http://{user}{host}{rest}?key=topsecret") for user, rest in (("", "/a.jsonl.gz"), ("me:hush@", "/b.jsonl")))
        first, second = find_inputs(tmp_path / "missing", sources, LIMITS, workspace=tmp_path).inputs
        assert [(first.name, first.reader), (second.name, second.reader)] == [
            (f"http://{host}/a.jsonl.gz", "jsonl"),
            (f"http://{host}/b.jsonl", "jsonl"),
        ]
        assert read(first) == b'{"a": 1}\n'
        assert read(second) == b"{}"
        twice = (FileSource(glob=f"http://{host}/b.jsonl?key=topsecret"), FileSource(glob=f"http://me:hush@{host}/b.jsonl?key=topsecret"))
        assert [input.name for input in find_inputs(tmp_path, twice, LIMITS, workspace=tmp_path).inputs] == [
            f"http://{host}/b.jsonl",
            f"http://{host}/b.jsonl#2",
        ]
        gone = FileSource(glob=f"http://me:hush@{host}/gone.jsonl?key=topsecret")
        with pytest.raises(InputError) as raised:
            find_inputs(tmp_path / "missing", (gone,), LIMITS, workspace=tmp_path)
        assert f"http://{host}/gone.jsonl" in str(raised.value)
        assert "hush" not in str(raised.value)
        assert "topsecret" not in str(raised.value)
