import json
import re
from collections import Counter
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from adapt.dataset.leakage import Crossing, Searched, measure_leakage
from adapt.dataset.partition import Facts, Partition, partition
from adapt.records import AlpacaRecord
from adapt.spec.dataset import NearDuplicates, Split
from tests.dataset.made import Built, question, questions, text
from tests.dataset.texts import prose, reworded


def test_a_document_stays_in_one_split(tmp_path: Path) -> None:
    pages = [text("\n\n".join(f"## S{part}\n\n{prose((n, part))}" for part in range(4)), title=f"P{n}", source=f"{n}.md") for n in range(12)]
    built = Built(tmp_path, pages)
    assert all(len(built.split_of(f"{n}.md")) == 1 for n in range(12))


def test_records_of_one_question_stay_in_one_split(tmp_path: Path) -> None:
    answers = [question("What is it?", prose(("it", n)), source=f"it{n}.csv") for n in range(6)]
    for seed in range(4):
        built = Built(tmp_path, [*questions(30), *answers], f"seed{seed}", seed)
        assert len({split for n in range(6) for split in built.split_of(f"it{n}.csv")}) == 1


def test_near_duplicates_that_are_kept_stay_in_one_split(tmp_path: Path) -> None:
    pairs = [
        question(f"{prose((n, 'q'), 8)} {side}", reworded(prose(n, 60), 15) if side else prose(n, 60), source=f"{n}-{side}.csv")
        for n in range(20)
        for side in (0, 1)
    ]
    built = Built(tmp_path, pairs, near_duplicates=None)
    assert built.report.records == 40
    assert all(len(built.split_of(f"{n}-0.csv") | built.split_of(f"{n}-1.csv")) == 1 for n in range(20))
    assert built.report.leakage.total == 0


def test_similar_records_that_no_band_found_are_kept_together_after_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapt.dataset.duplicates.find_near_duplicates", lambda *arguments: iter(()))
    alike = [question(prose((n, "q"), 5), f"{prose('same', 80)} word{n}", source=f"{n}.csv") for n in range(20)]
    built = Built(tmp_path, [*alike, *questions(20)], decontamination={"test_split": False})
    assert len({split for n in range(20) for split in built.split_of(f"{n}.csv")}) == 1
    assert built.report.leakage.near_duplicate_pairs == 0


def test_a_proof_of_other_splits_proves_nothing() -> None:
    nothing = np.zeros((0, 2), dtype=np.int64)
    members, splits = np.arange(3), np.array([0, 1, 2])
    searched = Searched(Crossing(splits[::-1].copy(), nothing), members, splits, members, np.zeros((3, 2), dtype=np.uint64))
    with pytest.raises(AssertionError, match="records are in other splits than those that were searched"):
        measure_leakage([searched], NearDuplicates())


def test_a_leak_is_our_own_bug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def misplaced(facts: Facts, labels: NDArray[np.int64], shares: Split, seed: int) -> Partition:
        parts = partition(facts, labels, shares, seed)
        return replace(parts, splits=np.arange(len(parts.splits)) % 3)

    monkeypatch.setattr("adapt.dataset.build.partition", misplaced)
    page = text("\n\n".join(f"## S{part}\n\n{prose(part)}" for part in range(6)), title="P")
    with pytest.raises(AssertionError, match="near_duplicate_pairs=0 documents=1 questions=0"):
        Built(tmp_path, [page, *questions(5)])
    alike = [question(prose((n, "q"), 5), prose("same", 80), source=f"{n}.csv") for n in range(6)]
    with pytest.raises(AssertionError, match=r"near_duplicate_pairs=\d+ documents=0 questions=0"):
        Built(tmp_path, [*alike, *questions(9)], near_duplicates=None, decontamination={"test_split": False})


