"""The way from raw rows to splits, step by step, in counts that add up: the corpus's steps, then those of the data set."""

from dataclasses import replace

from adapt.dataset.funnel import Step, funnel
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
