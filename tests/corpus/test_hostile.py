"""Whatever a corpus holds, the stage ends, and every piece is a document or is quarantined with a reason."""

import gzip
import io
import json
import os
import re
import shutil
import tarfile
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from adapt.corpus.cleaning.encoding import UndecodableError
from adapt.corpus.draft import Draft, Rejected
from adapt.corpus.readers.portion import divide
from adapt.corpus.readers.reading import read_portion
from adapt.corpus.report import CorpusReport
from adapt.corpus.sources.files import find_inputs
from adapt.corpus.sources.inputs import RawInput
from adapt.corpus.sources.storage import Refused, open_bytes, open_text
from adapt.records import LedgerRow
from adapt.spec.corpus import CorpusSpec, Fields, FileSource, Limits
from tests.corpus.corpora import Corpus

STEADY = settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=int(os.environ.get("ADAPT_EXAMPLES", "12")),
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
"""The same examples on every machine; `ADAPT_EXAMPLES=500` looks at more."""
QUICK = settings(STEADY, max_examples=12 * STEADY.max_examples)
GOOD = "# Rates\n\nA fixed rate stays the same for the whole term of the loan, which makes the payments easy to plan.\n"
ENDINGS = (
    "txt",
    "md",
    "html",
    "csv",
    "tsv",
    "json",
    "jsonl",
    "xml",
    "pdf",
    "docx",
    "parquet",
    "jsonl.gz",
    "txt.zst",
    "md.bz2",
    "csv.xz",
    "zip",
    "tar",
    "tgz",
)
TEXTS = ("txt", "md", "html", "csv", "json", "jsonl", "xml")

anything = st.text(st.characters(codec="utf-8"), max_size=80) | st.text(
    st.sampled_from("ab 电话。\n\r\t\"',;{}[]<>&#-=|\ufeff\u200b\u2028\x00\x0b\x1b\ufffe"), max_size=80
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | anything,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(anything | st.sampled_from(("question", "answer", "messages", "role", "content", "text")), inner, max_size=4)
    ),
    max_leaves=12,
)


def built(files: dict[str, bytes], spec: CorpusSpec | None = None) -> tuple[CorpusReport, Corpus]:
    """Build a corpus of the files and a good one, and check that it adds up."""
    folder = Path(tempfile.mkdtemp())
    try:
        corpus = Corpus(folder)
        for name, content in {**files, "good.md": GOOD.encode()}.items():
            corpus.write(name, content)
        report = corpus.build(spec)
        documents, ledger = corpus.documents(), corpus.ledger()
        assert report.pieces == len(documents) + sum(row.action == "quarantined" for row in ledger)
        told = {document.source for document in documents} | {row.source for row in ledger}
        silent = [name for name in files if name not in told and not any(source.startswith(f"{name}/") for source in told)]
        assert len(silent) <= report.files_unmatched
        return report, corpus
    finally:
        shutil.rmtree(folder)


@pytest.fixture(scope="module", autouse=True)
def libraries() -> None:
    """Loads what readers need, so that it does not count as the memory of an input."""
    built({f"file.{ending}": GOOD.encode() for ending in ENDINGS})


@STEADY
@given(st.dictionaries(st.sampled_from(ENDINGS), st.binary(max_size=200), min_size=4))
def test_any_bytes_under_any_ending_are_accounted_for(contents: dict[str, bytes]) -> None:
    built({f"file.{ending}": content for ending, content in contents.items()})


@STEADY
@given(st.dictionaries(st.sampled_from(TEXTS), anything, min_size=3))
def test_any_text_under_any_ending_is_accounted_for(contents: dict[str, str]) -> None:
    built({f"file.{ending}": content.encode("utf-8", "surrogatepass") for ending, content in contents.items()})


@STEADY
@given(st.lists(values, min_size=1, max_size=8), st.booleans())
def test_any_json_is_accounted_for(items: list[object], escaped: bool) -> None:
    lines = [json.dumps(item, ensure_ascii=escaped) for item in items]
    report, _ = built({"lines.jsonl": "\n".join(lines).encode(), "list.json": json.dumps(items).encode(), "one.json": lines[0].encode()})
    assert report.pieces >= len(items)


