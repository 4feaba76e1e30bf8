"""The merged form: the adapter's own answers from an ordinary model folder."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from adapt.adapter.load import load_adapter
from adapt.artifact.staging import staged
from adapt.errors import GateError, InputError
from adapt.export.forms import ExportInputs
from adapt.spec.export import MergedExport
from tests.adapter.trainings import run as train
from tests.adapter.trainings import section, write_dataset
from tests.export.conftest import LOOSE, PLAIN, make_adapter, run

FLOAT32 = MergedExport(format="merged", dtype="float32")


def names(folder: Path) -> set[str]:
    found: set[str] = set()
    for path in folder.glob("*.safetensors"):
        with safe_open(path, framework="pt") as file:
            found |= set(file.keys())
    return found


def largest_difference(inputs: ExportInputs, out: Path) -> float:
    """Between the logits of the adapter and of the folder `out`, both in float32."""
    ids = torch.arange(40, 90)[None]
    with torch.inference_mode():
        adapter = load_adapter(inputs.adapter, inputs.base, dtype="float32", device="cpu").model(input_ids=ids).logits
        return (adapter - AutoModelForCausalLM.from_pretrained(out)(input_ids=ids).logits).abs().max().item()


def test_merged_logits_are_the_adapters(inputs: ExportInputs, merged: Path) -> None:
    assert largest_difference(inputs, merged) < 1e-4


@pytest.mark.parametrize(
    "config", [{"use_rslora": True}, {"use_dora": True}, {"rank_pattern": {"q_proj": 2}, "alpha_pattern": {"v_proj": 32}}], ids=str
)
def test_every_kind_of_scaling_is_merged(config: dict[str, object], make_inputs: Callable[..., ExportInputs], tmp_path: Path) -> None:
    inputs = make_inputs(**config)
    run(FLOAT32, inputs, tmp_path / "out")
    assert largest_difference(inputs, tmp_path / "out") < 1e-4


def trained(inputs: ExportInputs, folder: Path, **settings: object) -> ExportInputs:
    """`inputs` with an adapter that was trained for a few steps by another method."""
    train(section(inputs.base.parent, base=inputs.base.name, epochs=1, **settings), inputs.base.parent, write_dataset(folder / "data"), folder,
          base=inputs.base.name)  # fmt: skip
    return replace(inputs, adapter=folder / "adapter")


@pytest.mark.parametrize("method", ["full", "freeze", "lokr", "ia3", "pissa"])
def test_other_methods_are_merged_as_they_are_stored(method: str, inputs: ExportInputs, tmp_path: Path) -> None:
    made = trained(inputs, tmp_path, method=method)
    report = run(FLOAT32, made, tmp_path / "out")
    assert largest_difference(made, tmp_path / "out") < 1e-4
    assert report.parity.adapter_kl > 1e-4, "the comparison saw the base and the adapter apart"


@pytest.mark.parametrize("method", ["prompt_tuning", "houlsby"])
def test_what_cannot_be_merged_is_refused_and_nothing_is_written(method: str, inputs: ExportInputs, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be folded into the base's weights"):
        run(FLOAT32, trained(inputs, tmp_path, method=method), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_tied_embeddings_stay_tied_and_are_stored_once(merged: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(merged)
    assert model.config.tie_word_embeddings
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert "lm_head.weight" not in names(merged)


def test_untied_embeddings_stay_apart(untied: ExportInputs, tmp_path: Path) -> None:
    run(FLOAT32, untied, tmp_path / "out")
    assert {"lm_head.weight", "model.embed_tokens.weight"} <= names(tmp_path / "out")
    assert largest_difference(untied, tmp_path / "out") < 1e-4


@pytest.mark.parametrize("target", ["lm_head", "embed_tokens"])
def test_adapter_on_one_of_two_tied_weights_unties_them(
    target: str, make_inputs: Callable[..., ExportInputs], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    inputs = make_inputs(target_modules=["q_proj", target])
    run(FLOAT32, inputs, tmp_path / "out")
    assert "the merged model stores them apart" in caplog.text
    assert json.loads((tmp_path / "out" / "config.json").read_text())["tie_word_embeddings"] is False
    assert largest_difference(inputs, tmp_path / "out") < 1e-4


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_dtype_is_that_of_weights_and_config(dtype: str, inputs: ExportInputs, tmp_path: Path) -> None:
    run(MergedExport.model_validate({"format": "merged", "dtype": dtype}), inputs, tmp_path / "out")
    assert json.loads((tmp_path / "out" / "config.json").read_text())["dtype"] == dtype
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    assert {weight.dtype for weight in model.parameters()} == {getattr(torch, dtype)}


def test_weights_are_split_into_shards_of_the_asked_size(tmp_path: Path, make_inputs: Callable[..., ExportInputs]) -> None:
    from transformers import AutoConfig

    inputs = make_inputs()
    config = AutoConfig.from_pretrained(inputs.base)
    config.intermediate_size = 4096  # some 6 MB of float32
    base = tmp_path / "base"
    AutoTokenizer.from_pretrained(inputs.base).save_pretrained(base)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(base)
    wide = replace(inputs, base=base, adapter=make_adapter(tmp_path / "adapter", base))
    run(MergedExport(format="merged", dtype="float32", max_shard_size="2MB"), wide, tmp_path / "out")
    shards = sorted((tmp_path / "out").glob("model-*.safetensors"))
    assert len(shards) > 2
    assert max(path.stat().st_size for path in shards) < 2.1e6
    assert largest_difference(wide, tmp_path / "out") < 1e-4


def test_tokenizer_and_template_are_those_of_the_adapter(inputs: ExportInputs, merged: Path) -> None:
    turns = [{"role": "user", "content": "什么是债券？ What is a bond?"}]
    own = load_adapter(inputs.adapter, inputs.base, device="cpu")
    rendered = AutoTokenizer.from_pretrained(merged).apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
    assert rendered == own.tokenizer.apply_chat_template(turns, chat_template=own.prompt.template, add_generation_prompt=True, tokenize=False)
    assert "local_files_only" not in (merged / "tokenizer_config.json").read_text()


def test_generation_stops_at_the_templates_end_token(inputs: ExportInputs, merged: Path, tmp_path: Path) -> None:
    assert json.loads((merged / "generation_config.json").read_text())["eos_token_id"] == 2
    other = tmp_path / "adapter"
    with staged(other, section=PLAIN, inputs={}) as staging:
        for path in inputs.adapter.iterdir():
            if path.name != "manifest.json":
                text = path.read_bytes().replace(b"<|im_end|>", b"<|endoftext|>") if path.suffix == ".jinja" else path.read_bytes()
                (staging / path.name).write_bytes(text)
    run(FLOAT32, replace(inputs, adapter=other), tmp_path / "out")
    assert json.loads((tmp_path / "out" / "generation_config.json").read_text())["eos_token_id"] == [0, 2]


def test_weights_that_are_no_numbers_are_refused(inputs: ExportInputs, tmp_path: Path) -> None:
    broken = tmp_path / "adapter"
    with staged(broken, section=PLAIN, inputs={}) as staging:
        for path in inputs.adapter.iterdir():
            if path.name != "manifest.json":
                (staging / path.name).write_bytes(path.read_bytes())
        weights = load_file(staging / "adapter_model.safetensors")
        for name in weights:
            weights[name][0] = float("nan")
        save_file(weights, staging / "adapter_model.safetensors")
    with pytest.raises(InputError, match="holds NaN or infinity"):
        run(MergedExport(format="merged", parity=LOOSE), replace(inputs, adapter=broken), tmp_path / "out")


def test_adapter_without_effect_is_exported_with_a_warning(
    make_inputs: Callable[..., ExportInputs], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    report = run(FLOAT32, make_inputs(init_lora_weights=True), tmp_path / "out")
    assert report.parity.effect is None
    assert report.parity.adapter_kl == 0
    assert "cannot be told" in caplog.text


def test_overflow_of_float16_is_refused(inputs: ExportInputs, tmp_path: Path) -> None:
    base = tmp_path / "base"
    model = AutoModelForCausalLM.from_pretrained(inputs.base)
    model.model.norm.weight.data *= 4e4  # fits float16, and what it scales does not
    model.save_pretrained(base)
    AutoTokenizer.from_pretrained(inputs.base).save_pretrained(base)
    with pytest.raises(GateError, match="mean KL is nan nats"):
        run(MergedExport(format="merged", dtype="float16", parity=LOOSE), replace(inputs, base=base), tmp_path / "out")


def test_weights_beyond_the_number_format_are_not_written(
    make_inputs: Callable[..., ExportInputs],
    tmp_path: Path,
) -> None:
    """The sum fits float32 and bfloat16, and is infinite in float16."""
    inputs = make_inputs(lora_alpha=10_000_000)
    expected = r"of the merged model is not finite in float16\nhint: export it with dtype bfloat16"
    with pytest.raises(InputError, match=expected):
        run(MergedExport(format="merged", dtype="float16", parity=LOOSE), inputs, tmp_path / "half")
    assert not (tmp_path / "half").exists()
