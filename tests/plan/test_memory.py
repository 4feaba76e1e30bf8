import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adapt.plan import fingerprint, memory
from adapt.plan.workspace import Workspace


@pytest.fixture(autouse=True)
def _another_process() -> Iterator[None]:
    facts = dict(memory._facts)
    forget()
    yield
    forget()
    memory._facts.update(facts)


def forget() -> None:
    memory._facts.clear()
    memory._asked.clear()


def counted(found: list[str], value: str) -> Callable[[], str]:
    return lambda: (found.append(value), value)[1]


def test_a_fact_is_found_once_by_all_processes(tmp_path: Path) -> None:
    found: list[str] = []
    for _ in range(2):
        with memory.kept(tmp_path / ".adapt" / "facts.json", made_by="this"):
            assert [memory.recall("key", counted(found, "fact")) for _ in range(2)] == ["fact", "fact"]
        forget()
    assert found == ["fact"]


def test_another_key_is_another_fact(tmp_path: Path) -> None:
    for key in ("one", "two"):
        with memory.kept(tmp_path / "facts.json", made_by="this"):
            assert memory.recall(key, lambda key=key: key) == key
        forget()
    assert set(json.loads((tmp_path / "facts.json").read_text())["facts"]) == {"one", "two"}


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"\xff\xfe", b'{"facts": {"key": "wrong"}, "made_by": "this", "digest": "0"}'])
def test_a_damaged_file_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "facts.json"
    path.write_bytes(damage)
    with memory.kept(path, made_by="this"):
        assert memory.recall("key", lambda: "right") == "right"
    assert json.loads(path.read_text())["facts"] == {"key": "right"}


def test_what_one_changed_bit_made_of_a_fact_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    with memory.kept(path, made_by="this"):
        memory.recall("key", lambda: "right")
    path.write_text(path.read_text().replace("right", "wrong"))
    forget()
    with memory.kept(path, made_by="this"):
        assert memory.recall("key", lambda: "right") == "right"


def test_facts_found_by_other_code_are_found_anew(tmp_path: Path) -> None:
    with memory.kept(tmp_path / "facts.json", made_by="older"):
        memory.recall("key", lambda: "old")
    forget()
    with memory.kept(tmp_path / "facts.json", made_by="newer"):
        assert memory.recall("key", lambda: "new") == "new"


def test_a_folder_that_cannot_be_written_keeps_nothing_and_fails_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with memory.kept(tmp_path / "file" / "facts.json", made_by="this"):
        assert memory.recall("key", lambda: "fact") == "fact"


def test_what_nobody_asks_for_goes_when_there_is_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_MOST", 3)
    for number in range(5):
        with memory.kept(tmp_path / "facts.json", made_by="this"):
            memory.recall(str(number), lambda number=number: number)
        forget()
    assert len(json.loads((tmp_path / "facts.json").read_text())["facts"]) <= 3


def test_an_edit_that_keeps_size_and_time_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tmp_path / "adapt" / "room.py"
    module.parent.mkdir()
    monkeypatch.setattr(fingerprint, "_root", lambda: module.parent)
    digests = []
    for text in ("x = 1\n", "x = 2\n", "x = 1\n"):
        module.write_text(text, encoding="utf-8")
        os.utime(module, ns=(1, 1))
        _forget_fingerprints()
        forget()
        with fingerprint.remembered(tmp_path / "facts.json"):
            digests.append(fingerprint.code_digest("adapt.room"))
    _forget_fingerprints()
    assert digests[0] == digests[2] != digests[1]


def _forget_fingerprints() -> None:
    for name in ("code_digest", "library_versions", "_path_of", "_closure", "_imports", "_source"):
        getattr(fingerprint, name).cache_clear()


def test_resolving_remembers_and_finds_the_same_again(tmp_path: Path) -> None:
    """In processes of their own, and two at once."""
    root, command = tmp_path / "w", [sys.executable, "-m", "adapt.cli", "stage", "resolve"]
    (root / "specs").mkdir(parents=True)
    (root / "dvc.yaml").write_text("", encoding="utf-8")
    (root / "params.yaml").write_text(f"base: {{kind: hub, model: a/b, revision: {'a' * 40}}}\n", encoding="utf-8")
    (root / "specs" / "alpha.yaml").write_text("description: one\n", encoding="utf-8")
    subprocess.run([*command[:-2], "sync"], cwd=root, check=True)
    started = [subprocess.Popen(command, cwd=root) for _ in range(2)]
    assert [process.wait() for process in started] == [0, 0]
    resolved = {path.name: path.read_bytes() for path in (root / "build" / "resolved").iterdir()}
    remembered = Workspace(root).fingerprints.read_bytes()
    subprocess.run(command, cwd=root, check=True)
    assert {path.name: path.read_bytes() for path in (root / "build" / "resolved").iterdir()} == resolved
    assert Workspace(root).fingerprints.read_bytes() == remembered
    assert sorted(path.name for path in (root / ".adapt").iterdir()) == ["digests.sqlite", "fingerprints.json"]
