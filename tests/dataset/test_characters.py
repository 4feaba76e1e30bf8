"""Letters and digits of documents add up over records, rules and what no record owns; documents that lose much are named."""

from pathlib import Path

import pytest

from adapt.records import Document
from tests.dataset.made import Built, chat, question, questions, text
from tests.dataset.texts import han, prose


def letters(text: str) -> int:
    return sum(character.isalnum() for character in text)


def all_kinds() -> list[Document]:
    return [
        *questions(20),
        question("Short?", "No.", source="short.csv"),
        question(prose("q", 9), prose("a", 30), source="twice.csv", line=1),
        question(prose("q", 9), prose("a", 30), source="twice.csv", line=2),
        chat(("system", "Be brief."), ("user", prose(1)), ("assistant", prose(2)), ("user", prose(3)), ("assistant", prose(4))),
        text(f"{prose('before', 20)}\n\n## One\n\n{prose('one')}\n\n## Empty\n\n## Two\n\n{han('two')}", title="Guide"),
        text(prose("loose", 30), title="", source="loose.md"),
    ]


@pytest.mark.parametrize("settings", [{}, {"chat_turns": "last"}, {"chat_history": "flatten"}, {"form": "text", "min_records": 3}])
def test_the_characters_of_documents_add_up(tmp_path: Path, settings: dict[str, str]) -> None:
    documents = [*all_kinds(), *(text(prose(("run", n), 60), title="x", source=f"{n}.md") for n in range(6))]
    built = Built(tmp_path, documents, **settings)
    counted = built.report.characters
    whole = sum(
        letters("".join((document.text, document.instruction, document.input, document.output, *(each.content for each in document.messages))))
        for document in documents
    )
    assert counted.documents == whole
    assert counted.shared + sum(counted.parts.values()) + sum(counted.dropped.values()) + counted.cut + counted.kept == whole
    assert counted.shared >= 0
    assert counted.kept > 0


def test_what_was_kept_and_dropped_is_what_the_records_hold(tmp_path: Path) -> None:
    built = Built(tmp_path, all_kinds(), chat_turns="last")
    counted = built.report.characters
    assert counted.dropped["too_short"] == letters("Short?No.")
    assert counted.dropped["exact_duplicate"] == letters(prose("q", 9) + prose("a", 30))
    assert counted.parts == {"earlier_answer": letters(prose(1) + prose(2)), "empty_section": 0, "no_heading": letters(prose("loose", 30))}
    assert counted.shared == letters("Be brief.OneEmptyTwo")
    kept = [record for record in built.records if record.source != "guide.md"]
    sections = [record for record in built.records if record.source == "guide.md"]
    own = sum(letters(record.instruction + record.output) for record in kept) + sum(letters(record.output) for record in sections)
    assert counted.kept == own


def test_cut_passages_are_counted(tmp_path: Path) -> None:
    shared = " ".join(f"{prose(('s', n), 12)}." for n in range(5))
    documents = [
        *questions(20),
        *(question(prose((n, "q"), 9), f"{prose(n, 20)}. {shared} {prose((n, 'e'), 20)}.", source=f"{n}.csv") for n in range(2)),
    ]
    built = Built(tmp_path, documents, passages={"action": "cut"}, near_duplicates=None)
    (cut,) = (row for row in built.ledger if row.rule == "repeated_passage" and row.action == "edited")
    assert cut.characters == built.report.characters.cut == letters(shared)


def test_a_document_that_loses_a_third_to_one_rule_is_named_with_a_sample(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    long = prose("long", 120)
    lost = [text(f"## One\n\n{prose((n, 'o'), 40)}\n\n## Two\n\n{long} {prose(n, 9)}", title="Guide", source=f"{n}.md") for n in range(3)]
    kept = text(f"## One\n\n{prose('k', 200)}\n\n## Two\n\nFar too short.", title="Other", source="kept.md")
    built = Built(tmp_path, [*questions(20), *lost, kept], lengths={"max_record_tokens": 100, "long_sections": "drop"}, near_duplicates=None)
    (found,) = (loss for loss in built.report.document_losses if loss.rule == "too_long")
    assert found.documents == 4
    assert [example.source for example in found.examples] == ["kept.md", "0.md", "1.md", "2.md"]
    wanted = letters(f"{long} {prose(0, 9)}") / letters(f"One{prose((0, 'o'), 40)}Two{long}{prose(0, 9)}")
    assert found.examples[1].share == pytest.approx(wanted, abs=1e-3)
    assert long.startswith(found.examples[1].sample)
    assert "too_long took over a third of 4 documents: kept.md" in caplog.text
    assert not [loss for loss in built.report.document_losses if loss.rule == "too_short"]
    assert "kept.md" in (built.out / "card.md").read_text()


def test_documents_that_are_no_running_text_or_hardly_any_are_not_named(tmp_path: Path) -> None:
    short = [question("Why is that so?", "No.", source=f"{n}.csv") for n in range(4)]
    built = Built(tmp_path, [*questions(20), *short, text("## A\n\nNo.", title="Tiny", source="tiny.md")])
    assert built.report.document_losses == ()
