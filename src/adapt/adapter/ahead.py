"""Adapters that were trained together before their stages ask for them.

Enters: trainings. Leaves: each finished adapter, with its curves and report, in its work folder, from which its stage takes it when section and
inputs are still the same. A stage whose adapter is not there trains it, from the checkpoint if there is one. To look and to take loads no torch.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from adapt.adapter.distributed.group import is_first
from adapt.adapter.training import Training, TrainReport
from adapt.artifact.digest import MANIFEST, digest_path
from adapt.artifact.manifest import read_provenance, section_digest, verify
from adapt.artifact.progress import Progress
from adapt.artifact.staging import staged
from adapt.errors import InputError

FOLDER = "ahead"
"""Inside the work folder of a training."""
_REPORT = "report.json"


def train_ahead(trainings: Sequence[Training], *, base: Path, progress: Progress) -> list[TrainReport]:
    """Train adapters together, each into its work folder. Raises what `train_together` raises; those that were finished by then stay."""
    from adapt.adapter.train import train_together

    for training in trainings if is_first() else ():
        shutil.rmtree(training.work / FOLDER, ignore_errors=True)
    return train_together([_aside(training) for training in trainings], base=base, progress=progress, done=_keep_report)


def is_ahead(training: Training) -> bool:
    """Whether the adapter was trained ahead from what the training reads now."""
    try:
        verify(_aside(training).out)
        made_from = read_provenance(_aside(training).out)
    except InputError:
        return False
    same_inputs = made_from.inputs == {label: digest_path(path) for label, path in training.reads.items()}
    return made_from.section == section_digest(training.section) and same_inputs and (training.work / FOLDER / _REPORT).is_file()


def report_of(training: Training) -> TrainReport:
    """How a training went that is ahead."""
    return TrainReport(**json.loads((training.work / FOLDER / _REPORT).read_bytes()))


def curve_of(training: Training) -> list[tuple[int, float]]:
    """Validation loss by step of a training that is ahead."""
    lines = (_aside(training).curves / "plots" / "metrics" / "validation" / "loss.tsv").read_text(encoding="utf-8").splitlines()[1:]
    return [(int(step), float(loss)) for step, loss in (line.split("\t")[-2:] for line in lines)]


def take(training: Training) -> TrainReport:
    """Put an adapter that was trained ahead where its stage wants it."""
    aside, report = _aside(training), report_of(training)
    with staged(training.out, section=training.section, inputs=training.reads, seed=training.section.seed) as staging:
        shutil.copytree(aside.out, staging, dirs_exist_ok=True, ignore=shutil.ignore_patterns(MANIFEST))
    shutil.copytree(aside.curves, training.curves, dirs_exist_ok=True)
    shutil.rmtree(training.work / FOLDER)
    return replace(report, ahead=True)


def _aside(training: Training) -> Training:
    folder = training.work / FOLDER
    return replace(training, out=folder / "adapter", curves=folder / "curves")


def _keep_report(training: Training, report: TrainReport) -> None:
    (training.out.parent / _REPORT).write_text(json.dumps(asdict(report)), encoding="utf-8")
