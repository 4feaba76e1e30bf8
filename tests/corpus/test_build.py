import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from adapt.artifact.documents import FILE, ROWS, read_batches
from adapt.artifact.manifest import verify
from adapt.corpus.sources.stores import Stored, open_stored
from adapt.engine.engine import open_engine
from adapt.errors import InputError
from adapt.spec.corpus import Boilerplate, CorpusSpec, Fields, FileSource
from adapt.spec.engine import LocalEngine
from adapt.spec.pii import Pii
from tests.corpus.corpora import Corpus

MIXED = {
    "web/page.html": "<html><head><title>Site</title></head><body><nav>Home</nav><main><h1>Bonds</h1><h2>What is a bond?</h2>"
    "<p>A loan that can be sold; mail desk@example.com.</p></main></body></html>",
    "guides/a.md": "# Guide\n\n## One\n\nBody of one.\n",
    "notes/n.txt": "What is risk?\nThe chance of a loss.\n",
    "faq.csv": "question,answer\nWhat is cash?,Money at hand.\nWhat is debt?,\n",
    "zh.csv": "问题,答案\n什么是复利？,利息再生利息，电话13800138000请回电。\n".encode("gb18030"),
    "alpaca.jsonl": '{"instruction": "Add.", "input": "1 and 2", "output": "3"}\n{"instruction": \n',
    "chat.jsonl": '{"conversations": [{"from": "human", "value": "Hi?"}, {"from": "gpt", "value": "Hello."}]}\n',
    "image.png": b"\x89PNG\r\n\x1a\n\0\0",
    ".hidden/x.md": "# Hidden\n\nNever read.\n",
    ".gitignore": "/x\n",
}


@pytest.fixture
def mixed(corpus: Corpus) -> Corpus:
    for name, content in MIXED.items():
        corpus.write(name, content)
    return corpus


def test_build_turns_every_kind_of_file_into_documents(mixed: Corpus) -> None:
    report = mixed.build()
    assert [(d.source, d.locator, d.kind, d.language) for d in mixed.documents()] == [
        ("alpaca.jsonl", "line 1", "question", "en"),
        ("chat.jsonl", "line 1", "chat", "en"),
        ("faq.csv", "line 2", "question", "en"),
        ("guides/a.md", "", "text", "en"),
        ("notes/n.txt", "", "text", "en"),
        ("web/page.html", "", "text", "en"),
        ("zh.csv", "line 2", "question", "zh"),
    ]
    assert report.files == {"csv": 2, "html": 1, "jsonl": 2, "markdown": 1, "text": 1}
    assert report.files_unmatched == 1
    assert (report.pieces, report.licences) == (9, {"": 7})
    assert report.documents == {"chat": {"en": 1}, "question": {"en": 2, "zh": 1}, "text": {"en": 3}}
    assert report.ledger == {
        "edited": {"drop_page_furniture": 1, "mask_email": 1, "mask_phone": 1, "repair_encoding": 1},
        "quarantined": {"invalid_json": 1, "missing_field": 1},
    }
    assert json.loads((mixed.out / "report.json").read_text()) == report.model_dump(mode="json")
    verify(mixed.out)
    assert sorted(path.name for path in mixed.out.iterdir()) == ["documents.parquet", "ledger.parquet", "manifest.json", "report.json"]


def test_documents_come_in_the_order_of_the_inputs(mixed: Corpus) -> None:
    mixed.build()
    sources = [name for batch in read_batches(mixed.out / FILE) for name in batch.column("source").to_pylist()]
    assert len(sources) == 7
    assert sources == sorted(sources, key=lambda name: (name.rpartition("/")[0], name))


def test_build_gives_the_same_bytes_whatever_hash_seed_locale_and_order_of_creation(mixed: Corpus, tmp_path: Path) -> None:
    mixed.build()
    other = tmp_path / "other"
    other.mkdir()
    again = Corpus(other)
    for name in reversed(MIXED):
        again.write(name, MIXED[name])
    program = "import sys; from pathlib import Path; from tests.corpus.corpora import Corpus; c = object.__new__(Corpus);"
    program += "c.raw, c.out = Path(sys.argv[1]), Path(sys.argv[2]); c.build()"
    environment = {**os.environ, "PYTHONHASHSEED": "7", "LC_ALL": "C", "PYTHONPATH": os.pathsep.join(sys.path)}
    # without site: in this locale Python 3.11 does not start where the path of an editable install is not ASCII
    subprocess.run([sys.executable, "-S", "-c", program, str(again.raw), str(again.out)], env=environment, check=True)
    assert mixed.files() == again.files()