def test_groups_that_fields_name_stay_in_one_split(tmp_path: Path) -> None:
    documents = [question(prose((n, "q"), 9), prose((n, "a")), source=f"{n % 7}.csv", line=n + 1, group=f"case {n % 20}") for n in range(80)]
    built = Built(tmp_path, documents, split={"by": "group"})
    case = {document.id: document.group for document in documents}
    splits: dict[str, set[str]] = {}
    for name, records in built.splits.items():
        for record in records:
            splits.setdefault(case[record.document], set()).add(name)
    assert len(splits) == 20
    assert all(len(names) == 1 for names in splits.values())
    assert built.report.leakage is not None
    assert built.report.leakage.groups == 0
    assert Built(tmp_path, documents, "by document").report.leakage.groups is None  # type: ignore[union-attr]


def test_records_without_a_group_are_no_group(tmp_path: Path) -> None:
    built = Built(tmp_path, questions(40), split={"by": "group"})
    assert built.report.splits["train"].groups == 32


def test_by_time_nothing_that_trains_is_newer_than_the_test(tmp_path: Path) -> None:
    dates = ["2023", "2023-02", "2023-03-01", "2023-04-01T10:00:00+02:00", "not a date", ""]
    documents = [
        question(prose((n, "q"), 9), prose((n, "a")), line=n + 1, date=dates[n % 6] if n < 30 else f"2024-01-{n - 29:02}") for n in range(50)
    ]
    built = Built(tmp_path, documents, split={"by": "time"})
    date = {document.id: document.date for document in documents}
    assert {name: sorted(date[record.document] for record in records) for name, records in built.splits.items() if name != "train"} == {
        "validation": [f"2024-01-{day:02}" for day in range(11, 16)],
        "test": [f"2024-01-{day:02}" for day in range(16, 21)],
    }


def test_splits_have_the_labels_in_the_same_shares(tmp_path: Path) -> None:
    documents = [question(prose((n, "q"), 9), prose((n, "a")), line=n + 1, label="rare" if n % 4 == 0 else "common") for n in range(80)]
    built = Built(tmp_path, documents, split={"stratify": "label"})
    assert {name: Counter(record.label for record in records) for name, records in built.splits.items()} == {
        "train": {"common": 48, "rare": 16}, "validation": {"common": 6, "rare": 2}, "test": {"common": 6, "rare": 2},
    }  # fmt: skip


def test_the_written_files_share_nothing(tmp_path: Path) -> None:
    """The proof, made again slowly: every pair of records of different splits is compared, shingle by shingle."""
    documents = [
        *questions(30),
        *questions(12, source="zh.csv", language="zh"),
        *(question(prose((n, "q"), 9), reworded(prose(("filler.csv", n, "a")), 6), source="near.csv", line=n + 1) for n in range(12)),
        *(question(prose(("filler.csv", n, "q"), 9), prose((n, "other")), source="same question.csv", line=n + 1) for n in range(6)),
    ]
    built = Built(tmp_path, documents, near_duplicates=None, decontamination={"test_split": False}, augmentation=[{"method": "noise", "share": 1.0}])
    proof = json.loads((built.out / "leakage.json").read_text())
    assert {name: len(records) for name, records in built.splits.items()} == proof["compared"]
    assert len(built.splits["train"]) > 60
    for (one, first), (other, second) in combinations(built.splits.items(), 2):
        assert not {record.document for record in first} & {record.document for record in second}, (one, other)
        assert not {words(record.question) for record in first} & {words(record.question) for record in second}
        for left, right in product(map(shingles, first), map(shingles, second)):
            assert len(left & right) < proof["threshold"] * len(left | right)


def words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[a-z0-9]+|[\u4e00-\u9fff]", text.lower()))


def shingles(record: AlpacaRecord) -> set[tuple[str, ...]]:
    units = words(f"{record.instruction}\n{record.input}\n{record.output}")
    size = 3 if record.language == "zh" else 2
    return {units[start : start + size] for start in range(len(units) - size + 1)}
