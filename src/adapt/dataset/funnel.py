"""The way from documents to splits, step by step, in counts that add up."""

from dataclasses import dataclass
from typing import Literal

from adapt.dataset.report import DatasetReport
from adapt.dataset.split import SPLITS


@dataclass(frozen=True)
class Step:
    """One line of the funnel."""

    step: str
    """What is counted; of what was lost, the rule."""
    count: int
    kind: Literal["start", "total", "lost", "split"]
    """`start` = a new count, of something else; `total` = the total before it less what was lost since; the splits add up to the last total."""


def funnel(report: DatasetReport) -> list[Step]:
    """Documents and those with a record; their parts (sections, turns, questions; with synthesis, answers of the teacher) and the records made of
    them; records kept, and splits once there are some. Rules that took nothing are left out."""
    steps = [Step("documents", report.documents, "start")]
    if report.documents_without_record:
        steps += [
            Step("made no record", report.documents_without_record, "lost"),
            Step("documents with a record", report.documents - report.documents_without_record, "total"),
        ]
    unused = [*report.parts.items(), *(report.synthesis.quarantined.items() if report.synthesis else ())]
    lost = [Step(rule, count, "lost") for rule, count in unused if count]
    if lost:
        parts = "parts of documents and answers" if report.synthesis else "parts of documents"
        steps += [Step(parts, report.candidates + sum(step.count for step in lost), "start"), *lost]
    steps.append(Step("records made", report.candidates, "total" if lost else "start"))
    steps += [Step(rule, count, "lost") for rule, count in report.dropped.items() if count]
    steps.append(Step("records kept", report.records, "total"))
    return steps + [Step(split, report.splits[split].records, "split") for split in SPLITS if split in report.splits]


def funnel_by_characters(report: DatasetReport) -> list[Step]:
    """The same way in letters and digits: of the documents, of parts that made no record, of records that rules dropped, and of those kept. Headings,
    system messages and earlier turns stand in no record of their own."""
    characters = report.characters
    steps = [Step("documents", characters.documents, "total")]
    lost = [("headings, context", characters.shared), *characters.parts.items(), *characters.dropped.items(), ("cut out of records", characters.cut)]
    steps += [Step(name, count, "lost") for name, count in lost if count]
    return [*steps, Step("records kept", characters.kept, "total")]


def signed(step: Step) -> str:
    """The count as a reader sees it: what was lost has a minus sign."""
    count = -step.count if step.kind == "lost" else step.count
    return f"{count:,}" if step.kind != "lost" or count < 0 else f"+{count:,}"
