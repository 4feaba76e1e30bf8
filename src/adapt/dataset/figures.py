"""Counts what a build holds, for its report and for errors that need it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adapt.artifact.losses import MOST_LOSSES
from adapt.dataset.agreement import Contradiction
from adapt.dataset.contamination import Contaminated
from adapt.dataset.funnel import funnel, signed
from adapt.dataset.intake import Made
from adapt.dataset.mixing import Mix
from adapt.dataset.output import Splits
from adapt.dataset.partition import Partition
from adapt.dataset.report import Augmented, Bin, Characters, Contradictions, DatasetReport, Families, Leakage, References, Synthesised
from adapt.dataset.rules import CONTAMINATION, TEST_CONTAMINATION, remedy
from adapt.dataset.selection import Selection
from adapt.dataset.split import SPLITS
from adapt.errors import InputError

_FIRST_BIN = 32


class Counts(NamedTuple):
    """What the first pass made."""

    formatted: Made
    synthesised: Made | None


class Finished(NamedTuple):
    """What the steps from the split on have made."""

    splits: Splits
    mixed: Mix | None
    augmented: Augmented | None
    leakage: Leakage


def measure_build(selection: Selection, counts: Counts, finished: Finished | None = None) -> DatasetReport:
    """The report; without `finished`, of what is known before the split."""
    verdicts, parts = selection.verdicts, finished.splits.parts if finished else None
    if finished:
        verdicts.check()
    made, losses = counts.synthesised, verdicts.losses() if finished else ()
    return DatasetReport(
        form=selection.form,
        documents=counts.formatted.documents,
        documents_without_record=counts.formatted.documents - verdicts.documents(),
        parts=dict(sorted(counts.formatted.parts.items())),
        divided=counts.formatted.divided,
        candidates=len(verdicts),
        rules=verdicts.rules,
        dropped=verdicts.counts(),
        losses=losses[:MOST_LOSSES],
        losses_beyond=max(0, len(losses) - MOST_LOSSES),
        characters=_count_characters(selection, counts),
        document_losses=counts.formatted.losses,
        edited=dict(sorted(selection.edited.items())),
        records=len(selection.kept),
        lines=finished.splits.lines() if finished else {},
        splits={name: parts.counts(name) for name in SPLITS} if parts else {},
        languages=parts.shares(selection.column("language", parts.members)) if parts else {},
        sources=parts.shares(selection.column("source", parts.members)) if parts else {},
        licences=parts.shares(selection.column("licence", parts.members)) if parts else {},
        tokens=count_lengths(selection.table.tokens[selection.kept]),
        duplicates=count_families(selection.winners),
        contamination=dict(sorted(selection.contamination[CONTAMINATION].items())),
        test_contamination=dict(sorted(selection.contamination[TEST_CONTAMINATION].items())),
        contradictions=_count_contradictions(selection.contradictions),
        references=_count_references(selection),
        mixing=finished.mixed.shares if finished and finished.mixed else (),
        mixing_missing=finished.mixed.missing if finished and finished.mixed else 0,
        synthesis=Synthesised(records=made.records, quarantined=dict(sorted(made.parts.items()))) if made else None,
        augmentation=finished.augmented if finished else None,
        leakage=finished.leakage if finished else None,
    )


def _count_characters(selection: Selection, counts: Counts) -> Characters:
    dropped, parts = selection.verdicts.characters_dropped(), counts.formatted.part_characters
    made = int(selection.verdicts.characters.sum())
    return Characters(
        documents=counts.formatted.characters,
        shared=counts.formatted.characters - made - parts.total(),
        parts=dict(sorted(parts.items())),
        dropped=dropped,
        cut=selection.cut,
        kept=made - sum(dropped.values()) - selection.cut,
    )


def _count_contradictions(found: Sequence[Contradiction]) -> Contradictions:
    kinds = Counter(contradiction.differs for contradiction in found)
    return Contradictions(answers=kinds["answer"], labels=kinds["label"], records=sum(len(contradiction.sides) for contradiction in found))


def _count_references(selection: Selection) -> References:
    declared, own = (selection.references.get(rule, Contaminated([], 0, 0)) for rule in (CONTAMINATION, TEST_CONTAMINATION))
    return References(records=declared.references, texts=declared.unsearched, test_records=own.unsearched, other_records=own.references)


def require_records(report: DatasetReport, min_records: int) -> None:
    """Raises InputError with the funnel when too few records are left."""
    if report.records < min_records:
        raise InputError(f"{report.records} usable records, and dataset.min_records asks for {min_records}:\n{_steps(report)}", hint=_hint(report))


def require_splits(report: DatasetReport, parts: Partition, min_records: int) -> None:
    """The same after the split, which can lose records to its own test split; also when a split has lost all."""
    require_records(report, min_records)
    empty = [name for name in SPLITS if not len(parts.records(name))]
    if empty:
        raise InputError(f"no records are left in {' and '.join(empty)}:\n{_steps(report)}", hint=remedy(TEST_CONTAMINATION))


def _steps(report: DatasetReport) -> str:
    return "\n".join(f"  {signed(step):>9} {step.step}" for step in funnel(report))


def _hint(report: DatasetReport) -> str:
    worst = max(report.dropped, key=lambda rule: report.dropped[rule])
    return remedy(worst) if report.dropped[worst] else "add sources to the corpus, or lower dataset.min_records"


def count_lengths(tokens: NDArray[np.int64]) -> tuple[Bin, ...]:
    """Records by their tokens, in bins that double in width, up to the longest record."""
    edges = [0, _FIRST_BIN]
    while edges[-1] <= tokens.max(initial=0):
        edges.append(edges[-1] * 2)
    counts, _ = np.histogram(tokens, bins=edges)
    return tuple(Bin(from_tokens=low, below_tokens=high, records=int(count)) for (low, high), count in zip(pairwise(edges), counts, strict=True))


def count_families(winners: Mapping[int, int]) -> tuple[Families, ...]:
    """Families of duplicates by size, where `winners` has for each record that went the one that it went for, which may have gone itself."""
    roots: dict[int, int] = {}
    for record in winners:
        path, at = [], record
        while at in winners and at not in roots:
            path.append(at)
            at = winners[at]
        root = roots.get(at, at)
        roots.update(dict.fromkeys(path, root))
    sizes = Counter(Counter(roots.values()).values())
    return tuple(Families(records=size + 1, families=count) for size, count in sorted(sizes.items()))
