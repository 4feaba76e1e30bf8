import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from adapt.dataset import decontaminate
from adapt.dataset.decontaminate import EvaluationTexts, Hit, find_contaminated
from adapt.dataset.dedup.grams import GramIndex
from adapt.errors import InputError
from adapt.spec.dataset import Decontamination
from tests.dataset.texts import han, prose


def search(records: Iterable[str], texts: dict[str, str], common: int = 10, **spec: float) -> list[Hit]:
    return list(find_contaminated(enumerate(records), EvaluationTexts.of(texts.items()), Decontamination(**spec), common))


@pytest.mark.parametrize(("make", "joint"), [(prose, " "), (han, "")])
def test_a_record_that_quotes_an_evaluation_text_is_found(make: type, joint: str) -> None:
    text = make("exam", 40)
    records = [make("a", 60), joint.join([make("b", 30), text, make("c", 5)]), make("d", 9)]
    (hit,) = search(records, {"exam.jsonl:line 1": make("x", 50), "exam.jsonl:line 2": text})
    assert (hit.record, hit.name, hit.share) == (1, "exam.jsonl:line 2", 1)
    assert [records[1][begin:end] for begin, end in hit.spans] == [text]


def test_form_does_not_hide_a_quotation() -> None:
    english, chinese = prose("exam", 20), han("exam", 40)
    records = [english.upper().replace(" ", ",\n"), "，".join([chinese[:10], chinese[10:35], chinese[35:]])]
    assert [(hit.name, hit.share) for hit in search(records, {"en": english, "zh": chinese})] == [("en", 1), ("zh", 1)]


def test_a_chinese_text_is_found_inside_an_english_record() -> None:
    text = han("exam", 30)
    assert [hit.name for hit in search([f"{prose('a', 300)} {text} {prose('b', 9)}"], {"zh": text})] == ["zh"]


@pytest.mark.parametrize(("words", "share"), [(13, 0.13), (30, 0.3), (12, None)])
def test_the_share_is_that_of_the_evaluation_text(words: int, share: float | None) -> None:
    text = prose("exam", 100)
    quoted = " ".join(text.split()[40 : 40 + words])
    hits = search([f"{prose('a', 500)} {quoted} {prose('b', 500)}"], {"e": text}, min_share=0)
    assert [hit.share for hit in hits] == ([] if share is None else [pytest.approx(share)])


def test_less_than_the_share_that_counts_is_no_hit() -> None:
    text = prose("exam", 100)
    record = " ".join(text.split()[:19])
    assert search([record], {"e": text}, min_share=0.2) == []
    assert len(search([record + " " + text.split()[19]], {"e": text}, min_share=0.2)) == 1


def test_a_run_that_stands_twice_counts_once() -> None:
    text = prose("exam", 60)
    part = " ".join(text.split()[:15])
    (hit,) = search([f"{part} {prose('a')} {part}"], {"e": text}, min_share=0.2)
    assert hit.share == pytest.approx(0.25)
    assert len(hit.spans) == 2


def test_the_text_that_is_quoted_most_is_named() -> None:
    one, other = prose("one", 40), prose("other", 40)
    record = " ".join([*one.split()[:20], *other.split()[:30]])
    assert [(hit.name, hit.share) for hit in search([record], {"one": one, "other": other, "same": other})] == [("other", 0.75)]


@pytest.mark.parametrize(
    ("record", "text", "found"),
    [
        ("What is the capital of France?\nParis.", "What is the capital of France", True),
        ("Tell me: what is the capital of France?", "What is the capital of France?", False),
        ("Is it so?\nYes.", "Yes.", False),
        ("法国的首都是什么城市？\n巴黎", "法国的首都是什么城市", True),
        ("请问法国的首都是什么城市？", "法国的首都是什么城市", False),
        ("好的\n好的", "好的", False),
    ],
)
def test_a_short_text_counts_only_as_a_whole_line(record: str, text: str, found: bool) -> None:
    hits = search([prose("before"), record], {"e": text})
    assert [(hit.record, hit.share) for hit in hits] == ([(1, 1)] if found else [])
    assert all(record[begin:end] == text.rstrip("?？") for hit in hits for begin, end in hit.spans)


@pytest.mark.parametrize(("make", "joint"), [(prose, " "), (han, "")])
def test_what_many_evaluation_texts_share_is_boilerplate(make: type, joint: str) -> None:
    shared = make("instruction", 40)
    texts = {f"e{n}": joint.join([shared, make(("e", n), 30)]) for n in range(4)}
    records = [joint.join([shared, make("own", 30)]), joint.join([make("own", 30), make(("e", 2), 30)])]
    assert [(hit.record, hit.name, hit.share) for hit in search(records, texts, common=3)] == [(1, "e2", 1)]
    near = joint.join([shared, make(("e", 1), 30)[: len(joint) + 7], make("own", 30)])
    assert search([near], texts, common=3) == [], "what follows boilerplate counts alone"
    assert [hit.record for hit in search(records, texts, common=4)] == [0]


def test_an_evaluation_text_of_boilerplate_alone_is_never_found() -> None:
    shared, short = prose("shared", 40), prose("short", 8)
    texts = {f"{name}{n}": text for n in range(4) for name, text in (("long", shared), ("short", short))}
    assert len(search([shared, short], texts, common=4)) == 2
    assert search([shared, short], texts, common=3) == []


def test_a_run_that_one_text_repeats_is_no_boilerplate() -> None:
    text = " ".join([prose("run", 20)] * 9)
    (hit,) = search([text], {"e": text}, common=1)
    assert hit.share == 1


