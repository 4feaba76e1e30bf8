import json
import os
import pickle
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import adapt
from adapt.artifact.digest import digest_text
from adapt.artifact.manifest import verify
from adapt.artifact.progress import QuietProgress
from adapt.dataset.build import build
from adapt.engine.engine import open_engine
from adapt.engine.local import Inline
from adapt.errors import InputError
from adapt.records import Document
from adapt.spec.engine import LocalEngine
from tests.dataset.made import Built, question, questions, section, text, write_corpus, write_tokenizer
from tests.dataset.texts import prose, reworded

T = TypeVar("T")
R = TypeVar("R")


PLOTS = {f"plots/{name}.svg" for name in ("funnel", "lengths", "languages", "sources", "licences", "duplicates")}
NAMES = {
    "train.jsonl", "validation.jsonl", "test.jsonl", "verdicts.parquet", "ledger.parquet", "leakage.json", "card.md", "report.json", "manifest.json",
    "contradictions.jsonl",
} | PLOTS  # fmt: skip


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_folder_is_complete_and_verified(tmp_path: Path) -> None:
    built = Built(tmp_path, questions(40))
    assert set(files(built.out)) == NAMES
    assert set(verify(built.out).files) == NAMES - {"manifest.json"}
    assert {part.name for part in built.out.iterdir()} == {name.split("/")[0] for name in NAMES}
    assert json.loads((built.out / "leakage.json").read_text()) == json.loads((built.out / "report.json").read_text())["leakage"]
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


def test_every_record_made_has_one_verdict_and_the_funnel_adds_up(tmp_path: Path) -> None:
    pages = [text(f"# T{n}\n\nintro\n\n## A\n\n{prose(n)}\n\n## B\n\nTBC\n", source=f"{n}.md") for n in range(12)]
    copies = [text(page.text, source=f"copy of {page.source}") for page in pages[:2]]
    built = Built(tmp_path, [*questions(20), *pages, *copies, question("Is it?", "Yes.")])
    report = built.report
    outcomes = Counter(verdict.outcome for verdict in built.verdicts)
    assert report.candidates == len(built.verdicts) == sum(report.dropped.values()) + sum(split.records for split in report.splits.values())
    assert {name: outcomes[name] for name in built.splits} == {name: len(records) for name, records in built.splits.items()}
    assert {rule: count for rule, count in report.dropped.items() if count} == {"too_short": 29, "exact_duplicate": 2}
    assert len(built.ledger) == sum(report.parts.values()) + sum(report.dropped.values())
    assert {(row.record, row.source) for row in built.ledger if row.rule in report.dropped} == {
        (verdict.record, verdict.source) for verdict in built.verdicts if verdict.rule
    }


def test_too_few_records_show_the_funnel_and_what_to_do(tmp_path: Path) -> None:
    documents = [*questions(4), *(question(prose(n, 9), "Yes.", line=n) for n in range(9))]
    with pytest.raises(InputError, match=r"4 usable records, and dataset.min_records asks for 16:\n +13 documents\n[^!]* +-9 too_short") as caught:
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


def test_running_text_is_built(tmp_path: Path) -> None:
    pages = [text(prose(n, 80), source=f"{n}.md") for n in range(40)]
    built = Built(tmp_path, [*pages, text(prose(3, 80), source="copy.md")], form="text")
    assert {name: len(records) for name, records in built.splits.items()} == {"train": 32, "validation": 4, "test": 4}
    assert {(record.instruction, record.input) for record in built.records} == {("", "")}
    assert sorted(record.output for record in built.records) == sorted(page.text for page in pages)
    assert [row.source for row in built.dropped("exact_duplicate")] == ["copy.md"]


