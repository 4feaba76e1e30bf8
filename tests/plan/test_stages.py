"""dvc.yaml and adapt.plan.stages say the same."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from adapt.artifact.manifest import provenance_path
from adapt.plan.index import index_of
from adapt.plan.stages import SERVING, Stage, split_item, stages_of
from adapt.plan.workspace import Workspace
from adapt.spec.adapter import AdapterSpec
from tests.workspace import ROOT

WORKSPACE = Workspace(Path("/w"))
PPO = {"kind": "ppo", "reward": {"step": "reward"}}
SPEC = AdapterSpec.model_validate(
    {
        "export": {"merged": {"format": "merged"}},
        "steps": {"sft": {}, "reward": {"train": {"method": "lora", "objective": "reward", "start_from": "sft"}}},
        "train": {"method": "lora", "start_from": "sft", "objective": PPO},
    }
)
PLAIN = AdapterSpec.model_validate({})


def declared(stage: Stage, spec: AdapterSpec = SPEC) -> dict[str, Any]:
    """The stage as dvc.yaml has it, placeholders filled in."""
    text = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
    group = {"export": "exports", "step": "steps"}.get(stage.kind, "adapters")
    item = index_of({"a-b": spec})[group].get(stage.item, {})
    for placeholder, value in {"key": stage.item, **{f"item.{name}": value for name, value in item.items()}}.items():
        text = text.replace("${" + placeholder + "}", value)
    content: dict[str, Any] = yaml.safe_load(text)["stages"][stage.kind]
    return content.get("do", content)


@pytest.mark.parametrize("stage", [*stages_of("a-b", SPEC), SERVING], ids=lambda stage: stage.kind)
def test_dvc_runs_the_same_stage(stage: Stage) -> None:
    entry = declared(stage)
    assert entry["cmd"] == f"adapt stage {stage.kind} {stage.item}".strip()
    [params] = entry["params"]
    assert params == {stage.resolved(WORKSPACE).relative_to("/w").as_posix(): [".".join(stage.section)]}
    out = stage.out(WORKSPACE)
    assert entry["outs"] == [path.relative_to("/w").as_posix() for path in (out, provenance_path(out))]


@pytest.mark.parametrize("stage", [*stages_of("a-b", SPEC), SERVING], ids=lambda stage: stage.kind)
def test_dvc_knows_the_same_inputs(stage: Stage) -> None:
    deps = set(declared(stage)["deps"]) - {"data/raw/a-b", "build/gates/a-b/passed.json"}  # a gate lets pass, and is not read
    assert deps == {path.relative_to("/w").as_posix() for path in stage.inputs(WORKSPACE).values()}
    assert not [up for up in stage.upstream() if up.kind != "gate" and not _reads_of(stage, up)]


def _reads_of(stage: Stage, upstream: Stage) -> list[Path]:
    """What a stage reads of the output of another."""
    return [path for path in stage.inputs(WORKSPACE).values() if path.is_relative_to(upstream.out(WORKSPACE))]


def test_a_chain_reads_its_steps_and_a_plain_spec_none() -> None:
    reads = {stage.name: [each.name for each in stage.upstream() if each.kind == "step"] for stage in stages_of("a-b", SPEC)}
    assert {name: steps for name, steps in reads.items() if steps} == {
        "step@a-b-reward": ["step@a-b-sft"], "train@a-b": ["step@a-b-sft", "step@a-b-reward"], "evaluate@a-b": ["step@a-b-reward"],
    }  # fmt: skip
    assert not [each for stage in stages_of("a-b", PLAIN) for each in stage.upstream() if each.kind == "step"]
    assert set(declared(Stage("train", "a-b"), PLAIN)["deps"]) == {"data/dataset/a-b/train.jsonl", "data/dataset/a-b/validation.jsonl"}


def test_steps_exports_and_adapters_of_like_names_do_not_meet() -> None:
    """Steps and exports have no hyphen in their names, and each kind of output a folder of its own."""
    specs = {"a": SPEC, "a-sft": SPEC, "a-merged": PLAIN}
    stages = [stage for name, spec in specs.items() for stage in stages_of(name, spec)]
    assert len({stage.name for stage in stages}) == len(stages) == len({stage.out(WORKSPACE) for stage in stages})
    outs = [stage.out(WORKSPACE) for stage in stages] + [WORKSPACE.step_curves(s.adapter, s.step) if s.step else WORKSPACE.curves(s.adapter)
                                                         for s in stages if s.kind in ("step", "train")]  # fmt: skip
    assert not [(one, other) for one in outs for other in outs if one != other and other.is_relative_to(one)]
    with pytest.raises(ValidationError, match="a-b"):
        AdapterSpec.model_validate({"steps": {"a-b": {}}})


def test_items_of_exports_are_read_back() -> None:
    for stage in stages_of("a-b", SPEC):
        assert split_item(stage.kind, stage.item) == stage
