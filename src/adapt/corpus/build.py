"""The corpus stage: raw data in, clean documents and a ledger out.

Enters: a folder of raw files, and what else the sources of the spec name. Leaves: `documents.parquet` and `ledger.parquet`, both in the order of the
files, and `report.json`. An engine reads and cleans the inputs into pieces, which rest on disk; when it is known which lines repeat from file to
file, running texts are finished. Memory holds a few batches, the counters, and keys. With a cache, what an earlier build read is not read again.
"""

import json
import logging
import shutil
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from adapt.artifact.documents import FILE
from adapt.artifact.progress import Progress
from adapt.artifact.snapshot import Snapshot
from adapt.artifact.staging import staged
from adapt.artifact.tidying import tidied_rarely
from adapt.corpus.cache import opened_cache
from adapt.corpus.finishing import Keeper, finish_all
from adapt.corpus.groups import DocumentWriter
from adapt.corpus.intake import read_all
from adapt.corpus.ledger import LedgerWriter
from adapt.corpus.listings import Listings
from adapt.corpus.pieces import lost, to_batch
from adapt.corpus.pii.guard import Guard
from adapt.corpus.readers.checking import check_fields
from adapt.corpus.recall import settings_key
from adapt.corpus.report import CorpusReport, Tally
from adapt.corpus.settings import Job, Settings
from adapt.corpus.sources.files import find_inputs
from adapt.corpus.sources.inputs import Found
from adapt.engine.engine import Engine
from adapt.engine.local import Inline
from adapt.errors import InputError
from adapt.spec.resolved.corpus import CorpusSection

log = logging.getLogger(__name__)
_INLINE = Inline()


@tidied_rarely()
def build(
    section: CorpusSection,
    *,
    inputs: Path,
    out: Path,
    progress: Progress,
    engine: Engine = _INLINE,
    root: Path | None = None,
    cache: Path | None = None,
) -> CorpusReport:
    """Clean the corpus in folder `inputs` into folder `out`.

    `root` is the workspace, which relative paths of databases and hub data sets start from (unset: `inputs`). `cache` is a folder for what the next
    build of this corpus need not do again. Neither `engine` nor `cache` changes a byte. Raises InputError when the folder is missing, is empty, or
    gives not one document, when a source does not answer, and when a table lacks a column that the spec names.
    """
    corpus, workspace = section.corpus, root or inputs
    guard = Guard(corpus.pii)
    raw = Snapshot.take(inputs.resolve(), raw=True) if inputs.exists() else None
    with opened_cache(cache) as kept:
        key = settings_key(section) if kept else b""
        former = kept.former.folder if kept and kept.former else None
        listings = Listings(key, raw.files if raw else {}, former)
        found = find_inputs(inputs, corpus.sources, corpus.limits, workspace=workspace, listing=listings.members)
        for place, entries in groupby(sorted(found.inputs, key=attrgetter("source")), key=attrgetter("source")):
            check_fields(corpus.sources[place], list(entries), limits=corpus.limits, root=workspace)
        with staged(out, section=section, inputs={"corpus": raw} if raw else {}) as folder:
            settings = Settings(corpus, guard, workspace, key, former)
            job = Job(settings, engine, kept.building if kept else folder / ".spool", kept, listings)
            report = _build(found, job, inputs, folder, progress)
        if kept:
            kept.keep()
    return report


def _build(found: Found, job: Job, raw: Path, folder: Path, progress: Progress) -> CorpusReport:
    entries = sorted(found.inputs, key=lambda entry: (entry.folder, entry.name))
    job.spool.mkdir(exist_ok=True)
    tally = Tally(found, len(job.settings.corpus.sources))
    spools = read_all(job, entries, progress)
    keeper, former = Keeper(job), job.cache.former if job.cache else None
    writer = DocumentWriter(folder / FILE, job.settings.key, former.groups if former else None, job.spool if job.cache else None)
    with LedgerWriter(folder / "ledger.parquet", tally) as ledger, writer, keeper:
        ledger.add(to_batch([lost(source, rejected) for source, rejected in found.refused]))
        for batch, documents in finish_all(job, entries, spools, keeper, tally, progress):
            writer.add(documents)
            ledger.add(batch)
        report = tally.report()
        if not report.documents:
            problem = f"corpus folder {raw}: no usable document; {report.summary()}"
            raise InputError(problem, hint="see corpus.sources in the spec, and the files themselves")
    for loss in report.losses:
        log.warning("%s", loss.sentence)
    if job.cache:
        job.listings.write(job.spool)
        keeper.write_index(spools)
    else:
        shutil.rmtree(job.spool)
    text = json.dumps(report.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False)
    (folder / "report.json").write_text(text + "\n", encoding="utf-8")
    return report
