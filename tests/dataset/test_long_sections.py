"""Sections of running text that no record holds become several records, and lose nothing."""

import re
from pathlib import Path

import pytest

from adapt.records import Document
from tests.dataset.made import Built, chat, question, questions, text
from tests.dataset.texts import han, prose


def article(words: int = 700, *, title: str = "The mill") -> Document:
    """An article without headings: paragraphs of fifty words."""
    body = "\n\n".join(f"{prose((title, n), 50)}." for n in range(words // 50))
    return text(body, title=title, source="mill.html")


def test_a_long_article_becomes_parts_that_fit_and_hold_all_of_it(tmp_path: Path) -> None:
    document = article()
    built = Built(tmp_path, [*questions(20), document], lengths={"max_record_tokens": 300})
    parts = sorted((record for record in built.records if record.source == "mill.html"), key=lambda record: record.locator)
    assert "\n\n".join(record.output for record in parts) == document.text
    count = len(parts)
    assert count >= 3
    assert [record.instruction for record in parts] == [f"Explain The mill. Part {n} of {count}." for n in range(1, count + 1)]
    assert [record.locator for record in parts] == [f"The mill, part {n} of {count}" for n in range(1, count + 1)]
    assert len(built.split_of("mill.html")) == 1
    assert built.report.divided == 1
    assert built.report.dropped["too_long"] == 0
    assert "1 sections were too long" in (built.out / "card.md").read_text()


@pytest.mark.parametrize("words", [200, 280])
def test_a_section_that_fits_is_one_record(tmp_path: Path, words: int) -> None:
    built = Built(tmp_path, [*questions(20), article(words)], lengths={"max_record_tokens": 300})
    (record,) = (record for record in built.records if record.source == "mill.html")
    assert record.instruction == "Explain The mill."
    assert built.report.divided == 0


def test_chinese_parts_are_asked_for_in_chinese(tmp_path: Path) -> None:
    body = "。".join(han(n, 60) for n in range(20)) + "。"
    documents = [*questions(20), text(f"## 规则\n\n{body}", title="手册", source="book.md", language="zh")]
    built = Built(tmp_path, documents, lengths={"max_record_tokens": 40})
    parts = [record for record in built.records if record.source == "book.md"]
    assert len(parts) > 1
    assert all(re.fullmatch(r"请说明“规则”（手册）。第\d+部分，共\d+部分。", record.instruction) for record in parts)


def test_only_sections_of_running_text_are_divided(tmp_path: Path) -> None:
    long = prose("long", 400)
    documents = [
        *questions(20),
        question("What is said?", long, source="asked.csv"),
        chat(("user", "What is said?"), ("assistant", f"{long} so"), source="chat.jsonl"),
    ]
    built = Built(tmp_path, documents, lengths={"max_record_tokens": 300})
    assert {row.source for row in built.dropped("too_long")} == {"asked.csv", "chat.jsonl"}


def test_they_are_dropped_where_the_spec_says_so(tmp_path: Path) -> None:
    built = Built(tmp_path, [*questions(20), article()], lengths={"max_record_tokens": 300, "long_sections": "drop"})
    assert [row.source for row in built.dropped("too_long")] == ["mill.html"]


def test_a_part_that_cannot_be_divided_is_dropped_by_rule_and_the_others_stay(tmp_path: Path) -> None:
    body = f"{prose('begin', 100)}\n\n{'a.b' * 900}\n\n{prose('end', 100)}"
    built = Built(
        tmp_path, [*questions(20), text(body, title="The mill", source="mill.html")], lengths={"max_record_tokens": 300, "min_output_words": 1}
    )
    assert {record.output for record in built.records if record.source == "mill.html"} == {prose("begin", 100), prose("end", 100)}
    assert [row.rule for row in built.ledger if row.source == "mill.html"] == ["too_long"]


def test_sections_of_one_name_in_several_pages_are_divided_alike(tmp_path: Path) -> None:
    documents = [*questions(20), article(title="One"), article(title="Two")]
    built = Built(tmp_path, documents, lengths={"max_record_tokens": 300})
    assert built.report.divided == 2
    assert built.dropped("exact_duplicate") == []
