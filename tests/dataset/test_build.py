import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import adapt
from adapt.artifact.manifest import verify
from adapt.artifact.progress import QuietProgress
from adapt.dataset.build import build
from adapt.dataset.partition import Partition, partition
from adapt.dataset.table import RecordTable
from adapt.errors import InputError
from adapt.spec.dataset import Split
from tests.dataset.made import Built, chat, han, prose, question, questions, reworded, section, text, write_corpus, write_tokenizer


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_folder_is_complete_and_verified(tmp_path: Path) -> None:
    built = Built(tmp_path, questions(40))
    names = {"train.jsonl", "validation.jsonl", "test.jsonl", "ledger.parquet", "card.md", "report.json", "manifest.json"}
    assert {path.name for path in built.out.iterdir()} == names
    assert set(verify(built.out).files) == names - {"manifest.json"}
    assert json.loads((built.out / "report.json").read_text()) == built.report.model_dump(mode="json")


def test_splits_are_sorted_by_id_and_hold_every_record_once(tmp_path: Path) -> None:
    built = Built(tmp_path, questions(40))
    for records in built.splits.values():
        assert [record.id for record in records] == sorted(record.id for record in records)
    assert len({record.id for record in built.records}) == len(built.records) == built.report.records == 40


def test_same_bytes_whatever_the_order_and_the_hash_seed(tmp_path: Path) -> None:
    documents = [
        *questions(60),
        *questions(20, source="zh.csv", language="zh"),
        *(question(prose(n, 9), reworded(prose(("filler.csv", n, "a")), 20)) for n in range(9)),
    ]
    first = Built(tmp_path, documents, "first")
    second = Built(tmp_path, documents[::-1], "second")
    assert {name: content for name, content in files(first.out).items() if name != "manifest.json"} == {
        name: content for name, content in files(second.out).items() if name != "manifest.json"
    }
    script = (
        "import sys; from pathlib import Path; from adapt.dataset.build import build; from adapt.artifact.progress import QuietProgress;"
        "from tests.dataset.made import section; root = Path(sys.argv[1]);"
        "build(section(), inputs=root / 'corpus of first', tokenizer=root / 'tokenizer', out=root / 'third', progress=QuietProgress())"
    )
    roots = (Path(adapt.__file__).parents[1], Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": os.pathsep.join(map(str, roots))}
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, env=environment)
    assert files(first.out) == files(tmp_path / "third")


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


def test_records_too_short_or_too_long_are_ledgered(tmp_path: Path) -> None:
    documents = [*questions(20), question("Is it?", "Yes.", source="s.csv"), question("Why?", prose("long", 200), source="l.csv")]
    built = Built(tmp_path, documents, lengths={"max_record_tokens": 100})
    assert [(row.source, row.score, row.threshold) for row in built.dropped("too_short")] == [("s.csv", 1, 8)]
    assert [(row.source, row.score, row.threshold) for row in built.dropped("too_long")] == [("l.csv", 202, 100)]


def test_history_counts_towards_the_length(tmp_path: Path) -> None:
    turns = chat(("user", prose("a", 10)), ("assistant", prose("b", 40)), ("user", prose("c", 10)), ("assistant", prose("d", 40)))
    built = Built(tmp_path, [*questions(20), turns], lengths={"max_record_tokens": 60})
    assert [(row.locator, row.score) for row in built.dropped("too_long")] == [("line 1, turn 2", 100)]


def test_every_candidate_is_kept_or_ledgered(tmp_path: Path) -> None:
    pages = [text(f"# T{n}\n\nintro\n\n## A\n\n{prose(n)}\n\n## B\n\nTBC\n", source=f"{n}.md") for n in range(12)]
    built = Built(tmp_path, [*questions(20), *pages, *pages[:2]])
    dropped = built.report.dropped
    records_dropped = sum(dropped[rule] for rule in ("too_short", "too_long", "exact_duplicate", "near_duplicate"))
    assert built.report.candidates == built.report.records + records_dropped
    assert sum(dropped.values()) == len(built.ledger)


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


def test_exact_duplicates_go_even_where_near_duplicates_stay(tmp_path: Path) -> None:
    assert Built(tmp_path, [*questions(20), *questions(3, source="filler.csv")], near_duplicates=None).report.dropped["exact_duplicate"] == 3


