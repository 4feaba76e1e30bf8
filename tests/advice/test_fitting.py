"""What is proposed where a training does not fit, and what trainings take that run side by side."""

from pathlib import Path
from typing import Any

import pytest

from adapt.advice.fitting import fixes_for, refusal
from adapt.advice.forecast import Training
from adapt.advice.history import Correction
from adapt.advice.machine import Device, Kind
from adapt.advice.memory import GIB
from adapt.advice.together import check_together, joint_peak
from adapt.advice.workload import assumed
from adapt.errors import InputError
from adapt.spec.lora import LoraSpec
from adapt.spec.methods import METHODS, settled_lora
from tests.adapter.trainings import BASE, section
from tests.advice.situations import SMALL
from tests.tiny import tiny_base


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("workspace")
    tiny_base(root / BASE)
    return root


def training(workspace: Path, method: str = "lora", *, memory: float = 8, kind: Kind = "cpu", longest: int = 256, **settings: Any) -> Training:
    """A training on a base of 135 M parameters with `memory` GiB."""
    lora = LoraSpec(**settled_lora(method, {}))
    made = section(workspace, method=method, lora=lora, **{"batch_tokens": 2048, "device": "auto", **settings})
    workload = assumed(made.train, device=kind, records=500, longest=longest)
    return Training(made, SMALL, workload, Device(kind, round(memory * GIB)), Correction())


def test_shared_passes_are_given_up_for_recomputation(workspace: Path) -> None:
    found = training(workspace, cotraining="fused", memory=2.2, batch_tokens=1024, longest=1024)
    assert not found.fits
    settings = fixes_for(found)[0].settings
    assert settings["train.gradient_checkpointing"] is True
    assert settings["train.cotraining"] == "interleaved"


@pytest.mark.parametrize("method", ["prefix_tuning", "p_tuning_v2"])
def test_what_a_method_cannot_do_is_not_proposed(workspace: Path, method: str) -> None:
    found = training(workspace, method, memory=2.2, batch_tokens=4096, longest=1024)
    assert not found.fits
    hint = str(refusal("train@alpha", found).hint)
    assert "one of these fits: train.dtype: bfloat16 and train.batch_tokens: 1024 and train.accumulate: 4 (" in hint
    assert "gradient_checkpointing" not in hint


@pytest.mark.parametrize("method", sorted(METHODS))
@pytest.mark.parametrize("kind", ["cpu", "cuda"])
def test_no_method_is_asked_for_what_it_refuses(workspace: Path, method: str, kind: Kind) -> None:
    shared = "fused" if METHODS[method].shares_passes else "interleaved"
    found = training(workspace, method, memory=0.1, kind=kind, cotraining=shared)
    assert "no change of batch, rank, format or method makes it fit" in str(refusal("train@alpha", found).hint)


def test_one_training_takes_what_it_takes_alone(workspace: Path) -> None:
    for method in ("lora", "full"):
        found = training(workspace, method)
        assert joint_peak([found], 1) == pytest.approx(found.peak)
        assert joint_peak([found, found], 1) == pytest.approx(found.peak)


def test_a_base_is_there_once_unless_its_weights_are_trained(workspace: Path) -> None:
    lora, full = training(workspace), training(workspace, "full")
    assert joint_peak([lora] * 4, 4) - lora.peak == pytest.approx(3 * (lora.memory.trained + lora.memory.optimiser + lora.memory.best))
    assert joint_peak([full] * 2, 2) - full.peak == pytest.approx(full.memory.weights + full.memory.optimiser + full.memory.best)
    other = training(workspace, dtype="bfloat16")
    assert joint_peak([lora, other], 2) - max(lora.peak, other.peak) > min(lora.memory.weights, other.memory.weights)


def test_activations_add_up_only_in_shared_passes(workspace: Path) -> None:
    alone, large = training(workspace, batch_tokens=128, longest=64), training(workspace, cotraining="fused")
    fused = training(workspace, batch_tokens=128, longest=64, cotraining="fused")
    assert joint_peak([fused] * 2, 2) - joint_peak([alone] * 2, 2) > 0.9 * fused.memory.activations
    assert joint_peak([large] * 2, 2) == pytest.approx(joint_peak([training(workspace)] * 2, 2))


def test_trainings_that_fit_one_by_one_are_refused_together_with_the_number_that_fits(workspace: Path) -> None:
    some = {f"train@{number}": training(workspace, "full", memory=14) for number in range(5)}
    assert all(found.fits for found in some.values())
    told = r"train@0, train@1, train@2 and 2 more train over one base, 4 at once, which is forecast to need 1\d\.\d GiB, and there are 14\.0 GiB"
    with pytest.raises(InputError, match=told) as caught:
        check_together(some, at_once=4)
    assert caught.value.hint is not None
    fewer = int(caught.value.hint.partition("--at-once ")[2].partition("`")[0])
    assert 1 < fewer < 4
    check_together(some, at_once=fewer)
    with pytest.raises(InputError, match=f"{fewer + 1} at once"):
        check_together(some, at_once=fewer + 1)
