"""Every stage opens what dvc.yaml declares, what its section knows by content, and nothing else of the workspace.

The references are the kernel's record of what was opened, and dvc.lock as DVC wrote it.
"""

import hashlib
import json
import shutil
from pathlib import Path

import pytest
import yaml

from adapt.plan.workspace import Workspace
from tests.e2e.recorder import needs_inotify, opened_files
from tests.workspace import run

UNDECLARED = {
    ".adapt": "what a stage keeps between its runs, keyed by content",
    "build/resolved/_engine.yaml": "where operators run, which changes no byte",
    "build/resolved/_trackers.yaml": "who is told of a training, which changes no byte",
    "models/tiny": "the base, whose digest is in the section",
    ".dvc": "the adapter before, to say that it was of another numeric class",
    "dvc.lock": "the same",
    ".dvcignore": "what DVC does not see; with it DVC's digest of the folder changes",
}
"""Places that a stage may open though DVC does not watch them, with the reason."""
KINDS = [
    "corpus", "dataset", pytest.param("train", marks=pytest.mark.slow), pytest.param("evaluate", marks=pytest.mark.slow), "gate",
    pytest.param("export", marks=pytest.mark.slow), "serving",
]  # fmt: skip

pytestmark = needs_inotify


@pytest.fixture(scope="module")
def rich(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built workspace with a spec that names further files. Stages that run in it leave what was there."""
    workspace = Path(shutil.copytree(built, tmp_path_factory.mktemp("declared") / "w", symlinks=True))
    (workspace / "held_out.jsonl").write_text('{"question": "What is held out of all training here?"}\n', encoding="utf-8")
    (workspace / "more.jsonl").write_text((workspace / "data" / "raw" / "beta" / "faq.jsonl").read_text("utf-8"), "utf-8")
    spec = workspace / "specs" / "alpha.yaml"
    further = "dataset: {decontamination: {against: [held_out.jsonl]}}\ncorpus: {sources: [{glob: '**/*.jsonl'}, {glob: 'file://more.jsonl'}]}\n"
    spec.write_text(spec.read_text(encoding="utf-8") + further, encoding="utf-8")
    run(workspace, "adapt", "stage", "resolve")
    run(workspace, "adapt", "stage", "corpus", "alpha")
    return workspace


@pytest.mark.parametrize("kind", KINDS)
def test_a_stage_reads_what_it_declares(rich: Path, kind: str) -> None:
    name = {"serving": "serving", "export": "export@alpha-merged"}.get(kind, f"{kind}@alpha")
    with opened_files(rich) as opened:
        run(rich, "adapt", "stage", *name.split("@"))
    deps, outs = declared(rich, name)
    pinned = section_text(rich, name)
    files = {path for path in opened if (rich / path).is_file()}
    assert files & {path for path in files if within(path, deps)}, "the recorder sees nothing"
    left = sorted(path for path in files if not within(path, [*deps, *outs, *UNDECLARED]) and not is_own(path, outs))
    left = [path for path in left if not path.endswith("manifest.json") or not is_beside(path, deps)]  # compared, never used
    assert [path for path in left if hashlib.sha256((rich / path).read_bytes()).hexdigest() not in pinned] == []


def declared(root: Path, name: str) -> tuple[list[str], list[str]]:
    """Dependencies, the resolved file among them, and outputs of a stage, as DVC wrote them down when it built it."""
    entry = yaml.safe_load((root / "dvc.lock").read_text(encoding="utf-8"))["stages"][name]
    return [dep["path"] for dep in entry["deps"]] + list(entry["params"]), [out["path"] for out in entry["outs"]]


def section_text(root: Path, name: str) -> str:
    """The section of a stage, as the resolved file has it."""
    kind = name.partition("@")[0]
    file = Workspace(root).resolved / ("_serving.yaml" if kind == "serving" else "alpha.yaml")
    return json.dumps(yaml.safe_load(file.read_text(encoding="utf-8"))[kind])


def within(path: str, places: list[str]) -> bool:
    return any(path == place or path.startswith(f"{place}/") for place in places)


def is_beside(path: str, deps: list[str]) -> bool:
    """Whether a manifest is that of the folder in which a declared file lies."""
    return any(Path(dep).parent == Path(path).parent for dep in deps)


def is_own(path: str, outs: list[str]) -> bool:
    """Locks and what is being built beside an output."""
    name = Path(path).name
    return name.startswith(".") and any(name.startswith(f".{Path(out).name}.") and Path(out).parent == Path(path).parent for out in outs)
