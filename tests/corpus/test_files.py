import os
import re
from pathlib import Path

import pytest

from adapt.corpus.files import find_files, glob_pattern
from adapt.errors import InputError
from adapt.spec.corpus import Source

ALL = (Source(glob="**/*"),)


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


def test_glob_with_a_backward_range_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"corpus\.sources\.0\.glob: '\[z-a\]\.md' has a range that runs backwards"):
        find_files(tmp_path, (Source(glob="[z-a].md"),))


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
    os.mkfifo(corpus / "pipe.txt")
    found = find_files(corpus, ALL)
    assert [file.name for file in found.files] == ["inside.md", "real.md"]
    assert {name: (rejected.rule, rejected.reason) for name, rejected in found.refused} == {
        "broken.md": ("unreadable", "a link that leads nowhere"),
        "folder": ("unreadable", "a link that leaves the corpus folder"),
        "leak.md": ("unreadable", "a link that leaves the corpus folder"),
        "loop.md": ("unreadable", "a link that leads nowhere"),
        "pipe.txt": ("unreadable", "not a regular file"),
    }


def test_corpus_folder_may_itself_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.md").write_text("text")
    (tmp_path / "link").symlink_to("real")
    assert [file.name for file in find_files(tmp_path / "link", ALL).files] == ["a.md"]


def test_names_are_text_also_when_their_bytes_are_not(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.md")).write_text("text")
    (tmp_path / "笔记.MD").write_text("text")
    assert [file.name for file in find_files(tmp_path, ALL).files] == ["caf\\xe9.md", "笔记.MD"]
