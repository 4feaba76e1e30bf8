"""What past trainings tell of the next, from a training that really ran."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapt.advice.history import Correction, correction_for
from adapt.advice.machine import Device
from adapt.base.calibration import calibrate
from adapt.plan.workspace import Workspace
from adapt.spec.resolved.train import TrainSection
from tests.adapter.trainings import BASE, run, section, write_dataset
from tests.tiny import tiny_base


@pytest.fixture
def trained(tmp_path: Path) -> tuple[Workspace, TrainSection, dict[str, Any]]:
    """A workspace with one training behind it, its section, and its run record."""
    tiny_base(tmp_path / BASE)
    workspace, settings = Workspace(tmp_path), section(tmp_path, epochs=1)
    report = run(settings, tmp_path, write_dataset(workspace.dataset("alpha")), tmp_path / "made")
    workspace.adapter("alpha").parent.mkdir()
    (tmp_path / "made" / "adapter").rename(workspace.adapter("alpha"))
    stage = {"cmd": "adapt stage train alpha", "params": {"build/resolved/alpha.yaml": {"train": settings.model_dump(mode="json")}}}
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": {"train@alpha": stage}}), encoding="utf-8")
    workspace.runs.mkdir(parents=True)
    return workspace, settings, {"stage": "train@alpha", "figures": vars(report), "seconds": 9.0, "peak_mib": 200}


def correction(workspace: Workspace, settings: TrainSection, record: dict[str, Any]) -> Correction:
    (workspace.runs / "train@alpha.json").write_text(json.dumps(record), encoding="utf-8")
    device = Device("cpu", 8 << 30, partial(calibrate, "cpu", workspace.calibration))
    return correction_for(settings, workspace, ["alpha"], device=device)


def test_a_training_of_its_own_stage_corrects_the_forecast(trained: tuple[Workspace, TrainSection, dict[str, Any]]) -> None:
    found = correction(*trained)
    assert found.runs == ("train@alpha",)
    assert found.memory == 0.5
    assert found.rate is not None
    assert found.rate > 0


def test_a_stage_that_took_an_adapter_trained_ahead_corrects_nothing(trained: tuple[Workspace, TrainSection, dict[str, Any]]) -> None:
    workspace, settings, record = trained
    record["figures"] = {**record["figures"], "ahead": True}
    assert correction(workspace, settings, record) == Correction()


def test_a_training_of_another_class_corrects_nothing(trained: tuple[Workspace, TrainSection, dict[str, Any]]) -> None:
    workspace, settings, record = trained
    record["figures"] = {**record["figures"], "threads": record["figures"]["threads"] + 1}
    assert correction(workspace, settings, record) == Correction()
    record["figures"] = {name: value for name, value in record["figures"].items() if name != "instruction_set"}
    assert correction(workspace, settings, record) == Correction()
