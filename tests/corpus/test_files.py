import logging
import os
import re
import sys
from pathlib import Path
from typing import Any

import fsspec
import pytest

from adapt.corpus.sources.files import find_inputs
from adapt.corpus.sources.inputs import Found
from adapt.corpus.sources.names import Glob, glob_pattern
from adapt.errors import InputError
from adapt.spec.corpus import Fields, FileSource, HubSource, Limits, PythonDocsSource, Source, SqlSource

SOURCES: tuple[Source, ...] = (FileSource(glob="**/*"),)


def found_in(root: Path, *globs: str, sources: tuple[Source, ...] = SOURCES, **limits: Any) -> Found:
    chosen = tuple(FileSource(glob=glob) for glob in globs) or sources
    return find_inputs(root, chosen, Limits(**limits), workspace=root.parent)


def names(found: Found) -> list[str]:
    return [input.name for input in found.inputs]


@pytest.mark.parametrize(
    ("glob", "matching", "other"),
    [
        ("**/*", ["a", "a/b", "a/b/c.md"], []),
        ("*.md", ["a.md"], ["a/b.md", "a.mdx"]),
        ("web/**", ["web/a", "web/b/c"], ["webb/a", "a/web/b"]),
        ("**/web/*.html", ["web/a.html", "x/y/web/a.html"], ["web/x/a.html"]),
        ("note?.txt", ["note1.txt", "note中.txt"], ["note/.txt", "note12.txt"]),
        ("[!a-c]*.txt", ["d.txt"], ["a.txt"]),
        ("a(1).md", ["a(1).md"], ["a1.md"]),
    ],
)
def test_glob_matches_within_and_across_folders(glob: str, matching: list[str], other: list[str]) -> None:
    assert [name for name in matching + other if re.fullmatch(glob_pattern(glob), name)] == matching


@pytest.mark.parametrize(
    ("glob", "reached", "other"),
    [
        ("**/*.xml", ["a.zip", "x/a.zip"], []),
        ("x/*.zip/*.xml", ["x/a.zip"], ["a.zip", "y/a.zip", "x/y/a.zip"]),
        ("*.jsonl", [], ["a.zip", "x"]),
        ("x/**", ["x/a.zip"], ["y/a.zip"]),
    ],
)
def test_glob_knows_which_folders_it_can_reach(glob: str, reached: list[str], other: list[str]) -> None:
    assert [name for name in reached + other if Glob(glob, 0).reaches(name)] == reached


def test_glob_with_a_backward_range_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"corpus\.sources\.0\.glob: '\[z-a\]\.md' has a range that runs backwards"):
        found_in(tmp_path, "[z-a].md")


def test_file_belongs_to_the_first_source_that_matches_and_is_read_by_its_ending(tmp_path: Path) -> None:
    for name in ("a.jsonl.gz", "b.PDF", "c.xml.zst", "d.bin", "e.gz", ".hidden.md", "x/f.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"content")
    found = found_in(tmp_path, sources=(FileSource(glob="e.*", reader="text"), FileSource(glob="*"), FileSource(glob="*.jsonl.gz")))
    assert [(input.name, input.source, input.reader, input.size) for input in found.inputs] == [
        ("a.jsonl.gz", 1, "jsonl", 7),
        ("b.PDF", 1, "pdf", 7),
        ("c.xml.zst", 1, "xml", 7),
        ("e.gz", 0, "text", 7),
    ]
    assert found.unmatched == 2


def test_link_that_leaves_the_corpus_is_refused(tmp_path: Path) -> None:
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (tmp_path / "secret.md").write_text("secret")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "s.md").write_text("secret")
    (corpus / "real.md").write_text("real")
    (corpus / "inside.md").symlink_to("real.md")
    (corpus / "leak.md").symlink_to("../secret.md")
    (corpus / "folder").symlink_to("../outside")
    (corpus / "broken.md").symlink_to("nowhere.md")
    (corpus / "loop.md").symlink_to("loop.md")
    (corpus / "piped.txt").symlink_to("pipe.txt")
    os.mkfifo(corpus / "pipe.txt")
    found = found_in(corpus, "**/*.*")
    assert names(found) == ["inside.md", "real.md"]
    assert {name: (rejected.rule, rejected.reason) for name, rejected in found.refused} == {
        "broken.md": ("unreadable", "The link leads nowhere."),
        "folder": ("unsafe", "The link leaves the corpus folder."),
        "leak.md": ("unsafe", "The link leaves the corpus folder."),
        "loop.md": ("unreadable", "The link leads nowhere."),
        "pipe.txt": ("unsafe", "It is a pipe, a socket or a device, not a file."),
        "piped.txt": ("unsafe", "It is a pipe, a socket or a device, not a file."),
    }


