"""Numbers that a server cannot compute with, in files written and read by different hands."""

import math
import struct
from pathlib import Path
from typing import Any

import pytest

from adapt.serving.plugin.numbers import choose_formats, overflow_reason, unproved_reason
from adapt.serving.plugin.tensors import read_tensors
from tests.serving.adapters import Scene, adapter_config, base_folder, lora_tensors, write_safetensors
from tests.serving.plugin.published import Published, publish

NAME = "base_model.model.model.layers.1.self_attn.v_proj.lora_B.weight"

SPOILED = f"{NAME} holds NaN or infinity, or a number format that is not served"


def with_number(value: float, at: int = 5) -> dict[str, Any]:
    """Adapter weights in which one number is `value`."""
    tensors = dict(lora_tensors())
    shape, raw = tensors[NAME]
    tensors[NAME] = shape, raw[: 4 * at] + struct.pack("<f", value) + raw[4 * at + 4 :]
    return tensors


@pytest.fixture
def published(tmp_path: Path) -> Published:
    return publish(tmp_path, "finance")


@pytest.mark.parametrize("value", [math.nan, -math.nan, math.inf, -math.inf])
def test_version_with_one_number_that_is_none_is_not_loaded_although_it_is_signed(
    published: Published,
    value: float,
) -> None:
    assert published.reason(published.rebuilt(tensors=with_number(value))) == SPOILED


@pytest.mark.parametrize(("dtype", "served"), [("float16", False), ("bfloat16", True), ("float32", True)])
def test_scaling_counts_against_the_range_of_the_servers_format(
    tmp_path: Path,
    dtype: str,
    served: bool,
) -> None:
    """33,000 fits float16, and twice that, which is what alpha / r = 2 makes of it, does not."""
    scene = Scene(tmp_path)
    scene.add("finance", tensors=with_number(-33_000.0))
    report = scene.render(base_folder=base_folder(tmp_path / "base"), dtype=dtype)
    if served:
        assert report.left_out == {}
        return
    ends = "float16, which the server computes in, ends at 6.55e+04"
    assert report.left_out == {"finance": f"{NAME} reaches 6.6e+04 with its scaling, and {ends}"}


def test_build_with_nan_is_left_out_and_keeps_no_room(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.add("finance", tensors=with_number(math.nan))
    report = scene.render(base_folder=base_folder(tmp_path / "base"))
    assert (report.served, report.max_loras) == ((), 0)
    assert report.left_out == {"finance": SPOILED}


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        (None, "no evaluation showed that its logits are finite; build it again"),
        ({"finite": True}, "no evaluation showed that its logits are finite; build it again"),
        ({"finite": False, "largest": 3.0}, "its logits were not finite when it was evaluated"),
        ({"finite": True, "largest": 2e38}, "bfloat16, which the server computes in, ends at 3.39e+38"),
    ],
)
def test_version_without_a_proof_of_finite_logits_is_not_loaded(
    published: Published,
    numbers: Any,
    expected: str,
) -> None:
    reason = published.reason(published.rebuilt(numbers=numbers))
    assert reason is not None
    assert expected in reason


def test_activations_that_nearly_fill_float16_are_refused_there_alone() -> None:
    numbers = {"finite": True, "largest": 40_000.0}
    assert "its activations reached 4e+04" in str(unproved_reason(numbers, ["float16"]))
    assert unproved_reason(numbers, ["bfloat16", "float32"]) is None


@pytest.mark.parametrize(
    ("dtype", "base", "supported", "expected"),
    [
        ("float32", "bfloat16", (), ("float32",)),
        ("auto", "bfloat16", (), ("bfloat16",)),
        ("auto", "float16", (), ("float16",)),
        ("auto", "float32", (), ("bfloat16", "float16")),
        ("auto", None, (), ("bfloat16", "float16")),
        ("auto", "float32", ("bfloat16", "float16", "float32"), ("bfloat16",)),
        ("auto", "bfloat16", ("float16", "float32"), ("float16",)),
    ],
)
def test_format_is_the_one_that_vllm_chooses(
    dtype: str,
    base: str | None,
    supported: tuple[str, ...],
    expected: tuple[str, ...],
) -> None:
    assert choose_formats(dtype, base, supported) == expected


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_largest_number_of_every_format_is_that_of_torch(tmp_path: Path, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    torch.manual_seed(0)
    kind = getattr(torch, dtype)
    tensors = {f"t{size}": torch.randn(size, 3).to(kind) * 100 for size in (0, 1, 7, 200_000)}
    for name, bad in (("nan", math.nan), ("inf", -math.inf)):
        tensors[name] = torch.zeros(400_000, dtype=getattr(torch, dtype))
        tensors[name][-1] = bad
    save_file(tensors, str(tmp_path / "a.safetensors"))
    with (tmp_path / "a.safetensors").open("rb") as file:
        largest = read_tensors(file).largest
    for name, tensor in tensors.items():
        expected = float(tensor.abs().max()) if tensor.numel() else 0.0
        assert largest[name] == pytest.approx(expected, nan_ok=True), name


def test_formats_that_are_not_read_are_refused(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "a.safetensors", {NAME: ((4,), b"abcd")}, dtype="F8_E4M3")
    with (tmp_path / "a.safetensors").open("rb") as file:
        largest = read_tensors(file).largest
    assert overflow_reason(largest, adapter_config(), ["bfloat16"]) == SPOILED


@pytest.mark.parametrize(
    ("config", "scaling"),
    [
        ({"lora_alpha": 8}, 2.0),
        ({"lora_alpha": 8, "use_rslora": True}, 4.0),
        ({"lora_alpha": 8, "alpha_pattern": {"v_proj": 32}}, 8.0),
        ({"lora_alpha": 8, "rank_pattern": {r"layers\.1\.self_attn\.v_proj": 2}}, 4.0),
        ({"lora_alpha": 8, "rank_pattern": {"proj": 2}}, 2.0),  # no whole part of the name
    ],
)
def test_scaling_is_that_of_peft(config: dict[str, Any], scaling: float) -> None:
    whole = adapter_config(**config)
    fits, over = 65_504 / scaling, 65_505 / scaling
    assert overflow_reason({NAME: fits}, whole, ["float16"]) is None
    assert overflow_reason({NAME: over}, whole, ["float16"]) is not None
