import json
from pathlib import Path

import pytest

from adapt.errors import InputError
from tests.dataset.made import Built, chat, question, questions, text
from tests.dataset.texts import han, prose, reworded


def test_exact_duplicates_keep_the_earliest_place(tmp_path: Path) -> None:
    asked, answer = "What is escrow?", prose("escrow")
    copies = [
        question(asked, answer, source="b.csv", line=1),
        question(asked.upper(), f"  {answer}!", source="a.csv", line=10),
        question(asked, answer, source="a.csv", line=9),
    ]
    built = Built(tmp_path, [*questions(20), *copies])
    assert [(record.source, record.locator) for record in built.records if record.source != "filler.csv"] == [("a.csv", "line 9")]
    rows = built.dropped("exact_duplicate")
    assert [(row.source, row.locator) for row in rows] == [("a.csv", "line 10"), ("b.csv", "line 1")]
    assert {row.winner for row in rows} == {record.id for record in built.records if record.source == "a.csv"}
    assert "Same question and answer as in a.csv, line 9" in rows[0].reason


def test_near_duplicates_are_ledgered_with_score_and_winner(tmp_path: Path) -> None:
    answer = prose("answer", 60)
    pair = [question("What is it?", answer, source="a.csv"), question("What is it?", reworded(answer, 15), source="b.csv")]
    built = Built(tmp_path, [*questions(20), *pair])
    (row,) = built.dropped("near_duplicate")
    assert (row.source, row.threshold) == ("b.csv", 0.7)
    assert row.winner in {record.id for record in built.records}
    assert row.score is not None
    assert 0.7 <= row.score < 1


def test_chinese_near_duplicates_are_found(tmp_path: Path) -> None:
    answer = han("answer", 90)
    pair = [
        question("什么是托管？", answer, source="a.csv", language="zh"),
        question("什么是托管？", answer[:40] + "完全不同" + answer[44:], source="b.csv", language="zh"),
    ]
    built = Built(tmp_path, [*questions(20, language="zh"), *pair])
    assert [row.source for row in built.dropped("near_duplicate")] == ["b.csv"]


def test_same_section_under_other_titles_is_a_duplicate(tmp_path: Path) -> None:
    body = f"## Escrow accounts\n\n{prose('escrow')}\n"
    pages = [text(f"# One\n\n{body}", source="a.md"), text(f"# Two\n\n{body}", source="b.md")]
    assert [row.source for row in Built(tmp_path, [*questions(20), *pages]).dropped("exact_duplicate")] == ["b.md"]


def test_short_follow_ups_with_other_answers_stay(tmp_path: Path) -> None:
    chats = [chat(("user", prose(n, 8)), ("assistant", prose((n, 1))), ("user", "Why?"), ("assistant", prose((n, 2))), line=n + 1) for n in range(20)]
    built = Built(tmp_path, chats)
    assert built.report.records == 40
    assert built.report.splits["train"].groups > 10


def test_exact_duplicates_go_even_where_near_duplicates_stay(tmp_path: Path) -> None:
    assert Built(tmp_path, [*questions(20), *questions(3, source="filler.csv")], near_duplicates=None).report.dropped["exact_duplicate"] == 3


def test_a_cut_record_is_measured_again(tmp_path: Path) -> None:
    template = " ".join(f"{prose((n, 'template'), 12).capitalize()}." for n in range(8))
    documents = [question(prose((n, "q"), 9), f"{prose((n, 'a'), 200).capitalize()}. {template}", line=n + 1) for n in range(20)]
    built = Built(tmp_path, documents, passages={"action": "cut"}, near_duplicates=None, decontamination={"test_split": False})
    kept = {record.id: record for record in built.records}
    cut = [verdict for verdict in built.verdicts if verdict.outcome != "dropped" and template not in kept[verdict.record].output]
    assert len(cut) == 19
    assert built.report.edited == {"repeated_passage": 19}
    assert {verdict.measured["output_words"] for verdict in cut} == {200}
    assert {verdict.measured["tokens"] for verdict in cut} == {210}


