"""Writes the folder of a dataset from what a build has decided."""

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import merge
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from adapt.artifact.progress import Progress
from adapt.dataset.agreement import FILE as CONTRADICTIONS
from adapt.dataset.card import render_card, render_plots
from adapt.dataset.leakage import FILE as LEAKAGE
from adapt.dataset.partition import Partition
from adapt.dataset.report import DatasetReport
from adapt.dataset.selection import Selection
from adapt.dataset.split import SPLITS, SplitName
from adapt.dataset.verdicts import FILE as VERDICTS

if TYPE_CHECKING:
    from adapt.dataset.training import Copies

PLOTS = "plots"


@dataclass(frozen=True)
class Splits:
    """What goes into the files of the splits."""

    parts: Partition
    repeats: NDArray[np.int32] | None
    """How often each training record is taken, by ascending id; None: once."""
    copies: "Copies | None"

    def lines(self) -> dict[str, int]:
        """Lines of each split."""
        counts: dict[str, int] = {name: len(self.parts.records(name)) for name in SPLITS}
        if self.repeats is not None:
            counts["train"] = int(self.repeats.sum())
        if self.copies is not None:
            counts["train"] += len(self.copies.kept)
        return counts


def write_output(folder: Path, selection: Selection, splits: Splits, report: DatasetReport, progress: Progress) -> None:
    """Write the splits, verdicts, ledger, report, proof, contradictions, card and plots into `folder`."""
    with progress.task("splits", total=len(SPLITS)) as task:
        for name in SPLITS:
            with (folder / f"{name}.jsonl").open("wb") as lines:
                lines.writelines(line + b"\n" for line in _lines(selection, splits, name))
            task.advance()
    with progress.task("verdicts"):
        selection.verdicts.write(folder / VERDICTS)
        selection.ledger.add(selection.verdicts.ledger_rows())
        selection.ledger.write(folder / "ledger.parquet")
    if report.leakage is None:
        raise AssertionError("a dataset is written with its proof")
    texts = {file: shape.model_dump_json(indent=2) + "\n" for file, shape in (("report.json", report), (LEAKAGE, report.leakage))}
    texts[CONTRADICTIONS] = "".join(contradiction.model_dump_json() + "\n" for contradiction in selection.contradictions)
    texts |= {"card.md": render_card(report)} | {f"{PLOTS}/{file}": plot for file, plot in render_plots(report).items()}
    (folder / PLOTS).mkdir()
    for file, text in texts.items():
        (folder / file).write_text(text, encoding="utf-8", newline="\n")


def _lines(selection: Selection, splits: Splits, name: SplitName) -> Iterator[bytes]:
    """Lines of a split, by ascending id."""
    table, numbers = selection.table, splits.parts.records(name)
    if name == "train" and splits.repeats is not None:
        numbers = np.repeat(numbers, splits.repeats)
    if name != "train" or splits.copies is None:
        return table.lines(numbers)
    taken = ((table.id(number), table.line(number)) for number in numbers.tolist())
    return (line for _, line in merge(taken, splits.copies.lines()))
