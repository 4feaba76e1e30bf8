"""The quantized form: reloads from its folder alone, in 4 or 8 bits."""

import json
from pathlib import Path
from typing import Literal

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from adapt.export.forms import ExportInputs
from adapt.spec.export import Parity, QuantizedExport
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
