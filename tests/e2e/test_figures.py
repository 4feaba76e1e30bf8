"""Figures that `adapt show` and the summary of a build give: whose they are, and what they were held against."""

import json
from pathlib import Path
from typing import Any

from tests.workspace import PARAMS, run


def metrics(root: Path) -> dict[str, Any]:
    """What the evaluate stage left, read without the program."""
    return dict(json.loads((root / "evaluation" / "alpha" / "metrics.json").read_text(encoding="utf-8")))


def marked(text: str) -> set[str]:
    """First words of the lines that carry a mark."""
    return {line.split()[0] for line in text.splitlines() if "[" in line}


def test_figures_of_what_would_be_built_anew_are_marked_and_no_others(workspace: Path) -> None:
    assert marked(run(workspace, "adapt", "show", "alpha").stdout) == set()
    (workspace / "params.yaml").write_text(PARAMS.replace("r: 4", "r: 8"), encoding="utf-8")
    out = run(workspace, "adapt", "show", "alpha").stdout
    assert marked(out) == {"training", "adapter", "gate", "test", "merged", "serving"}
    assert "(best 12), validation loss" in out
    assert "[stale: lora.lora_alpha: 8 -> 16, and 1 more]" in out
    states = json.loads(run(workspace, "adapt", "show", "alpha", "--json").stdout)["states"]
    assert {name: found["state"] for name, found in states.items() if found["state"] != "waiting"} == {
        "corpus@alpha": "up to date", "dataset@alpha": "up to date", "train@alpha": "stale",
    }  # fmt: skip
    (workspace / "specs" / "beta.yaml").write_text("dataset: {lengths: {min_output_words: 3}}", encoding="utf-8")
    done = run(workspace, "adapt", "build", "beta", "--to", "dataset")
    [base_line] = [line for line in done.stdout.splitlines() if line.startswith("beta: base -> adapter")]
    [kept_line] = [line for line in done.stdout.splitlines() if "records kept" in line]
    assert "[stale: " in base_line
    assert "[" not in kept_line


def test_a_failed_gates_figures_stay_beside_their_bounds(workspace: Path) -> None:
    found = metrics(workspace)["adapter"]["rouge_l"]
    spec = workspace / "specs" / "alpha.yaml"
    spec.write_text(spec.read_text(encoding="utf-8") + "evaluate: {gates: [{metric: rouge_l, minimum: 0.999}]}\n", encoding="utf-8")
    done = run(workspace, "adapt", "build", "alpha", check=False)
    assert done.returncode == 1
    sentence = f"rouge_l: found {found:g}, minimum 0.999; the base has {metrics(workspace)['base']['rouge_l']:g}: FAILED"
    assert f"alpha: gate: {sentence}" in done.stdout.splitlines()
    shown = run(workspace, "adapt", "show", "alpha").stdout
    assert f"gate      {sentence}" in shown.splitlines()
    [gate] = json.loads(run(workspace, "adapt", "show", "alpha", "--json").stdout)["gates"]["gates"]
    assert (gate["found"], gate["bound"], gate["passed"]) == (found, 0.999, False)
