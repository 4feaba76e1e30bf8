"""The quantized form: reloads from its folder alone, in 4 or 8 bits."""

import json
from pathlib import Path
from typing import Literal

import pytest
import torch
from bitsandbytes.functional import dequantize_4bit
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from adapt.base import numerics
from adapt.export.forms import ExportInputs
from adapt.export.quantize import load_quantized
from adapt.spec.export import MergedExport, Parity, QuantizedExport
from tests.export.conftest import run

GATES = Parity(min_top1_agreement=0.3, max_mean_kl=0.1)
"""The random model's distributions are nearly flat, so its first choice is easily changed."""
LINEAR = "model.layers.0.mlp.down_proj"


@pytest.mark.parametrize(("scheme", "layer"), [("nf4", "Linear4bit"), ("int8", "Linear8bitLt")])
@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
def test_reloads_quantized_without_being_told(
    scheme: Literal["nf4", "int8"], layer: str, tied: bool, inputs: ExportInputs, untied: ExportInputs, tmp_path: Path
) -> None:
    report = run(QuantizedExport(format="quantized", scheme=scheme, parity=GATES), inputs if tied else untied, tmp_path / "out")
    assert report.parity.effect == pytest.approx(1, abs=0.1)
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert type(model.get_submodule(LINEAR)).__name__ == layer
    assert model.lm_head.weight.dtype == model.model.embed_tokens.weight.dtype == torch.bfloat16
    assert (model.lm_head.weight is model.model.embed_tokens.weight) is tied
    ids = AutoTokenizer.from_pretrained(tmp_path / "out")("What is a bond?", return_tensors="pt")
    assert model.generate(**ids, max_new_tokens=3, do_sample=False).shape[1] > ids.input_ids.shape[1]


def test_nf4_has_two_weights_a_byte_and_quantized_constants(nf4: Path) -> None:
    weights = load_file(nf4 / "model.safetensors")
    assert weights[f"{LINEAR}.weight"].dtype == torch.uint8
    assert weights[f"{LINEAR}.weight"].numel() == 64 * 128 // 2
    assert weights[f"{LINEAR}.weight.absmax"].dtype == torch.uint8
    config = json.loads((nf4 / "config.json").read_text())["quantization_config"]
    assert (config["bnb_4bit_quant_type"], config["bnb_4bit_use_double_quant"], config["bnb_4bit_compute_dtype"]) == ("nf4", True, "bfloat16")


def test_scheme_is_told(nf4: Path) -> None:
    about = json.loads((nf4 / "export.json").read_text())
    assert (about["format"], about["scheme"], about["parameters"]) == ("quantized", "nf4", 131392)


def test_int8_says_nothing_at_every_layer(inputs: ExportInputs, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run(QuantizedExport(format="quantized", scheme="int8", parity=GATES), inputs, tmp_path / "out")
    assert "MatMul8bitLt" not in caplog.text


def test_without_instructions_for_bfloat16_it_computes_in_float32(nf4: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a layer gives is the product with the weights that bitsandbytes widens; its own kernels for some CPUs round more."""
    monkeypatch.setattr(numerics, "_cpu_multiplies_bfloat16", lambda limit: False)
    model = load_quantized(nf4)
    layer = model.get_submodule(LINEAR)
    assert {layer.compute_dtype, model.lm_head.weight.dtype, model.dtype} == {torch.float32}
    x = torch.linspace(-1, 1, 3 * layer.in_features).reshape(3, -1)
    with torch.inference_mode():
        wanted = x @ dequantize_4bit(layer.weight.data, layer.weight.quant_state).float().T
        assert layer(x).dtype == torch.float32
        assert (layer(x) - wanted).abs().max() < 0.01 * wanted.abs().max()


@pytest.mark.parametrize("native", [True, False])
def test_parity_says_in_what_a_form_was_run(inputs: ExportInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, native: bool) -> None:
    monkeypatch.setattr(numerics, "_cpu_multiplies_bfloat16", lambda limit: native)
    run(MergedExport(format="merged", dtype="bfloat16"), inputs, tmp_path / "out")
    parity = json.loads((tmp_path / "out" / "parity.json").read_text())
    assert (parity["computed_dtype"], parity["reference_dtype"]) == ("bfloat16" if native else "float32", "float32")
    assert load_file(tmp_path / "out" / "model.safetensors")["model.norm.weight"].dtype == torch.bfloat16
