"""card.md and its plots: the figures of a dataset for a reader."""

from collections.abc import Iterable, Mapping, Sequence

from adapt.dataset.funnel import funnel, signed
from adapt.dataset.plots import Bars, draw_bars
from adapt.dataset.report import DatasetReport
from adapt.dataset.rules import SEMANTIC
from adapt.dataset.split import SPLITS

_MOST_ROWS = 50
_MOST_BARS = 20
_UNKNOWN = "(not known)"
_FORMS = {"instruction": "in Alpaca form", "preference": "with a better and a worse answer", "text": "of running text"}


def render_card(report: DatasetReport) -> str:
    """The card as Markdown; it links plots by their place beside it."""
    parts = [
        "# Dataset card",
        f"{report.records:,} records {_FORMS[report.form]}, made from {report.documents:,} documents.",
        "## From documents to records",
        _image("funnel"),
        _table(("step", "count"), [(step.step, signed(step)) for step in funnel(report)], right=(1,)),
        "Every row dropped is in `ledger.parquet` with rule, score and reason; what every rule measured of every record is in `verdicts.parquet`.",
        f"{report.divided:,} sections were too long for one record and became several." if report.divided else "",
        *_losses(report),
        *_document_losses(report),
        "## Splits",
        _splits(report),
        *_mixing(report),
        *_made(report),
        "## Languages",
        _image("languages"),
        _shares("language", report.languages),
        "## Sources",
        _image("sources"),
        _shares("source", report.sources),
        "## Licences",
        _image("licences"),
        _shares("licence", report.licences),
        "## Length in tokens",
        _image("lengths"),
        "## Duplicates",
        _duplicates(report),
        "## Contradictions",
        _contradictions(report),
        "## Contamination",
        _contamination(report),
        "## Leakage",
        _leakage(report),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def render_plots(report: DatasetReport) -> dict[str, str]:
    """SVG texts by file name."""
    kept = [(rule, count) for rule, count in report.dropped.items() if count]
    steps = [Bars("documents", (report.documents,)), Bars("records made", (report.candidates,))]
    left = report.candidates
    for rule, count in kept:
        left -= count
        steps.append(Bars(f"after {rule}", (left,)))
    lengths = [Bars(f"{bin.from_tokens}-{bin.below_tokens - 1}", (bin.records,)) for bin in report.tokens]
    families = [Bars(f"{family.records} records", (family.families,)) for family in report.duplicates[:_MOST_BARS]]
    return {
        "funnel.svg": draw_bars("Records that are left", steps),
        "lengths.svg": draw_bars("Records by length in tokens", lengths),
        "languages.svg": _plot_shares("Records by language", report.languages),
        "sources.svg": _plot_shares("Records by source", report.sources),
        "licences.svg": _plot_shares("Records by licence", report.licences),
        "duplicates.svg": draw_bars("Families of duplicates by size", families),
    }


def _losses(report: DatasetReport) -> list[str]:
    if not report.losses:
        return []
    rows = [(loss.source, loss.rule, f"{loss.count:,}", f"{loss.count / loss.rows:.0%}") for loss in report.losses]
    beyond = f"{report.losses_beyond:,} more are not listed." if report.losses_beyond else ""
    return ["## Sources that lost a quarter or more to one rule", _table(("source", "rule", "records", "share"), rows, right=(2, 3)), beyond]


def _document_losses(report: DatasetReport) -> list[str]:
    if not report.document_losses:
        return []
    lines = [f"- {loss.sentence}" for loss in report.document_losses]
    return ["## Documents that lost a third or more of their text to one rule", "\n".join(lines)]


def _splits(report: DatasetReport) -> str:
    rows = []
    for name in SPLITS:
        split = report.splits[name]
        share = f"{split.records / report.records:.1%}"
        rows.append((name, f"{split.records:,}", share, f"{split.tokens:,}", f"{split.documents:,}", f"{split.groups:,}", f"{report.lines[name]:,}"))
    return _table(("split", "records", "share", "tokens", "documents", "groups", "lines"), rows, right=(1, 2, 3, 4, 5, 6))


def _mixing(report: DatasetReport) -> list[str]:
    if not report.mixing:
        return []
    rows = [
        (share.name or _UNKNOWN, f"{share.available:,}", f"{share.wanted:.1%}", f"{share.reached:.1%}", f"{share.lines:,}", f"{share.left_out:,}")
        for share in report.mixing[:_MOST_ROWS]
    ]
    table = _table(("class", "training records", "wanted", "reached", "lines", "left out"), rows, right=(1, 2, 3, 4, 5))
    said = "Lines of `train.jsonl` before augmentation; a record may be repeated or left out."
    if report.mixing_missing:
        said += f" There are {report.mixing_missing:,} fewer than were asked for: cap and repeats allow no more."
    return ["## Mixing", said, table, _more(len(report.mixing))]


def _made(report: DatasetReport) -> list[str]:
    parts: list[str] = []
    if report.synthesis:
        rows = [("records made", f"{report.synthesis.records:,}")]
        rows += [(f"answers not used: {rule}", f"{count:,}") for rule, count in report.synthesis.quarantined.items()]
        parts += ["## Synthesis", _table(("step", "count"), rows, right=(1,))]
    if report.augmentation:
        rows = [(f"copies by {method}", f"{count:,}") for method, count in report.augmentation.records.items()]
        rows += [(f"copies dropped: {rule}", f"{count:,}") for rule, count in report.augmentation.dropped.items()]
        parts += ["## Augmentation", _table(("step", "count"), rows, right=(1,))]
    return parts


def _shares(name: str, counts: Mapping[str, Mapping[str, int]]) -> str:
    rows = [(key or _UNKNOWN, *(f"{count[split]:,}" for split in SPLITS)) for key, count in list(counts.items())[:_MOST_ROWS]]
    table = _table((name, *SPLITS), rows, right=(1, 2, 3))
    return "\n\n".join(part for part in (table, _more(len(counts))) if part)


def _plot_shares(title: str, counts: Mapping[str, Mapping[str, int]]) -> str:
    rows = sorted(((-sum(count.values()), name) for name, count in counts.items()))
    bars = [Bars(name or _UNKNOWN, tuple(counts[name][split] for split in SPLITS)) for _, name in rows[:_MOST_BARS]]
    rest = [counts[name] for _, name in rows[_MOST_BARS:]]
    if rest:
        bars.append(Bars(f"{len(rest):,} others", tuple(sum(count[split] for count in rest) for split in SPLITS)))
    return draw_bars(title, bars, SPLITS)


def _more(count: int) -> str:
    return f"{count - _MOST_ROWS:,} more are in `report.json`." if count > _MOST_ROWS else ""


def _duplicates(report: DatasetReport) -> str:
    families = sum(size.families for size in report.duplicates)
    if not families:
        return "No duplicates were found."
    largest = report.duplicates[-1].records
    return f"{_image('duplicates')}\n\n{families:,} records had duplicates; the largest family has {largest:,} records."


def _contradictions(report: DatasetReport) -> str:
    found = report.contradictions
    if not found.records:
        return "No question was found that is answered or labelled in several ways."
    kinds = [
        *([f"{found.answers:,} questions have several answers"] if found.answers else []),
        *([f"{found.labels:,} records have copies with other labels"] if found.labels else []),
    ]
    return f"{' and '.join(kinds)}: {found.records:,} records, in `contradictions.jsonl`. `dataset.contradictions` says what becomes of them."


def _contamination(report: DatasetReport) -> str:
    quoted, quotes = len(report.test_contamination), sum(report.test_contamination.values())
    parts = [f"{quotes:,} training and validation records quoted {quoted:,} records of the test split and were dropped."]
    if report.contamination:
        rows = [(name, f"{count:,}") for name, count in list(report.contamination.items())[:_MOST_ROWS]]
        parts += [_table(("evaluation text", "records dropped"), rows, right=(1,)), _more(len(report.contamination))]
    else:
        parts.append("No record was found to hold text of a declared evaluation set.")
    references = report.references
    if references.test_records:
        parts.append(
            f"Questions and answers were judged; the inputs of {references.test_records:,} records of the test split and of "
            f"{references.other_records:,} others are reference text, and were not."
        )
    if references.texts:
        parts.append(f"{references.texts:,} texts of declared sets are reference text beside a question, and were not searched for.")
    return "\n\n".join(part for part in parts if part)


def _leakage(report: DatasetReport) -> str:
    leakage = report.leakage
    if leakage is None:
        raise AssertionError("a card is written after the split")
    inputs = f" {leakage.inputs:,} materials stand in several splits, as `dataset.split.shared_input` allows." if leakage.inputs else ""
    groups = "" if leakage.groups is None else f", {leakage.groups} groups"
    return (
        f"Between splits: {leakage.near_duplicate_pairs} pairs of records of similarity {leakage.threshold:g} or more "
        f"(every such pair is searched for, none is sampled){groups}, {leakage.documents} documents and {leakage.questions} questions in common. "
        f"The proof is in `leakage.json`.{inputs}{_translations(report)}"
    )


def _translations(report: DatasetReport) -> str:
    """What no comparison of words can see."""
    if len([language for language in report.languages if language]) < 2 or any(rule.rule == SEMANTIC for rule in report.rules):
        return ""
    return (
        " Translations of one record in several splits were not looked for: the data set has several languages, and only "
        "`dataset.semantic_duplicates` with a model of these languages compares what they say."
    )


def _image(name: str) -> str:
    return f"![{name}](plots/{name}.svg)"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[int]) -> str:
    rule = ["---:" if column in right else "---" for column in range(len(head))]
    escaped = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in (head, rule, *rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in escaped)
