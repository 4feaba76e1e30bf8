"""Every row of data/raw/README.md: what is planted in the shipped corpora becomes what the table says."""

import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from adapt.artifact.documents import FILE, from_batch, read_batches
from adapt.artifact.lines import read_lines
from adapt.artifact.progress import QuietProgress
from adapt.corpus.build import build as build_corpus
from adapt.dataset.build import build as build_dataset
from adapt.records import AlpacaRecord, Document, LedgerRow
from adapt.spec.base import BundledBase, PinnedBase
from adapt.spec.load import load_specs
from adapt.spec.resolved.corpus import CorpusSection
from adapt.spec.resolved.dataset import DatasetSection
from tests.artifact.written import read_ledger
from tests.tiny import tiny_base
from tests.workspace import ROOT

CORPORA = {"finance": 150, "medical": 120, "legal": 80}
"""Usable records, at least."""
RULES = {"advert": "drop_advert", "boilerplate": "drop_boilerplate"}


@dataclass(frozen=True)
class Planted:
    corpus: str
    file: str
    evidence: str
    action: str
    code: str


def planted() -> Iterator[Planted]:
    corpus = ""
    for line in (ROOT / "data" / "raw" / "README.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            corpus = line[3:]
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if corpus and line.startswith("|") and ": " in cells[2] and cells[0] != "file":
            action, code = cells[2].strip("`").split(": ")
            yield Planted(corpus, cells[0].strip("`"), cells[1].strip("`"), action, code)


PLANTED = list(planted())


@dataclass(frozen=True)
class Made:
    """What the two stages made of one corpus."""

    documents: tuple[Document, ...]
    splits: dict[str, tuple[AlpacaRecord, ...]]
    ledger: tuple[LedgerRow, ...]

    @property
    def records(self) -> list[AlpacaRecord]:
        return [record for records in self.splits.values() for record in records]

    @property
    def text(self) -> str:
        """Everything that stands in documents, folded."""
        return fold("\n".join(document.model_dump_json() for document in self.documents))


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    folder = tmp_path_factory.mktemp("planted")
    base = tiny_base(folder / "tiny")
    specs = load_specs(ROOT, [ROOT / "specs" / f"{name}.yaml" for name in CORPORA])
    result = {}
    for name, spec in specs.items():
        corpus, dataset = folder / "corpus" / name, folder / "dataset" / name
        stage = {"code": "0" * 64, "libraries": {}}
        build_corpus(CorpusSection(**stage, corpus=spec.corpus), inputs=ROOT / "data" / "raw" / name, out=corpus, progress=QuietProgress())
        lengths = spec.dataset.lengths.model_copy(update={"max_record_tokens": 4096})  # the tiny tokenizer cuts text finer
        section = DatasetSection(
            **stage, dataset=spec.dataset.model_copy(update={"lengths": lengths}), base=PinnedBase(source=BundledBase(), digest="x"), seed=spec.seed
        )
        build_dataset(section, inputs=corpus, tokenizer=base, out=dataset, progress=QuietProgress())
        splits = {split: tuple(read_lines(dataset / f"{split}.jsonl", AlpacaRecord)) for split in ("train", "validation", "test")}
        ledger = [*read_ledger(corpus / "ledger.parquet"), *read_ledger(dataset / "ledger.parquet")]
        documents = (document for batch in read_batches(corpus / FILE) for document in from_batch(batch))
        result[name] = Made(tuple(documents), splits, tuple(ledger))
    return result


def fold(text: str) -> str:
    """Case, width, quotes and white space do not matter to a reader."""
    text = unicodedata.normalize("NFKC", text).lower().translate(str.maketrans("‘’“”", "''\"\""))
    return re.sub(r"\\n|\\\"|\s+|\"", "", text)


def collapse(text: str) -> str:
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", text))


def test_the_tables_list_every_kind_of_thing() -> None:
    for corpus in CORPORA:
        kinds = {(row.action, row.code) for row in PLANTED if row.corpus == corpus}
        assert {"dropped", "masked", "kept", "removed", "repaired", "quarantined"} == {action for action, _ in kinds}
        assert {("masked", kind) for kind in ("email", "phone", "cn_id", "bank_card")} <= kinds
        assert {("dropped", rule) for rule in ("exact_duplicate", "near_duplicate", "too_short")} <= kinds
        assert {("quarantined", reason) for reason in ("invalid_json", "missing_field", "undecodable", "empty_file")} <= kinds


@pytest.mark.parametrize("corpus", CORPORA)
def test_enough_usable_records_in_both_languages(made: dict[str, Made], corpus: str) -> None:
    records = made[corpus].records
    assert len(records) >= CORPORA[corpus]
    assert {record.language for record in records} == {"en", "zh"}


@pytest.mark.parametrize("row", PLANTED, ids=[f"{row.corpus}-{row.action}-{row.code}-{number}" for number, row in enumerate(PLANTED)])
def test_planted(made: dict[str, Made], row: Planted) -> None:
    checks = {"dropped": _dropped, "masked": _masked, "kept": _kept, "removed": _removed, "repaired": _kept, "quarantined": _quarantined}
    checks[row.action](made[row.corpus], row)


def _dropped(made: Made, row: Planted) -> None:
    question = collapse(row.evidence)  # as it is written there: its original may stand in the same file in other letters
    kept = [record for record in made.records if record.source == row.file and question in collapse(f"{record.instruction} {record.input}")]
    assert kept == []
    reasons = {entry.rule for entry in made.ledger if entry.source == row.file and entry.action == "dropped"}
    assert row.code in reasons
    if row.code != "too_short":
        assert any(
            entry.winner in {record.id for record in made.records} for entry in made.ledger if entry.source == row.file and entry.rule == row.code
        )


def _masked(made: Made, row: Planted) -> None:
    assert fold(row.evidence) not in made.text
    assert fold(row.evidence) not in fold(json.dumps([record.model_dump() for record in made.records], ensure_ascii=False))
    assert f"mask_{row.code}" in {entry.rule for entry in made.ledger if entry.source == row.file}
    assert all(row.evidence not in entry.model_dump_json() for entry in made.ledger), "the ledger holds no personal data"


def _kept(made: Made, row: Planted) -> None:
    assert fold(row.evidence) in fold("\n".join(document.model_dump_json() for document in made.documents if document.source == row.file))


def _removed(made: Made, row: Planted) -> None:
    assert fold(row.evidence) not in made.text


def _quarantined(made: Made, row: Planted) -> None:
    places = {entry.locator for entry in made.ledger if entry.source == row.file and entry.action == "quarantined" and entry.rule == row.code}
    assert ("" if row.evidence == "-" else row.evidence) in places


def test_no_document_and_no_question_crosses_a_split(made: dict[str, Made]) -> None:
    """The room's own proof is in report.json; here the same is asked of the files, by other means."""
    for corpus in CORPORA:
        for key in (lambda record: record.document, lambda record: fold(record.question)):
            splits: dict[str, set[str]] = {}
            for split, records in made[corpus].splits.items():
                for record in records:
                    splits.setdefault(key(record), set()).add(split)
            assert {name: found for name, found in splits.items() if len(found) > 1} == {}
