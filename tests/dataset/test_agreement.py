"""One question with several answers, and one answer under several questions."""

import json
from pathlib import Path
from typing import Any

import pytest

from adapt.records import AlpacaRecord, Document
from tests.dataset.made import Built, chat, question, questions, text
from tests.dataset.texts import han, prose

YES, NO = "Yes, the clause binds both of the parties from that day on.", "No, the clause falls with the contract that it stood in before."


FREE: dict[str, Any] = {"decontamination": {"test_split": False}}
"""A shared answer that the test split holds would take the others along."""


def read_contradictions(built: Built) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (built.out / "contradictions.jsonl").read_text().splitlines()]


def opposed() -> list[Document]:
    return [
        *questions(20),
        question("Does the clause bind?", YES, source="a.csv", line=1),
        question("does the clause bind", NO, source="b.csv", line=2),
        question("Does the contract bind?", YES, source="c.csv", line=3),
    ]


def test_what_is_answered_in_two_ways_is_listed_and_kept(tmp_path: Path) -> None:
    built = Built(tmp_path, opposed())
    (found,) = read_contradictions(built)
    assert found["differs"] == "answer"
    assert [(side["source"], side["locator"], side["stays"]) for side in found["sides"]] == [("a.csv", "line 1", True), ("b.csv", "line 2", True)]
    assert built.report.contradictions.answers == 1
    assert built.report.contradictions.records == 2
    assert built.report.records == 23
    assert "1 questions have several answers" in (built.out / "card.md").read_text()


@pytest.mark.parametrize(("policy", "gone"), [("prefer", {"b.csv"}), ("drop", {"a.csv", "b.csv"})])
def test_the_policy_says_what_becomes_of_them(tmp_path: Path, policy: str, gone: set[str]) -> None:
    built = Built(tmp_path, opposed(), contradictions=policy)
    assert {row.source for row in built.dropped("contradiction")} == gone
    assert built.report.dropped["contradiction"] == len(gone)
    assert {record.source for record in built.records} & {"a.csv", "b.csv", "c.csv"} == {"a.csv", "b.csv", "c.csv"} - gone
    (found,) = read_contradictions(built)
    assert {side["source"] for side in found["sides"] if not side["stays"]} == gone
    verdicts = {verdict.source: verdict for verdict in built.verdicts}
    assert verdicts["b.csv"].rule == "contradiction"
    winners = {record.id for record in built.records}
    assert all((verdicts[name].winner in winners) == (policy == "prefer") for name in gone)


def test_the_order_of_preference_says_which_one_stays(tmp_path: Path) -> None:
    longer = f"{NO} {prose('more', 20)}"
    documents = [*questions(20), question("Is it so?", YES, source="a.csv"), question("Is it so?", longer, source="b.csv")]
    built = Built(tmp_path, documents, contradictions="prefer", prefer=["length"])
    assert [row.source for row in built.dropped("contradiction")] == ["a.csv"]


def test_copies_with_other_labels_contradict_each_other(tmp_path: Path) -> None:
    rows = [("a.csv", "good"), ("b.csv", "bad"), ("c.csv", "good")]
    documents = [*questions(20), *(question("How is the mood?", YES, source=source, label=label) for source, label in rows)]
    agreeing = [question("How is the tone?", NO, source=source, label="good") for source in ("d.csv", "e.csv")]
    built = Built(tmp_path, [*documents, *agreeing], contradictions="drop")
    (found,) = read_contradictions(built)
    assert found["differs"] == "label"
    assert [(side["source"], side["label"]) for side in found["sides"]] == rows
    assert {record.source for record in built.records} & {"a.csv", "b.csv", "c.csv", "d.csv"} == {"d.csv"}


