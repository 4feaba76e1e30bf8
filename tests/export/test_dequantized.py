"""A merge into the weights that a QLoRA adapter saw in training."""

import json
from pathlib import Path
from typing import Literal

import pytest
import torch
from transformers import BitsAndBytesConfig

from adapt.adapter.load import load_adapter
from adapt.artifact.progress import QuietProgress
from adapt.base.load import load_model
from adapt.export.dequantized import dequantize_base, widened
from adapt.export.export import export
from adapt.export.forms import ExportInputs
from adapt.spec.export import MergedExport
from adapt.spec.resolved.export import QuantizedBase
from tests.export.conftest import LOOSE, run, section

NF4 = QuantizedBase(quantization_type="nf4", double_quantization=True, dtype="bfloat16")
IDS = torch.arange(40, 90)[None]


@pytest.mark.parametrize("kind", ["nf4", "fp4", "int8"])
def test_weights_are_those_that_bitsandbytes_computes_with(kind: Literal["nf4", "fp4", "int8"], inputs: ExportInputs) -> None:
    from bitsandbytes.functional import dequantize_4bit, int8_vectorwise_dequant

    config = BitsAndBytesConfig(load_in_8bit=True) if kind == "int8" else BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type=kind)
    quantized = load_model(inputs.base, dtype="bfloat16", device="cpu", quantization=config)
    plain = load_model(inputs.base, dtype="float32", device="cpu")
    name = "model.layers.0.mlp.down_proj"
    module = quantized.get_submodule(name)
    found = module.weight
    if kind == "int8" and found.CB is None:
        found = module.state  # bitsandbytes moves them there at the first use
    seen = int8_vectorwise_dequant(found.CB, found.SCB) if kind == "int8" else dequantize_4bit(found.data, found.quant_state)
    ours = widened(plain.get_submodule(name).weight.data, QuantizedBase(quantization_type=kind, double_quantization=False, dtype="bfloat16"))
    assert (ours - seen.float()).abs().max() < 1e-3
    assert (ours - plain.get_submodule(name).weight).abs().max() > 1e-4, "quantization took something away"


@pytest.mark.parametrize("named", ["bfloat16", "auto"])
def test_merge_holds_the_quantized_base_with_the_adapter_on_it(inputs: ExportInputs, tmp_path: Path, named: str) -> None:
    """`auto` is what the adapter's training.json says that it was."""
    spec = MergedExport(format="merged", dtype="float32", onto="dequantized", parity=LOOSE)
    made = section(spec).model_copy(update={"trained_on": NF4.model_copy(update={"dtype": named})})
    report = export(made, inputs=inputs, out=tmp_path / "out", progress=QuietProgress())
    loaded = load_adapter(inputs.adapter, inputs.base, dtype="float32", device="cpu")
    dequantize_base(loaded, NF4)
    with torch.inference_mode():
        trained = loaded.model(input_ids=IDS).logits
        merged = load_model(tmp_path / "out", dtype="float32", device="cpu")(input_ids=IDS).logits
    assert (trained - merged).abs().max() < 1e-4
    about, parity = (json.loads((tmp_path / "out" / name).read_text()) for name in ("export.json", "parity.json"))
    assert (about["onto"], about["trained_on"]) == ("dequantized", NF4.model_dump())
    assert parity["mean_kl"] == report.parity.mean_kl > 0, "what the policy costs is measured against the adapter on the full base"
    assert parity["gates"]["max_mean_kl"] == LOOSE.max_mean_kl


def test_bounds_of_a_dequantized_merge_are_those_of_four_bits() -> None:
    assert MergedExport(format="merged", dtype="float32", onto="dequantized").number_format == "nf4"


def test_head_and_embeddings_stay_as_they_are(untied: ExportInputs) -> None:
    loaded = load_adapter(untied.adapter, untied.base, dtype="float32", device="cpu")
    head = loaded.model.get_output_embeddings()
    weight = getattr(head, "base_layer", head).weight
    before = weight.detach().clone()
    dequantize_base(loaded, NF4)
    assert torch.equal(weight, before)


def test_full_is_the_default(inputs: ExportInputs, tmp_path: Path) -> None:
    run(MergedExport(format="merged"), inputs, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "export.json").read_text())["onto"] == "full"
