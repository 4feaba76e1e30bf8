"""Many adapters on one ONNX graph: each answers as itself, and one that belongs elsewhere is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

import adapt.export.onnx_adapters as room
from adapt.adapter.load import load_adapter
from adapt.artifact.digest import digest_file, digest_files, digest_folder
from adapt.errors import GateError, InputError
from adapt.export.canonical import BaseShapes, read_factors
from adapt.export.forms import ExportInputs
from adapt.export.onnx_adapters import check_adapter, load_adapters
from adapt.spec.export import OnnxAdaptersExport
from tests.export.conftest import LOOSE, make_adapter, run

FP32 = OnnxAdaptersExport(format="onnx_adapters", precision="fp32")
IDS = list(range(40, 70))


@pytest.fixture(scope="module")
def two(inputs: ExportInputs, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """An export, another adapter of another rank on fewer modules written for its graph, and that adapter's folder."""
    folder = tmp_path_factory.mktemp("two")
    other = make_adapter(folder / "adapter", inputs.base, r=6, lora_alpha=24, target_modules=["q_proj", "down_proj"], use_rslora=True)
    run(FP32, inputs, folder / "one")
    shutil.copytree(folder / "one", folder / "two")
    _, factors = read_factors(other, BaseShapes(inputs.base))
    room._write_adapter(folder / "two" / "adapter.onnx_adapter", factors, folder / "one" / "base", digest_folder(folder / "one" / "base"))
    claims(folder / "two" / "adapter.onnx_adapter", adapter=digest_file(folder / "two" / "adapter.onnx_adapter"))
    return folder / "one", folder / "two", other


def logits(model: Any, adapters: Any = None, name: str = "") -> torch.Tensor:
    import onnxruntime_genai as genai

    parameters = genai.GeneratorParams(model)
    parameters.set_search_options(max_length=len(IDS) + 1)
    generator = genai.Generator(model, parameters)
    if name:
        generator.set_active_adapter(adapters, name)
    generator.append_tokens(np.array(IDS, dtype=np.int32))
    return torch.from_numpy(np.array(generator.get_output("logits")))


def test_adapters_are_swapped_on_one_graph(two: tuple[Path, Path, Path], inputs: ExportInputs) -> None:
    import onnxruntime_genai as genai

    one, second, other = two
    model = genai.Model(str(one / "base"))
    adapters = load_adapters(model, one / "base", {"one": one / "adapter.onnx_adapter", "two": second / "adapter.onnx_adapter"})
    with torch.inference_mode():
        ids = torch.tensor([IDS])
        wanted = {name: load_adapter(folder, inputs.base, dtype="float32", device="cpu").model(input_ids=ids).logits
                  for name, folder in {"one": inputs.adapter, "two": other}.items()}  # fmt: skip
        wanted[""] = AutoModelForCausalLM.from_pretrained(inputs.base, dtype=torch.float32)(input_ids=ids).logits
    for name in ("one", "two", "", "one"):
        assert (logits(model, adapters, name) - wanted[name]).abs().max() < 1e-3, name
    assert (wanted["one"] - wanted["two"]).abs().max() > 0.1


@pytest.mark.slow
def test_graph_is_the_same_bytes_for_every_adapter(two: tuple[Path, Path, Path], inputs: ExportInputs, tmp_path: Path) -> None:
    run(FP32, ExportInputs(adapter=two[2], dataset=inputs.dataset, base=inputs.base), tmp_path / "out")
    assert digest_files(tmp_path / "out" / "base") == digest_files(two[0] / "base")
    assert digest_file(tmp_path / "out" / "adapter.onnx_adapter") == digest_file(two[1] / "adapter.onnx_adapter")


@pytest.mark.slow
def test_adapter_on_the_quantized_base_carries_its_effect(inputs: ExportInputs, tmp_path: Path) -> None:
    report = run(OnnxAdaptersExport(format="onnx_adapters", precision="int4", parity=LOOSE), inputs, tmp_path / "out")
    assert report.parity.effect == pytest.approx(1, abs=0.1)


def copied(export: Path, folder: Path) -> Path:
    return Path(shutil.copytree(export, folder)) / "adapter.onnx_adapter"


def altered(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    raw[-9] ^= 1
    path.write_bytes(raw)


def claims(path: Path, **fields: Any) -> None:
    about = path.with_suffix(".json")
    about.write_text(json.dumps(json.loads(about.read_text()) | fields))


def other_matrices(path: Path, change: Callable[[dict[str, Any]], None], version: int | None = None) -> None:
    """Write other matrices, with the graph's stamp or another, and a sidecar that vouches for them."""
    import onnxruntime

    read = onnxruntime.AdapterFormat.read_adapter(str(path))
    parameters = {name: value.numpy().copy() for name, value in read.get_parameters().items()}
    change(parameters)
    made = onnxruntime.AdapterFormat()
    made.set_model_version(read.get_model_version() if version is None else version)
    made.set_adapter_version(1)
    made.set_parameters({name: onnxruntime.OrtValue.ortvalue_from_numpy(value) for name, value in parameters.items()})
    made.export_adapter(str(path))
    claims(path, adapter=digest_file(path))


A, B = (f"model.layers.0.self_attn.q_proj.lora_{side}.weight" for side in "AB")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (altered, "is missing or not the file that"),
        (Path.unlink, "is missing or not the file that"),
        (lambda path: path.with_suffix(".json").unlink(), "nobody knows what adapter.onnx_adapter belongs to"),
        (lambda path: path.with_suffix(".json").write_text("[]"), "nobody knows what adapter.onnx_adapter belongs to"),
        (lambda path: claims(path, graph="0" * 64), "was made for the graph 000000000000"),
        (
            lambda path: other_matrices(path, lambda p: p.update({A: np.zeros((65, 4), np.float32)})),
            r"has shape \(65, 4\), and the graph has \(64, 0\)",
        ),
        (lambda path: other_matrices(path, lambda p: p.update({A: np.zeros((64, 5), np.float32)})), "has no other half of its rank"),
        (lambda path: other_matrices(path, lambda p: p.pop(B)), "has no other half of its rank"),
        (lambda path: other_matrices(path, lambda p: p.update(x=p.pop(A))), "and the graph has no such place|has no other half"),
    ],
    ids=["altered", "missing", "no sidecar", "broken sidecar", "other graph", "shape", "ranks", "half", "unknown name"],
)
def test_wrong_adapter_is_refused(damage: Callable[[Path], Any], message: str, two: tuple[Path, Path, Path], tmp_path: Path) -> None:
    path = copied(two[0], tmp_path / "copy")
    check_adapter(path, two[0] / "base")
    damage(path)
    with pytest.raises(InputError, match=message):
        check_adapter(path, two[0] / "base")


def test_adapter_for_another_graph_is_refused_though_its_shapes_fit_and_its_sidecar_lies(two: tuple[Path, Path, Path], tmp_path: Path) -> None:
    path = copied(two[0], tmp_path / "copy")
    other_matrices(path, lambda matrices: None, version=1)
    with pytest.raises(InputError, match="carries the stamp of another graph"):
        check_adapter(path, two[0] / "base")


def test_damaged_export_fails_its_gate(inputs: ExportInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = room._write_adapter
    monkeypatch.setattr(
        room, "_write_adapter", lambda path, factors, *rest: write(path, {name: (a, b / 2) for name, (a, b) in factors.items()}, *rest)
    )
    with pytest.raises(GateError, match=r"it carries 0\.[45]\d+ of the adapter's effect"):
        run(FP32, inputs, tmp_path / "out")
    assert not (tmp_path / "out").exists()