@STEADY
@given(st.lists(values, min_size=1, max_size=5))
def test_any_json_is_accounted_for_under_paths_of_the_spec(items: list[object]) -> None:
    fields = Fields(records="[*].messages[*]", instruction="question", output="^.answer")
    raw = json.dumps([{"answer": item, "messages": [{"question": item}, item]} for item in items])
    good = FileSource(glob="good.md")
    built({"list.json": raw.encode()}, CorpusSpec(sources=(good, FileSource(glob="*.json", fields=fields))))


@STEADY
@given(st.lists(st.tuples(anything, anything), min_size=1, max_size=6))
def test_any_table_is_accounted_for(rows: list[tuple[str, str]]) -> None:
    table = ["question,answer"] + [",".join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows]
    built({"table.csv": "\r\n".join(table).encode()})


def read_all(input: RawInput) -> None:
    with suppress(Refused, UndecodableError), open_text(input, Limits()) as (file, _):
        file.read()


@QUICK
@given(st.sampled_from(("txt", "txt.gz", "txt.zst", "txt.bz2", "txt.xz")), st.binary(max_size=300) | anything.map(str.encode))
def test_any_bytes_are_read_or_refused(ending: str, content: bytes) -> None:
    with tempfile.NamedTemporaryFile(suffix=f".{ending}") as file:
        file.write(content)
        file.flush()
        read_all(RawInput("a", 0, "text", file.name, size=len(content)))


def _archives() -> dict[str, bytes]:
    packed, plain = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("a.txt", "b/c.txt"):
            archive.writestr(zipfile.ZipInfo(name), name * 20)
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in ("a.txt", "b/" + "长" * 60 + ".txt"):
            info = tarfile.TarInfo(name)
            info.size = 100
            tar.addfile(info, io.BytesIO(b"x" * 100))
    return {"a.zip": packed.getvalue(), "a.tar": plain.getvalue(), "a.tgz": gzip.compress(plain.getvalue(), mtime=0)}


ARCHIVES = _archives()
changes = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=6)


@QUICK
@given(st.sampled_from(sorted(ARCHIVES)), changes, st.floats(0.05, 1))
def test_archives_with_any_damage_are_read_or_refused(name: str, changed: list[tuple[float, int]], kept: float) -> None:
    raw = bytearray(ARCHIVES[name])
    for place, value in changed:
        raw[int(place * len(raw))] = value
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(raw[: int(kept * len(raw)) + 1])
        found = find_inputs(Path(folder), (FileSource(glob="**/*"),), Limits(), workspace=Path(folder))
        assert found.inputs or found.refused or found.unmatched
        for input in found.inputs:
            read_all(input)


