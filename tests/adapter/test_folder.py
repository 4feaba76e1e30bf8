"""What is written into an adapter's folder."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from adapt.adapter.folder import check_finite_files, write_tensors
from adapt.errors import InputError


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_weights_that_are_not_finite_are_not_saved(tmp_path: Path, bad: float, dtype: torch.dtype) -> None:
    tensors = {"a": torch.ones(3, dtype=dtype), "b": torch.tensor([1.0, bad], dtype=dtype)}
    expected = r"w.safetensors: b holds NaN or infinity\nhint: train with a lower train.learning_rate"
    with pytest.raises(InputError, match=expected):
        write_tensors(tmp_path / "w.safetensors", tensors)
    assert not (tmp_path / "w.safetensors").exists()


def test_finite_weights_are_saved_as_they_are(tmp_path: Path) -> None:
    tensors = {"b": torch.tensor([3e38, -1e-40]), "a": torch.arange(3)}
    write_tensors(tmp_path / "w.safetensors", tensors)
    check_finite_files(tmp_path)
    saved = load_file(tmp_path / "w.safetensors")
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in saved.items())