def test_a_leak_is_our_own_bug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def misplaced(table: RecordTable, kept: NDArray[np.int64], threshold: float, shares: Split, seed: int) -> Partition:
        parts = partition(table, kept, threshold, shares, seed)
        return replace(parts, splits=np.arange(len(parts.splits)) % 3)

    monkeypatch.setattr("adapt.dataset.build.partition", misplaced)
    page = text("\n\n".join(f"## S{part}\n\n{prose(part)}" for part in range(6)), title="P")
    with pytest.raises(AssertionError, match="near_duplicate_pairs=0 documents=1 questions=0"):
        Built(tmp_path, [page, *questions(5)])
    alike = [question(prose((n, "q"), 5), prose("same", 80), source=f"{n}.csv") for n in range(6)]
    with pytest.raises(AssertionError, match=r"near_duplicate_pairs=\d+ documents=0 questions=0"):
        Built(tmp_path, [*alike, *questions(9)], near_duplicates=None)


def test_too_few_records_show_the_funnel_and_what_to_do(tmp_path: Path) -> None:
    documents = [*questions(4), *(question(prose(n, 9), "Yes.", line=n) for n in range(9))]
    with pytest.raises(
        InputError, match=r"4 usable records, and dataset.min_records asks for 16:\n +13 documents\n[^!]* +9 records dropped: too_short"
    ) as caught:
        Built(tmp_path, documents, min_records=16)
    assert caught.value.hint == "lower dataset.lengths.min_output_words, or add sources"
    assert not (tmp_path / "dataset").exists()


def test_an_empty_corpus_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="0 usable records") as caught:
        Built(tmp_path, [])
    assert caught.value.hint == "add sources to the corpus, or lower dataset.min_records"


def test_one_document_cannot_be_split(tmp_path: Path) -> None:
    page = text("\n\n".join(f"## S{part}\n\n{prose(part)}" for part in range(30)), title="P")
    with pytest.raises(InputError, match="the records form 1 group that must stay whole"):
        Built(tmp_path, [page])


def test_a_broken_line_is_named(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", questions(3))
    with (corpus / "documents.jsonl").open("a") as file:
        file.write('{"id": "x"}\n')
    with pytest.raises(InputError, match=r"documents.jsonl: line 4 is not a document: Field required"):
        build(section(), inputs=corpus, tokenizer=write_tokenizer(tmp_path / "t"), out=tmp_path / "out", progress=QuietProgress())


def test_bytes_that_are_not_utf8_are_named(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", questions(3))
    with (corpus / "documents.jsonl").open("ab") as file:
        file.write(b"\xff\n")
    with pytest.raises(InputError, match="byte 0xff is not UTF-8"):
        build(section(), inputs=corpus, tokenizer=write_tokenizer(tmp_path / "t"), out=tmp_path / "out", progress=QuietProgress())


def test_missing_inputs_are_named(tmp_path: Path) -> None:
    corpus, tokenizer, out = write_corpus(tmp_path / "corpus", questions(9)), write_tokenizer(tmp_path / "t"), tmp_path / "out"
    with pytest.raises(InputError, match=r"corpus: .* does not exist"):
        build(section(), inputs=tmp_path / "nowhere", tokenizer=tokenizer, out=out, progress=QuietProgress())
    with pytest.raises(InputError, match=r"has no tokenizer\.json"):
        build(section(), inputs=corpus, tokenizer=tmp_path, out=out, progress=QuietProgress())
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match="is not a tokenizer that can be read"):
        build(section(), inputs=corpus, tokenizer=tmp_path, out=out, progress=QuietProgress())
    (corpus / "documents.jsonl").unlink()
    with pytest.raises(InputError, match=r"has no documents.jsonl"):
        build(section(), inputs=corpus, tokenizer=tokenizer, out=out, progress=QuietProgress())
    assert not out.exists()


def test_a_failed_build_leaves_nothing_beside_the_old_output(tmp_path: Path) -> None:
    old = files(Built(tmp_path, questions(20)).out)
    with pytest.raises(InputError):
        Built(tmp_path, questions(2))
    assert files(tmp_path / "dataset") == old
    assert not list(tmp_path.glob(".*staging*"))


def test_card_shows_the_figures(tmp_path: Path) -> None:
    documents = [*questions(30), *questions(10, source="zh.csv", language="zh"), question("Is it?", "No.", source="s|t.csv")]
    card = (Built(tmp_path, documents).out / "card.md").read_text()
    assert "40 records in Alpaca form, made from 41 documents." in card
    assert "| records dropped: too_short | 1 |" in card
    assert "| train | 32 | 80.0% |" in card
    assert "| zh | 8 | 1 | 1 |" in card
    assert "32-63  ########################################  30" in card
    assert "0 pairs of records of similarity 0.7 or more" in card
