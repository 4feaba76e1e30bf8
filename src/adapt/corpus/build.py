"""The corpus stage: raw files in, clean documents and a ledger out.

Enters: a folder of web pages, Markdown, notes, tables and JSON lines. Leaves: `documents.jsonl` (sorted by id), `ledger.parquet`
(in the order of the files) and `report.json`. Files are parsed once, one folder at a time, into a spool on disk; the spool is read
again when it is known which lines repeat from file to file. Memory holds one file, the counters, and an index of the documents.
"""

import json
import shutil
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from adapt.artifact.lines import read_lines, write_ledger, write_lines
from adapt.artifact.progress import Progress, Task
from adapt.artifact.staging import staged
from adapt.corpus.boilerplate import LineCounts
from adapt.corpus.draft import Draft, Rejected
from adapt.corpus.files import Found, RawFile, find_files
from adapt.corpus.reading import read_file
from adapt.corpus.report import CorpusReport, Tally
from adapt.corpus.sorting import DocumentSpool
from adapt.corpus.steps import finish
from adapt.errors import InputError
from adapt.records import LedgerRow, Shape
from adapt.spec.corpus import Boilerplate, CorpusSpec
from adapt.spec.resolved.corpus import CorpusSection


class _Spooled(Shape):
    """A draft, or the ledger row of a piece that did not become one."""

    draft: Draft | None = None
    row: LedgerRow | None = None


def build(section: CorpusSection, *, inputs: Path, out: Path, progress: Progress) -> CorpusReport:
    """Clean the corpus in folder `inputs` into folder `out`.

    Raises InputError when the folder is missing, is empty, or gives not one document, and when a table lacks a column that the spec names.
    """
    found = find_files(inputs, section.corpus.sources)
    with staged(out, section=section, inputs={"corpus": inputs}) as folder:
        return _build(found, section.corpus, inputs, folder, progress)


def _build(found: Found, spec: CorpusSpec, inputs: Path, folder: Path, progress: Progress) -> CorpusReport:
    spool = folder / ".spool"
    spool.mkdir()
    tally = Tally(found)
    documents = DocumentSpool(spool / "documents.jsonl")
    with progress.task("corpus", len(found.files)) as task, documents:
        rows = (tally.counted(row) for row in _rows(found, spec, spool, documents, tally, task))
        write_ledger(folder / "ledger.parquet", rows)
    report = tally.report()
    if not documents:
        raise InputError(
            f"corpus folder {inputs}: no usable document; {report.summary()}", hint="see corpus.sources in the spec, and the files themselves"
        )
    documents.write_sorted(folder / "documents.jsonl")
    shutil.rmtree(spool)
    text = json.dumps(report.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8")
    return report


def _rows(found: Found, spec: CorpusSpec, spool: Path, documents: DocumentSpool, tally: Tally, task: Task) -> Iterator[LedgerRow]:
    """Clean every file, add its documents, and yield the ledger rows, folder by folder."""
    for source, rejected in found.refused:
        yield rejected.row(source)
    for number, (_, files) in enumerate(groupby(sorted(found.files, key=lambda file: (file.folder, file.name)), key=lambda file: file.folder)):
        drafts = spool / f"drafts-{number}.jsonl"
        counts = LineCounts()
        write_lines(drafts, _spooled(files, spec, counts, task))
        repeated = _repeated(counts, spec.boilerplate, drafts)
        for spooled in read_lines(drafts, _Spooled):
            if spooled.row is not None:
                yield spooled.row
            if spooled.draft is not None:
                document, rows = finish(spooled.draft, spec, repeated)
                yield from rows
                if document is not None:
                    documents.add(document)
                    tally.add(document)
        drafts.unlink()


def _spooled(files: Iterable[RawFile], spec: CorpusSpec, counts: LineCounts, task: Task) -> Iterator[_Spooled]:
    for file in files:
        task.note(file.name)
        for piece in read_file(file, spec.adverts):
            if isinstance(piece, Draft):
                if piece.kind == "text":
                    counts.add(piece.text)
                yield _Spooled(draft=piece)
            else:
                yield _Spooled(row=piece.row(file.name) if isinstance(piece, Rejected) else piece)
        task.advance()


def _repeated(counts: LineCounts, rule: Boilerplate | None, drafts: Path) -> set[bytes]:
    if rule is None:
        return set()
    texts = (spooled.draft.text for spooled in read_lines(drafts, _Spooled) if spooled.draft is not None and spooled.draft.kind == "text")
    return counts.repeated(rule, texts)