def test_ledger_names_documents_and_holds_no_personal_data(mixed: Corpus) -> None:
    mixed.build()
    ids = {document.id for document in mixed.documents()}
    masked = [row for row in mixed.ledger() if row.rule.startswith("mask_")]
    assert {row.record for row in masked} <= ids
    assert masked[0].reason == "1 telephone number in the output was replaced by [PHONE]."
    assert "13800138000" not in repr(mixed.ledger())
    assert "desk@" not in repr(mixed.ledger())
    quarantined = [row.record for row in mixed.ledger() if row.action == "quarantined"]
    assert quarantined == ["alpaca.jsonl:line 2", "faq.csv:line 3"]


def test_missing_folder_is_an_input_error(corpus: Corpus) -> None:
    corpus.raw.rmdir()
    with pytest.raises(InputError, match=r"corpus folder .*raw does not exist"):
        corpus.build()


def test_empty_folder_is_an_input_error(corpus: Corpus) -> None:
    corpus.write(".gitignore", "x")
    with pytest.raises(InputError, match=r"corpus folder .*raw holds no files"):
        corpus.build()


def test_corpus_without_a_usable_document_names_the_reasons_and_leaves_nothing(corpus: Corpus) -> None:
    corpus.write("a.md", "")
    corpus.write("b.jsonl", "{\n[1]\n")
    corpus.write("c.png", b"\x89PNG")
    with pytest.raises(InputError, match=r"no usable document; 2 files read, 1 empty_file, 2 invalid_json, 1 files that no source matches"):
        corpus.build()
    assert [path.name for path in corpus.raw.parent.iterdir() if not path.name.endswith(".lock")] == ["raw"]


def test_broken_and_empty_files_are_quarantined_with_a_reason(corpus: Corpus) -> None:
    corpus.write("good.md", "Some good text.")
    corpus.write("blank.txt", "\ufeff \n\n")
    corpus.write("dump.txt", bytes(range(256)) * 8)
    corpus.write("frame.html", "<html><body><nav><a href='/'>Home</a></nav><footer>Contact us</footer></body></html>")
    corpus.write("rows.csv", "question,answer\n")
    corpus.write("other.csv", "city,size\nParis,big\n")
    corpus.write("front.md", "---\ntitle: T\n---\n")
    corpus.write("invisible.jsonl", '{"question": "What?", "answer": "\\u200b\\ufeff"}\n')
    corpus.build()
    quarantined = {(row.source, row.locator): row.rule for row in corpus.ledger() if row.action == "quarantined"}
    assert quarantined == {
        ("blank.txt", ""): "empty_file",
        ("dump.txt", ""): "undecodable",
        ("frame.html", ""): "no_content",
        ("front.md", ""): "empty_file",
        ("invisible.jsonl", "line 1"): "missing_field",
        ("other.csv", "line 2"): "missing_field",
        ("rows.csv", ""): "empty_file",
    }
    assert len(corpus.documents()) == 1