def test_folder_that_cannot_be_listed_is_refused_where_a_source_reaches_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("open", "closed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.md").write_text("text")
    listing = os.scandir

    def denied(path: str) -> Any:
        if path.endswith("closed"):
            raise PermissionError(13, "Permission denied", path)
        return listing(path)

    monkeypatch.setattr(os, "scandir", denied)
    found = found_in(tmp_path, "**/*.md")
    assert (names(found), found.refused[0][0], found.refused[0][1].reason) == (["open/a.md"], "closed", "The folder cannot be listed.")
    assert not found_in(tmp_path, "open/*.md").refused


def test_file_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "small.txt").write_text("text")
    with (tmp_path / "large.txt").open("wb") as file:
        file.truncate((1 << 20) + 1)
    found = found_in(tmp_path, max_file_mib=1)
    assert names(found) == ["small.txt"]
    (refused,) = found.refused
    assert (refused[0], refused[1].rule) == ("large.txt", "too_large")
    assert refused[1].reason == "The file is larger than 1 MiB (corpus.limits.max_file_mib)."


def test_corpus_folder_may_itself_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.md").write_text("text")
    (tmp_path / "link").symlink_to("real")
    assert names(found_in(tmp_path / "link")) == ["a.md"]


def test_names_are_text_also_when_their_bytes_are_not(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.md")).write_text("text")
    (tmp_path / "笔记.MD").write_text("text")
    assert names(found_in(tmp_path)) == ["caf\\xe9.md", "笔记.MD"]


def test_missing_folder_matters_only_to_sources_that_read_it(tmp_path: Path) -> None:
    elsewhere: tuple[Source, ...] = (
        HubSource(kind="hub", dataset="some/data", revision="0" * 40),
        PythonDocsSource(kind="python_docs", package="json"),
        SqlSource(kind="sql", url="sqlite:///x.db", query="SELECT 1"),
    )
    found = found_in(tmp_path / "missing", sources=elsewhere)
    assert [(input.name, input.source, input.reader) for input in found.inputs] == [
        ("hub:some/data/train", 0, "hub"),
        ("python:json", 1, "python_docs"),
        ("sql:2", 2, "sql"),
    ]
    with pytest.raises(InputError, match=r"missing does not exist"):
        found_in(tmp_path / "missing", sources=(*elsewhere, *SOURCES))


def test_empty_folder_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no files"):
        found_in(tmp_path)


def test_sources_that_find_nothing_or_need_no_fields_are_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.md").write_text("text")
    sources = (FileSource(glob="*.md", fields=Fields(instruction="q")), FileSource(glob="*.csv"))
    with caplog.at_level(logging.WARNING):
        found_in(tmp_path, sources=sources)
    assert [record.getMessage() for record in caplog.records] == [
        "corpus.sources.0: fields are for readers of records (csv, json, jsonl, parquet, xml, sql, hub), and it has none",
        "corpus.sources.1: no file matches '*.csv', or an earlier source takes them all",
    ]


def test_url_is_listed_in_order_and_belongs_to_the_first_source(tmp_path: Path) -> None:
    store = fsspec.filesystem("memory")
    for name in ("/listed/b.jsonl", "/listed/a.jsonl.gz", "/listed/deep/c.jsonl", "/listed/.hidden/d.jsonl", "/listed/e.bin"):
        store.pipe(name, b"1234")
    sources = (FileSource(glob="memory://listed/b.*"), FileSource(glob="memory://listed/**/*"))
    found = found_in(tmp_path / "missing", sources=sources)
    assert [(input.name, input.source, input.reader, input.size) for input in found.inputs] == [
        ("memory://listed/a.jsonl.gz", 1, "jsonl", 4),
        ("memory://listed/b.jsonl", 0, "jsonl", 4),
        ("memory://listed/deep/c.jsonl", 1, "jsonl", 4),
    ]
    assert found.unmatched == 1


def test_file_url_may_be_relative_to_the_workspace(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.md").write_text("text")
    (input,) = found_in(tmp_path / "corpus", "file://elsewhere/*.md").inputs
    assert (input.name, input.path) == ("file://elsewhere/a.md", str(tmp_path / "elsewhere" / "a.md"))


@pytest.mark.parametrize(
    ("glob", "message", "hint"),
    [
        ("memory://nowhere/a.jsonl", r"corpus\.sources\.0\.glob: memory://nowhere/a\.jsonl: there is no such file", "check the URL"),
        ("s3://bucket/*.jsonl", r"s3://bucket/\*\.jsonl: a package for s3:// is missing", "pip install s3fs"),
        ("sftp://me:pass@host/*.md", r"sftp://host/\*\.md: a package for sftp:// is missing", r"pip install 'fsspec\[sftp\]'"),
        ("nope://host/a.jsonl", r"nope:// is not known", "use a protocol of fsspec"),
    ],
)
def test_url_that_cannot_be_listed_is_an_input_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, glob: str, message: str, hint: str) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.setitem(sys.modules, "paramiko", None)
    with pytest.raises(InputError, match=message) as raised:
        found_in(tmp_path, glob)
    assert re.match(hint, raised.value.hint or "")
    assert "pass" not in str(raised.value)
