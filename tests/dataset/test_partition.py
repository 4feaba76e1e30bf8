import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from adapt.dataset.leakage import Crossing, Searched, measure_leakage
from adapt.dataset.partition import Facts, Partition, encode, partition, warn_of_shares
from adapt.dataset.split import SPLITS, Group, assign_splits
from adapt.dataset.table import UNDATED
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
    searched = Searched(
        Crossing(splits[::-1].copy(), nothing), members, splits, members, np.zeros((3, 2), dtype=np.uint64), np.zeros((3, 2), dtype=np.uint64)
    )
    with pytest.raises(AssertionError, match="records are in other splits than those that were searched"):
        measure_leakage([searched], NearDuplicates(), inputs_kept=True)


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


def facts_of(labels: Sequence[int], strata: Sequence[str] | None = None, dates: Sequence[int] | None = None) -> Facts:
    """Facts of as many records as there are labels, each a document of its own."""
    count = len(labels)
    return Facts(
        members=np.arange(count),
        ids=pa.chunked_array([pa.array([f"{number:04}" for number in range(count)])]),
        strata=None if strata is None else pa.chunked_array([pa.array(strata, pa.string())]),
        dates=np.array(dates if dates is not None else [UNDATED] * count, dtype=np.int64),
        documents=np.arange(count) // 2,
        tokens=np.arange(count) + 1,
    )


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from("ab"), st.integers(-3, 9)), min_size=9, max_size=40),
    st.sampled_from(["document", "time"]),
    st.integers(0, 3),
)
def test_a_partition_is_the_split_of_its_plainly_counted_groups(drawn: list[tuple[int, str, int]], by: str, seed: int) -> None:
    labels = [*(label for label, _, _ in drawn), 20, 21, 22]
    strata = [*(name for _, name, _ in drawn), "a", "a", "a"]
    dates = [*(day for _, _, day in drawn), 10, 11, UNDATED]
    shares = Split.model_validate({"by": by})
    parts = partition(facts_of(labels, strata, dates), np.array(labels), shares, seed)
    plain = []
    for label in sorted(set(labels)):
        inside = [number for number, own in enumerate(labels) if own == label]
        names = Counter(strata[number] for number in inside)
        newest = max((dates[number] for number in inside if dates[number] != UNDATED), default=None)
        plain.append(Group(f"{inside[0]:04}", len(inside), min(names, key=lambda name: (-names[name], name)), newest))
    split_of = dict(zip(sorted(set(labels)), assign_splits(plain, shares, seed), strict=True))
    wanted = [split_of[label] for label in labels]
    assert [SPLITS[split] for split in parts.splits.tolist()] == wanted
    stays = parts.without(np.array([0, 3, 7]))
    left = [number for number in range(len(labels)) if number not in {0, 3, 7}]
    counted = stays.shares(pa.chunked_array([pa.array([strata[number] for number in left])]))
    assert list(counted) == sorted({strata[number] for number in left})
    for split in SPLITS:
        inside = [number for number in left if wanted[number] == split]
        assert stays.records(split).tolist() == inside
        counts = stays.counts(split)
        assert (counts.records, counts.tokens) == (len(inside), sum(number + 1 for number in inside))
        assert (counts.documents, counts.groups) == (len({number // 2 for number in inside}), len({labels[number] for number in inside}))
        for name, count in counted.items():
            assert count[split] == sum(strata[number] == name for number in inside)


def test_names_are_numbered_by_the_alphabet() -> None:
    names, codes = encode(pa.chunked_array([pa.array(["b", "zh", "a"]), pa.array(["b", ""])]))
    assert names == ["", "a", "b", "zh"]
    assert codes.tolist() == [2, 3, 1, 2, 0]


def test_another_seed_divides_otherwise() -> None:
    labels = list(range(40))
    first, second, again = (partition(facts_of(labels), np.array(labels), Split(), seed).splits.tolist() for seed in (0, 1, 0))
    assert first == again
    assert first != second


def test_a_split_far_from_its_share_is_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    page = text("\n\n".join(f"## S{part}\n\n{prose(part)}" for part in range(10)), title="P")
    Built(tmp_path, [page, *questions(2)], split={"test": 0.45, "validation": 0.1})
    assert "dataset.split.test: 1 of 12 records (8.3%), where the spec asks for 45.0%" in caplog.text
    assert "the records form 3 groups that must stay whole, the largest of 10 records" in caplog.text
    assert "dataset.split.validation" not in caplog.text
    caplog.clear()
    Built(tmp_path, questions(40), "even")
    assert caplog.text == ""


@pytest.mark.parametrize(("count", "warned"), [(4, True), (5, False), (15, False), (16, True)])
def test_half_a_share_more_or_less_is_borne(count: int, warned: bool, caplog: pytest.LogCaptureFixture) -> None:
    splits = np.array([2] * count + [1] * 10 + [0] * (90 - count))
    nothing = np.zeros(100, dtype=np.int64)
    warn_of_shares(Partition(np.arange(100), np.arange(100), splits, nothing, nothing), Split())
    assert ("dataset.split.test: " in caplog.text) == warned
    caplog.clear()
    small = np.array([2, 2, 1, *[0] * 7])
    warn_of_shares(Partition(np.arange(10), np.arange(10), small, nothing[:10], nothing[:10]), Split())
    assert caplog.text == ""
