"""What two builds have not in common, and why."""

import json
from collections import Counter
from pathlib import Path

import pytest

from adapt.errors import InputError
from adapt.explain.diff import diff
from adapt.explain.outputs import Outputs
from adapt.explain.revisions import dataset_at
from tests.dataset.texts import prose
from tests.explain.conftest import make, rows


def test_equal_builds_do_not_differ(built: Outputs) -> None:
    assert diff(built.dataset, built.dataset) == []


def test_a_raised_threshold_is_the_cause_of_what_is_lost_and_of_what_is_gained_back(built: Outputs, tmp_path: Path) -> None:
    stricter = make(tmp_path / "b", rows(), lengths={"max_record_tokens": 60})
    lost = [change for change in diff(built.dataset, stricter.dataset) if change.kind == "lost"]
    assert Counter(change.cause for change in lost) == {"too_long": 1}
    gained = [change for change in diff(stricter.dataset, built.dataset) if change.kind == "gained"]
    assert {change.before for change in gained} == {None}
    assert {change.after for change in gained} == {change.before for change in lost}


def test_edited_new_and_removed_rows_are_told_apart(built: Outputs, tmp_path: Path) -> None:
    lines = rows()
    lines[0] = json.dumps({"instruction": "What now?", "output": prose("another", 40)})
    lines[1] = "{broken"
    lines.append(json.dumps({"instruction": "And this?", "output": prose("new", 40)}))
    changes = diff(built.dataset, make(tmp_path / "b", lines).dataset)
    told = {(change.kind, change.cause, change.locator) for change in changes if change.kind != "moved"}
    assert told == {
        ("changed", "text changed", "line 1"),
        ("lost", "gone from the corpus", "line 2"),
        ("gained", "new in the corpus", "line 27"),
    }


def test_copies_are_no_new_rows_of_the_corpus_and_repeats_are_told(built: Outputs, tmp_path: Path) -> None:
    other = make(tmp_path / "b", rows(), augmentation=[{"method": "noise", "share": 1}], mixing={"size": 30})
    changes = diff(built.dataset, other.dataset)
    assert {(change.kind, change.cause) for change in changes} == {
        ("gained", "copy by noise"),
        ("repeated", "mixing takes it another number of times"),
    }
    assert {change.lines for change in changes if change.kind == "repeated"} == {(1, 2)}
    assert {change.cause for change in diff(other.dataset, built.dataset) if change.kind == "lost"} == {"copy by noise"}


def test_a_folder_is_a_revision(built: Outputs, tmp_path: Path) -> None:
    with dataset_at(tmp_path, Path("data/dataset/faq"), str(built.dataset)) as folder:
        assert folder == built.dataset


def test_a_workspace_without_the_set_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no data set"), dataset_at(tmp_path, Path("data/dataset/faq"), "workspace"):
        pass