@pytest.mark.parametrize(
    "pair",
    [
        [question("Is it so?", YES, source="a.csv", given=prose(1, 40)), question("Is it so?", NO, source="b.csv", given=prose(2, 40))],
        [
            chat(("system", "Be brief."), ("user", "Is it so?"), ("assistant", YES), source="a.jsonl"),
            chat(("system", "Be a pirate."), ("user", "Is it so?"), ("assistant", NO), source="b.jsonl"),
        ],
        [
            chat(("user", prose(1)), ("assistant", prose(2)), ("user", "Is it so?"), ("assistant", YES), source="a.jsonl"),
            chat(("user", prose(3)), ("assistant", prose(4)), ("user", "Is it so?"), ("assistant", NO), source="b.jsonl"),
        ],
        [text(f"## Overview\n\n{prose(1)}", title="Guide", source="a.md"), text(f"## Overview\n\n{prose(2)}", title="Guide", source="b.md")],
    ],
    ids=["other material", "other system message", "other turns before", "headings"],
)
def test_other_answers_to_other_questions_do_not(tmp_path: Path, pair: list[Document]) -> None:
    built = Built(tmp_path, [*questions(20), *pair], contradictions="drop")
    assert read_contradictions(built) == []


@pytest.mark.parametrize("make", [prose, han])
def test_an_answer_may_stand_under_so_many_questions(tmp_path: Path, make: type) -> None:
    answer = make("answer", 40)
    shared = [question(make(("asked", n), 20), answer, source="s.csv", line=n + 1) for n in range(6)]
    documents = [*questions(20), *shared]
    assert Built(tmp_path, documents, "free", **FREE).report.records == 26
    built = Built(tmp_path, documents, "capped", shared_answers={"most": 2}, **FREE)
    assert [row.locator for row in built.dropped("shared_answer")] == ["line 3", "line 4", "line 5", "line 6"]
    assert [row.score for row in built.dropped("shared_answer")] == [2, 3, 4, 5]


def test_short_answers_may_stand_under_any_number(tmp_path: Path) -> None:
    shared = [question(f"{prose(n, 12)}?", "It is positive.", source="s.csv", line=n) for n in range(6)]
    built = Built(tmp_path, [*questions(20), *shared], shared_answers={}, lengths={"min_output_words": 1})
    assert built.report.records == 26


def merged(built: Built) -> AlpacaRecord:
    (record,) = (record for record in built.records if record.source == "s.csv")
    return record


def test_questions_of_one_answer_are_merged(tmp_path: Path) -> None:
    answer = prose("answer", 40)
    asked = [f"{prose(('asked', n), 9)}?" for n in range(4)]
    documents = [*questions(20), *(question(each, answer, source="s.csv", line=n) for n, each in enumerate(asked))]
    built = Built(tmp_path, documents, shared_answers={"action": "merge"}, **FREE)
    record = merged(built)
    assert record.instruction == "\n".join(asked)
    edited, *dropped = built.dropped("shared_answer")
    assert (edited.action, edited.winner, edited.field) == ("edited", record.id, "instruction")
    assert {row.winner for row in dropped} == {record.id}
    verdict = next(verdict for verdict in built.verdicts if verdict.record == record.id)
    assert verdict.measured["tokens"] == len(f"{record.instruction} {answer}".replace("?", " ?").split())
    built.report.leakage.model_dump()  # type: ignore[union-attr]  # splits were proved with the question as it is now


def test_questions_are_merged_as_far_as_the_record_stays_short_enough(tmp_path: Path) -> None:
    answer = prose("answer", 40)
    asked = [prose(("asked", n), 20) for n in range(4)]
    documents = [*questions(20), *(question(each, answer, source="s.csv", line=n) for n, each in enumerate(asked))]
    built = Built(tmp_path, documents, shared_answers={"action": "merge"}, **FREE, lengths={"max_record_tokens": 85})
    assert sorted(record.instruction.count("\n") for record in built.records if record.source == "s.csv") == [0, 0, 1]


def test_questions_on_other_material_are_not_merged(tmp_path: Path) -> None:
    answer = prose("answer", 40)
    shared = [question(f"{prose(n, 12)}?", answer, source="s.csv", line=n, given=prose((n, "t"), 30)) for n in range(3)]
    built = Built(tmp_path, [*questions(20), *shared], shared_answers={"action": "merge"}, **FREE)
    assert built.report.records == 23
