"""Questions and answers decide about evaluation sets and leakage; the material that they rest on does not, unless it is what is asked."""

import json
import random
from pathlib import Path

import numpy as np
import pytest

from adapt.dataset.evaluation import read_texts
from adapt.dataset.shared_input import find_references
from adapt.records import Document
from tests.dataset.made import Built, question, questions
from tests.dataset.texts import han, prose

LAWS = [f"Section {n}. {prose(('law', n), 60)}" for n in range(9)]
"""Statutes, of which each question brings some."""


def legal_questions(count: int = 30) -> list[Document]:
    """Questions that share statutes, and quote none of them in their answers."""
    rng = random.Random(0)
    return [
        question(f"{prose(('asked', n), 12)}?", prose(("answer", n), 25), source="legal.jsonl", line=n + 1, given="\n".join(rng.sample(LAWS, 3)))
        for n in range(count)
    ]


def test_shared_statutes_are_no_leak(tmp_path: Path) -> None:
    built = Built(tmp_path, legal_questions(), near_duplicates=None)
    assert built.dropped("test_contamination") == []
    assert built.report.records == 30
    counted = built.report.references
    assert (counted.test_records, counted.other_records) == (len(built.splits["test"]), 30 - len(built.splits["test"]))
    assert "are reference text" in (built.out / "card.md").read_text()


def test_they_are_when_the_spec_says_that_reference_text_counts(tmp_path: Path) -> None:
    pairs = [
        question(f"{prose(('asked', n), 12)}?", prose(("answer", n), 25), source=f"{n}.jsonl", given=f"{prose(n // 2, 90)}\n{prose(('own', n), 40)}")
        for n in range(40)
    ]
    assert Built(tmp_path, pairs, "free", near_duplicates=None).dropped("test_contamination") == []
    built = Built(tmp_path, pairs, near_duplicates=None, decontamination={"reference_text": True})
    assert built.dropped("test_contamination")
    assert built.report.references.test_records == 0


