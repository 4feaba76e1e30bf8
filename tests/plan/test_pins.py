"""Files that a spec names outside its corpus folder: their content is in the section, and an edit of one is seen."""

import hashlib
import sqlite3
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from adapt.plan.pins import changed_pins, pin_local_sources
from adapt.plan.workspace import Workspace
from adapt.spec.corpus import CorpusSpec
from adapt.spec.resolved.corpus import CorpusSection
from adapt.spec.resolved.dataset import DatasetSection

OF_FILES = {"fields": {"instruction": "q", "output": "a"}}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace with a database, lines, an archive and a data set of the hub's kind beside the corpus folder."""
    with sqlite3.connect(tmp_path / "faq.db") as base:
        base.execute("CREATE TABLE faq (q TEXT, a TEXT)")
    for name in ("more/a.jsonl", "more/b.jsonl", "hub/data/train.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}\n", encoding="utf-8")
    with ZipFile(tmp_path / "pages.zip", "w") as archive:
        archive.writestr("a/page.html", "<p>x</p>")
    return Workspace(tmp_path)


def corpus(*sources: dict[str, Any]) -> CorpusSpec:
    return CorpusSpec.model_validate({"sources": list(sources)})


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_local_files_are_pinned_whatever_names_them(workspace: Workspace) -> None:
    root = workspace.root
    spec = corpus(
        {"glob": "**/*.md"},
        {"kind": "sql", "url": "sqlite:///faq.db", "query": "SELECT q, a FROM faq", **OF_FILES},
        {"glob": "file://more/*.jsonl", **OF_FILES},
        {"glob": f"file://{root}/pages.zip/a/*.html"},
        {"kind": "hub", "dataset": "hub", **OF_FILES},
        {"glob": "https://example.org/a.jsonl", **OF_FILES},
        {"kind": "sql", "url": "postgresql://host/base", "query": "SELECT 1", **OF_FILES},
    )
    pinned = pin_local_sources(workspace, spec)
    assert set(pinned) == {"faq.db", "more/a.jsonl", "more/b.jsonl", "pages.zip", "hub"}
    assert {name: pinned[name] for name in ("faq.db", "pages.zip")} == {name: digest(root / name) for name in ("faq.db", "pages.zip")}


def test_a_change_of_any_is_named(workspace: Workspace) -> None:
    spec = corpus({"glob": "file://more/*.jsonl", **OF_FILES}, {"kind": "hub", "dataset": "hub", **OF_FILES})
    section = CorpusSection(code="0" * 64, libraries={}, corpus=spec, local_sources=pin_local_sources(workspace, spec))
    assert list(changed_pins(workspace, section)) == []
    (workspace.root / "more" / "b.jsonl").write_text("[]\n", encoding="utf-8")
    (workspace.root / "more" / "c.jsonl").write_text("{}\n", encoding="utf-8")
    (workspace.root / "hub" / "data" / "train.jsonl").write_text("[]\n", encoding="utf-8")
    assert sorted(set(changed_pins(workspace, section))) == ["hub", "more/b.jsonl", "more/c.jsonl"]


def test_an_evaluation_set_that_changed_since_resolve_is_named(workspace: Workspace, pinned_dataset: DatasetSection) -> None:
    assert list(changed_pins(workspace, pinned_dataset)) == []
    (workspace.root / "held_out.jsonl").write_text("other\n", encoding="utf-8")
    assert list(changed_pins(workspace, pinned_dataset)) == ["held_out.jsonl"]


@pytest.fixture
def pinned_dataset(workspace: Workspace) -> DatasetSection:
    path = workspace.root / "held_out.jsonl"
    path.write_text("a question\n", encoding="utf-8")
    base = {"source": {"kind": "bundled"}, "digest": "0" * 64}
    dataset = {"decontamination": {"against": ["held_out.jsonl"]}}
    return DatasetSection.model_validate(
        {"code": "0" * 64, "libraries": {}, "base": base, "seed": 1, "dataset": dataset, "evaluation_sets": {"held_out.jsonl": digest(path)}}
    )
