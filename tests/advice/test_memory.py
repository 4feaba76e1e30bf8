"""The formula of memory, on shapes and settings alone."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from adapt.advice.activations import CHUNK_ELEMENTS, kept_by
from adapt.advice.machine import Kind
from adapt.advice.memory import GIB, Memory, base_bytes, forecast_memory
from adapt.advice.shape import ModelShape, made_shape, read_shape
from adapt.advice.trained import trained_parameters
from adapt.advice.workload import Pass, assumed
from adapt.spec.common_train import CommonTrain
from adapt.spec.lora import LoraSpec
from adapt.spec.methods import METHODS, settled_lora
from adapt.spec.train import TrainSpec
from tests.tiny import tiny_base

SEVEN = made_shape(hidden=4096, layers=32, heads=32, groups=32, feed_forward=11008, vocabulary=32000)
SIXTY_FIVE = made_shape(hidden=8192, layers=80, heads=64, groups=64, feed_forward=22016, vocabulary=32000)


def train(method: str = "lora", **settings: Any) -> CommonTrain:
    found: CommonTrain = TypeAdapter[CommonTrain](TrainSpec).validate_python({"method": method, "dtype": "bfloat16", **settings})
    return found


def lora(method: str = "lora", r: int | None = None) -> LoraSpec:
    return LoraSpec(**settled_lora(method, {"r": r} if r else {}))


def forecast(shape: ModelShape, method: str, r: int | None = None, device: Kind = "cuda", longest: int = 512, **settings: Any) -> Memory:
    chosen = train(method, max_length_tokens=longest, **settings)
    return forecast_memory(
        shape, chosen, lora(method, r), assumed(chosen, device=device, records=1000, longest=longest, median=longest), device=device
    )


def test_the_chunk_of_logits_is_that_of_the_head() -> None:
    from adapt.adapter import head

    assert head.CHUNK_ELEMENTS == CHUNK_ELEMENTS


def test_a_shape_is_read_from_headers(tmp_path: Path) -> None:
    shape = read_shape(tiny_base(tmp_path / "base"))
    assert (shape.hidden, shape.layers, shape.heads, shape.groups, shape.head_size, shape.vocabulary) == (64, 2, 4, 2, 32, 512)
    assert set(shape.linear) == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert shape.stored_bytes == 4
    assert not shape.has_experts


def test_experts_and_biases_are_seen(tmp_path: Path) -> None:
    mixture = read_shape(tiny_base(tmp_path / "mixtral", kind="mixtral"))
    assert mixture.has_experts
    assert mixture.active_experts == 0.5
    assert mixture.active_parameters < mixture.linear_parameters
    assert read_shape(tiny_base(tmp_path / "qwen2", kind="qwen2")).bias_parameters > 0


@pytest.mark.parametrize("method", ["lora", "dora", "full", "freeze", "ia3", "ln_tuning", "houlsby", "pfeiffer", "prompt_tuning", "loha"])
def test_trained_parameters_are_those_of_the_model(method: str, tmp_path: Path) -> None:
    from adapt.adapter.methods.door import attach
    from adapt.adapter.methods.frozen import Base
    from tests.adapter.trainings import section

    tiny_base(tmp_path / "base")
    made = section(tmp_path, method=method, lora=lora(method, 4) if METHODS[method].reads else LoraSpec())
    attached = attach(Base(tmp_path / "base"), made, device="cpu", sequences=[])
    actual = sum(weight.numel() for weight in attached.weights.values())
    assert trained_parameters(read_shape(tmp_path / "base"), made.train, made.lora) == pytest.approx(actual, rel=0.05)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("method", ["lora", "dora", "full", "pfeiffer", "vera"])
def test_kept_activations_are_those_that_autograd_keeps(method: str, dtype: str, tmp_path: Path) -> None:
    """Counted through torch's hooks on saved tensors, each block of memory once."""
    import torch

    from adapt.adapter.methods.door import attach
    from adapt.adapter.methods.frozen import Base
    from adapt.adapter.states import side_by_side
    from tests.adapter.trainings import section

    tiny_base(tmp_path / "base")
    made = section(tmp_path, method=method, lora=lora(method, 4) if METHODS[method].reads else LoraSpec(), dtype=dtype)
    attached = attach(Base(tmp_path / "base"), made, device="cpu", sequences=[])
    attached.model.train()
    weights = {weight.untyped_storage().data_ptr() for weight in attached.model.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        block = tensor.untyped_storage()
        if block.data_ptr() not in weights and tensor.numel() > 64 * 128 * 2:  # not casts of weights
            kept[block.data_ptr()] = block
        return tensor

    one = Pass(rows=16 * 256, answers=16, squares=16 * 256**2, short_squares=16 * 256**2)
    layout = side_by_side([range(256)] * 16)
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor), attached.attention(), attached.computing():
        attached.states(layout)
    actual = sum(block.nbytes() for block in kept.values())
    assert kept_by(read_shape(tmp_path / "base"), made.train, made.lora, one, device="cpu").activations == pytest.approx(actual, rel=0.15)


