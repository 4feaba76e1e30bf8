"""dvc.yaml and adapt.plan.stages say the same."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from adapt.plan.stages import SERVING, Stage, split_item, stages_of
from adapt.plan.workspace import Workspace
from adapt.spec.adapter import AdapterSpec
from tests.workspace import ROOT

WORKSPACE = Workspace(Path("/w"))
SPEC = AdapterSpec.model_validate({"export": {"merged": {"format": "merged"}}})


def declared(stage: Stage) -> dict[str, Any]:
    """The stage as dvc.yaml has it, placeholders filled in."""
    text = (ROOT / "dvc.yaml").read_text(encoding="utf-8")
    for placeholder, value in {"key": stage.item, "item.raw": "data/raw/a-b", "item.adapter": stage.adapter, "item.export": stage.export}.items():
        text = text.replace("${" + placeholder + "}", value)
    content: dict[str, Any] = yaml.safe_load(text)["stages"][stage.kind]
    return content.get("do", content)


@pytest.mark.parametrize("stage", [*stages_of("a-b", SPEC), SERVING], ids=lambda stage: stage.kind)
def test_dvc_runs_the_same_stage(stage: Stage) -> None:
    entry = declared(stage)
    assert entry["cmd"] == f"adapt stage {stage.kind} {stage.item}".strip()
    [params] = entry["params"]
    assert params == {stage.resolved(WORKSPACE).relative_to("/w").as_posix(): [".".join(stage.section)]}
    assert entry["outs"] == [stage.out(WORKSPACE).relative_to("/w").as_posix()]


@pytest.mark.parametrize("stage", list(stages_of("a-b", SPEC)), ids=lambda stage: stage.kind)
def test_dvc_knows_the_same_inputs(stage: Stage) -> None:
    folders = {Path(dep.removesuffix("/passed.json")) for dep in declared(stage)["deps"]} - {Path("data/raw/a-b")}
    assert folders == {upstream.out(WORKSPACE).relative_to("/w") for upstream in stage.upstream()}


def test_items_of_exports_are_read_back() -> None:
    for stage in stages_of("a-b", SPEC):
        assert split_item(stage.kind, stage.item) == stage
