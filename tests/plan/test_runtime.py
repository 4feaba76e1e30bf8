"""Code and libraries that change while a stage runs, on a copy of the package."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapt.artifact.staging import staged
from adapt.errors import StageError
from adapt.plan import fingerprint
from adapt.plan.runtime import runtime_of, same_runtime
from adapt.plan.stages import Stage
from adapt.plan.workspace import Workspace
from adapt.spec.resolved.gate import GateSection
from tests.workspace import ROOT

STAGE = Stage("gate", "alpha")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The code of adapt, to edit at will."""
    copy = tmp_path / "adapt"
    shutil.copytree(ROOT / "src" / "adapt", copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(fingerprint, "_root", lambda: copy)
    fingerprint._path_of.cache_clear()
    fingerprint.look_again()
    yield copy
    fingerprint._path_of.cache_clear()
    fingerprint.look_again()


def edit(package: Path, line: str) -> None:
    path = package / "evaluate" / "judge.py"
    path.write_text(path.read_text(encoding="utf-8") + line, encoding="utf-8")


def build(root: Path, section: GateSection, meanwhile: Path | None = None, line: str = "") -> None:
    """A stage during which somebody adds `line` to the code."""
    with same_runtime(Workspace(root), STAGE, section), staged(root / "out", section=section, inputs={}) as folder:
        (folder / "verdict").write_text("x", encoding="utf-8")
        if meanwhile is not None:
            edit(meanwhile, line)


def test_code_that_is_edited_while_the_stage_runs_keeps_its_output_away(package: Path, tmp_path: Path) -> None:
    section = GateSection(**runtime_of("gate"), gates=())
    build(tmp_path, section, package, "# a comment is no change\n")
    shutil.rmtree(tmp_path / "out")
    with pytest.raises(StageError, match="gate@alpha: the code of adapt was changed since `resolve` ran; nothing was kept"):
        build(tmp_path, section, package, "LATER = 1\n")
    assert not (tmp_path / "out").exists()


def test_code_that_is_edited_between_resolve_and_the_stage_stops_it_at_once(package: Path, tmp_path: Path) -> None:
    section = GateSection(**runtime_of("gate"), gates=())
    edit(package, "LATER = 1\n")
    with pytest.raises(StageError, match="the code of adapt was changed"):
        build(tmp_path, section)


def test_a_library_that_is_installed_meanwhile_is_named(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section = GateSection(**{**runtime_of("gate"), "libraries": {**runtime_of("gate")["libraries"], "filter": "1.0"}}, gates=())
    with pytest.raises(StageError, match="libraries were changed since `resolve` ran: filter"):
        build(tmp_path, section)