def test_records_that_quote_an_evaluation_set_go_and_name_it(tmp_path: Path) -> None:
    asked = prose("benchmark", 40)
    (tmp_path / "eval.jsonl").write_text(json.dumps({"question": asked}) + "\n", encoding="utf-8")
    built = Built(tmp_path, [*questions(30), question("What?", f"They ask: {asked}", source="leak.csv")], decontamination={"against": ["eval.jsonl"]})
    (row,) = built.dropped("contamination")
    assert (row.source, row.score, row.threshold) == ("leak.csv", 1, 0.5)
    assert row.winner is not None
    assert row.winner.startswith("eval.jsonl:")
    assert built.report.contamination == {row.winner: 1}
    assert asked not in row.reason
    (verdict,) = [verdict for verdict in built.verdicts if verdict.rule == "contamination"]
    assert (verdict.winner, verdict.measured["contamination"]) == (row.winner, 1)


def test_training_records_that_quote_the_test_split_go(tmp_path: Path) -> None:
    shared = [prose((n, "shared"), 25) for n in range(10)]
    pairs = [
        question(prose((n, side, "q"), 9), f"{shared[n]} {prose((n, side), 60)}", source=f"{side}.csv", line=n + 1)
        for n in range(10)
        for side in (0, 1)
    ]
    built = Built(tmp_path, [*pairs, *questions(40)], split={"test": 0.3}, decontamination={"min_share": 0.2})
    rows = built.dropped("test_contamination")
    assert rows
    assert built.report.dropped["test_contamination"] == len(rows)
    tested = "\n".join(record.output for record in built.splits["test"])
    held = [text for text in shared if text in tested]
    assert not [record for name in ("train", "validation") for record in built.splits[name] if any(text in record.output for text in held)]
    assert {row.winner for row in rows} <= {record.id for record in built.splits["test"]}
    assert not Built(tmp_path, [*pairs, *questions(40)], "kept", split={"test": 0.3}, decontamination={"test_split": False}).dropped(
        "test_contamination"
    )


def test_a_split_that_loses_everything_is_an_error_with_the_funnel(tmp_path: Path) -> None:
    families = [question(prose((n, "q"), 9), f"{prose(n % 3, 60)} {prose((n, 'own'), 120)}", line=n + 1) for n in range(12)]
    with pytest.raises(InputError, match=r"no records are left in train and validation:\n[^!]*-9 test_contamination") as caught:
        Built(tmp_path, families, seed=6, split={"test": 0.25}, decontamination={"min_share": 0.2})  # the seed tests one of each family
    assert caught.value.hint is not None
    assert "decontamination.min_share" in caught.value.hint


def test_an_instruction_that_all_records_have_is_no_quote_of_the_test_split(tmp_path: Path) -> None:
    instruction = prose("instruction", 30)
    documents = [question(instruction, prose((n, "a"), 9), given=prose((n, "i"), 9), line=n + 1) for n in range(60)]
    built = Built(tmp_path, documents)
    assert built.report.records == 60
    assert built.dropped("test_contamination") == []


def test_a_clean_record_stays_where_its_copy_quotes_an_evaluation_set(tmp_path: Path) -> None:
    asked, answer = prose("benchmark", 20), prose("answer", 100)
    (tmp_path / "eval.txt").write_text(asked, encoding="utf-8")
    pair = [question("What?", f"{asked} {answer}", source="a.csv"), question("What?", answer, source="b.csv")]
    built = Built(tmp_path, [*questions(30), *pair], decontamination={"against": ["eval.txt"]})
    assert [row.source for row in built.dropped("contamination")] == ["a.csv"]
    assert built.dropped("near_duplicate") == []
    assert built.split_of("b.csv")


def test_the_winner_is_the_record_that_stays(tmp_path: Path) -> None:
    answer = prose("answer", 60)
    copies = [question("What?", answer, source="a.csv"), *(question("What?", reworded(answer, 15), source=source) for source in ("b.csv", "c.csv"))]
    built = Built(tmp_path, [*questions(20), *copies])
    (stays,) = [record.id for record in built.records if record.source == "a.csv"]
    (exact,), (near,) = built.dropped("exact_duplicate"), built.dropped("near_duplicate")
    assert (exact.source, exact.winner, near.source, near.winner) == ("c.csv", stays, "b.csv", stays)
    assert "as in b.csv" in exact.reason
    assert {verdict.winner for verdict in built.verdicts if verdict.outcome == "dropped"} == {stays}
