"""Changed defaults that a spec does not follow, and the shipped specs, which follow all that they do not mean to change."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapt.plan.defaults import idle_defaults
from adapt.plan.resolve import plain, resolve
from adapt.plan.workspace import Workspace
from adapt.spec.load import load_params, load_specs
from tests.tiny import tiny_base
from tests.workspace import ROOT

SPECS = {"a": "lora: {r: 16}\n", "b": "lora: {r: 8}\ntrain: {epochs: 3}\n", "c": ""}


def make(root: Path, params: str, specs: dict[str, str], *, committed: bool = True) -> Workspace:
    (root / "specs").mkdir()
    (root / "params.yaml").write_text(params, encoding="utf-8")
    for name, text in specs.items():
        (root / "specs" / f"{name}.yaml").write_text(text, encoding="utf-8")
    if committed:
        who = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        for command in (["init", "-q"], ["add", "-A"], [*who, "commit", "-qm", "one"]):
            subprocess.run(["git", *command], cwd=root, check=True)
    return Workspace(root)


def change(workspace: Workspace, params: str) -> None:
    (workspace.root / "params.yaml").write_text(params, encoding="utf-8")


def test_a_changed_default_that_specs_set_themselves_is_named_with_what_they_set(tmp_path: Path) -> None:
    workspace = make(tmp_path, "lora: {r: null}\ntrain: {epochs: 2}\n", SPECS)
    assert idle_defaults(workspace, ["a", "b", "c"]) == []
    change(workspace, "lora: {r: 32}\ntrain: {epochs: 2}\n")
    assert idle_defaults(workspace, ["a"]) == ["params.yaml lora.r=32 has no effect on a: specs/a.yaml sets lora.r: 16"]
    assert idle_defaults(workspace, ["a", "b", "c"]) == [
        "params.yaml lora.r=32 has no effect on a, b: specs/a.yaml sets lora.r: 16; specs/b.yaml sets lora.r: 8; it holds for c"
    ]
    assert idle_defaults(workspace, ["c"]) == []


def test_each_changed_field_is_judged_on_its_own(tmp_path: Path) -> None:
    workspace = make(tmp_path, "lora: {r: 4}\n", SPECS)
    change(workspace, "lora: {r: 4}\ntrain: {epochs: 5}\nseed: 3\nserver: {port: 9000}\n")
    assert idle_defaults(workspace, ["b", "a"]) == [
        "params.yaml train.epochs=5 has no effect on b: specs/b.yaml sets train.epochs: 3; it holds for a"
    ]


def test_a_default_that_the_specs_method_does_not_read_is_named_too(tmp_path: Path) -> None:
    workspace = make(tmp_path, "", {"a": "train: {method: full}"})
    change(workspace, "lora: {r: 32}")
    assert idle_defaults(workspace, ["a"]) == ["params.yaml lora.r=32 has no effect on a: specs/a.yaml does not read it"]


def test_without_a_commit_the_last_resolved_params_are_compared_with(tmp_path: Path) -> None:
    workspace = make(tmp_path, "lora: {r: 32}\ntrain: {learning_rate: 0.00001}", SPECS, committed=False)
    assert idle_defaults(workspace, ["a"]) == []
    resolved = {"params.yaml": {"lora": {"r": 4}, "train": {"learning_rate": "1e-05"}}}
    entry = {"cmd": "adapt stage resolve", "params": resolved}
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": {"resolve": entry}}), encoding="utf-8")
    assert idle_defaults(workspace, ["a"]) == ["params.yaml lora.r=32 has no effect on a: specs/a.yaml sets lora.r: 16"]


def leaves(tree: Any, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    if not isinstance(tree, dict):
        return {path: tree}
    return {key: value for name, inner in tree.items() for key, value in leaves(inner, (*path, name)).items()}


def without(tree: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    first, *rest = path
    copy = dict(tree)
    if not rest or not (inner := without(copy[first], tuple(rest))):
        del copy[first]
    else:
        copy[first] = inner
    return copy


@pytest.mark.parametrize("name", ["finance", "legal", "medical"])
def test_a_shipped_spec_sets_no_field_to_what_it_would_have_anyway(name: str, tmp_path: Path) -> None:
    own = yaml.safe_load((ROOT / "specs" / f"{name}.yaml").read_text(encoding="utf-8"))
    params = (ROOT / "params.yaml").read_text(encoding="utf-8")
    workspace = make(tmp_path, params, {"whole": yaml.safe_dump(own)}, committed=False)
    whole = load_specs(tmp_path, [workspace.spec("whole")])["whole"]
    for path in leaves(own):
        if path[0] == "export":
            continue  # an export is its format, which has no default
        workspace.spec("part").write_text(yaml.safe_dump(without(own, path)), encoding="utf-8")
        assert load_specs(tmp_path, [workspace.spec("part")])["part"] != whole, ".".join(path)


def test_the_shipped_finance_spec_trains_what_it_trained_when_it_repeated_the_defaults(tmp_path: Path) -> None:
    own = yaml.safe_load((ROOT / "specs" / "finance.yaml").read_text(encoding="utf-8"))
    repeated = {**own, "lora": {"r": 16}, "train": {"epochs": 2}}
    repeated["evaluate"] = {**own["evaluate"], "gates": [{"metric": "perplexity", "beats_base": True}]}
    texts = {"short": yaml.safe_dump(own), "long": yaml.safe_dump(repeated)}
    workspace = make(tmp_path, "base: {kind: path, path: base}\n", texts, committed=False)
    tiny_base(tmp_path / "base")
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8")) | {"base": {"kind": "path", "path": "base"}}
    change(workspace, yaml.safe_dump(params))
    specs = load_specs(tmp_path, workspace.spec_paths())
    adapters, _ = resolve(workspace, specs, load_params(tmp_path))
    assert plain(adapters["short"]) == plain(adapters["long"])
    assert (adapters["short"].train.lora.r, adapters["short"].train.train.epochs) == (16, 2)
    change(workspace, yaml.safe_dump(params | {"lora": {"r": 32}}))
    adapters, _ = resolve(workspace, load_specs(tmp_path, workspace.spec_paths()), load_params(tmp_path))
    assert (adapters["short"].train.lora.r, adapters["long"].train.lora.r) == (32, 16)
