"""The way from raw rows to splits, step by step, in counts that add up: the corpus's steps, then those of the data set."""

from dataclasses import replace

from adapt.dataset.funnel import Step, funnel, funnel_by_characters
from adapt.explain.outputs import Outputs


def whole_funnel(outputs: Outputs) -> list[Step]:
    """Rows read, what was quarantined, and what `adapt.dataset.funnel` has from the documents on."""
    corpus = outputs.corpus_report
    quarantined = corpus["ledger"].get("quarantined", {})
    documents, *others = funnel(outputs.report)
    return [
        Step("rows read", corpus["pieces"], "start"),
        *(Step(rule, count, "lost") for rule, count in quarantined.items() if count),
        replace(documents, kind="total"),
        *others,
    ]


def whole_funnel_by_characters(outputs: Outputs) -> list[Step]:
    """The same in letters and digits: what was read, what each rule of the corpus took (less what it put in its place), then the data set's."""
    counted = outputs.corpus_report["characters"]
    removed = counted["removed"]
    return [
        Step("characters read", counted["kept"] + sum(removed.values()), "start"),
        *(Step(rule, count, "lost") for rule, count in removed.items() if count),
        *funnel_by_characters(outputs.report),
    ]
