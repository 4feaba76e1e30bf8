"""Several trainings over one base in memory: each ends as it would have alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapt.adapter.lane import Lane
from adapt.adapter.methods import frozen
from adapt.adapter.train import Training, train_together
from adapt.artifact.digest import digest_files
from adapt.artifact.progress import QuietProgress
from adapt.errors import InputError
from adapt.spec.lora import LoraSpec
from tests.adapter.trainings import BASE, record, records, run, section, write_dataset

Dataset = Callable[..., Path]


def _together(workspace: Path, sections: dict[str, Any], inputs: dict[str, Path], target: Path):
    made = []
    for name, each in sections.items():
        own = target / name
        made.append(Training(each, inputs=inputs[name], out=own / "adapter", curves=own / "curves", work=own / "work"))
    return train_together(made, base=workspace / BASE, progress=QuietProgress())


def test_trainings_in_turn_give_the_bytes_of_trainings_alone(workspace: Path, tmp_path: Path) -> None:
    sections = {
        "lora": section(workspace, lora=LoraSpec(r=4, lora_dropout=0.1), epochs=2),
        "dora": section(workspace, method="dora", lora=LoraSpec(r=2, lora_dropout=0.2), seed=7, epochs=1, gradient_checkpointing=True),
        "pfeiffer": section(workspace, method="pfeiffer", bottleneck_size=8, epochs=1, accumulate=2, batch_tokens=100),
        "full": section(workspace, method="full", learning_rate=1e-3, epochs=1),
        "pissa": section(workspace, method="pissa", epochs=1),
        "qlora": section(workspace, method="qlora", epochs=1),
        "prompts": section(workspace, method="prompt_tuning", virtual_tokens=4, learning_rate=3e-2, epochs=1),
    }
    inputs = {name: write_dataset(tmp_path / "data" / name, records(12 + 3 * number)) for number, name in enumerate(sections)}
    for name, each in sections.items():
        run(each, workspace, inputs[name], tmp_path / "alone" / name)
    reports = _together(workspace, sections, inputs, tmp_path / "together")
    for report, name in zip(reports, sections, strict=True):
        assert report.steps > 1
        for part in ("adapter", "curves"):
            assert digest_files(tmp_path / "together" / name / part) == digest_files(tmp_path / "alone" / name / part), name


def test_one_base_is_read_once_for_methods_that_leave_it_alone(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    load = frozen.load_model
    monkeypatch.setattr(frozen, "load_model", lambda *arguments, **named: read.append(named["dtype"]) or load(*arguments, **named))
    sections = {name: section(workspace, method=name, epochs=0.1, lora=LoraSpec(r=2)) for name in ("lora", "dora", "pissa")}
    _together(workspace, sections, dict.fromkeys(sections, write_dataset(tmp_path / "data")), tmp_path)
    assert read == ["float32", "float32"], "one for lora and dora, one for pissa"


def test_a_finished_adapter_outlasts_a_crash_of_the_others(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = write_dataset(tmp_path / "data")
    sections = {"short": section(workspace, epochs=1), "long": section(workspace, epochs=3, checkpoint_every_steps=2)}
    turn = Lane.turn

    def crash(self: Lane) -> bool:
        if self.state.step == self.plan.steps - 1 and self.settings.epochs == 3:
            raise RuntimeError("power cut")
        return turn(self)

    with monkeypatch.context() as patch:
        patch.setattr(Lane, "turn", crash)
        with pytest.raises(RuntimeError, match="power cut"):
            _together(workspace, sections, dict.fromkeys(sections, inputs), tmp_path)
    assert (tmp_path / "short" / "adapter" / "manifest.json").is_file()
    assert not (tmp_path / "long" / "adapter").exists()
    resumed = run(sections["long"], workspace, inputs, tmp_path / "long")
    assert resumed.resumed_at_step > 0
    run(sections["long"], workspace, inputs, tmp_path / "whole")
    assert digest_files(tmp_path / "long" / "adapter") == digest_files(tmp_path / "whole" / "adapter")


def test_a_loss_that_is_not_finite_stops_its_own_training_alone(workspace: Path, tmp_path: Path) -> None:
    inputs = write_dataset(tmp_path / "data", [record(f"Item {number}?", "It is.") for number in range(24)])
    broken = section(workspace, learning_rate=0.999, max_grad_norm=1e30, weight_decay=1e38, patience=None)
    with pytest.raises(InputError, match="training stopped at step"):
        _together(workspace, {"broken": broken, "sound": section(workspace)}, {"broken": inputs, "sound": inputs}, tmp_path)
    assert (tmp_path / "sound" / "adapter" / "manifest.json").is_file()
    assert not (tmp_path / "broken" / "adapter").exists()
