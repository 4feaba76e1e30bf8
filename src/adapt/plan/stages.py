"""The stages of a workspace: their names, the sections they read, what they depend on and what they write.

The same facts stand in dvc.yaml for DVC; a test holds the two against each other.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from adapt.artifact.documents import FILE as DOCUMENTS
from adapt.plan.workspace import Workspace
from adapt.records import TEST, TRAIN, VALIDATION
from adapt.spec.adapter import AdapterSpec
from adapt.spec.steps import named_steps, rewarding_step

ENTRIES = {
    "corpus": "adapt.corpus.build",
    "dataset": "adapt.dataset.build",
    "step": "adapt.adapter.train",
    "train": "adapt.adapter.train",
    "evaluate": "adapt.evaluate.build",
    "gate": "adapt.evaluate.judge",
    "export": "adapt.export.export",
    "serving": "adapt.serving.render",
}
"""The module that each kind of stage runs; its import closure is the stage's code."""
OPTIONAL = {
    "names": "adapt.corpus.pii.names",
    "openai": "adapt.dataset.synthesis.openai",
    "teacher": "adapt.base.teacher",
}
"""Modules that a stage loads by name only when its settings ask for them, so that what they need belongs to no other workspace's stages."""


ORDER = ("corpus", "dataset", "step", "train", "evaluate", "gate", "export")
"""Kinds of stages that build one adapter, in the order they run."""
TRAINING = ("step", "train")
"""Kinds of stages that train."""


@dataclass(frozen=True)
class Stage:
    """One stage of the pipeline, as DVC names it."""

    kind: str
    adapter: str
    """Name of the spec; empty for the serving stage."""
    export: str = ""
    """Name of the export, for export stages."""
    step: str = ""
    """Name of the step, for trainings that come before the adapter's own."""
    reads: tuple[str, ...] = field(default=(), compare=False)
    """Steps whose adapters it reads."""

    @property
    def name(self) -> str:
        """DVC's name of the stage, such as `train@finance`."""
        if self.kind == "serving":
            return "serving"
        return f"{self.kind}@{self.item}"

    @property
    def item(self) -> str:
        """What `adapt stage KIND ITEM` is given."""
        part = self.export or self.step
        return f"{self.adapter}-{part}" if part else self.adapter

    @property
    def section(self) -> tuple[str, ...]:
        """Path of the stage's section in its resolved file."""
        if self.step:
            return ("steps", self.step)
        return (self.kind, self.export) if self.export else (self.kind,)

    def resolved(self, workspace: Workspace) -> Path:
        """The resolved file that holds the section."""
        return workspace.resolved / f"{self.adapter or '_serving'}.yaml"

    def out(self, workspace: Workspace) -> Path:
        """The folder that the stage makes."""
        folders = {
            "corpus": workspace.corpus(self.adapter),
            "dataset": workspace.dataset(self.adapter),
            "step": workspace.step(self.adapter, self.step),
            "train": workspace.adapter(self.adapter),
            "evaluate": workspace.evaluation(self.adapter),
            "gate": workspace.gate(self.adapter),
            "export": workspace.export(self.adapter, self.export),
            "serving": workspace.serving,
        }
        return folders[self.kind]

    def upstream(self) -> tuple["Stage", ...]:
        """The stages whose outputs this one reads."""
        kinds = {
            "dataset": ("corpus",),
            "step": ("dataset",),
            "train": ("dataset",),
            "evaluate": ("train", "dataset"),
            "gate": ("evaluate",),
            "export": ("train", "dataset", "gate"),
        }
        return (*(Stage(kind, self.adapter) for kind in kinds.get(self.kind, ())), *self._steps())

    def _steps(self) -> Iterator["Stage"]:
        return (Stage("step", self.adapter, step=name) for name in self.reads)

    def inputs(self, workspace: Workspace) -> dict[str, Path]:
        """Outputs of other stages that this one reads, down to the files, by their labels in the provenance. Raw data are not among them."""
        corpus, dataset = workspace.corpus(self.adapter), workspace.dataset(self.adapter)
        splits = {name: dataset / file for name, file in (("train", TRAIN), ("validation", VALIDATION), ("test", TEST))}
        adapter = {"adapter": workspace.adapter(self.adapter)}
        training = {label: splits[label] for label in ("train", "validation")}
        by_kind: dict[str, dict[str, Path]] = {
            "dataset": {"documents": corpus / DOCUMENTS},
            "step": training,
            "train": training,
            "evaluate": {**adapter, "test": splits["test"]},
            "gate": {"evaluation": workspace.evaluation(self.adapter)},
            "export": {**adapter, "train": splits["train"], "test": splits["test"]},
            "serving": {"gates": workspace.gates, "adapters": workspace.adapters},
        }
        return {**by_kind.get(self.kind, {}), **{f"step {step.step}": step.out(workspace) for step in self._steps()}}


SERVING = Stage("serving", "")


def stages_of(name: str, spec: AdapterSpec) -> Iterator[Stage]:
    """The stages that build one adapter and its exports, in the order they run."""
    rewarded = rewarding_step(spec.train)
    reads = {"train": tuple(named_steps(spec.train)), "evaluate": (rewarded,) if rewarded is not None else ()}
    for kind in ORDER[:-1]:
        if kind == "step":
            yield from (Stage(kind, name, step=step, reads=tuple(named_steps(each.train))) for step, each in spec.steps.items())
        else:
            yield Stage(kind, name, reads=reads.get(kind, ()))
    for export in sorted(spec.export):
        yield Stage("export", name, export)


def split_item(kind: str, item: str) -> Stage:
    """The stage that `adapt stage KIND ITEM` means; an export's item is `<adapter>-<export>`, a step's `<adapter>-<step>`."""
    if kind == "export":
        adapter, _, export = item.rpartition("-")
        return Stage(kind, adapter, export)
    if kind == "step":
        adapter, _, step = item.rpartition("-")
        return Stage(kind, adapter, step=step)
    return Stage(kind, item)
