"""Builds a dataset: documents.parquet of a corpus in; train, validation and test.jsonl out, with verdicts, ledger, report, proof and card.

Workers turn batches of documents into records that are measured, judged and fingerprinted. Texts then rest in a file inside the staging folder
while duplicates and groups are found on fingerprints alone, and the splits are written from that file, sorted by record id.
"""

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from adapt.artifact.documents import FILE as DOCUMENTS
from adapt.artifact.progress import Progress, Task
from adapt.artifact.staging import staged
from adapt.artifact.tidying import tidied_rarely
from adapt.dataset.contamination import find_declared, find_quotes
from adapt.dataset.dedup.minhash import choose_bands
from adapt.dataset.figures import Counts, Finished, measure_build, require_records, require_splits
from adapt.dataset.intake import Intake, choose_engine, read_documents
from adapt.dataset.leakage import Crossing, Searched, measure_leakage, search_sides
from adapt.dataset.ledger import Ledger
from adapt.dataset.mixing import Mix, mix
from adapt.dataset.output import Splits, write_output
from adapt.dataset.partition import Partition, partition, warn_of_shares
from adapt.dataset.prepare import Prepared, Settings, prepare
from adapt.dataset.report import Augmented, DatasetReport
from adapt.dataset.rules import CONTAMINATION, TEST_CONTAMINATION, declare_rules
from adapt.dataset.selection import Selection
from adapt.dataset.table import RecordTable
from adapt.dataset.tokens import prepare_counting
from adapt.dataset.verdicts import Verdicts
from adapt.engine.engine import Engine
from adapt.engine.local import Inline
from adapt.spec.dataset import DatasetSpec, NearDuplicates
from adapt.spec.resolved.dataset import DatasetSection
from adapt.spec.synthesis import Synthesis

if TYPE_CHECKING:
    from adapt.dataset.synthesis.teacher import Teacher
    from adapt.dataset.training import Copies

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Build:
    """What the steps of a build share."""

    section: DatasetSection
    inputs: Path
    folder: Path
    settings: Settings
    engine: Engine
    progress: Progress
    teacher: "Teacher | None"
    cache: Path | None

    @property
    def spec(self) -> DatasetSpec:
        return self.section.dataset


@tidied_rarely()
def build(  # noqa: PLR0913 (what a stage may touch is named one by one)
    section: DatasetSection,
    *,
    inputs: Path,
    tokenizer: Path,
    out: Path,
    progress: Progress,
    engine: Engine | None = None,
    root: Path | None = None,
    teacher: "Teacher | None" = None,
    cache: Path | None = None,
) -> DatasetReport:
    """Build the dataset folder `out` from the corpus folder `inputs`; `tokenizer` is a folder with the base's tokenizer.json.

    `engine` runs what records can say alone, None here; `root` is what paths of evaluation sets and of an embedding model are relative to;
    `teacher` answers for synthesis and augmentation; `cache` is a folder that outlives the output, for token counts and answers. The bytes depend
    on neither engine nor cache. Raises InputError when an input is missing or broken, when fewer records than `min_records` are left, and when
    three splits cannot be filled.
    """
    spec = section.dataset
    near = spec.near_duplicates or NearDuplicates()  # switched off, its defaults still say what a split must keep together
    engine = choose_engine(inputs, engine or Inline())
    counting = prepare_counting(tokenizer, cache, sees_files=engine.sees_files)
    cut = choose_bands(near.threshold, near.permutations, near.recall) if spec.near_duplicates else None
    settings = Settings(spec, counting, near, cut)
    with staged(out, section=section, inputs={"documents": inputs / DOCUMENTS}, seed=section.seed) as staging, ExitStack() as stack:
        work = _Build(section, inputs, staging, settings, engine, progress, teacher, cache)
        selection, counts = _take(work, stack)
        _select(work, selection, counts, root)
        parts, crossing = _split(work, selection, counts)
        mixed = _mix(work, selection, parts)
        copies, augmented = _augment(work, selection, parts, mixed, stack)
        searched = [_all_records(selection, parts, crossing), *([copies.searched()] if copies else [])]
        leakage = measure_leakage(searched, near, inputs_kept=spec.split.shared_input == "keep")
        splits = Splits(parts, mixed.repeats if mixed else None, copies)
        finished = Finished(splits, mixed, augmented, leakage)
        report = measure_build(selection, counts, finished)
        for loss in report.losses:
            log.warning("%s", loss.sentence)
        for documents in report.document_losses:
            log.warning("%s", documents.sentence)
        write_output(staging, selection, splits, report, progress)
    return report


