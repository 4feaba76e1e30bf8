"""What an evaluation sees of an adapter's numbers, against what transformers gives out itself, and
against real float16."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from adapt.adapter.load import load_adapter
from adapt.artifact.manifest import MANIFEST
from adapt.artifact.progress import QuietProgress
from adapt.artifact.staging import staged
from adapt.errors import GateError, InputError
from adapt.evaluate.build import EvaluateInputs, build
from adapt.evaluate.numerics import measure_numbers
from tests.evaluate.conftest import PLAIN, evaluate_section

SEQUENCES = ([1, 5, 9, 12], [3, 4, 5])


def test_nothing_that_the_model_shows_is_larger_and_the_largest_is_reached(adapter: Path, base: Path) -> None:
    loaded = load_adapter(adapter, base, device="cpu")
    model: Any = loaded.model
    shown = []
    with torch.no_grad():
        for ids in SEQUENCES:
            out = model(input_ids=torch.tensor([ids]), output_hidden_states=True)
            shown += [float(part.abs().max()) for part in (*out.hidden_states, out.logits)]
    numbers = measure_numbers(loaded, SEQUENCES)
    assert numbers.finite
    assert numbers.largest >= 0.99 * max(shown)
    layers = [module for module in model.modules() if hasattr(module, "lora_B")]
    with torch.no_grad():
        for layer in layers:
            layer.lora_B["default"].weight.mul_(1000.0)
    assert measure_numbers(loaded, SEQUENCES).largest > 20 * numbers.largest


@pytest.mark.parametrize("strength", [1.0, 1e3, 1e6])
def test_model_overflows_in_float16_only_where_the_measured_numbers_say_so(
    adapter: Path,
    base: Path,
    strength: float,
) -> None:
    """The measurement is one pass in float32; the reference computes in float16 itself."""
    loaded = load_adapter(adapter, base, dtype="float32", device="cpu")
    half = load_adapter(adapter, base, dtype="float16", device="cpu")
    for model in (loaded.model, half.model):
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if "lora_B" in name:
                    weight.mul_(strength)
    numbers = measure_numbers(loaded, SEQUENCES)
    overflows = not measure_numbers(half, SEQUENCES).finite
    assert overflows == (numbers.largest > 65_504)


def test_evaluation_ends_where_logits_are_not_finite(
    make_adapter: Callable[[int], Path],
    base: Path,
    dataset: Path,
    tmp_path: Path,
) -> None:
    inputs, out = EvaluateInputs(huge(make_adapter(7), tmp_path / "huge"), dataset, base), tmp_path / "out"
    expected = "huge: the adapter's logits are not finite: it may not be exported"
    with pytest.raises(GateError, match=expected):
        build(evaluate_section(), inputs=inputs, out=out, progress=QuietProgress())
    assert not out.exists()


def test_evaluation_writes_what_it_saw(adapter: Path, base: Path, dataset: Path, tmp_path: Path) -> None:
    inputs, out = EvaluateInputs(adapter, dataset, base), tmp_path / "out"
    build(evaluate_section(generate_records=0), inputs=inputs, out=out, progress=QuietProgress())
    numbers = json.loads((out / "numbers.json").read_bytes())
    assert numbers["finite"] is True
    assert 0 < numbers["largest"] < 1e4


def changed(adapter: Path, out: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A copy of an adapter with other weights."""
    from safetensors.torch import load_file, save_file

    with staged(out, section=PLAIN, inputs={}) as folder:
        for path in adapter.iterdir():
            if path.name != MANIFEST:
                (folder / path.name).write_bytes(path.read_bytes())
        tensors = load_file(adapter / "adapter_model.safetensors")
        change(tensors)
        save_file(tensors, str(folder / "adapter_model.safetensors"), metadata={"format": "pt"})
    return out


def huge(adapter: Path, out: Path) -> Path:
    """An adapter of finite weights that no number format carries through a layer."""

    def enlarge(tensors: dict[str, Any]) -> None:
        for name in tensors:
            if "lora_B" in name:
                tensors[name] *= 1e37
        assert all(bool(tensor.isfinite().all()) for tensor in tensors.values())

    return changed(adapter, out, enlarge)


def test_adapter_with_nan_in_its_file_is_not_loaded(adapter: Path, base: Path, tmp_path: Path) -> None:
    def spoil(tensors: dict[str, Any]) -> None:
        tensors[min(tensors)][0, 0] = float("nan")

    with pytest.raises(InputError, match=r"adapter_model.safetensors: .* holds NaN or infinity"):
        load_adapter(changed(adapter, tmp_path / "nan", spoil), base, device="cpu")
