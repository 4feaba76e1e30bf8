"""What of a training does not go together: each problem once, and one that goes together for each."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from adapt.spec.combinations import VIRTUAL_TOKENS, device_problems, shape_problems
from adapt.spec.lora import LoraSpec
from adapt.spec.train import TrainSpec

TRAIN: TypeAdapter[Any] = TypeAdapter(TrainSpec)


@pytest.mark.parametrize("method", [*VIRTUAL_TOKENS, "longlora"])
def test_rows_of_several_records_are_refused_for_methods_that_run_over_the_whole_row(method: str) -> None:
    with pytest.raises(ValidationError, match=f"packing is packed, and method {method} .*; set packing to auto or padded"):
        TRAIN.validate_python({"method": method, "packing": "packed"})
    assert TRAIN.validate_python({"method": method, "packing": "padded"}).packing == "padded"
    assert TRAIN.validate_python({"method": "lora", "packing": "packed"}).packing == "packed"


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"dtype": "float16"}, "dtype is float16"),
        ({"offload_activations": True}, "offload_activations is set"),
        ({"kernels": "liger"}, "kernels is liger, which runs on CUDA alone"),
        ({"attention": "flex"}, "attention is flex, which runs on CUDA alone"),
    ],
)
def test_what_runs_on_cuda_alone_is_refused_for_a_cpu(settings: dict[str, Any], problem: str) -> None:
    train = TRAIN.validate_python({"method": "lora", **settings})
    [found] = device_problems(train, "cpu")
    assert found.startswith(problem)
    assert "; set it to " in found
    assert list(device_problems(train, "cuda")) == []


def test_eva_needs_batches_of_more_tokens_than_it_looks_for_directions() -> None:
    train = TRAIN.validate_python({"method": "eva", "batch_tokens": 64})
    [found] = shape_problems(train, LoraSpec(r=64))
    assert "eva looks for 128 directions, and a batch has 64 tokens at most" in found
    assert list(shape_problems(train, LoraSpec(r=32))) == []
