"""The stages of a workspace: their names, the sections they read, what they depend on and what they write.

The same facts stand in dvc.yaml for DVC; a test holds the two against each other.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from adapt.plan.workspace import Workspace
from adapt.spec.adapter import AdapterSpec

ENTRIES = {
    "corpus": "adapt.corpus.build",
    "dataset": "adapt.dataset.build",
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


ORDER = ("corpus", "dataset", "train", "evaluate", "gate", "export")
"""Kinds of stages that build one adapter, in the order they run."""


@dataclass(frozen=True)
class Stage:
    """One stage of the pipeline, as DVC names it."""

    kind: str
    adapter: str
    """Name of the spec; empty for the serving stage."""
    export: str = ""
    """Name of the export, for export stages."""

    @property
    def name(self) -> str:
        """DVC's name of the stage, such as `train@finance`."""
        if self.kind == "serving":
            return "serving"
        return f"{self.kind}@{self.item}"

    @property
    def item(self) -> str:
        """What `adapt stage KIND ITEM` is given."""
        return f"{self.adapter}-{self.export}" if self.export else self.adapter

    @property
    def section(self) -> tuple[str, ...]:
        """Path of the stage's section in its resolved file."""
        return (self.kind, self.export) if self.export else (self.kind,)

    def resolved(self, workspace: Workspace) -> Path:
        """The resolved file that holds the section."""
        return workspace.resolved / f"{self.adapter or '_serving'}.yaml"

    def out(self, workspace: Workspace) -> Path:
        """The folder that the stage makes."""
        folders = {
            "corpus": workspace.corpus(self.adapter),
            "dataset": workspace.dataset(self.adapter),
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
            "train": ("dataset",),
            "evaluate": ("train", "dataset"),
            "gate": ("evaluate",),
            "export": ("train", "dataset", "gate"),
        }
        return tuple(Stage(kind, self.adapter) for kind in kinds.get(self.kind, ()))


SERVING = Stage("serving", "")


def stages_of(name: str, spec: AdapterSpec) -> Iterator[Stage]:
    """The stages that build one adapter and its exports, in the order they run."""
    for kind in ORDER[:-1]:
        yield Stage(kind, name)
    for export in sorted(spec.export):
        yield Stage("export", name, export)


def split_item(kind: str, item: str) -> Stage:
    """The stage that `adapt stage KIND ITEM` means; an export's item is `<adapter>-<export>`."""
    if kind == "export":
        adapter, _, export = item.rpartition("-")
        return Stage(kind, adapter, export)
    return Stage(kind, item)
