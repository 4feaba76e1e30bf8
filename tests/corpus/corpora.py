"""Builds a small corpus on disk and runs the stage on it."""

from pathlib import Path

from adapt.artifact.documents import FILE, from_batch, read_batches
from adapt.artifact.progress import QuietProgress
from adapt.corpus.build import build
from adapt.corpus.report import CorpusReport
from adapt.engine.engine import Engine
from adapt.engine.local import Inline
from adapt.records import Document, LedgerRow
from adapt.spec.corpus import CorpusSpec
from adapt.spec.resolved.corpus import CorpusSection
from tests.artifact.written import read_ledger


class Corpus:
    """A raw folder `raw` and the output folder `out` beside it."""

    def __init__(self, folder: Path) -> None:
        self.raw = folder / "raw"
        self.out = folder / "out"
        self.raw.mkdir()

    def write(self, name: str, content: str | bytes) -> None:
        path = self.raw / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def build(
        self, spec: CorpusSpec | None = None, *, engine: Engine | None = None, cache: Path | None = None, out: Path | None = None
    ) -> CorpusReport:
        section = CorpusSection(code="0" * 64, libraries={}, corpus=spec or CorpusSpec())
        return build(section, inputs=self.raw, out=out or self.out, progress=QuietProgress(), engine=engine or Inline(), cache=cache)

    def files(self, out: Path | None = None) -> dict[str, bytes]:
        """Every file of the output."""
        return {path.name: path.read_bytes() for path in (out or self.out).iterdir()}

    def documents(self) -> list[Document]:
        """By source and locator."""
        documents = [document for batch in read_batches(self.out / FILE) for document in from_batch(batch)]
        return sorted(documents, key=lambda document: (document.source, document.locator))

    def document(self, source: str) -> Document:
        (document,) = [document for document in self.documents() if document.source == source]
        return document

    def ledger(self) -> list[LedgerRow]:
        return list(read_ledger(self.out / "ledger.parquet"))

    def rows(self, source: str) -> list[tuple[str, str, float | None]]:
        """(locator, rule, score) of a source's ledger rows."""
        return [(row.locator, row.rule, row.score) for row in self.ledger() if row.source == source]


def generation(tmp_path: Path) -> Path:
    """The only generation in the cache."""
    (folder,) = (tmp_path / "cache").glob("generation-*")
    return folder


def check(corpus: Corpus, tmp_path: Path, spec: CorpusSpec | None = None) -> None:
    """A build with the cache and one without give the same bytes."""
    corpus.build(spec, cache=tmp_path / "cache")
    corpus.build(spec, out=tmp_path / "uncached")
    assert corpus.files() == corpus.files(tmp_path / "uncached")
