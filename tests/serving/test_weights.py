import json
import struct
from pathlib import Path

import pytest

from adapt.errors import InputError
from adapt.serving.weights import BaseWeights, is_zero, read_tensors
from tests.serving.adapters import base_folder, matrix, write_safetensors


def test_header_gives_names_shapes_and_formats(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "a.safetensors", {"y": matrix(2, 3), "x": ((4,), bytes(16))})
    tensors = read_tensors(tmp_path / "a.safetensors")
    assert [(name, tensor.shape, tensor.dtype) for name, tensor in tensors.items()] == [("x", (4,), "F32"), ("y", (2, 3), "F32")]


def test_header_agrees_with_the_safetensors_library(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(3, 5, dtype=torch.bfloat16), "b": torch.ones(2), "空": torch.zeros(0, 4)}, str(tmp_path / "a.safetensors"))
    tensors = read_tensors(tmp_path / "a.safetensors")
    assert {name: (tensor.dtype, tensor.shape) for name, tensor in tensors.items()} == {
        "a": ("BF16", (3, 5)),
        "b": ("F32", (2,)),
        "空": ("F32", (0, 4)),
    }
    assert [is_zero(tmp_path / "a.safetensors", tensor) for tensor in tensors.values()] == [True, False, True]


def test_one_number_in_a_long_tensor_is_not_zero(tmp_path: Path) -> None:
    raw = bytes(3_000_000)
    write_safetensors(tmp_path / "a.safetensors", {"zero": ((750_000,), raw), "last": ((750_000,), raw[:-1] + b"\x01"), "after": ((1,), b"abcd")})
    tensors = read_tensors(tmp_path / "a.safetensors")
    assert is_zero(tmp_path / "a.safetensors", tensors["zero"])
    assert not is_zero(tmp_path / "a.safetensors", tensors["last"])


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x00" * 8,
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 4) + b"{]}}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 9) + b'{"a": {}}',
        struct.pack("<Q", 4) + b"\xff\xfe\xfd\xfc",
    ],
)
def test_file_that_is_not_safetensors_is_refused(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "a.safetensors").write_bytes(raw)
    with pytest.raises(InputError, match="is not a whole safetensors file: its header"):
        read_tensors(tmp_path / "a.safetensors")


def test_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "a.safetensors", {"a": matrix(2, 2)})
    whole = (tmp_path / "a.safetensors").read_bytes()
    (tmp_path / "a.safetensors").write_bytes(whole[:-1])
    with pytest.raises(InputError, match="it ends before its last tensor"):
        read_tensors(tmp_path / "a.safetensors")


def test_base_is_read_from_all_its_files(tmp_path: Path) -> None:
    base = BaseWeights(base_folder(tmp_path / "base"))
    assert base.shape_of("model.layers.0.self_attn.q_proj") == (8, 6)
    assert base.shape_of("model.layers.1.self_attn.v_proj") == (8, 6)
    assert base.shape_of("model.layers.2.self_attn.q_proj") is None


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, 512),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, None),
        ({"rope_parameters": {"rope_type": "default", "rope_theta": 1e4}}, 512),
        ({"text_config": {"max_position_embeddings": 128}}, 128),
    ],
)
def test_positions_are_known_where_nothing_scales_them(tmp_path: Path, config: dict[str, object], expected: int | None) -> None:
    assert BaseWeights(base_folder(tmp_path / "base", positions=512, **config)).positions == expected


def test_folder_without_configuration_is_no_base(tmp_path: Path) -> None:
    folder = base_folder(tmp_path / "base")
    (folder / "config.json").unlink()
    with pytest.raises(InputError, match="so the folder is not a base model"):
        BaseWeights(folder)
    (folder / "config.json").write_text(json.dumps([]))
    assert BaseWeights(folder).positions is None
