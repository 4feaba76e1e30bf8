"""card.md: the figures of a dataset for a reader."""

from collections.abc import Iterable, Mapping, Sequence

from adapt.dataset.report import PART_RULES, RULES, Bin, DatasetReport
from adapt.dataset.split import SPLITS

_BAR = 40
_MOST_SOURCES = 50


def render_card(report: DatasetReport) -> str:
    """The card as Markdown."""
    parts = [
        "# Dataset card",
        f"{report.records:,} records in Alpaca form, made from {report.documents:,} documents.",
        "## From documents to records",
        _table(("step", "count"), funnel(report), right=(1,)),
        "Every row dropped is in `ledger.parquet` with its rule, score and reason.",
        "## Splits",
        _splits(report),
        "## Languages",
        _shares("language", report.languages),
        "## Sources",
        _shares("source", dict(list(report.sources.items())[:_MOST_SOURCES])),
        _more_sources(len(report.sources)),
        "## Length in tokens",
        _chart(report.tokens),
        "## Leakage",
        _leakage(report),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def funnel(report: DatasetReport) -> list[tuple[str, str]]:
    """The way from documents to records, step by step, with counts."""
    steps = [("documents", report.documents), ("documents that made no record", report.documents_without_record)]
    steps += [(f"parts dropped: {rule}", report.dropped[rule]) for rule in PART_RULES if report.dropped[rule]]
    steps += [("records made", report.candidates)]
    steps += [(f"records dropped: {rule}", report.dropped[rule]) for rule in RULES if rule not in PART_RULES]
    steps += [("records kept", report.records)]
    return [(step, f"{count:,}") for step, count in steps]


def _splits(report: DatasetReport) -> str:
    rows = []
    for name in SPLITS:
        split = report.splits[name]
        share = f"{split.records / report.records:.1%}"
        rows.append((name, f"{split.records:,}", share, f"{split.tokens:,}", f"{split.documents:,}", f"{split.groups:,}"))
    return _table(("split", "records", "share", "tokens", "documents", "groups"), rows, right=(1, 2, 3, 4, 5))


def _shares(name: str, counts: Mapping[str, Mapping[str, int]]) -> str:
    rows = [(key, *(f"{count[split]:,}" for split in SPLITS)) for key, count in counts.items()]
    return _table((name, *SPLITS), rows, right=(1, 2, 3))


def _more_sources(count: int) -> str:
    return f"{count - _MOST_SOURCES:,} more sources are in `report.json`." if count > _MOST_SOURCES else ""


def _chart(bins: Sequence[Bin]) -> str:
    most = max((bin.records for bin in bins), default=1)
    labels = [f"{bin.from_tokens}-{bin.below_tokens - 1}" for bin in bins]
    width = max(map(len, labels), default=0)
    lines = [
        f"{label:>{width}}  {'#' * -(-bin.records * _BAR // max(most, 1)):<{_BAR}}  {bin.records:,}" for label, bin in zip(labels, bins, strict=True)
    ]
    return "\n".join(("```text", *lines, "```"))


def _leakage(report: DatasetReport) -> str:
    leakage = report.leakage
    return (
        f"Between splits: {leakage.near_duplicate_pairs} pairs of records of similarity {report.near_duplicate_threshold:g} or more "
        f"(every such pair is searched for, none is sampled), {leakage.documents} documents and {leakage.questions} questions in common."
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int]) -> str:
    rule = ["---:" if column in right else "---" for column in range(len(head))]
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in (head, rule, *rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in escaped)
