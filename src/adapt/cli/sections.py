"""Sections that stages read, and the base models that they need."""

import os
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from adapt.artifact.progress import Progress
from adapt.errors import WorkspaceError
from adapt.plan.stages import Stage
from adapt.plan.workspace import Workspace
from adapt.spec.base import PinnedBase
from adapt.spec.resolved.corpus import CorpusSection
from adapt.spec.resolved.dataset import DatasetSection
from adapt.spec.resolved.evaluate import EvaluateSection
from adapt.spec.resolved.export import ExportSection
from adapt.spec.resolved.gate import GateSection
from adapt.spec.resolved.serving import ServingSection
from adapt.spec.resolved.stage import StageSection
from adapt.spec.resolved.train import TrainSection

SECTIONS: dict[str, type[StageSection]] = {
    "corpus": CorpusSection,
    "dataset": DatasetSection,
    "step": TrainSection,
    "train": TrainSection,
    "evaluate": EvaluateSection,
    "gate": GateSection,
    "export": ExportSection,
    "serving": ServingSection,
}
"""Kinds of stages and the sections that they read."""


def read_section(workspace: Workspace, stage: Stage) -> StageSection:
    """The resolved section of a stage. Raises WorkspaceError when there is none that can be used."""
    path = stage.resolved(workspace)
    try:
        content = read_yaml(path)
        for part in stage.section:
            content = content[part]
        return SECTIONS[stage.kind].model_validate(content)
    except (KeyError, TypeError, ValidationError):
        raise WorkspaceError(f"{path} holds no usable section for {stage.name}", hint="run `adapt stage resolve`, or `adapt build`") from None


def read_yaml(path: Path) -> Any:
    """The content of a resolved file."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, yaml.YAMLError):
        raise WorkspaceError(f"{path} is missing or broken", hint="run `adapt stage resolve`, or `adapt build`") from None


def prepared_base(workspace: Workspace, base: PinnedBase, progress: Progress) -> Path:
    """The folder of a base model, prepared when this is the first use."""
    from adapt.base.prepare import prepare

    return prepare(base, root=workspace.root, cache=workspace.cache, progress=progress)


def spin_briefly() -> None:
    """Let OpenMP threads that wait for each other give up the core soon; must be set before torch is loaded.

    By default they spin for long. Where another program wants a core too, training was seen to slow down eightfold; alone on the
    machine, spinning briefly was as fast as spinning long (docs/benchmarks.md).
    """
    if not {"OMP_WAIT_POLICY", "KMP_BLOCKTIME"} & set(os.environ):
        os.environ.setdefault("GOMP_SPINCOUNT", "20000")
