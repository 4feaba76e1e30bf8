"""Every letter and digit that a reader was given is in a document, or was taken by a rule; counted here from what the test wrote."""

import csv
import io
import json
import random
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapt.spec.corpus import CorpusSpec
from tests.corpus.corpora import Corpus
from tests.corpus.readers.test_docx import deleted, docx, inserted, p, r
from tests.dataset.texts import han, prose


@pytest.fixture
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return Corpus(tmp_path_factory.mktemp("corpus"))


def letters(text: str) -> int:
    return sum(character.isalnum() for character in text)


def balance(corpus: Corpus, spec: CorpusSpec | None = None) -> tuple[int, Counter[str]]:
    """All that the report accounts for, and what each rule took. What is kept is held against the documents."""
    report = corpus.build(spec)
    kept = sum(
        letters("".join((each.text, each.instruction, each.input, each.output, each.rejected, *(turn.content for turn in each.messages))))
        for each in corpus.documents()
    )
    assert report.characters.kept == kept
    removed = Counter(report.characters.removed)
    by_ledger: Counter[str] = Counter()
    for row in corpus.ledger():
        by_ledger[row.rule] += row.characters or 0
    assert {rule: count for rule, count in removed.items() if rule != "other_fields"} == {rule: count for rule, count in by_ledger.items() if count}
    return kept + removed.total(), removed


def paragraphs(rng: random.Random, make: type, count: int) -> list[str]:
    return [f"{make((rng.random(), n), 25)}." for n in range(count)]


@pytest.mark.parametrize("make", [prose, han])
def test_web_pages(corpus: Corpus, make: type) -> None:
    rng = random.Random(1)
    body, menu, hidden, advert, related = (paragraphs(rng, make, n) for n in (12, 3, 2, 1, 2))
    page = (
        f"<html><head><title>T</title><style>p {{ color: red }}</style></head><body><nav>{''.join(f'<a href=x>{each}</a>' for each in menu)}</nav>"
        f"<main><h1>Mills</h1>{''.join(f'<p>{each}</p>' for each in body)}<p hidden>{hidden[0]}</p><div style='display:none'>{hidden[1]}</div>"
        f"<div class='advert'><p>{advert[0]}</p></div></main><script>var x = 12;</script>"
        f"<aside><h2>Related</h2>{''.join(f'<a href=y>{each}</a>' for each in related)}</aside></body></html>"
    )
    corpus.write("page.html", page)
    whole, removed = balance(corpus)
    assert whole == letters("".join([*body, *menu, *hidden, *advert, *related, "MillsRelated"]))
    assert removed["drop_hidden_text"] == letters("".join(hidden))
    assert removed["drop_advert"] == letters("".join(advert))
    assert removed["drop_page_furniture"] == letters("".join([*menu, *related, "Related"]))


def test_notes_and_markdown(corpus: Corpus) -> None:
    front = "title: The mill\ndate: 2026-01-05\n"
    body = f"# The mill\n\n{prose(1)}\n\n- {prose(2)}\n- {prose(3)}\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n"
    note = f"What is a mill?\n{prose(4)}\n\nHeading\n=======\n\n{han(5)}\n"
    corpus.write("a.md", f"---\n{front}---\n{body}")
    corpus.write("n.txt", note)
    corpus.write("empty.md", f"---\n{front}---\n")
    whole, removed = balance(corpus)
    assert whole == letters(front + body + note + front)
    assert removed == {"drop_front_matter": letters(front), "empty_file": letters(front)}


def test_word_files(corpus: Corpus) -> None:
    body = p(r("Kept")) + p(r("One") + deleted("Gone") + inserted(r("New"))) + p(r("Two") + r("Hidden", "<w:vanish/>"))
    corpus.write("a.docx", docx(body))
    whole, removed = balance(corpus)
    assert whole == letters("KeptOneGoneNewTwoHidden")
    assert removed == {"settle_tracked_changes": letters("Gone"), "drop_hidden_text": letters("Hidden")}


