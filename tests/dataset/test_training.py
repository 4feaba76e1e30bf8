import json
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from adapt.artifact.digest import digest_text
from adapt.dataset.synthesis.talk import Failure, Messages
from adapt.records import AlpacaRecord, Origin
from tests.dataset.made import Built, questions, text
from tests.dataset.texts import prose


def test_mixing_repeats_and_leaves_out_training_lines_alone(tmp_path: Path) -> None:
    documents = [*questions(60, source="a.csv"), *questions(20, source="b.csv")]
    built = Built(tmp_path, documents, mixing={"weights": {"a.csv": 1, "b.csv": 3}, "size": 60})
    lines = Counter(record.source for record in built.splits["train"])
    assert lines == {"a.csv": 15, "b.csv": 45}
    assert [record.id for record in built.splits["train"]] == sorted(record.id for record in built.splits["train"])
    taken = Counter(record.id for record in built.splits["train"])
    assert {verdict.record: verdict.repeats for verdict in built.verdicts if verdict.outcome == "train"} == {
        verdict.record: taken[verdict.record] for verdict in built.verdicts if verdict.outcome == "train"
    }
    assert {verdict.repeats for verdict in built.verdicts if verdict.outcome != "train"} == {None}
    assert built.report.lines["train"] == 60
    assert built.report.splits["train"].records == 64
    assert [(share.name, share.wanted, share.reached) for share in built.report.mixing] == [("a.csv", 0.25, 0.25), ("b.csv", 0.75, 0.75)]


def test_copies_train_beside_their_records(tmp_path: Path) -> None:
    built = Built(tmp_path, questions(60), augmentation=[{"method": "noise", "share": 0.5}])
    copies = [record for record in built.splits["train"] if record.origin]
    originals = {record.id for record in built.splits["train"] if record.origin is None}
    assert copies
    assert {record.origin.parent for record in copies if record.origin} <= originals
    assert not [record for name in ("validation", "test") for record in built.splits[name] if record.origin]
    assert built.report.augmentation is not None
    assert built.report.augmentation.records == {"noise": len(copies)}
    assert built.report.leakage is not None
    assert built.report.leakage.compared["train"] == len(built.splits["train"]) == built.report.lines["train"]
    assert len(built.verdicts) == built.report.candidates == 60


def test_a_copy_that_comes_near_a_held_out_record_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = Built(tmp_path, questions(40), "plain")
    target = plain.splits["test"][0]

    def copying(records: Iterable[AlpacaRecord], *_: object, **__: object) -> Iterator[AlpacaRecord]:
        first = next(iter(records))
        origin = Origin(method="paraphrase", parent=first.id, teacher="t")
        yield first.model_copy(update={"id": "0" * 64, "instruction": target.instruction, "origin": origin})
        yield first.model_copy(
            update={"id": "1" * 64, "output": f"{target.output} and more", "instruction": f"{target.instruction} now", "origin": origin}
        )
        yield first.model_copy(update={"id": "2" * 64, "output": prose("new"), "origin": origin})

    monkeypatch.setattr("adapt.dataset.augmentation.augment.augment", copying)
    built = Built(tmp_path, questions(40), "copies", augmentation=[{"method": "noise"}])
    assert [record.id for record in built.splits["train"] if record.origin] == ["2" * 64]
    assert built.report.augmentation is not None
    assert built.report.augmentation.dropped == {"near_duplicate_of_held_out": 1, "question_of_held_out": 1}
    assert {row.record for row in built.ledger} == {"0" * 64, "1" * 64}


def test_copies_are_judged_by_length_as_records_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def copying(records: Iterable[AlpacaRecord], *_: object, **__: object) -> Iterator[AlpacaRecord]:
        first = next(iter(records))
        origin = Origin(method="paraphrase", parent=first.id, teacher="t")
        for number, output in enumerate(("Too short.", prose("long", 90), prose("fitting", 20))):
            yield first.model_copy(update={"id": f"{number}" * 64, "output": output, "origin": origin})

    monkeypatch.setattr("adapt.dataset.augmentation.augment.augment", copying)
    built = Built(tmp_path, questions(40), augmentation=[{"method": "noise"}], lengths={"max_record_tokens": 64})
    assert [record.id for record in built.splits["train"] if record.origin] == ["2" * 64]
    assert [(row.record[0], row.rule, row.score, row.threshold) for row in built.ledger] == [("0", "too_short", 2, 8), ("1", "too_long", 99, 64)]
    assert built.report.augmentation is not None
    assert built.report.augmentation.dropped == {"too_long": 1, "too_short": 1}


def test_a_size_that_mixing_cannot_reach_is_in_report_and_card(tmp_path: Path) -> None:
    built = Built(tmp_path, questions(40), mixing={"size": 1000})
    assert built.report.mixing_missing == 1000 - built.report.lines["train"] == 1000 - 4 * built.report.splits["train"].records
    assert f"There are {built.report.mixing_missing} fewer than were asked for" in (built.out / "card.md").read_text(encoding="utf-8")


def test_sections_that_are_not_kept_have_their_passages_in_the_ledger(tmp_path: Path) -> None:
    pages = [text(f"# T{n}\n\n{prose((n, 'page'), 60)}", source=f"{n}.md") for n in range(6)] + [text("# Short\n\nOne line.", source="short.md")]
    built = Built(
        tmp_path, [*questions(30), *pages], teacher=Quoting(), cache=tmp_path / "cache",
        synthesis={"keep_sections": False, "min_grounding": 0, "max_passages": 2},
    )  # fmt: skip
    told = Counter(row.rule for row in built.ledger if row.source.endswith(".md"))
    assert (told["not_chosen"], told["short_passage"]) == (4, 1)
    assert {row.source for row in built.ledger} | {record.source for record in built.records} == {page.source for page in pages} | {"filler.csv"}


def test_a_teachers_pairs_are_judged_with_all_others(tmp_path: Path) -> None:
    pages = [text(f"# T{n}\n\n{prose((n, 'page'), 60)}", source=f"{n}.md") for n in range(4)]
    built = Built(
        tmp_path, [*questions(30), *pages], teacher=Quoting(), cache=tmp_path / "cache",
        synthesis={"keep_sections": False, "min_grounding": 0},
    )  # fmt: skip
    made = [record for record in built.records if record.origin]
    assert built.report.synthesis is not None
    assert built.report.synthesis.records == 8
    assert built.report.candidates == len(built.verdicts) == 38
    assert built.report.documents == 34
    assert built.report.documents_without_record == 0
    assert len(made) == 4
    assert built.report.dropped["too_short"] == 4
    assert {record.origin.method for record in made if record.origin} == {"synthesis"}


class Quoting:
    """A teacher that gives a good pair and a short one."""

    name = "quoting"
    settings: ClassVar[dict[str, Any]] = {}

    def ask(self, prompts: Iterable[Messages]) -> Iterator[tuple[int, str | Failure]]:
        for number, messages in enumerate(prompts):
            seed = digest_text(*(str(part) for message in messages for part in vars(message).values()))
            pairs = [
                {"question": f"What is {prose(seed, 3)}?", "answer": prose((seed, "a"), 20)},
                {"question": f"Is {prose(seed, 4)}?", "answer": "It may."},
            ]
            yield number, json.dumps(pairs)
