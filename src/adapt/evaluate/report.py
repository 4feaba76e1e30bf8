"""report.md: base against adapter for a reader: a table, the checks, a few answers side by side."""

from collections.abc import Mapping, Sequence

from adapt.evaluate.answers import SIDES, Checked, Side
from adapt.evaluate.metrics import NAMES, Figures, Metrics, is_better, shown
from adapt.evaluate.predictions import Prediction
from adapt.evaluate.tally import Tally
from adapt.spec.evaluate import Metric

_HEAD = ("| metric | records | base | adapter | the adapter is |", "|---|---|--:|--:|---|")
_NOTE = (
    "Perplexity is measured on every test record, and lower is better. The other metrics need generated answers, and higher is better: "
    "BLEU runs from 0 to 100, the others from 0 to 1."
)


def render(
    metrics: Metrics,
    tally: Tally,
    checks: Sequence[Checked],
    samples: Sequence[Prediction],
    *,
    answered: int,
    further: Sequence[str] = (),
    computed: str = "",
) -> str:
    """The report as Markdown. `samples` are predictions with answers; `answered` says how many records have one; `further` are lines on what the
    objective is measured by; `computed` says in what."""
    counts = ", ".join(f"{tally.records[language]} {language}" for language in tally.languages)
    lines = [
        "# Base against adapter",
        "",
        f"Test records: {metrics.records} ({counts}), with {metrics.tokens} answer tokens. Answered by both models: {answered}. {computed}".rstrip(),
        "",
        *_table(metrics, tally),
        "",
        _NOTE,
        *further,
    ]
    if checks:
        lines += ["", "## Checks", *(line for number, checked in enumerate(checks, start=1) for line in _check_block(number, checked))]
    if samples:
        lines += ["", "## Sample answers", *(line for sample in samples for line in _sample_block(sample))]
    return "\n".join(lines) + "\n"


def render_figures(metrics: Metrics, further: Sequence[str], *, computed: str = "") -> str:
    """The report on a model that does not answer; `further` are lines on what its objective is measured by, `computed` says in what."""
    figures: Mapping[Side, Figures] = {"base": metrics.base, "adapter": metrics.adapter}
    rows = [_row(name, "all", figures) for name in NAMES if any(name in figures[side] for side in SIDES)]
    return "\n".join(["# Base against adapter", "", f"Test records: {metrics.records}. {computed}".rstrip(), "", *_HEAD, *rows, *further]) + "\n"


def _table(metrics: Metrics, tally: Tally) -> list[str]:
    rows: list[tuple[str, Mapping[Side, Figures]]] = [("all", {"base": metrics.base, "adapter": metrics.adapter})]
    if len(tally.languages) > 1:
        rows += [(language, {side: tally.figures(side, language) for side in SIDES}) for language in tally.languages]
    lines = list(_HEAD)
    for name in NAMES:
        lines += [_row(name, label, figures) for label, figures in rows if any(name in figures[side] for side in SIDES)]
    return lines


def _row(name: Metric, label: str, figures: Mapping[Side, Figures]) -> str:
    absent = "not finite" if name == "perplexity" else "none"
    found = [shown(figures[side][name]) if name in figures[side] else absent for side in SIDES]
    return f"| {name} | {label} | {' | '.join(found)} | {_outcome(name, figures['base'].get(name), figures['adapter'].get(name))} |"


def _outcome(name: Metric, base: float | None, adapter: float | None) -> str:
    if base is None or adapter is None:
        return "not comparable"
    if base == adapter:
        return "equal"
    return "better" if is_better(name, adapter, base) else "**worse**"


def _check_block(number: int, checked: Checked) -> list[str]:
    lines = ["", f"### Check {number}", "", "**Asked**", "", *_quoted(checked.check.prompt)]
    for side in SIDES:
        found = checked.objections(side)
        outcome = f"failed: {', '.join(found)}" if found else "passed"
        lines += ["", f"**{side.capitalize()}** {outcome}", "", *_quoted(checked.answers[side])]
    return lines


def _sample_block(sample: Prediction) -> list[str]:
    parts = {"Question": sample.question, "Reference": sample.reference, "Base": sample.base.answer or "", "Adapter": sample.adapter.answer or ""}
    lines = ["", f"### Record {sample.id[:12]}"]
    for title, text in parts.items():
        lines += ["", f"**{title}**", "", *_quoted(text)]
    return lines


def _quoted(text: str) -> list[str]:
    """A block quote, so that headings and lists inside an answer do not become the report's own."""
    return [f"> {line}".rstrip() for line in text.strip().splitlines()] or ["> (nothing)"]
