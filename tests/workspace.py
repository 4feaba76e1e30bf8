"""A small workspace that builds in seconds: a tiny base, generated corpora, the project's own dvc.yaml."""

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

from tests.tiny import tiny_base

ROOT = Path(__file__).parents[1]
PARAMS = """\
base: {kind: path, path: models/tiny}
dataset: {min_records: 12}
lora: {r: 4}
train: {method: lora, epochs: 2, learning_rate: 0.02, batch_tokens: 512, dtype: float32, device: cpu,
  evaluate_every_steps: 2, checkpoint_every_steps: 2}
evaluate: {generate_records: 2, max_new_tokens: 4}
server: {max_model_len: 512}
seed: 1
"""
_NOUNS = """bond share court heart lung price rate loan party doctor nurse clause
ledger invoice tax dose nerve vein lease deed yield fund trade audit claim"""
_VERBS = """pays returns carries records ends begins supports measures follows covers
limits raises lowers joins replaces explains divides protects"""
NOUNS, VERBS = _NOUNS.split(), _VERBS.split()


def tiny_workspace(root: Path, names: tuple[str, ...] = ("alpha", "beta"), *, exports: bool = True) -> Path:
    """Make a DVC workspace without git in `root`: one generated corpus of 40 questions and one spec per name."""
    root.mkdir(parents=True)
    shutil.copyfile(ROOT / "dvc.yaml", root / "dvc.yaml")
    shutil.copyfile(ROOT / ".dvcignore", root / ".dvcignore")
    (root / "params.yaml").write_text(PARAMS, encoding="utf-8")
    (root / "specs").mkdir()
    tiny_base(root / "models" / "tiny")
    for name in names:
        add_spec(root, name, exports=exports)
    run(root, sys.executable, "-m", "dvc", "init", "--quiet", "--no-scm")
    run(root, "adapt", "sync")
    return root


def add_spec(root: Path, name: str, *, exports: bool = True) -> None:
    """Write spec `name` and its corpus."""
    text = f"description: the {name} adapter\n"
    if exports:
        text += "export:\n  merged: {format: merged, dtype: float32}\n"
    (root / "specs" / f"{name}.yaml").write_text(text, encoding="utf-8")
    raw = root / "data" / "raw" / name
    raw.mkdir(parents=True)
    (raw / "faq.jsonl").write_text(questions(name, 40), encoding="utf-8")


def questions(seed: str, count: int) -> str:
    """JSON lines of unlike questions; the answers share a pattern that a tiny model learns."""
    rng = random.Random(seed)
    lines = []
    for number in range(count):
        words = " ".join(f"the {rng.choice(NOUNS)} {rng.choice(VERBS)} the {rng.choice(NOUNS)}" for _ in range(3))
        lines.append(
            json.dumps({"instruction": f"What happens in case {number} of {rng.choice(NOUNS)}?", "input": "", "output": f"In that case {words}."})
        )
    return "\n".join(lines) + "\n"


def run(root: Path, *command: str, check: bool = True, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command in the workspace with this environment's programs first on the path."""
    here = Path(sys.executable).parent
    path = f"{here}{os.pathsep}{os.environ['PATH']}"
    program = str(here / command[0]) if (here / command[0]).exists() else command[0]
    variables = {**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1", "OMP_NUM_THREADS": "1", **(env or {})}
    done = subprocess.run([program, *command[1:]], cwd=root, env=variables, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(command)} exited with {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


def tree(root: Path) -> dict[str, bytes]:
    """Every built file of a workspace by its path."""
    parts = ("data/corpus", "data/dataset", "adapters", "training", "evaluation", "metrics", "build/gates", "exports", "dist")
    files = (path for part in parts for path in (root / part).rglob("*") if path.is_file() and not path.name.startswith("."))
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}
