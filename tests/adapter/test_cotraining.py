"""Adapters that share forward passes end where each would end alone, but for rounding."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from adapt.adapter import cotraining
from adapt.adapter.fused import Layer, Side, groups_of, updated
from adapt.adapter.train import Training, train_together
from adapt.artifact.progress import QuietProgress
from adapt.errors import InputError
from adapt.spec.lora import LoraSpec
from tests.adapter.trainings import BASE, records, run, section, write_dataset


@pytest.mark.parametrize(
    "lengths", [(3, 3, 3), (2, 3, 3), (1, 2, 40)], ids=["as many rows each", "padded to one length", "too different for one product"]
)
@pytest.mark.parametrize("dropout", [False, True])
def test_each_adapter_changes_its_own_rows_alone_and_gets_the_gradient_that_it_has_alone(lengths: tuple[int, ...], dropout: bool) -> None:
    torch.manual_seed(0)
    total = 1 + sum(lengths) + 2
    x, weight = torch.randn(1, total, 6, dtype=torch.float64, requires_grad=True), torch.randn(5, 6, dtype=torch.float64)
    keep = torch.empty(total, 6, dtype=torch.float64).bernoulli_(0.5).mul_(2) if dropout else None
    ends = [1 + sum(lengths[:number]) for number in range(4)]
    rows = {number: slice(ends[number], ends[number + 1]) for number in range(3)}
    sides = [
        Side(torch.nn.Parameter(torch.randn(rank, 6, dtype=torch.float64)), torch.nn.Parameter(torch.randn(5, rank, dtype=torch.float64)), scaling)
        for rank, scaling in ((2, 2.0), (3, 0.5), (1, 1.0), (2, 1.0))
    ]

    def plain() -> torch.Tensor:
        kept = x[0] if keep is None else x[0] * keep
        own = {number: sides[number].scaling * kept[part] @ sides[number].a.T @ sides[number].b.T for number, part in rows.items()}
        y = x[0] @ weight.T
        return torch.cat([y[:1], *(y[part] + own[number] for number, part in rows.items()), y[-2:]])

    layer = Layer(sides, weight)
    torch._foreach_copy_(*map(list, zip(*layer.pairs(), strict=True)))
    groups = groups_of(rows, x)
    wanted, found = plain(), updated(x, weight, None, layer, groups, keep)[0]
    assert torch.allclose(found, wanted)
    inputs = [x, *(side for each in sides[:3] for side in each[:2])]
    theirs = torch.autograd.grad(wanted.square().sum(), inputs)
    (ours,) = torch.autograd.grad(found.square().sum(), [x])
    assert torch.allclose(ours, theirs[0])
    layer.hand_out(rows)
    for weights, grad in zip(inputs[1:], theirs[1:], strict=True):
        assert torch.allclose(weights.grad, grad)
    assert sides[3].a.grad is None  # it has no rows in this pass


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sharing pays for passes of any size."""
    monkeypatch.setitem(cotraining.FILLING_TOKENS, "cpu", 1 << 20)


VARIANTS = {
    "a": ("lora", {"batch_tokens": 96, "learning_rate": 5e-3}, LoraSpec(r=4), 1),
    "b": ("rslora", {"batch_tokens": 64, "accumulate": 2, "schedule": "linear"}, LoraSpec(r=8, target_modules=("q_proj", "down_proj")), 2),
    "c": ("lora_plus", {"batch_tokens": 160, "epochs": 2, "learning_rate": 1e-3}, LoraSpec(r=2, lora_dropout=0.2), 3),
}


def _trainings(workspace: Path, folder: Path, **further: object) -> list[Training]:
    found = []
    for number, (name, (method, settings, lora, seed)) in enumerate(VARIANTS.items()):
        dataset = folder / name / "dataset"
        if not dataset.exists():
            write_dataset(dataset, records(18, first=30 * number), records(4, first=30 * number + 18))
        own = section(workspace, method=method, lora=lora, seed=seed, patience=None, **(settings | further))
        target = folder / name / str(sorted(further.items()))
        found.append(Training(own, dataset, target / "adapter", target / "curves", target / "work"))
    return found


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-4), ("bfloat16", 0.05)])
@pytest.mark.usefixtures("many")
def test_fused_adapters_equal_those_trained_alone_within_rounding(workspace: Path, tmp_path: Path, dtype: str, tolerance: float) -> None:
    alone = _trainings(workspace, tmp_path, dtype=dtype, packing="packed")
    fused = _trainings(workspace, tmp_path, dtype=dtype, packing="packed", cotraining="fused")
    before = [train_together([one], base=workspace / BASE, progress=QuietProgress())[0] for one in alone]
    together = train_together(fused, base=workspace / BASE, progress=QuietProgress())
    for one, other, first, second in zip(before, together, alone, fused, strict=True):
        assert (one.steps, one.tokens) == (other.steps, other.tokens)
        assert other.validation_loss == pytest.approx(one.validation_loss, rel=tolerance)
        theirs, ours = (load_file(each.out / "adapter_model.safetensors") for each in (first, second))
        assert theirs.keys() == ours.keys()
        change = torch.cat([tensor.flatten() for tensor in theirs.values()]).norm()
        parted = torch.cat([(ours[name] - theirs[name]).flatten() for name in ours]).norm()
        assert parted < tolerance * change


@pytest.mark.usefixtures("many")
def test_fused_passes_are_shared(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    widths = []
    states = cotraining.hidden_states
    monkeypatch.setattr(cotraining, "hidden_states", lambda model, layout: widths.append(len(layout.lengths)) or states(model, layout))
    train_together(_trainings(workspace, tmp_path, cotraining="fused"), base=workspace / BASE, progress=QuietProgress())
    assert max(widths) > 3


def test_lanes_that_fill_the_machine_or_did_not_ask_take_passes_of_their_own(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cotraining, "hidden_states", lambda *_: pytest.fail("passes were shared"))
    train_together(_trainings(workspace, tmp_path, epochs=1), base=workspace / BASE, progress=QuietProgress())
    monkeypatch.setitem(cotraining.FILLING_TOKENS, "cpu", 8)
    train_together(_trainings(workspace, tmp_path, epochs=1, cotraining="fused"), base=workspace / BASE, progress=QuietProgress())


@pytest.mark.usefixtures("many")
def test_an_adapter_that_fails_leaves_the_others_as_they_would_be(workspace: Path, tmp_path: Path) -> None:
    first, bad, third = _trainings(workspace, tmp_path, cotraining="fused")
    settings = bad.section.train.model_copy(update={"learning_rate": 0.9, "max_grad_norm": 1e30, "weight_decay": 1e30})
    bad = Training(bad.section.model_copy(update={"train": settings}), bad.inputs, bad.out, bad.curves, bad.work)
    with pytest.raises(InputError, match="training stopped at step"):
        train_together([first, bad, third], base=workspace / BASE, progress=QuietProgress())
    assert not bad.out.exists()
    for good in (first, third):
        losses = json.loads((good.out / "training.json").read_text())["losses"]
        assert losses["validation"] < losses["validation_before"]


@pytest.mark.usefixtures("many")
def test_an_adapter_alone_that_may_share_passes_gets_the_weights_of_one_that_may_not(workspace: Path, tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "dataset")
    for mode in ("interleaved", "fused"):
        run(section(workspace, cotraining=mode, epochs=1), workspace, dataset, tmp_path / mode)
    one, other = ((tmp_path / mode / "adapter" / "adapter_model.safetensors").read_bytes() for mode in ("interleaved", "fused"))
    assert one == other