def test_less_memory_for_smaller_passes_checkpointing_and_fewer_bits() -> None:
    usual = forecast(SEVEN, "lora", batch_tokens=4096)
    assert forecast(SEVEN, "lora", batch_tokens=1024).activations < usual.activations / 3
    assert forecast(SEVEN, "lora", batch_tokens=4096, gradient_checkpointing=True).activations < usual.activations / 10
    assert forecast(SEVEN, "lora", batch_tokens=4096, dtype="float32").weights == 2 * usual.weights
    assert forecast(SEVEN, "qlora", batch_tokens=4096).weights < usual.weights / 3
    assert forecast(SEVEN, "lora", r=64, batch_tokens=4096).optimiser == 4 * usual.optimiser
    assert forecast(SEVEN, "galore", batch_tokens=4096).optimiser < forecast(SEVEN, "full", batch_tokens=4096).optimiser / 2


def test_weights_are_those_of_published_models() -> None:
    """Touvron et al. 2023, arXiv:2302.13971, table 2: 6.7 and 65.2 billion parameters."""
    assert SEVEN.parameters / 1e9 == pytest.approx(6.7, abs=0.05)
    assert SIXTY_FIVE.parameters / 1e9 == pytest.approx(65.2, abs=0.2)


def test_qlora_of_65b_fits_48_gb_and_16_bit_tuning_takes_more_than_780() -> None:
    """Dettmers et al. 2023, arXiv:2305.14314, abstract and section 1. Their 16-bit figure holds weights, gradients and moments; ours are float32."""
    paged = {"optimizer": "paged_adamw_8bit", "batch_tokens": 512, "gradient_checkpointing": True}
    assert forecast(SIXTY_FIVE, "qlora", r=64, **paged).peak / 1e9 < 48
    assert forecast(SIXTY_FIVE, "full", batch_tokens=512, gradient_checkpointing=True).peak / 1e9 > 780


def test_double_quantization_saves_what_its_paper_says() -> None:
    """0.373 bits a parameter (arXiv:2305.14314, section 3)."""
    single, double = (base_bytes(SIXTY_FIVE, train("qlora", double_quantization=on), 0, device="cuda") for on in (False, True))
    assert (single - double) * 8 / SIXTY_FIVE.linear_parameters == pytest.approx(0.373, abs=0.001)


def test_galore_trains_7b_on_a_24_gib_card_with_weights_of_16_bits_only() -> None:
    """Here trained weights are float32, so that it takes more than the 24 GB of arXiv:2403.03507, and less than full fine-tuning."""
    galore = forecast(SEVEN, "galore", batch_tokens=512, gradient_checkpointing=True)
    assert 24 * GIB < galore.peak < forecast(SEVEN, "full", batch_tokens=512, gradient_checkpointing=True).peak