def test_an_answer_of_the_test_split_is_found_in_answers_on_other_material(tmp_path: Path) -> None:
    copied = [
        question(f"{prose(('asked', n), 10)}?", f"{prose(('lead', n), 30)} {prose(n // 2, 60)}", source=f"{n}.csv", given=prose(("own", n), 80))
        for n in range(40)
    ]
    built = Built(tmp_path, copied, near_duplicates=None, split={"shared_input": "divide"}, decontamination={"test_split": True})
    pairs = [int(Path(record.source).stem) // 2 for record in built.splits["test"]]
    assert pairs
    assert built.dropped("test_contamination")
    others = [int(Path(record.source).stem) // 2 for name in ("train", "validation") for record in built.splits[name]]
    assert not set(pairs) & set(others)


def test_the_input_of_a_task_is_what_is_asked(tmp_path: Path) -> None:
    """`Classify.` comes with many inputs: a review that stands in the test split may not train, whatever its label."""
    reviews = [prose(("review", n), 40) for n in range(30)]
    firsts = [
        question("Classify the mood of this review.", f"It is {prose(n, 10)}", source="a.jsonl", line=n, given=text) for n, text in enumerate(reviews)
    ]
    seconds = [
        question("How does the writer feel?", f"They feel {prose((n, 2), 10)}", source="b.jsonl", line=n, given=text)
        for n, text in enumerate(reviews)
    ]
    built = Built(tmp_path, [*firsts, *seconds], near_duplicates=None, split={"shared_input": "divide"})
    tested = {record.input for record in built.splits["test"]}
    assert tested
    assert not tested & {record.input for name in ("train", "validation") for record in built.splits[name]}


def test_questions_on_one_input_stay_together_by_default_and_are_divided_by_choice(tmp_path: Path) -> None:
    tables = [prose(("table", n), 15) for n in range(4)]
    asked = [question(f"{prose(('q', n), 12)}?", prose(("a", n), 40), source="t.jsonl", line=n, given=tables[n % 4]) for n in range(80)]
    kept, divided = (Built(tmp_path, asked, name, near_duplicates=None, split={"shared_input": name, "test": 0.2}) for name in ("keep", "divide"))

    def crossing(built: Built) -> int:
        return sum(len([name for name, records in built.splits.items() if any(record.input == table for record in records)]) > 1 for table in tables)

    assert crossing(kept) == 0
    assert crossing(divided) > 0
    for built in (kept, divided):
        leakage = json.loads((built.out / "leakage.json").read_text())
        assert leakage["inputs"] == crossing(built)
        assert leakage["questions"] == leakage["near_duplicate_pairs"] == 0
    assert "materials stand in several splits" in (divided.out / "card.md").read_text()


def test_long_material_does_not_tie_its_questions_together_where_they_are_divided(tmp_path: Path) -> None:
    table = prose("table", 300)
    asked = [question(f"{prose(('q', n), 12)}?", prose(("a", n), 15), source="t.jsonl", line=n, given=table) for n in range(60)]
    built = Built(tmp_path, asked, split={"shared_input": "divide"})
    assert {name for name, records in built.splits.items() if records} == {"train", "validation", "test"}
    assert built.report.records == 60


@pytest.mark.parametrize("make", [prose, han])
def test_reference_text_of_a_declared_set_is_not_searched_for(tmp_path: Path, make: type) -> None:
    passage, asked, answer = make("passage", 80), make("asked", 40), make("answer", 40)
    rows = [{"question": asked, "context": passage, "answer": answer}]
    (tmp_path / "exam.jsonl").write_text("\n".join(map(json.dumps, rows)))
    documents = [
        *questions(20),
        question("What is said of it?", passage, source="passage.csv"),
        question("What is asked?", asked, source="asked.csv"),
        question(prose("other", 12), prose("fine", 12), source="brings.csv", given=f"{answer}\n{passage}"),
        question(prose("another", 12), f"{prose('so', 5)} {answer}", source="answers.csv", given=passage),
    ]
    built = Built(tmp_path, documents, decontamination={"against": ["exam.jsonl"]})
    assert {row.source for row in built.dropped("contamination")} == {"asked.csv", "answers.csv"}
    assert built.report.references.texts == 1
    assert built.report.references.records == 2
    strict = Built(tmp_path, documents, "strict", decontamination={"against": ["exam.jsonl"], "reference_text": True})
    assert {row.source for row in strict.dropped("contamination")} == {"asked.csv", "answers.csv", "passage.csv", "brings.csv"}


SQUAD = {"data": [{"title": "t", "paragraphs": [{"context": "c", "qas": [{"question": "q", "answers": [{"text": "a"}]}]}]}]}
ALPACA = [
    {"instruction": "Translate.", "input": "one", "output": "eins"},
    {"instruction": "Translate.", "input": "two", "output": "zwei"},
    {"instruction": "What does the contract say?", "input": "contract", "output": "nothing"},
]


@pytest.mark.parametrize(
    ("value", "references"),
    [
        (SQUAD, {"c"}),
        (ALPACA, {"contract"}),
        ([{"question": "q", "passages": ["p1", {"text": "p2"}], "answer": "a"}], {"p1", "p2"}),
        ([{"Question": "q", "Supporting_Facts": "s", "options": {"A": "x"}}], {"s"}),
        ([{"documents": [{"question": "q", "answer": "a"}]}], set()),
        ([{"context": "a text by itself"}], set()),
        ([{"input": "q", "output": "a"}], set()),
        ([{"问题": "q", "法条": ["l"], "答案": "a"}], {"l"}),
    ],
)
def test_what_is_reference_text_in_public_shapes_of_evaluation_sets(tmp_path: Path, value: object, references: set[str]) -> None:
    (tmp_path / "exam.json").write_text(json.dumps(value))
    assert {text.text for text in read_texts(tmp_path, "exam.json") if text.is_reference} == references


def test_an_input_is_reference_text_where_its_instruction_comes_with_no_other() -> None:
    pairs = [(1, 10), (1, 10), (2, 20), (2, 21), (0, 0), (3, 22)]
    instructions, inputs = (np.array([[pair[column], pair[column]] for pair in pairs], dtype=np.uint64) for column in (0, 1))
    assert find_references(inputs, instructions).tolist() == [True, True, False, False, False, True]
    nothing = np.zeros((0, 2), dtype=np.uint64)
    assert find_references(nothing, nothing).tolist() == []


def test_what_many_records_have_in_common_gives_nothing_of_one_away(tmp_path: Path) -> None:
    """The inheritance paragraphs of a medical set: each of two hundred answers has them, about another disease."""
    general = prose("each child has a risk", 60)
    asked = [
        question(f"Is {prose(('disease', n), 2)} inherited?", f"{prose(('own', n), 12)} {general}", source=f"{n}.csv", line=n) for n in range(60)
    ]
    built = Built(tmp_path, asked, near_duplicates=None)
    assert built.dropped("test_contamination") == []


def test_a_general_passage_that_few_share_is_no_leak_where_the_topic_is_not_named(tmp_path: Path) -> None:
    def records(named: bool) -> list[Document]:
        return [
            question(
                f"Is {prose(('disease', n), 2)} inherited?",
                f"{prose(('disease', n if not named else n // 2), 2)} {prose(('own', n), 20)} {prose(n // 2, 60)}",
                source=f"{n}.csv",
            )
            for n in range(60)
        ]

    assert Built(tmp_path, records(named=False), "other topics", near_duplicates=None).dropped("test_contamination") == []
    same = [
        each.model_copy(update={"instruction": f"Is {prose(('disease', n // 2), 2)} {prose(('asked', n), 3)}?"})
        for n, each in enumerate(records(named=True))
    ]
    built = Built(tmp_path, same, "same topics", near_duplicates=None)
    assert built.dropped("test_contamination")
    tested = {int(record.source.partition(".")[0]) // 2 for record in built.splits["test"]}
    assert not tested & {int(record.source.partition(".")[0]) // 2 for name in ("train", "validation") for record in built.splits[name]}