def test_boilerplate_costs_no_comparison_with_each_text(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = prose("shared", 60)
    index = decontaminate._Index(EvaluationTexts.of((f"e{n}", f"{shared} {prose(n, 20)}") for n in range(400)), Decontamination(), 10)
    found: list[int] = []

    def find(grams: GramIndex, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        result = plain(grams, hashes)
        found.append(len(result[0]))
        return result

    plain = GramIndex.find
    monkeypatch.setattr(GramIndex, "find", find)
    assert index.search([0], [f"{shared} {prose(7, 20)}"])
    assert sum(found) == 20


def test_hits_do_not_depend_on_how_many_are_searched_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {f"e{n}": prose(n, 20) for n in range(20)}
    records = [f"{prose(n % 40, 20)} {prose(('rest', n), n)}" for n in range(80)]
    together = search(records, texts)
    monkeypatch.setattr(decontaminate, "_CHARACTERS_AT_ONCE", 1)
    monkeypatch.setattr(decontaminate, "_TEXTS_AT_ONCE", 3)
    assert search(records, texts) == together
    assert [hit.record for hit in together] == [n for n in range(80) if n % 40 < 20]


@pytest.mark.parametrize("texts", [{}, {"e": ""}, {"e": "?!"}])
def test_nothing_is_found_in_nothing(texts: dict[str, str]) -> None:
    assert search(["", "?", prose("a")], texts) == []


def test_every_text_of_every_kind_of_file_is_read(tmp_path: Path) -> None:
    rows = [{"question": "q one", "choices": ["a", "b"]}, {"question": "q two", "choices": [], "meta": {"source": "s", "n": 3}}]
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + "\n\n", encoding="utf-8")
    (tmp_path / "a.json").write_text(json.dumps(rows), encoding="utf-8-sig")
    (tmp_path / "a.csv").write_text('question,answer\n"one, two",yes\n', encoding="utf-8")
    (tmp_path / "a.tsv").write_text("question\tanswer\n问\t答\n", encoding="utf-8")
    (tmp_path / "a.txt").write_text("first\n\nthird\n", encoding="utf-8")
    pq.write_table(pa.table({"text": ["p", None], "n": [1, 2]}), tmp_path / "a.parquet")
    read = EvaluationTexts.read(tmp_path, ["a.jsonl", "a.json", "a.csv", "a.tsv", "a.txt", "a.parquet"], references=True)
    assert dict(zip(read.names, [text.strip() for text in read.texts], strict=True)) == {
        "a.jsonl:line 1 question": "q one",
        "a.jsonl:line 1 choices 1": "a",
        "a.jsonl:line 1 choices 2": "b",
        "a.jsonl:line 2 question": "q two",
        "a.jsonl:line 2 meta source": "s",
        "a.json:1 question": "q one",
        "a.json:1 choices 1": "a",
        "a.json:1 choices 2": "b",
        "a.json:2 question": "q two",
        "a.json:2 meta source": "s",
        "a.csv:row 1 question": "one, two",
        "a.csv:row 1 answer": "yes",
        "a.tsv:row 1 question": "问",
        "a.tsv:row 1 answer": "答",
        "a.txt:line 1": "first",
        "a.txt:line 3": "third",
        "a.parquet:row 1 text": "p",
    }


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.jsonl", None, r"gone\.jsonl: the evaluation set does not exist"),
        ("a.docx", b"", r"a\.docx: evaluation sets are read from \.json, \.jsonl, \.csv"),
        ("bad.jsonl", b'{"a": 1}\n{', r"bad\.jsonl: Expecting"),
        ("deep.json", b"[" * 100_000 + b"]" * 100_000, r"deep\.json: JSON nested too deeply"),
        ("bad.txt", b"\xff\xfe\x00", r"bad\.txt: 'utf-8' codec can't decode"),
        ("bad.parquet", b"not parquet", r"bad\.parquet: "),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        EvaluationTexts.read(tmp_path, [name], references=True)


def test_long_cells_of_a_table_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"q,a\n{'x' * 140_000},b\n", encoding="utf-8")
    assert [len(text) for text in EvaluationTexts.read(tmp_path, ["a.csv"], references=True).texts] == [140_000, 1]


def test_an_index_of_grams_tells_texts_and_hashes_apart() -> None:
    one, other, third = (np.uint64(value) for value in (5 << 40 | 7, 5 << 40 | 8, 9 << 50))
    index = GramIndex(13, [np.array([one, third]), np.array([one])], np.array([0, 2, 0, 1]), 2)
    which, text, unit = index.find(np.array([third, other, one]))
    assert list(zip(which.tolist(), text.tolist(), unit.tolist(), strict=True)) == [(0, 1, 1), (2, 1, 0), (2, 3, 0)]
    assert index.may_hold(np.array([one, third])).all()


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ('question,answer\n"one",yes\n"two, no end,no\nthree,yes\n', 2),
        ("question,answer\none,yes\ntwo, a comma more,no\n", 2),
        ("question,answer\none\n", 1),
    ],
)
def test_a_table_whose_rows_its_columns_do_not_fit_is_an_error(tmp_path: Path, table: str, row: int) -> None:
    (tmp_path / "a.csv").write_text(table, encoding="utf-8")
    with pytest.raises(InputError, match=rf"a\.csv: row {row} has more or fewer cells than there are columns"):
        EvaluationTexts.read(tmp_path, ["a.csv"], references=True)