def test_preference_pairs_are_built(tmp_path: Path) -> None:
    pairs = [
        Document(
            id=digest_text(str(n)), source="pairs.jsonl", locator=f"line {n + 1}", kind="preference", language="en",
            instruction=prose((n, "q"), 9), output=prose((n, "better")), rejected=prose((n, "worse")),
        )
        for n in range(40)
    ]  # fmt: skip
    built = Built(tmp_path, pairs, form="preference")
    assert {name: len(records) for name, records in built.splits.items()} == {"train": 32, "validation": 4, "test": 4}
    assert {(record.output, record.rejected) for record in built.records} == {(pair.output, pair.rejected) for pair in pairs}


def test_a_broken_corpus_is_refused(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", questions(3))
    (corpus / "documents.parquet").write_bytes((corpus / "documents.parquet").read_bytes()[:-9])
    with pytest.raises(InputError, match=r"documents.parquet cannot be read"):
        build(section(), inputs=corpus, tokenizer=write_tokenizer(tmp_path / "t"), out=tmp_path / "out", progress=QuietProgress())
    assert not list(tmp_path.glob(".*staging*"))


def test_missing_inputs_are_named(tmp_path: Path) -> None:
    corpus, tokenizer, out = write_corpus(tmp_path / "corpus", questions(9)), write_tokenizer(tmp_path / "t"), tmp_path / "out"
    with pytest.raises(InputError, match=r"documents: .* does not exist"):
        build(section(), inputs=tmp_path / "nowhere", tokenizer=tokenizer, out=out, progress=QuietProgress())
    with pytest.raises(InputError, match=r"has no tokenizer\.json"):
        build(section(), inputs=corpus, tokenizer=tmp_path, out=out, progress=QuietProgress())
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match="is not a tokenizer that can be read"):
        build(section(), inputs=corpus, tokenizer=tmp_path, out=out, progress=QuietProgress())
    (corpus / "documents.parquet").unlink()
    with pytest.raises(InputError, match=r"documents.parquet does not exist"):
        build(section(), inputs=corpus, tokenizer=tokenizer, out=out, progress=QuietProgress())
    assert not out.exists()


def test_a_failed_build_leaves_nothing_beside_the_old_output(tmp_path: Path) -> None:
    old = files(Built(tmp_path, questions(20)).out)
    with pytest.raises(InputError):
        Built(tmp_path, questions(2))
    assert files(tmp_path / "dataset") == old
    assert not list(tmp_path.glob(".*staging*"))


def test_documents_of_another_shape_are_refused(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    pq.write_table(pa.table({"id": ["x"], "text": ["y"]}), tmp_path / "corpus" / "documents.parquet")
    with pytest.raises(InputError, match=r"documents.parquet has other columns than documents have"):
        build(section(), inputs=tmp_path / "corpus", tokenizer=write_tokenizer(tmp_path / "t"), out=tmp_path / "out", progress=QuietProgress())


def test_workers_make_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    documents = [*questions(60), *questions(20, source="zh.csv", language="zh"), text(f"# T\n\n## A\n\n{prose('a')}\n\nTBC", source="a.md")]
    monkeypatch.setattr("adapt.artifact.documents.ROWS", 16)
    monkeypatch.setattr("adapt.dataset.intake._SMALL_BYTES", 0)
    alone = Built(tmp_path, documents, "alone")
    with open_engine(LocalEngine(workers=2)) as engine:
        together = Built(tmp_path, documents, "together", engine=engine)
    blind = Built(tmp_path, documents, "blind", engine=Blind())
    assert {**files(alone.out), "manifest.json": b""} == {**files(together.out), "manifest.json": b""} == {**files(blind.out), "manifest.json": b""}


class Blind(Inline):
    """Workers that see no file of this machine."""

    sees_files = False

    def map(self, operator: Callable[[T], R], tasks: Iterable[T]) -> Iterator[R]:
        for task in tasks:
            sent = pickle.loads(pickle.dumps(operator))
            assert sent.keywords["settings"].counting.content
            yield pickle.loads(pickle.dumps(sent(task)))
