"""Packed rows: every sequence has the states, the loss and the gradient that it has alone."""

import json
from pathlib import Path

import pytest
import torch

from adapt.adapter.attention import grouped_attention
from adapt.adapter.methods.door import attach
from adapt.adapter.methods.frozen import Base
from adapt.adapter.packing import obstacle
from adapt.adapter.states import states_of
from adapt.spec.lora import LoraSpec
from tests.adapter.test_train import _gradient, _lane, _losses
from tests.adapter.trainings import BASE, records, run, section, write_dataset

SEQUENCES = [list(range(10, 25)), list(range(30, 37)), [5], list(range(40, 80))]


@pytest.mark.parametrize(
    ("method", "base"), [("lora", "llama"), ("pfeiffer", "llama"), ("full", "qwen2"), ("moe_lora", "mixtral"), ("qlora", "llama")]
)
def test_packed_states_are_those_of_each_sequence_alone(bases: Path, method: str, base: str) -> None:
    attached = attach(Base(bases / base), section(bases, base=base, method=method), device="cpu", sequences=[])
    attached.model.eval()
    packed = states_of(attached, SEQUENCES, packed=True)
    assert packed.hidden.shape[0] == sum(map(len, SEQUENCES))
    for start, tokens in zip(packed.starts, SEQUENCES, strict=True):
        alone = states_of(attached, [tokens]).hidden
        torch.testing.assert_close(packed.hidden[start : start + len(tokens)], alone, rtol=1e-4, atol=1e-4)


def test_packed_gradients_are_padded_ones(workspace: Path, tmp_path: Path) -> None:
    step = [[0, 1, 2], [3, 4, 5]]
    found = []
    for packing in ("packed", "padded"):
        lane = _lane(workspace, tmp_path, records(6), packing=packing, gradient_checkpointing=True)
        lane.start()
        with torch.no_grad():
            for weight in lane.weights.values():
                weight.fill_(0.02)
        found.append(_gradient(lane, step))
    torch.testing.assert_close(found[0], found[1], rtol=1e-3, atol=1e-6)


def test_long_sequences_are_kept_apart_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that go to torch's fused kernel."""
    torch.manual_seed(0)
    query, key, value = torch.randn(1, 4, 20, 8), torch.randn(1, 2, 20, 8), torch.randn(1, 2, 20, 8)
    module = torch.nn.Module()
    module.num_key_value_groups, module.is_causal = 2, True
    ends = torch.tensor([0, 12, 15, 20], dtype=torch.int32)
    usual, _ = grouped_attention(module, query, key, value, None, cu_seq_lens_q=ends)
    monkeypatch.setattr("adapt.adapter.attention.LONGEST_TOKENS", 4)
    long, _ = grouped_attention(module, query, key, value, None, cu_seq_lens_q=ends)
    torch.testing.assert_close(long, usual)


def test_a_packed_training_learns_as_a_padded_one(workspace: Path, tmp_path: Path) -> None:
    inputs = write_dataset(tmp_path / "data")
    for packing in ("packed", "padded"):
        run(section(workspace, packing=packing, batch_tokens=10_000, epochs=4), workspace, inputs, tmp_path / packing)
    assert _losses(tmp_path / "packed", "train/loss") == pytest.approx(_losses(tmp_path / "padded", "train/loss"), rel=1e-3)
    assert _losses(tmp_path / "packed") == pytest.approx(_losses(tmp_path / "padded"), rel=1e-3)


@pytest.mark.parametrize("method", ["prompt_tuning", "p_tuning_v2", "longlora"])
def test_a_method_whose_records_cannot_follow_each_other_is_padded(workspace: Path, tmp_path: Path, method: str) -> None:
    lora = LoraSpec(r=4) if method == "longlora" else LoraSpec()
    run(section(workspace, method=method, lora=lora, epochs=0.1), workspace, write_dataset(tmp_path / "data"), tmp_path)
    assert json.loads((tmp_path / "adapter" / "training.json").read_bytes())["packing"] == "padded"


def test_a_base_that_mixes_neighbours_is_found_out(workspace: Path) -> None:
    """As a state-space model does: each state takes in the one before it."""
    attached = attach(Base(workspace / BASE), section(workspace), device="cpu", sequences=[])
    assert obstacle(attached) is None
    layer = attached.causal.model.layers[0].mlp
    layer.register_forward_hook(lambda module, arguments, output: output + arguments[0].cumsum(1) / 4)
    assert obstacle(attached) == "LlamaForCausalLM does not keep sequences in one row apart"


def test_a_sliding_window_is_not_packed(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    attached = attach(Base(workspace / BASE), section(workspace), device="cpu", sequences=[])
    monkeypatch.setattr(attached.causal.config, "sliding_window", 8, raising=False)
    assert "see a part of the past alone" in str(obstacle(attached))