def _take(work: _Build, stack: ExitStack) -> tuple[Selection, Counts]:
    """Make, measure and judge all records."""
    table = stack.enter_context(RecordTable(work.folder))
    verdicts = stack.enter_context(Verdicts(work.folder, declare_rules(work.spec)))
    ledger = stack.enter_context(Ledger(work.folder))
    intake = Intake(table, verdicts, ledger)
    with work.progress.task("records") as task:
        formatted = intake.take(work.engine.map(partial(prepare, settings=work.settings), read_documents(work.inputs)), task)
    synthesised = None
    if work.spec.synthesis:
        with work.progress.task("synthesis") as task:
            synthesised = intake.take(_synthesise(work, work.spec.synthesis, task))
    taken = intake.finish(work.settings.counting.cache)
    return Selection(table, verdicts, ledger, taken, work.settings), Counts(formatted, synthesised)


def _synthesise(work: _Build, synthesis: Synthesis, task: Task) -> Iterator[Prepared]:
    from adapt.dataset.synthesised import prepare_synthesised

    if work.teacher is None or work.cache is None:
        raise AssertionError("synthesis needs a teacher, and a folder for its answers")
    return prepare_synthesised(
        read_documents(work.inputs), synthesis, work.settings,
        template=work.section.template, teacher=work.teacher, cache=work.cache, seed=work.section.seed, task=task,
    )  # fmt: skip


def _select(work: _Build, selection: Selection, counts: Counts, root: Path | None) -> None:
    """Drop what quotes the declared evaluation sets, then duplicates: a record must not go for one that does not stay itself."""
    if work.spec.decontamination.against:
        with work.progress.task("evaluation sets"):
            found = find_declared(selection.table, selection.kept, root or Path(), work.spec.decontamination)
            selection.drop_contaminated(found, CONTAMINATION)
    with work.progress.task("duplicates") as task:
        selection.drop_duplicates(task, root)
        selection.settle_answers()
    require_records(measure_build(selection, counts), work.spec.min_records)


def _split(work: _Build, selection: Selection, counts: Counts) -> tuple[Partition, Crossing]:
    """Divide what is left, and drop what quotes the test split."""
    with work.progress.task("splits that share nothing"):
        parts, crossing = _divide(work, selection)
    if work.spec.decontamination.test_split:
        with work.progress.task("quotes of the test split"):
            test = parts.records("test")
            found = find_quotes(selection.table, test, np.setdiff1d(parts.members, test), work.spec.decontamination)
            parts = parts.without(selection.drop_contaminated(found, TEST_CONTAMINATION))
    require_splits(measure_build(selection, counts), parts, work.spec.min_records)
    selection.settle(parts)
    return parts, crossing


def _divide(work: _Build, selection: Selection) -> tuple[Partition, Crossing]:
    """Splits with the search that found nothing similar across them.

    Where near-duplicates went, hardly any records are similar, and to find those of different splits costs a fifth of finding all. If there is one,
    all are found and kept together.
    """
    facts, shingles = selection.facts(), selection.table.shingles
    for alike in (selection.may_be_alike(), True):
        parts = partition(facts, selection.labels(alike=alike), work.spec.split, work.section.seed)
        crossing = search_sides(shingles, parts.members, parts.splits, work.settings.near.threshold, selection.confirm)
        if not len(crossing.pairs):
            break
    warn_of_shares(parts, work.spec.split)
    return parts, crossing


def _mix(work: _Build, selection: Selection, parts: Partition) -> Mix | None:
    """How often each training record is taken."""
    mixing = work.spec.mixing
    if mixing is None:
        return None
    training = parts.records("train")
    values = selection.column(mixing.by, training).to_pylist()
    mixed = mix([selection.table.id(number) for number in training.tolist()], values, mixing, work.section.seed)
    selection.repeat(training, mixed.repeats)
    return mixed


def _augment(
    work: _Build, selection: Selection, parts: Partition, mixed: Mix | None, stack: ExitStack
) -> "tuple[Copies, Augmented] | tuple[None, None]":
    """Changed copies of the training records that are taken."""
    if not work.spec.augmentation:
        return None, None
    from adapt.dataset.augmentation.augment import augment  # here, as few builds augment or synthesise, and a small one is mostly start-up
    from adapt.dataset.training import Copies

    training = parts.records("train") if mixed is None else parts.records("train")[mixed.repeats > 0]
    copies = stack.enter_context(Copies(work.folder / "copies.tmp", work.settings))
    with work.progress.task("augmentation") as task:
        records = map(selection.table.read, training.tolist())
        made = augment(records, work.spec.augmentation, teacher=work.teacher, cache=work.cache, seed=work.section.seed, task=task)
        copies.take(selection.table, parts, made)
    rows = [*copies.drop_unfit(), *copies.drop_near_held_out()]
    if work.spec.decontamination.test_split:
        rows += copies.drop_quotes(work.spec.decontamination)
    selection.ledger.add(rows)
    return copies, copies.figures(rows)


def _all_records(selection: Selection, parts: Partition, crossing: Crossing) -> Searched:
    table, members = selection.table, parts.members
    return Searched(
        crossing=crossing,
        members=members,
        splits=parts.splits,
        documents=parts.documents,
        questions=table.questions[members],
        inputs=table.inputs[members],
        groups=selection.groups_of(members),
    )
