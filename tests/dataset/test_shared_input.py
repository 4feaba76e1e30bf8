"""Questions on one table stay, copies of a question on it go, and a split keeps the table's questions together."""

from pathlib import Path

import numpy as np
import pytest

from adapt.dataset.dedup.shingle_file import ShingleFile
from tests.dataset.made import Built, question, questions
from tests.dataset.tables import answers, deduplicate, filled
from tests.dataset.texts import prose, reworded

TABLE = prose("table", 200)


def test_different_questions_on_one_table_are_no_duplicates(tmp_path: Path) -> None:
    asked = [question(f"What was {prose((n, 'q'), 6)}?", prose((n, "a"), 12), source="report.json", line=n, given=TABLE) for n in range(8)]
    built = Built(tmp_path, [*questions(20), *asked])
    assert built.dropped("near_duplicate") == []
    assert len(built.split_of("report.json")) == 1, "questions on one table never stand on both sides of a split"


def test_a_copy_of_a_question_on_the_same_table_is_one(tmp_path: Path) -> None:
    answer = prose("answer", 40)
    asked = [
        question("What is due?", answer, source="report.json", line=1, given=TABLE),
        question("What is due?", reworded(answer, 20), source="report.json", line=2, given=reworded(TABLE, 50)),
    ]
    (row,) = Built(tmp_path, [*questions(20), *asked]).dropped("near_duplicate")
    assert row.locator == "line 2"
    assert row.score is not None
    assert 0.7 <= row.score < 1


def test_the_same_answer_on_other_material_is_none(tmp_path: Path) -> None:
    labels = [question("Which mood has this text?", "It is good and the writer says so.", given=prose(n, 40), line=n) for n in range(6)]
    assert Built(tmp_path, [*questions(20), *labels]).dropped("near_duplicate") == []


def test_a_record_whose_material_stands_in_the_question_is_compared_as_a_whole(tmp_path: Path) -> None:
    answer = prose("answer", 12)
    pair = [
        question("What is due?", answer, source="report.json", line=1, given=TABLE),
        question(f"What is due? {reworded(TABLE, 20)}", answer, source="report.json", line=2),
    ]
    (row,) = Built(tmp_path, [*questions(20), *pair]).dropped("near_duplicate")
    assert row.locator == "line 2"


def test_many_questions_on_one_text_cost_no_comparison_of_all_with_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = [each.model_copy(update={"input": TABLE}) for each in answers(*(prose(n, 12) for n in range(400)))]
    measured: list[int] = []
    plain = ShingleFile.similarity

    def similarity(file: ShingleFile, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        measured.append(len(left))
        return plain(file, left, right)

    monkeypatch.setattr(ShingleFile, "similarity", similarity)
    with filled(tmp_path, records) as table:
        assert deduplicate(table, near_duplicates={}).dropped == []
    assert sum(measured) < 4000