@contextmanager
def memory_bounded(mib: int) -> Iterator[None]:
    """Fail where the process takes more than `mib` MiB beyond what it had."""
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    peak, done = resident, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.01):
            peak = max(peak, int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE"))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
    assert peak - resident < mib << 20, f"{(peak - resident) >> 20} MiB"


def sparse(path: Path, size: int) -> None:
    """A file of zeros that takes no room on the disk."""
    with path.open("wb") as file:
        file.truncate(size)


def pieces(path: Path) -> list[Draft | Rejected | LedgerRow]:
    """What the file is read as, in all its portions."""
    source = FileSource(glob="*")
    (input,) = find_inputs(path.parent, (source,), Limits(), workspace=path.parent).inputs
    portions = divide(input, source, Limits())
    return [piece for portion in portions for piece in read_portion(portion, source, limits=Limits(), adverts="drop", root=None)]


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.txt", "a.md", "a.html", "a.xml", "a.pdf", "a.docx", "a.parquet"])
def test_file_of_a_gigabyte_of_zeros_is_refused_in_bounded_memory(tmp_path: Path, name: str) -> None:
    sparse(tmp_path / name, 1 << 30)
    with memory_bounded(100):
        (rejected,) = pieces(tmp_path / name)
    assert isinstance(rejected, Rejected)
    assert rejected.rule in ("undecodable", "unreadable", "too_large")


ONE, TWO = (json.dumps({"question": f"What is meant by rate {number}?", "answer": f"The price of money, case {number}."}) for number in (1, 2))


def write_long_line(path: Path, mib: int) -> None:
    with path.open("w") as file:
        file.write(ONE + "\n")
        for _ in range(mib):
            file.write("x" * (1 << 20))
        file.write("\n" + TWO + "\n")


def test_line_of_a_gigabyte_is_refused_and_the_lines_around_it_are_read(tmp_path: Path) -> None:
    write_long_line(tmp_path / "a.jsonl", 1024)
    with memory_bounded(150):
        found = pieces(tmp_path / "a.jsonl")
    reason = "The line is longer than the 16 MiB of corpus.limits.max_record_mib."
    assert [piece.locator for piece in found if isinstance(piece, Draft)] == ["line 1", "line 3"]
    assert [piece for piece in found if not isinstance(piece, Draft)] == [Rejected("line 2", "too_large", reason)]


@pytest.mark.slow
@pytest.mark.parametrize("cached", [False, True])
def test_line_of_a_gigabyte_goes_through_the_whole_stage(corpus: Corpus, tmp_path: Path, cached: bool) -> None:
    write_long_line(corpus.raw / "a.jsonl", 1024)
    with memory_bounded(400):
        corpus.build(cache=tmp_path / "cache" if cached else None)
    assert [document.locator for document in corpus.documents()] == ["line 1", "line 3"]
    assert corpus.rows("a.jsonl") == [("line 2", "too_large", None)]


def laughs() -> bytes:
    """Entities that stand for each other: 30 bytes that would become gigabytes."""
    entities = "".join(f'<!ENTITY e{number} "{f"&e{number - 1};" * 10}">' for number in range(1, 11))
    return f'<?xml version="1.0"?><!DOCTYPE r [<!ENTITY e0 "ha">{entities}]><r><question>&e10;</question><answer>&e10;</answer></r>'.encode()


HOSTILE = {
    "deep.json": b"[" * 12_000,
    "deep_whole.json": b"[" * 5_000 + b"]" * 5_000,
    "deep.jsonl": b'{"a":' * 100_000 + b"\n" + b'{"question": ' + b"[" * 900 + b"]" * 900 + b', "answer": "x"}\n',
    "numbers.jsonl": b'{"question": 1e999, "answer": -1e999}\n{"question": 123456789012345678901234567890, "answer": NaN}\n',
    "digits.jsonl": b'{"question": ' + b"9" * 100_000 + b', "answer": "x"}\n',
    "surrogates.jsonl": b'{"question": "\\ud800", "answer": "\\udfff\\ud800"}\n',
    "keys.jsonl": b'{"question": "a", "question": "b", "answer": {"answer": []}}\n',
    "deep.html": b"<div>" * 20_000 + b"text",
    "deep_table.html": b"<table><tr><td>" * 3_000 + b"text",
    "wide.html": b"<p " + b"a=1 " * 50_000 + b">text</p>" + b"&#x110000;&#0;&#xD800;",
    "deep.xml": b"<a>" * 20_000,
    "laughs.xml": laughs(),
    "outside.xml": b'<!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/passwd">]><r><question>what is it?</question><answer>&e;</answer></r>',
    "quote.csv": b'question,answer\n"never closed' + b",x\n" * 20_000,
    "wide.csv": b"question," * 30_000 + b"answer\nx,y\n",
    "nul.csv": b"question,answer\nwhat is \x00 it,an answer\n",
    "marks.md": b"#" * 100_000 + b"\n" + b">" * 50_000 + b"\n" + b"*" * 100_000 + b"\n" + b"|" * 100_000,
    "fence.md": b"```\n" * 20_001,
    "dashes.txt": b"=\n-\n" * 20_000,
    "bracket.md": b"[" * 50_000 + b"(" * 50_000,
    "at.txt": b"a@" * 50_000 + b"." * 50_000,
    "digits.txt": b"4" * 200_000,
    "spaces.txt": b" " * 300_000 + b"x" + b"\t\r" * 50_000,
    "separators.txt": "\u2028\u2029\x85\x0b\x0c\x1c".encode() * 20_000,
    "accents.txt": "e\u0301\u0301".encode() + "\u0301".encode() * 100_000,
    "mojibake.txt": "â€™Ã©".encode() * 30_000,
    "bare.md": b"",
    "mark.txt": b"\xef\xbb\xbf",
    "odd.txt": "plain text, cut off in the middle".encode("utf-16")[:-1],
}


def odd_parquet() -> bytes:
    """Values that are no texts, and texts that are none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        "question": pa.array([b"\xff\xfe", b"what?", None], pa.binary()),
        "answer": pa.array([2**63 - 1, -(2**63), 0], pa.timestamp("ns")),
        "text": pa.array([2**62, None, -(2**62)], pa.timestamp("ms")),
        "input": pa.array([{"a": [1.5, None]}, None, {"a": []}], pa.struct([("a", pa.list_(pa.float32()))])),
    }
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file)
    return file.getvalue()


def docx_bomb() -> bytes:
    """A Word document of which one part is 64 MiB of zeros."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", bytes(64 << 20))
    return file.getvalue()


