"""Where everything lies in a workspace. The only place that knows the layout."""

from dataclasses import dataclass
from pathlib import Path

from adapt.errors import WorkspaceError

GENERATED = "_"
"""Files in specs/ whose name begins so are generated, not specs."""


@dataclass(frozen=True)
class Workspace:
    """A folder with params.yaml, dvc.yaml and specs/."""

    root: Path

    @property
    def specs(self) -> Path:
        """Folder of the specs."""
        return self.root / "specs"

    @property
    def index(self) -> Path:
        """The generated index that dvc.yaml loops over."""
        return self.specs / "_index.yaml"

    @property
    def schema(self) -> Path:
        """JSON Schema of a spec, for editors."""
        return self.specs / "_schema.json"

    @property
    def params_schema(self) -> Path:
        """JSON Schema of params.yaml, for editors."""
        return self.specs / "_params_schema.json"

    @property
    def resolved(self) -> Path:
        """Folder of the resolved files."""
        return self.root / "build" / "resolved"

    @property
    def engine(self) -> Path:
        """Where the corpus and dataset stages run, as resolved; no stage depends on it."""
        return self.resolved / "_engine.yaml"

    @property
    def trackers(self) -> Path:
        """Which trackers are told of a training, as resolved; no stage depends on it."""
        return self.resolved / "_trackers.yaml"

    @property
    def gates(self) -> Path:
        """Folder of the verdicts of adapters that passed their gates."""
        return self.root / "build" / "gates"

    @property
    def serving(self) -> Path:
        """The rendered vLLM configuration."""
        return self.root / "dist" / "vllm"

    @property
    def private(self) -> Path:
        """What is neither input nor output: converted bases, checkpoints, run records, locks."""
        return self.root / ".adapt"

    @property
    def fingerprints(self) -> Path:
        """What is known of files of code, by their content."""
        return self.private / "fingerprints.json"

    @property
    def cache(self) -> Path:
        """Converted and downloaded base models."""
        return self.private / "cache"

    @property
    def calibration(self) -> Path:
        """How fast machines that build here were measured to multiply."""
        return self.private / "calibration"

    @property
    def tracked(self) -> Path:
        """Runs of trackers that have no server."""
        return self.private / "trackers"

    def increments(self, stage: str) -> Path:
        """What a stage keeps to do only what changed the next time: cleaned rows, token counts, answers of a teacher."""
        return self.private / "increments" / stage

    @property
    def runs(self) -> Path:
        """Records of the last run of each stage: seconds, memory, figures."""
        return self.private / "runs"

    def shown(self, path: Path) -> str:
        """A path as messages show it: relative to the workspace when it lies there."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)

    def spec_paths(self) -> list[Path]:
        """Every spec, sorted by name. Raises WorkspaceError for a file that looks like one and would not be read."""
        if odd := sorted(path.name for path in self.specs.glob("*.yml")):
            raise WorkspaceError(f"specs/{odd[0]} is not read: specs end in .yaml", hint=f"rename it to {odd[0].removesuffix('.yml')}.yaml")
        return sorted(path for path in self.specs.glob("*.yaml") if not path.name.startswith((GENERATED, ".")))

    def spec(self, name: str) -> Path:
        return self.specs / f"{name}.yaml"

    def raw(self, name: str, path: str | None) -> Path:
        """Raw corpus of spec `name`, whose `corpus.path` is `path`."""
        return self.root / (path or f"data/raw/{name}")

    def corpus(self, name: str) -> Path:
        return self.root / "data" / "corpus" / name

    def dataset(self, name: str) -> Path:
        return self.root / "data" / "dataset" / name

    def adapter(self, name: str) -> Path:
        return self.root / "adapters" / name

    def step(self, name: str, step: str) -> Path:
        """Adapter of a training that comes before that of adapter `name`."""
        return self.root / "steps" / name / step

    def curves(self, name: str) -> Path:
        """Loss curves that DVC plots."""
        return self.root / "training" / name

    def step_curves(self, name: str, step: str) -> Path:
        """Those of a step, which have a folder of their own, so that no adapter's name is in the way."""
        return self.root / "training-steps" / name / step

    def sweep(self, name: str) -> Path:
        """Comparison of the last sweep over spec `name`."""
        return self.root / "sweeps" / name

    def evaluation(self, name: str) -> Path:
        return self.root / "evaluation" / name

    def metrics(self, name: str) -> Path:
        """The metrics file that DVC shows."""
        return self.root / "metrics" / f"{name}.json"

    def gate(self, name: str) -> Path:
        return self.gates / name

    def export(self, name: str, export: str) -> Path:
        return self.root / "exports" / name / export

    def work(self, stage: str) -> Path:
        """Where a stage keeps what it needs to resume."""
        return self.private / "work" / stage


def find_workspace(start: Path) -> Workspace:
    """The workspace that `start` lies in. Raises WorkspaceError when there is none."""
    for folder in (start, *start.parents):
        if (folder / "params.yaml").is_file() and (folder / "dvc.yaml").is_file():
            return Workspace(folder)
    raise WorkspaceError(f"{start} is not in a workspace: no params.yaml and dvc.yaml here or above", hint="make one with `adapt init DIR`")