def test_file_that_cannot_be_read_is_quarantined(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    corpus.write("good.md", "Some good text.")
    corpus.write("locked.md", "Some locked text.")

    def open_unless_locked(path: str) -> Stored:
        if path.endswith("locked.md"):  # as for a user without the right to read it; tests may run as root
            raise PermissionError(13, "Permission denied")
        return open_stored(path)

    monkeypatch.setattr("adapt.corpus.sources.storage.open_stored", open_unless_locked)
    corpus.build()
    assert corpus.rows("locked.md") == [("", "unreadable", None)]
    assert corpus.ledger()[0].reason == "The file cannot be read: Permission denied."


def test_first_matching_source_decides_how_a_file_is_read(corpus: Corpus) -> None:
    corpus.write("data.json", '{"q": "What is it?", "a": "A thing."}\n')
    corpus.write("deep/er/page.txt", "<html><body><main><p>From a page.</p></main></body></html>")
    corpus.write("skip.md", "Not matched.")
    spec = CorpusSpec(
        sources=(
            FileSource(glob="*.json", reader="jsonl", fields=Fields(instruction="q", output="a")),
            FileSource(glob="deep/**", reader="html"),
            FileSource(glob="**/*.txt", reader="text"),
        )
    )
    report = corpus.build(spec)
    assert [document.source for document in corpus.documents()] == ["data.json", "deep/er/page.txt"]
    assert corpus.document("deep/er/page.txt").text == "From a page."
    assert report.files_unmatched == 1


def test_a_source_that_matches_nothing_is_warned_of(corpus: Corpus, caplog: pytest.LogCaptureFixture) -> None:
    corpus.write("a.md", "Some text.")
    fields = Fields(output="a")
    corpus.build(CorpusSpec(sources=(FileSource(glob="webb/*.html"), FileSource(glob="*.md", fields=fields))))
    assert "corpus.sources.0: no file matches 'webb/*.html'" in caplog.text
    assert "corpus.sources.1: fields are for readers of records" in caplog.text


def test_boilerplate_repeated_in_a_folder_is_dropped_and_headings_stay(corpus: Corpus) -> None:
    for number in range(4):
        corpus.write(f"notes/{number}.md", f"## Common heading of all\n\nText number {number} is its own.\n\nProvided by the Desk for information.\n")
    corpus.write("other/1.md", "Provided by the Desk for information.")
    corpus.build()
    assert corpus.document("notes/2.md").text == "## Common heading of all\n\nText number 2 is its own."
    assert corpus.rows("notes/2.md") == [("", "drop_boilerplate", 1.0)]
    assert corpus.document("other/1.md").text == "Provided by the Desk for information."


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        (None, True),
        (Boilerplate(min_files=3, min_share=0.5), False),
        (Boilerplate(min_files=4, min_share=0.1), True),
        (Boilerplate(min_share=0.8), True),
    ],
)
def test_boilerplate_rule_of_the_spec_decides(corpus: Corpus, rule: Boilerplate | None, kept: bool) -> None:
    for number in range(5):
        corpus.write(f"{number}.txt", f"Own text of file {number}." + ("\n\n本页面由信息服务台提供，仅供参考。" if number < 3 else ""))
    corpus.build(CorpusSpec(boilerplate=rule))
    assert ("仅供参考" in corpus.document("1.txt").text) is kept


def test_file_of_nothing_but_boilerplate_is_quarantined(corpus: Corpus) -> None:
    for number in range(3):
        corpus.write(f"{number}.md", f"# Page {number}\n\nThis page is under construction.\n" + ("Own words here, too." if number else ""))
    corpus.build()
    assert corpus.rows("0.md") == [("", "drop_boilerplate", 1.0), ("", "no_content", None)]
    assert len(corpus.documents()) == 2


def test_masking_covers_titles_inputs_and_chat_turns_and_follows_the_spec(corpus: Corpus) -> None:
    turns = [{"role": "user", "content": "I am a@b.com"}, {"role": "assistant", "content": "Call +44 20 7946 0958 or c@d.org."}]
    corpus.write("chat.jsonl", json.dumps({"messages": turns}) + "\n")
    corpus.write("t.md", "# Ask x@y.com\n\nSome text.\n")
    corpus.write("q.jsonl", json.dumps({"instruction": "Who?", "input": "From e@f.com, g@h.com", "output": "Nobody."}) + "\n")
    corpus.build()
    assert [turn.content for turn in corpus.document("chat.jsonl").messages] == ["I am [EMAIL]", "Call [PHONE] or [EMAIL]."]
    assert corpus.document("t.md").title == "Ask [EMAIL]"
    assert corpus.document("q.jsonl").input == "From [EMAIL], [EMAIL]"
    assert corpus.rows("q.jsonl") == [("line 1", "mask_email", 2.0)]
    assert [row.reason for row in corpus.ledger() if row.source == "chat.jsonl"] == [
        "1 e-mail address in turn 1 was replaced by [EMAIL].",
        "1 e-mail address in turn 2 was replaced by [EMAIL].",
        "1 telephone number in turn 2 was replaced by [PHONE].",
    ]
    corpus.build(CorpusSpec(pii=Pii(email="allow")))
    assert [turn.content for turn in corpus.document("chat.jsonl").messages] == ["I am a@b.com", "Call [PHONE] or c@d.org."]


def test_adverts_setting_has_an_effect(corpus: Corpus) -> None:
    corpus.write("p.html", '<main><h1>T</h1><p>Text of it.</p><aside class="ad"><p>Buy socks now!</p></aside></main>')
    corpus.build()
    assert corpus.document("p.html").text == "# T\n\nText of it."
    assert corpus.rows("p.html") == [("", "drop_advert", 1.0)]
    corpus.build(CorpusSpec(adverts="keep"))
    assert corpus.document("p.html").text == "# T\n\nText of it.\n\nBuy socks now!"
    assert corpus.rows("p.html") == []