def test_boilerplate_and_personal_data(corpus: Corpus) -> None:
    shared = f"{prose('shared', 12)}."
    texts = [f"{prose(n)} Mail a{n}@example.com or call 13812345678.\n\n{shared}\n" for n in range(40)]
    for number, text in enumerate(texts):
        corpus.write(f"{number}.md", f"# Note {number}\n\n{text}")
    whole, removed = balance(corpus)
    assert whole == letters("".join(texts) + "".join(f"Note {number}" for number in range(40)))
    assert removed["drop_boilerplate"] == 40 * letters(shared)
    assert removed["mask_phone"] == 40 * (11 - 5)


ROWS = [
    {"question": f"Is it {prose(n, 3)}?", "answer": f"It is {prose((n, 'a'), 9)}.", "id": f"row{n}", "note": prose((n, "n"), 5) if n % 2 else ""}
    for n in range(7)
] + [{"question": "Without an answer?", "answer": "", "id": "row7", "note": "left"}]


def as_csv(rows: list[dict[str, str]], delimiter: str) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def as_parquet(rows: list[dict[str, str]]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), out)
    return out.getvalue()


def as_xml(rows: list[dict[str, str]]) -> str:
    items = "".join("<item>" + "".join(f"<{name}>{value}</{name}>" for name, value in row.items()) + "</item>" for row in rows)
    return f"<set>{items}</set>"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", as_csv(ROWS, ",")),
        ("a.tsv", as_csv(ROWS, "\t")),
        ("a.jsonl", "".join(json.dumps(row) + "\n" for row in ROWS)),
        ("a.json", json.dumps(ROWS)),
        ("b.json", json.dumps({name: [row[name] for row in ROWS] for name in ROWS[0]})),
        ("a.parquet", as_parquet(ROWS)),
    ],
)
def test_records_of_every_form(corpus: Corpus, name: str, content: str | bytes) -> None:
    corpus.write(name, content)
    whole, removed = balance(corpus)
    assert whole == letters("".join("".join(row.values()) for row in ROWS))
    assert removed == {
        "other_fields": letters("".join(row["id"] + row["note"] for row in ROWS[:-1])),
        "missing_field": letters("".join(ROWS[-1].values())),
    }


def test_records_of_xml(corpus: Corpus) -> None:
    corpus.write("a.xml", as_xml(ROWS))
    fields = {"records": ".//item", "instruction": "question", "output": "answer"}
    whole, removed = balance(corpus, CorpusSpec.model_validate({"sources": [{"glob": "*.xml", "fields": fields}]}))
    assert whole == letters("".join("".join(row.values()) for row in ROWS))
    assert removed["other_fields"] == letters("".join(row["id"] + row["note"] for row in ROWS[:-1]))


def test_turns_and_what_stands_beside_them(corpus: Corpus) -> None:
    rows = [
        {"messages": [{"role": "user", "content": prose(n, 5)}, {"role": "assistant", "content": prose((n, "a"), 9)}], "source": f"forum{n}"}
        for n in range(5)
    ]
    corpus.write("a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    whole, removed = balance(corpus)
    said = letters("".join(turn["content"] for row in rows for turn in row["messages"]))
    assert whole - removed.total() == said
    assert removed["other_fields"] == letters("".join(f"forum{n}userassistant" for n in range(5)))


NOISE = st.sampled_from(
    ["\u200b", "\u00ad", "ＡＢ１２", "e\u0301", "&nbsp;", "&amp;", "<b>x</b>", "<p>y</p>", "  ", "\t", "\u3000", "caf\u00c3\u00a9", "ﬁ", "½"]
)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(NOISE, st.integers(0, 5)), min_size=1, max_size=8))
def test_what_cleaning_does_to_texts_adds_up(tmp_path_factory: pytest.TempPathFactory, noise: list[tuple[str, int]]) -> None:
    corpus = Corpus(tmp_path_factory.mktemp("noisy"))
    text = " ".join(f"{prose(n, 4)} {odd}" for odd, n in noise)
    row = {"instruction": f"Why {text}?", "input": text, "output": f"{text} so."}
    corpus.write("a.jsonl", json.dumps(row) + "\n" + json.dumps({"instruction": "Is it?", "output": "It is so."}) + "\n")
    whole, _ = balance(corpus)
    assert whole == letters("".join(row.values()) + "Is it?It is so.")
