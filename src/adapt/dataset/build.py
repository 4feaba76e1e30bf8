"""Builds a dataset: documents.jsonl of a corpus in; train, validation and test.jsonl out, with ledger, report and card.

One pass over the documents formats, filters and fingerprints. Texts then rest in a file inside the staging folder while duplicates and
groups are found on fingerprints alone, and the splits are written from that file, sorted by record id.
"""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from adapt.artifact.lines import write_ledger, write_lines
from adapt.artifact.progress import Progress
from adapt.artifact.staging import staged
from adapt.dataset.card import funnel, render_card
from adapt.dataset.dedup.minhash import choose_bands
from adapt.dataset.duplicates import drop_duplicates
from adapt.dataset.intake import Intake, read_documents
from adapt.dataset.leakage import measure_leakage
from adapt.dataset.partition import Partition, partition
from adapt.dataset.report import RULES, Bin, DatasetReport, Leakage
from adapt.dataset.split import SPLITS
from adapt.dataset.table import RecordTable, natural
from adapt.dataset.tokens import load_tokenizer
from adapt.errors import InputError
from adapt.records import LedgerRow
from adapt.spec.dataset import NearDuplicates
from adapt.spec.resolved.dataset import DatasetSection

_HINTS = {
    "too_short": "lower dataset.lengths.min_output_words, or add sources",
    "too_long": "raise dataset.lengths.max_record_tokens, or divide long sections",
    "exact_duplicate": "the corpus repeats itself: add sources",
    "near_duplicate": "raise dataset.near_duplicates.threshold, or add sources",
}
_FIRST_BIN = 32


def build(section: DatasetSection, *, inputs: Path, tokenizer: Path, out: Path, progress: Progress) -> DatasetReport:
    """Build the dataset folder `out` from the corpus folder `inputs`; `tokenizer` is a folder with the base's tokenizer.json.

    Raises InputError when an input is missing or broken, when fewer records than `min_records` are left, and when they form too few
    groups to fill three splits.
    """
    spec = section.dataset
    near = spec.near_duplicates or NearDuplicates()  # switched off, its defaults still say what a split must keep together
    counter = load_tokenizer(tokenizer)
    with staged(out, section=section, inputs={"corpus": inputs}, seed=section.seed) as staging:
        with RecordTable(staging, near, choose_bands(near.threshold, near.permutations)) as table:
            intake = Intake(spec, counter, table)
            with progress.task("records") as task:
                intake.take(read_documents(inputs), task)
            table.finish()
            with progress.task("duplicates") as task:
                kept = drop_duplicates(table, spec.near_duplicates.threshold if spec.near_duplicates else None, task)
            rows = [*intake.dropped, *kept.dropped]
            _require_records(_report(intake, rows, kept.records, table, near), spec.min_records)
            parts = partition(table, kept.records, near.threshold, spec.split, section.seed)
            leakage = measure_leakage(table, parts, near.threshold)
            report = _report(intake, rows, kept.records, table, near, parts, leakage)
            with progress.task("splits", total=len(SPLITS)) as task:
                for name in SPLITS:
                    write_lines(staging / f"{name}.jsonl", table.read_all(parts.records(name)))
                    task.advance()
        write_ledger(staging / "ledger.parquet", sorted(rows, key=_row_order))
        (staging / "report.json").write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
        (staging / "card.md").write_text(render_card(report), encoding="utf-8")
    return report


def _row_order(row: LedgerRow) -> tuple[str, str, str, str, str]:
    return row.source, natural(row.locator), row.rule, row.record, row.reason


def _require_records(report: DatasetReport, min_records: int) -> None:
    if report.records >= min_records:
        return
    steps = "\n".join(f"  {count:>9} {step}" for step, count in funnel(report))
    worst = max(_HINTS, key=lambda rule: report.dropped[rule])
    hint = _HINTS[worst] if report.dropped[worst] else "add sources to the corpus, or lower dataset.min_records"
    raise InputError(f"{report.records} usable records, and dataset.min_records asks for {min_records}:\n{steps}", hint=hint)


def _report(
    intake: Intake,
    rows: list[LedgerRow],
    kept: NDArray[np.int64],
    table: RecordTable,
    near: NearDuplicates,
    parts: Partition | None = None,
    leakage: Leakage | None = None,
) -> DatasetReport:
    """The report; without `parts`, of what is known before the split."""
    dropped = Counter(row.rule for row in rows)
    return DatasetReport(
        documents=intake.documents,
        documents_without_record=intake.documents_without_record,
        candidates=intake.candidates,
        dropped={rule: dropped[rule] for rule in RULES},
        records=len(kept),
        splits={name: parts.counts(name) for name in SPLITS} if parts else {},
        languages=parts.shares(table.languages) if parts else {},
        sources=parts.shares(table.sources) if parts else {},
        tokens=_histogram(table.tokens[kept]),
        near_duplicate_threshold=near.threshold,
        leakage=leakage or Leakage(near_duplicate_pairs=0, documents=0, questions=0),
    )


def _histogram(tokens: NDArray[np.int64]) -> tuple[Bin, ...]:
    """Bins that double in width, up to the longest record."""
    edges = [0, _FIRST_BIN]
    while edges[-1] <= tokens.max(initial=0):
        edges.append(edges[-1] * 2)
    counts, _ = np.histogram(tokens, bins=edges)
    return tuple(Bin(from_tokens=low, below_tokens=high, records=int(count)) for (low, high), count in zip(pairwise(edges), counts, strict=True))