def test_a_failed_build_keeps_the_former_output(corpus: Corpus) -> None:
    corpus.write("q.csv", "question,answer\nWhat?,That.\n")
    corpus.build()
    before = (corpus.out / "manifest.json").read_bytes()
    with pytest.raises(InputError, match=r"corpus\.sources\.0\.fields\.output: q\.csv has no column 'reply'"):
        corpus.build(CorpusSpec(sources=(FileSource(glob="*.csv", fields=Fields(output="reply")),)))
    assert (corpus.out / "manifest.json").read_bytes() == before
    assert not list(corpus.out.parent.glob("*staging*"))


def test_a_path_of_the_spec_that_no_record_has_ends_the_build_before_anything_is_written(corpus: Corpus) -> None:
    row = json.dumps({"ask": {"text": "What is a rate?"}, "reply": "The price of money."}) + "\n"
    corpus.write("small.jsonl", row * 3)
    corpus.write("large.jsonl", row * 20_000)
    for name in ("small.jsonl", "large.jsonl"):
        spec = CorpusSpec(sources=(FileSource(glob=name, fields=Fields(instruction="ask.txt", output="reply")),))
        with pytest.raises(InputError, match=rf"corpus\.sources\.0\.fields\.instruction: the first records of {name} have nothing at 'ask\.txt'"):
            corpus.build(spec)
    assert not corpus.out.exists()
    spec = CorpusSpec(sources=(FileSource(glob="*.jsonl", fields=Fields(instruction="ask.text", output="reply")),))
    assert corpus.build(spec).pieces == 20_003


def test_id_depends_on_content_and_place(corpus: Corpus) -> None:
    corpus.write("a.csv", "question,answer\nWhat?,That.\nWhat?,That.\n")
    corpus.build()
    first, second = corpus.documents()
    assert first.id != second.id
    corpus.write("a.csv", "question,answer\nWhat?,That.\nWhat?,Those.\n")
    corpus.build()
    assert [document.id == old.id for document, old in zip(corpus.documents(), (first, second), strict=True)] == [True, False]


def test_workers_change_no_byte_and_the_report_adds_up(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    """More than fits one task: a file that is cut, small files of two folders with lines that repeat, and pieces that are lost."""
    monkeypatch.setattr("adapt.corpus.readers.portion._PORTION", 1 << 17)
    monkeypatch.setattr("adapt.corpus.tasks._BYTES", 1 << 11)
    monkeypatch.setattr("adapt.corpus.intake._SMALL", 0)
    row = '{"question": "How many coins are in box %d of the store?", "answer": "There are %d coins in it."}\n'
    corpus.write("rows.jsonl", "".join(row % (number, number * 7) for number in range(4000)))
    for number in range(60):
        text = f"# Page {number}\n\nThis page tells of case {number}.\n\n" * (1 + number % 3)
        corpus.write(f"{'ab'[number % 2]}/{number}.md", text + "Provided by the Desk for information.\n" * (number % 5 != 0))
    corpus.write("b/empty.md", "")
    report = corpus.build()
    one = corpus.files()
    groups = [batch.num_rows for batch in read_batches(corpus.out / FILE)]
    assert (sum(groups), len(groups) > 1, max(groups) <= ROWS) == (4060, True, True)
    assert report.pieces == sum(sum(kinds.values()) for kinds in report.documents.values()) + sum(report.ledger["quarantined"].values())
    assert report.ledger == {"edited": {"drop_boilerplate": 48}, "quarantined": {"empty_file": 1}}
    with open_engine(LocalEngine(workers=2)) as engine:
        corpus.build(engine=engine)
        assert corpus.files() == one


def test_report_counts_by_source_and_licence(corpus: Corpus) -> None:
    corpus.write("a.md", "Some text.")
    corpus.write("b.csv", "question,answer\nWhat?,That.\nWhy?,\n")
    spec = CorpusSpec(sources=(FileSource(glob="*.csv", licence="CC0-1.0"), FileSource(glob="*.md", licence="MIT"), FileSource(glob="*.xml")))
    report = corpus.build(spec)
    assert [(source.inputs, source.pieces, source.documents) for source in report.sources] == [(1, 2, 1), (1, 1, 1), (0, 0, 0)]
    assert report.licences == {"CC0-1.0": 1, "MIT": 1}
    assert report.pieces == 3
