"""Compiled layers, fused kernels and FlexAttention give what the layers give as they are; what cannot run here is refused in words."""

import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from adapt.adapter import kernels, lane
from adapt.adapter.head import hidden_states
from adapt.adapter.kernels import FLEX, compile_layers, set_kernels
from adapt.adapter.methods.frozen import Base
from adapt.adapter.states import behind_each_other, side_by_side
from adapt.errors import InputError
from adapt.spec.low_rank_train import LoraTrain
from tests.adapter.trainings import BASE, run, section, write_dataset


def _losses_and_weights(folder: Path) -> tuple[list[str], dict[str, torch.Tensor]]:
    lines = (folder / "curves" / "plots" / "metrics" / "train" / "loss.tsv").read_text(encoding="utf-8").splitlines()[1:]
    return [line.split("\t")[-1] for line in lines], load_file(folder / "adapter" / "adapter_model.safetensors")


@pytest.mark.parametrize("backend", ["eager", *(pytest.param(backend, marks=pytest.mark.slow) for backend in ("aot_eager", "inductor"))])
def test_compiled_layers_train_as_layers_that_are_not(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backend: str) -> None:
    compiled = []
    monkeypatch.setattr(lane, "compile_layers", lambda model: compiled.append(model) or compile_layers(model, backend=backend))
    dataset = write_dataset(tmp_path / "dataset")
    for name, chosen in (("plain", False), ("compiled", True)):
        run(section(workspace, compile=chosen, epochs=1, packing="packed"), workspace, dataset, tmp_path / name)
    assert len(compiled) == 1
    (before, plain), (after, ours) = (_losses_and_weights(tmp_path / name) for name in ("plain", "compiled"))
    assert [float(loss) for loss in after] == pytest.approx([float(loss) for loss in before], rel=1e-4)
    for name, weight in plain.items():
        torch.testing.assert_close(ours[name], weight, rtol=1e-3, atol=1e-5)


def _liger(monkeypatch: pytest.MonkeyPatch, *, scale: float = 1.0) -> list[str]:
    """Plain code where Liger's kernels would be imported from; returns the names of what is called."""
    called: list[str] = []

    def norm(x: Any, weight: Any, epsilon: float, offset: float, casting: str, in_place: bool) -> Any:
        assert (offset, casting, in_place) == (0.0, "llama", False)
        called.append("norm")
        return scale * weight * torch.nn.functional.rms_norm(x.float(), x.shape[-1:], eps=epsilon).to(x.dtype)

    def swiglu(gate: Any, up: Any) -> Any:
        called.append("swiglu")
        return torch.nn.functional.silu(gate) * up

    functional = ModuleType("liger_kernel.transformers.functional")
    functional.__dict__.update(liger_rms_norm=norm, liger_swiglu=swiglu)
    for name, module in (("liger_kernel", ModuleType("l")), ("liger_kernel.transformers", ModuleType("t")), (functional.__name__, functional)):
        monkeypatch.setitem(sys.modules, name, module)
    return called


def test_fused_kernels_stand_in_for_the_layers_of_one_model_alone(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called = _liger(monkeypatch)
    base = Base(workspace / BASE)
    model, other = (base.load(dtype="float32", device="cpu") for _ in range(2))
    layout = side_by_side([range(3, 20)])
    before = hidden_states(model, layout)
    set_kernels(model, section(workspace, kernels="liger").train)
    called.clear()
    assert torch.allclose(hidden_states(model, layout), before, atol=1e-5)
    layers = model.config.num_hidden_layers
    assert (called.count("norm"), called.count("swiglu")) == (2 * layers + 1, layers)
    called.clear()
    hidden_states(other, layout)
    assert called == []


def test_kernels_that_give_other_states_are_refused(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _liger(monkeypatch, scale=1.5)
    model = Base(workspace / BASE).load(dtype="float32", device="cpu")
    with pytest.raises(InputError, match=r"train\.kernels is liger, and LlamaForCausalLM has other states with its kernels, off by 1\.\d+"):
        set_kernels(model, section(workspace, kernels="liger").train)


def test_kernels_that_are_not_installed_are_named(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "liger_kernel", None)
    with pytest.raises(InputError, match=r"train\.kernels is liger, which cannot be imported") as raised:
        set_kernels(Base(workspace / BASE).load(dtype="float32", device="cpu"), section(workspace, kernels="liger").train)
    assert "pip install 'adapt-build[liger]'" in str(raised.value.hint)


def test_a_model_without_layers_that_kernels_are_for_is_refused(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _liger(monkeypatch)
    monkeypatch.setattr(kernels, "_NORMS", frozenset())
    monkeypatch.setattr(kernels, "_is_swiglu", lambda module: False)
    with pytest.raises(InputError, match="has no layer that its kernels are for"):
        set_kernels(Base(workspace / BASE).load(dtype="float32", device="cpu"), section(workspace, kernels="liger").train)


@pytest.mark.slow
def test_flex_attention_keeps_packed_sequences_apart(workspace: Path) -> None:
    """Its forward pass alone: torch has no backward pass of it for CPUs."""
    model = Base(workspace / BASE).load(dtype="float32", device="cpu")
    sequences = [range(3, 12), range(20, 25), range(5, 19)]
    with torch.no_grad():
        alone = [hidden_states(model, side_by_side([each]))[0] for each in sequences]
        set_kernels(model, section(workspace, attention="flex").train)
        assert model.config._attn_implementation == FLEX
        packed = hidden_states(model, behind_each_other(sequences))[0]
    assert torch.allclose(packed, torch.cat(alone), atol=1e-4)


@pytest.mark.parametrize(("field", "value", "other"), [("kernels", "liger", "torch"), ("attention", "flex", "auto")])
def test_what_runs_on_cuda_alone_is_refused_on_a_cpu(workspace: Path, tmp_path: Path, field: str, value: str, other: str) -> None:
    with pytest.raises(InputError, match=rf"train\.{field} is {value}, which runs on CUDA alone") as raised:
        run(section(workspace, **{field: value}), workspace, write_dataset(tmp_path / "dataset"), tmp_path)
    assert raised.value.hint == f"set it to {other}"


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"compile": True, "gradient_checkpointing": True}, "set one of the two to false"),
        ({"compile": True, "distributed": {"strategy": "fsdp2", "processes": 2}}, "set compile to false, or the strategy to ddp"),
        ({"compile": True, "kernels": "liger"}, "set compile to false, or kernels to torch"),
        ({"compile": True, "cotraining": "fused"}, "compile is set, so no forward pass could be shared"),
        ({"kernels": "liger", "cotraining": "fused"}, "kernels is liger, so no forward pass could be shared"),
        ({"attention": "flex", "cotraining": "fused"}, "attention is flex, so no forward pass could be shared"),
        ({"attention": "flex", "packing": "padded"}, "set packing to auto, or attention to auto"),
        ({"attention": "flex", "objective": {"kind": "grpo", "reward": {"functions": [{"kind": "json_valid"}]}}}, "set attention to auto"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(settings: dict[str, Any], wanted: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(wanted)):
        LoraTrain.model_validate({"method": "lora", **settings})
