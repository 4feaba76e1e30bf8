"""Optimisers, schedules and what else shapes a step: each does what its paper says, and resumes exactly."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from adapt.adapter.average import Average
from adapt.adapter.head import Head, summed_loss
from adapt.adapter.lane import Lane
from adapt.adapter.optimisers import make_optimiser, set_rate
from adapt.adapter.schedules import learning_rate
from adapt.artifact.digest import digest_files
from adapt.errors import InputError
from adapt.spec.low_rank_train import LoraTrain
from tests.adapter.test_train import _lane, _losses, _run_until
from tests.adapter.trainings import records, run, section, write_dataset

RATES = {"adamw": 5e-3, "adamw_8bit": 5e-3, "paged_adamw_8bit": 5e-3, "lion": 1e-3, "adafactor": 0.9, "sgd": 0.9, "muon": 5e-3}


@pytest.mark.parametrize("kind", RATES)
def test_an_optimiser_learns_and_resumes_exactly(workspace: Path, tmp_path: Path, kind: str) -> None:
    settings = {"optimizer": kind, "learning_rate": RATES[kind], "epochs": 2, "checkpoint_every_steps": 3, "weight_decay": 0.01, "batch_tokens": 200}
    made = section(workspace, method="full", **settings) if kind == "muon" else section(workspace, **settings)
    inputs = write_dataset(tmp_path / "data")
    report = run(made, workspace, inputs, tmp_path / "whole")
    assert report.validation_loss < report.validation_loss_before - 0.05
    _run_until(5, made, workspace, inputs, tmp_path / "stopped")
    assert run(made, workspace, inputs, tmp_path / "stopped").resumed_at_step == 3
    for part in ("adapter", "curves"):
        assert digest_files(tmp_path / "stopped" / part) == digest_files(tmp_path / "whole" / part)


def _after(start: torch.Tensor, grads: list[torch.Tensor], settings: LoraTrain, rate: float) -> torch.Tensor:
    weight = torch.nn.Parameter(start.clone())
    optimiser = make_optimiser(settings, {"w": weight}, share=lambda name: 1.0)
    for grad in grads:
        set_rate(optimiser, rate)
        weight.grad = grad.clone()
        optimiser.step()
    return weight.detach()


def test_settings_reach_adamw() -> None:
    torch.manual_seed(0)
    start, grads = torch.randn(6, 5), [torch.randn(6, 5) for _ in range(3)]
    settings = LoraTrain(optimizer={"kind": "adamw", "beta1": 0.5, "beta2": 0.6, "epsilon": 0.1}, weight_decay=0.2)
    found = _after(start, grads, settings, 0.1)
    weight, first, second = start.clone(), torch.zeros_like(start), torch.zeros_like(start)
    for step, grad in enumerate(grads, start=1):
        first, second = 0.5 * first + 0.5 * grad, 0.6 * second + 0.4 * grad**2
        weight = weight * (1 - 0.1 * 0.2) - 0.1 * (first / (1 - 0.5**step)) / ((second / (1 - 0.6**step)).sqrt() + 0.1)
    torch.testing.assert_close(found, weight, rtol=1e-5, atol=1e-6)


def test_lion_follows_the_sign_of_a_mean() -> None:
    torch.manual_seed(0)
    start, grads = torch.randn(6, 5), [torch.randn(6, 5) for _ in range(3)]
    found = _after(start, grads, LoraTrain(optimizer={"kind": "lion", "beta1": 0.8, "beta2": 0.5}, weight_decay=0.1), 0.01)
    weight, mean = start.clone(), torch.zeros_like(start)
    for grad in grads:
        weight = weight * (1 - 0.01 * 0.1) - 0.01 * torch.sign(0.8 * mean + 0.2 * grad)
        mean = 0.5 * mean + 0.5 * grad
    torch.testing.assert_close(found, weight, rtol=1e-5, atol=1e-6)


def test_muon_takes_matrices_and_leaves_tables_and_vectors_to_adamw() -> None:
    weights = {
        name: torch.nn.Parameter(torch.randn(shape)) for name, shape in (("a.weight", (8, 6)), ("embed_tokens.weight", (8, 6)), ("norm", (6,)))
    }
    optimiser = make_optimiser(LoraTrain(optimizer="muon"), weights, share=lambda name: 1.0)
    for weight in weights.values():
        weight.grad = torch.randn_like(weight)
    set_rate(optimiser, 0.01)
    before = {name: weight.detach().clone() for name, weight in weights.items()}
    optimiser.step()
    assert set(optimiser.state[weights["a.weight"]]) == {"momentum_buffer"}
    assert all("exp_avg" in optimiser.state[weights[name]] for name in ("embed_tokens.weight", "norm"))
    moved = weights["a.weight"].detach() - before["a.weight"]
    values = torch.linalg.svdvals(moved)
    assert float(values.max() / values.min()) < 2, "steps of matrices are nearly orthogonal"
    assert all(not torch.equal(weights[name], before[name]) for name in weights)


def test_eight_bits_are_kept_of_large_weights(workspace: Path, tmp_path: Path) -> None:
    lane = _lane(workspace, tmp_path, records(4), method="full", optimizer="adamw_8bit")
    lane.start()
    lane.turn()
    kinds = {weight.numel() >= 4096: lane.optimiser.state[weight]["state1"].dtype for weight in lane.weights.values()}
    assert kinds == {True: torch.uint8, False: torch.float32}


def test_parameter_groups_have_their_own_pace(workspace: Path, tmp_path: Path) -> None:
    groups = [{"pattern": "*lora_A*", "rate_factor": 0.5, "weight_decay": 0.3}, {"pattern": "*v_proj*", "rate_factor": 3.0}]
    lane = _lane(workspace, tmp_path, records(4), parameter_groups=groups, weight_decay=0.1)
    set_rate(lane.optimiser, 1.0)
    paces = {id(weight): (group["lr"], group["weight_decay"]) for group in lane.optimiser.param_groups for weight in group["params"]}
    assert {paces[id(weight)] for name, weight in lane.weights.items() if "lora_A" in name} == {(0.5, 0.3)}, "the first that matches"
    assert {paces[id(weight)] for name, weight in lane.weights.items() if "v_proj.lora_B" in name} == {(3.0, 0.1)}
    assert {paces[id(weight)] for name, weight in lane.weights.items() if "q_proj.lora_B" in name} == {(1.0, 0.1)}
    with pytest.raises(InputError, match=r"train\.parameter_groups: '\*x_proj\*' takes no weight that is trained") as caught:
        _lane(workspace, tmp_path, records(4), parameter_groups=[{"pattern": "*x_proj*"}])
    assert "q_proj.lora_A" in str(caught.value.hint)


def test_groups_multiply_the_methods_own_rates(workspace: Path, tmp_path: Path) -> None:
    lane = _lane(workspace, tmp_path, records(4), method="lora_plus", b_rate_ratio=4, parameter_groups=[{"pattern": "*v_proj*", "rate_factor": 3.0}])
    set_rate(lane.optimiser, 1.0)
    paces = {id(weight): group["lr"] for group in lane.optimiser.param_groups for weight in group["params"]}
    assert {paces[id(weight)] for name, weight in lane.weights.items() if "v_proj.lora_B" in name} == {12.0}


def test_wsd_is_constant_and_then_falls() -> None:
    def rates(**settings: Any) -> list[float]:
        made = LoraTrain(learning_rate=0.1, schedule="wsd", warmup_ratio=0.2, **settings)
        return [learning_rate(step, 10, made) for step in range(1, 11)]

    assert rates(decay_ratio=0.4) == pytest.approx([0.05, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.075, 0.05, 0.025])
    assert rates() == pytest.approx([0.05] + [0.1] * 8 + [0.05])
    assert rates(decay_ratio=1.0)[2:4] == pytest.approx([0.1, 0.0875])


def test_an_average_follows_the_weights(workspace: Path, tmp_path: Path) -> None:
    weight = torch.nn.Parameter(torch.zeros(2))
    average = Average({"w": weight}, 0.75)
    weight.data += 4
    average.take()
    with average.in_place():
        assert weight.tolist() == [1.0, 1.0]
    assert weight.tolist() == [4.0, 4.0]


def test_what_is_measured_and_saved_is_the_average(workspace: Path, tmp_path: Path) -> None:
    inputs = write_dataset(tmp_path / "data")
    made = section(workspace, ema_decay=0.8, epochs=2, checkpoint_every_steps=3, batch_tokens=200)
    run(made, workspace, inputs, tmp_path / "whole")
    _run_until(5, made, workspace, inputs, tmp_path / "stopped")
    assert run(made, workspace, inputs, tmp_path / "stopped").resumed_at_step == 3
    assert digest_files(tmp_path / "stopped" / "adapter") == digest_files(tmp_path / "whole" / "adapter")
    run(section(workspace, epochs=2, batch_tokens=200), workspace, inputs, tmp_path / "plain")
    assert _losses(tmp_path / "plain", "train/loss") == _losses(tmp_path / "whole", "train/loss"), "training itself does not see the average"
    assert _losses(tmp_path / "plain")[1:] != _losses(tmp_path / "whole")[1:]


def test_smoothing_is_that_of_torch_and_leaves_validation_alone() -> None:
    torch.manual_seed(0)
    head = Head(weight=torch.randn(30, 8), bias=torch.randn(30), scale=0.5, softcap=None)
    hidden, targets = torch.randn(7, 8, requires_grad=True), torch.randint(0, 30, (7,))
    loss = summed_loss(head, hidden, targets, smoothing=0.2)
    wanted = torch.nn.functional.cross_entropy(head.logits(hidden), targets, reduction="sum", label_smoothing=0.2)
    torch.testing.assert_close(loss, wanted)
    torch.testing.assert_close(torch.autograd.grad(loss, hidden)[0], torch.autograd.grad(wanted, hidden)[0], rtol=1e-4, atol=1e-5)
    with torch.no_grad():
        plain = torch.nn.functional.cross_entropy(head.logits(hidden), targets, reduction="sum")
        torch.testing.assert_close(summed_loss(head, hidden, targets, smoothing=0.2).float(), plain)


def test_label_smoothing_reaches_the_loss(workspace: Path, tmp_path: Path) -> None:
    inputs = write_dataset(tmp_path / "data")
    for smoothing in (0.0, 0.3):
        run(section(workspace, label_smoothing=smoothing, epochs=0.3), workspace, inputs, tmp_path / str(smoothing))
    assert _losses(tmp_path / "0.0")[0] == _losses(tmp_path / "0.3")[0]
    assert _losses(tmp_path / "0.0", "train/loss")[0] != _losses(tmp_path / "0.3", "train/loss")[0]


@pytest.mark.parametrize("packing", ["packed", "padded"])
def test_noise_on_embeddings_is_bounded_by_the_length_of_its_sequence(workspace: Path, tmp_path: Path, packing: str) -> None:
    lane = _lane(workspace, tmp_path, records(3), neftune_alpha=5.0, packing=packing)
    seen: list[torch.Tensor] = []
    layers = lane.causal.model.layers[0]
    layers.register_forward_pre_hook(lambda module, arguments: seen.append(arguments[0].detach()))
    lane.begin_step()
    lane.gradients_of(lane.items_of([[0, 1, 2]]))
    embedding = lane.causal.get_input_embeddings()
    lengths = [item.length for item in lane.items]
    noisy = seen[-1].reshape(-1, 64)
    start = 0
    for item, length in zip(lane.items, lengths, strict=True):
        noise = noisy[start : start + length] - embedding(torch.tensor(list(item.ids)))
        bound = 5.0 / math.sqrt(length * 64)
        assert 0.8 * bound < float(noise.abs().max()) <= bound * 1.0001
        start += length if packing == "packed" else max(lengths)
    lane.model.eval()
    assert lane.causal.get_input_embeddings()._forward_hooks == {}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"decay_ratio": 0.1}, "decay_ratio is set, and schedule cosine does not read it"),
        ({"label_smoothing": 0.1, "objective": "dpo"}, "label_smoothing is set, and objective dpo has no targets"),
        ({"method": "adalora", "ema_decay": 0.9}, "ema_decay is set, and a mean of adalora's weights"),
        ({"method": "galore", "optimizer": "lion"}, "optimizer is lion, and galore is an AdamW of its own"),
        ({"method": "dora", "cotraining": "fused"}, "cotraining is fused, and method dora changes more of the model than low-rank updates"),
        ({"cotraining": "fused", "gradient_checkpointing": True}, "cotraining is fused, and gradient_checkpointing is set"),
        ({"cotraining": "fused", "packing": "padded"}, "cotraining is fused, and packing is padded"),
        ({"optimizer": {"kind": "lion", "epsilon": 1}}, "Extra inputs are not permitted"),
    ],
)
def test_settings_that_nothing_reads_are_refused(workspace: Path, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        section(workspace, **settings)


def test_offloading_on_a_cpu_is_refused(workspace: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"train\.offload_activations is set, and training runs on a CPU"):
        run(section(workspace, offload_activations=True), workspace, write_dataset(tmp_path / "data"), tmp_path)


def test_offloaded_activations_give_the_same_gradient(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a CPU, where they stay where they are, apart from a copy."""
    keep = torch.autograd.graph.save_on_cpu
    used: list[bool] = []
    monkeypatch.setattr(torch.autograd.graph, "save_on_cpu", lambda pin_memory: used.append(pin_memory) or keep(pin_memory=False))
    found: list[Lane] = []
    for offload in (False, True):
        lane = _lane(workspace, tmp_path, records(3), offload_activations=offload)
        lane.gradients_of(lane.items_of([[0, 1, 2]]))
        found.append(lane)
    assert used == [True]
    for one, other in zip(found[0].weights.values(), found[1].weights.values(), strict=True):
        assert torch.equal(one.grad, other.grad)
