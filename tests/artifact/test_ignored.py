"""Patterns of .dvcignore, held against DVC's own reading of them."""

import subprocess
import sys
from pathlib import Path

from adapt.artifact.digest import digest_files
from adapt.artifact.ignored import ignore_filter

NAMES = ("a.jsonl", "a.tmp", "b c.jsonl", "build/x.jsonl", "keep/a.tmp", "keep/deep/a.tmp", "named.jsonl", "sub/named.jsonl", "x/__pycache__/y.pyc")


def test_dvc_and_we_ignore_the_same_files(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "dvc", "init", "--quiet", "--no-scm"], cwd=tmp_path, check=True, capture_output=True)
    raw = tmp_path / "data" / "raw"
    for name in NAMES:
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        (raw / name).write_text("x", encoding="utf-8")
    (tmp_path / ".dvcignore").write_text("# patterns\n*.tmp\nbuild/\n/data/raw/named.jsonl\n__pycache__\n", encoding="utf-8")
    (raw / "keep" / ".dvcignore").write_text("!a.tmp\ndeep/\n", encoding="utf-8")
    command = [sys.executable, "-m", "dvc", "check-ignore", *(f"data/raw/{name}" for name in NAMES)]
    listed = subprocess.run(command, cwd=tmp_path, check=False, capture_output=True, text=True).stdout.split("\n")
    ours = {name for name in NAMES if ignore_filter(raw)(name)}
    assert ours == {line.removeprefix("data/raw/") for line in listed if line}
    assert ours == {"a.tmp", "build/x.jsonl", "named.jsonl", "keep/deep/a.tmp", "x/__pycache__/y.pyc"}
    assert set(digest_files(raw, raw=True)) == set(NAMES) - ours | {"keep/.dvcignore"}


def test_a_folder_outside_a_repository_has_no_patterns(tmp_path: Path) -> None:
    (tmp_path / ".dvcignore").write_text("*\n", encoding="utf-8")
    assert not ignore_filter(tmp_path)("a")