@pytest.mark.parametrize(("name", "make"), [("odd.parquet", odd_parquet), ("bomb.docx", docx_bomb)])
def test_packed_format_with_odd_content_is_accounted_for(name: str, make: Callable[[], bytes]) -> None:
    content = make()
    with memory_bounded(100):
        report, _ = built({name: content})
    assert report.pieces >= 2


@pytest.mark.timeout(60)  # they take well under a second; what grows with the square of its input would take minutes
@pytest.mark.parametrize("name", HOSTILE)
def test_input_made_to_break_readers_is_accounted_for_in_bounded_time(name: str) -> None:
    with memory_bounded(200):
        report, _ = built({name: HOSTILE[name]})
    assert report.pieces >= 2


def test_entities_are_neither_expanded_nor_fetched(tmp_path: Path) -> None:
    for name in ("laughs.xml", "outside.xml"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_bytes(HOSTILE[name])
        for piece in pieces(tmp_path / name / name):
            assert isinstance(piece, Rejected) or not re.search("root:|haha", piece.output)


class Zeros(io.RawIOBase):
    """As many zeros as are asked for."""

    def read(self, size: int = -1) -> bytes:
        return bytes(size)


def test_bombs_are_refused_in_bounded_memory_and_the_rest_is_read(corpus: Corpus) -> None:
    corpus.write("good.md", GOOD)
    size = 128 << 20
    corpus.write("a.txt.gz", gzip.compress(bytes(size), 1))
    with tarfile.open(corpus.raw / "b.tar.gz", "w:gz", compresslevel=1) as tar:
        for name, length in (("small.md", 100), ("zeros.md", size)):
            info = tarfile.TarInfo(name)
            info.size = length
            tar.addfile(info, Zeros())
    with zipfile.ZipFile(corpus.raw / "c.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("zeros.jsonl", bytes(size))
    with memory_bounded(100):
        corpus.build()
    assert {row.source: row.rule for row in corpus.ledger()} == dict.fromkeys(["a.txt.gz", "b.tar.gz", "c.zip/zeros.jsonl"], "too_large")


def test_what_leads_out_of_the_corpus_is_refused_and_the_rest_is_read(corpus: Corpus, tmp_path: Path) -> None:
    corpus.write("good.md", GOOD)
    (tmp_path / "secret.md").write_text("# Secret\n\nNobody may read this sentence, which lies outside of the corpus.\n")
    (corpus.raw / "link.md").symlink_to("../secret.md")
    os.mkfifo(corpus.raw / "pipe.md")
    (corpus.raw / os.fsdecode(b"\xff\xfe.md")).write_bytes(GOOD.replace("Rates", "Other rates").encode())
    tar = io.BytesIO()
    with tarfile.open(fileobj=tar, mode="w") as archive:
        for name, kind in (("../up.md", tarfile.REGTYPE), ("/abs.md", tarfile.REGTYPE), ("link.md", tarfile.SYMTYPE), ("device.md", tarfile.CHRTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
    corpus.write("a.tar", tar.getvalue())
    report = corpus.build()
    assert [document.source for document in corpus.documents()] == ["\\xff\\xfe.md", "good.md"]
    assert {row.source: row.rule for row in corpus.ledger()} == dict.fromkeys(
        ["link.md", "pipe.md", "a.tar/../up.md", "a.tar//abs.md", "a.tar/link.md", "a.tar/device.md"], "unsafe"
    )
    assert report.pieces == 8


def vanish(path: Path) -> None:
    path.unlink()


def become_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(("change", "rule"), [(vanish, "unreadable"), (become_pipe, "unsafe")])
def test_file_that_changes_between_listing_and_reading_is_told(tmp_path: Path, change: Callable[[Path], None], rule: str) -> None:
    (tmp_path / "a.md").write_text("text")
    (input,) = find_inputs(tmp_path, (FileSource(glob="*"),), Limits(), workspace=tmp_path).inputs
    change(tmp_path / "a.md")
    with pytest.raises(Refused) as raised, open_bytes(input, Limits()):
        pass
    assert raised.value.rule == rule
