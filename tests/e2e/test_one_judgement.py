"""`adapt build`, `adapt status` and `dvc repro` agree on what is stale, whatever sizes, times and links say of a file.

The reference is what the user did to the files.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_rebuilds import build, ran, status
from tests.workspace import run, tiny_workspace, tree

DATA = ("--all", "--to", "dataset")
ORDER = ("corpus", "dataset")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose data sets are built. Do not change it: take `workspace`."""
    root = tiny_workspace(tmp_path_factory.mktemp("judgement") / "w", exports=False)
    run(root, "adapt", "build", *DATA)
    return root


@pytest.fixture
def workspace(prepared: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(prepared, tmp_path / "w", symlinks=True))


def stale(root: Path) -> dict[str, list[str]]:
    return {row["stage"]: row["reasons"] for row in status(root) if row["state"] == "stale"}


def raw(root: Path) -> Path:
    return root / "data" / "raw" / "alpha" / "faq.jsonl"


def edit_in_place(path: Path) -> None:
    """One letter changes; size and time of change do not."""
    before, content = path.stat(), path.read_bytes()
    with path.open("r+b") as file:
        file.write(content.replace(b"What happens", b"What hoppens", 1))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def edit_through_a_hard_link(path: Path) -> None:
    other = path.parents[3] / "other name"
    os.link(path, other)
    edit_in_place(other)


def replace_with_the_same_time(path: Path) -> None:
    before = path.stat()
    aside = path.parents[3] / "aside"
    aside.write_bytes(path.read_bytes().replace(b"What happens", b"What hoppens", 1))
    os.utime(aside, ns=(before.st_atime_ns, before.st_mtime_ns))
    aside.replace(path)


EDITS: list[Any] = [
    edit_in_place,
    pytest.param(edit_through_a_hard_link, marks=pytest.mark.slow),
    pytest.param(replace_with_the_same_time, marks=pytest.mark.slow),
]


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
def test_an_edit_of_the_same_size_and_time_is_built(workspace: Path, edit: Callable[[Path], None]) -> None:
    run(workspace, "adapt", "build", *DATA)  # DVC knows the copy of this test by now
    assert stale(workspace) == {}
    edit(raw(workspace))
    assert stale(workspace) == {"corpus@alpha": ["its input data/raw/alpha changed"]}
    assert ran(build(workspace, *DATA)) == {"corpus@alpha", "dataset@alpha"}
    assert "hoppens" in "".join(path.read_text(encoding="utf-8") for path in (workspace / "data/dataset/alpha").glob("*.jsonl"))
    assert {row["state"] for row in status(workspace) if row["stage"].startswith(ORDER)} == {"up to date"}
    assert "corpus@alpha" not in run(workspace, "dvc", "status").stdout
    assert ran(build(workspace, *DATA)) == set()


def test_an_output_with_a_flipped_bit_of_the_same_time_is_restored(workspace: Path) -> None:
    run(workspace, "adapt", "build", *DATA)
    before = tree(workspace)
    path = workspace / "data" / "dataset" / "alpha" / "train.jsonl"
    flip_a_bit(path)
    assert stale(workspace)["dataset@alpha"] == ["its output was changed by hand"]
    outcomes = build(workspace, *DATA)
    assert (outcomes["dataset@alpha"], outcomes["corpus@alpha"]) == ("restored", "unchanged")
    assert tree(workspace) == before


@pytest.mark.parametrize("damaged", ["train.jsonl", "the listing"])
def test_a_damaged_object_of_the_cache_is_dropped_and_the_stage_runs(workspace: Path, damaged: str) -> None:
    """A bit of the disk flipped under a file that DVC made read-only, and so trusts."""
    before = tree(workspace)
    folder = workspace / "data" / "dataset" / "alpha"
    objects = workspace / ".dvc" / "cache" / "files" / "md5"
    wanted = hashlib.md5((folder / "train.jsonl").read_bytes()).hexdigest()
    listing = next(path for path in objects.glob("*/*.dir") if wanted in path.read_text())
    path = objects / wanted[:2] / wanted[2:] if damaged == "train.jsonl" else listing
    flip_a_bit(path)
    run(workspace, "rm", "-r", "data/dataset/alpha")
    done = run(workspace, "adapt", "build", *DATA, "--json")
    outcomes = {stage["stage"]: stage["outcome"] for stage in json.loads(done.stdout)["stages"]}
    assert outcomes["dataset@alpha"] == "ran"
    assert "DVC's cache held a damaged copy of" in done.stderr
    assert tree(workspace) == before
    assert hashlib.md5(path.read_bytes()).hexdigest() == path.parent.name + path.name.removesuffix(".dir")
    assert stale(workspace) == {}


def test_what_dvc_was_told_to_believe_is_built_all_the_same(workspace: Path) -> None:
    """`dvc commit` records an output as made from what it was not made from."""
    edit_in_place(raw(workspace))
    os.utime(raw(workspace))
    run(workspace, "dvc", "commit", "--force", "corpus@alpha")
    assert "corpus@alpha" not in run(workspace, "dvc", "status").stdout
    assert stale(workspace) == {"corpus@alpha": ["its input data/raw/alpha changed"]}
    assert ran(build(workspace, *DATA)) == {"corpus@alpha", "dataset@alpha"}
    assert {row["state"] for row in status(workspace) if row["stage"].startswith(ORDER)} == {"up to date"}


def test_what_dvc_ignores_is_not_read_and_said(workspace: Path) -> None:
    """DVC would not see it change."""
    before = tree(workspace)
    with (workspace / ".dvcignore").open("a", encoding="utf-8") as file:
        file.write("*.draft.jsonl\n")
    (raw(workspace).parent / "more.draft.jsonl").write_text(raw(workspace).read_text("utf-8").replace("What happens", "What else"), "utf-8")
    assert stale(workspace) == {}
    assert ran(build(workspace, *DATA)) == set()
    run(workspace, "rm", "-rf", "data/corpus/alpha", ".dvc/cache/runs", "dvc.lock")
    done = run(workspace, "adapt", "build", "alpha", "--to", "corpus")
    assert "alpha: .dvcignore hides 1 entries, which are not read: more.draft.jsonl" in done.stderr
    assert {path: content for path, content in tree(workspace).items() if "corpus/alpha" in path} == {
        path: content for path, content in before.items() if "corpus/alpha" in path
    }


def flip_a_bit(path: Path) -> None:
    """Size, times and the right to write stay as they were."""
    before, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.write(content)
    path.chmod(before.st_mode)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
