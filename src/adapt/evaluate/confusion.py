"""Labels that were wanted against labels that were found."""

from collections import Counter
from collections.abc import Mapping, Sequence


def macro_f1(wanted: Sequence[str], found: Sequence[str]) -> float:
    """The mean over all labels, wanted or found, of the harmonic mean of precision and recall."""
    labels = sorted({*wanted, *found})
    return sum(_f1(label, wanted, found) for label in labels) / len(labels)


def _f1(label: str, wanted: Sequence[str], found: Sequence[str]) -> float:
    right = sum(one == other == label for one, other in zip(wanted, found, strict=True))
    total = sum(each == label for each in wanted) + sum(each == label for each in found)
    return 2 * right / total


def confusion_table(pairs: Mapping[tuple[str, str], int], labels: Sequence[str]) -> list[str]:
    """A Markdown table of (wanted, found) counts: a row for each wanted label, a column for each found one."""
    counts = Counter(pairs)
    lines = [f"| wanted | {' | '.join(_cell(label) for label in labels)} |", f"|---|{'--:|' * len(labels)}"]
    for row in labels:
        lines.append(f"| {_cell(row)} | {' | '.join(str(counts[row, column]) for column in labels)} |")
    return lines


def _cell(label: str) -> str:
    return " ".join(label.split()).replace("|", "\\|")
