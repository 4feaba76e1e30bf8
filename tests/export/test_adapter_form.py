"""The adapter alone: plain LoRA that peft loads on the base and that answers as the trained one."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import adapt.export.canonical as room
from adapt.artifact.digest import digest_files
from adapt.artifact.manifest import verify
from adapt.errors import GateError
from adapt.export.forms import ExportInputs
from adapt.spec.export import AdapterExport
from tests.export.conftest import run

ADAPTER = AdapterExport(format="adapter")


def test_export_is_the_plain_adapter_and_what_it_belongs_to(make_inputs: Callable[..., ExportInputs], tmp_path: Path) -> None:
    inputs = make_inputs(use_rslora=True, rank_pattern={"q_proj": 6})
    report = run(ADAPTER, inputs, tmp_path / "out")
    verify(tmp_path / "out")
    assert report.parity.mean_kl < 1e-6
    assert report.parity.effect == pytest.approx(1, abs=1e-4)
    about = json.loads((tmp_path / "out" / "export.json").read_text())
    assert (about["format"], about["rank"], about["modules"], about["base_digest"]) == ("adapter", 6, 14, "0" * 64)
    run(ADAPTER, inputs, tmp_path / "again")
    assert digest_files(tmp_path / "out") == digest_files(tmp_path / "again")


def test_lost_tensor_fails_the_gate(inputs: ExportInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = room.write_tensors

    def without_one_layer(path: Path, tensors: dict[str, torch.Tensor]) -> None:
        write(path, {name: tensor * (0 if "layers.1.mlp" in name else 1) for name, tensor in tensors.items()})

    monkeypatch.setattr(room, "write_tensors", without_one_layer)
    with pytest.raises(GateError, match="the export differs from its adapter"):
        run(ADAPTER, inputs, tmp_path / "out")
    assert not (tmp_path / "out").exists()
