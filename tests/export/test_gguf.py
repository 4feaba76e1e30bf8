"""GGUF files: read back by other code, they are the merged model or the adapter, with tokenizer, template and stops in them."""

import json
from pathlib import Path
from typing import Any, Literal

import gguf
import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

import adapt.export.gguf_file as room
from adapt.adapter.load import load_adapter
from adapt.artifact.digest import digest_files
from adapt.errors import GateError, InputError
from adapt.export.forms import ExportInputs
from adapt.export.gguf_file import halved, paired
from adapt.export.gguf_tokenizer import CUTTINGS, _cutting
from adapt.spec.export import GgufAdapterExport, GgufExport, Parity
from tests.export.conftest import LOOSE, make_adapter, make_dataset, make_record, run
from tests.tiny import CHAT_TEMPLATE, tiny_base

Family = Literal["llama", "qwen2", "qwen3"]
LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def qwen3_base(folder: Path) -> Path:
    """A tiny Qwen3, which has norms on queries and keys and heads of 128 channels in every size; with the Llama's tokenizer."""
    from transformers import AutoModelForCausalLM, Qwen3Config, Qwen3ForCausalLM

    llama = AutoModelForCausalLM.from_pretrained(tiny_base(folder))
    names = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads")
    tokens = ("max_position_embeddings", "bos_token_id", "eos_token_id", "pad_token_id")
    known = {name: getattr(llama.config, name) for name in (*names, *tokens)}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Qwen3ForCausalLM(Qwen3Config(**known, head_dim=128, tie_word_embeddings=True, initializer_range=0.1))
        for name, weight in model.named_parameters():
            if name.endswith(("q_norm.weight", "k_norm.weight")):
                weight.data.uniform_(0.5, 1.5)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=["llama", "qwen2", "qwen3"])
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Family, ExportInputs]:
    folder = tmp_path_factory.mktemp(request.param)
    base = qwen3_base(folder / "base") if request.param == "qwen3" else tiny_base(folder / "base", kind=request.param)
    records = [make_record("What is a bond?", "A bond is a loan."), make_record("What is a share?", "A part of a company.")]
    adapter = make_adapter(folder / "adapter", base, target_modules=LINEAR, rank_pattern={"q_proj": 2}, use_rslora=True)
    return request.param, ExportInputs(adapter=adapter, dataset=make_dataset(folder / "dataset", records), base=base)


def test_model_is_the_merged_one(family: tuple[Family, ExportInputs], tmp_path: Path) -> None:
    report = run(GgufExport(format="gguf", type="f32"), family[1], tmp_path / "out")
    assert report.parity.mean_kl < 1e-6
    assert report.parity.effect == pytest.approx(1, abs=1e-3)
    assert json.loads((tmp_path / "out" / "export.json").read_text())["family"] == family[0]
    run(GgufExport(format="gguf", type="f32"), family[1], tmp_path / "again")
    assert digest_files(tmp_path / "out") == digest_files(tmp_path / "again")


def test_adapter_is_the_trained_one(family: tuple[Family, ExportInputs], tmp_path: Path) -> None:
    report = run(GgufAdapterExport(format="gguf_adapter"), family[1], tmp_path / "out")
    assert report.parity.mean_kl < 1e-6
    assert report.parity.effect == pytest.approx(1, abs=1e-3)
    reader = gguf.GGUFReader(tmp_path / "out" / "adapter.gguf")
    assert reader.fields["general.type"].contents() == "adapter"
    assert reader.fields["adapter.type"].contents() == "lora"
    shapes = {tensor.name: tuple(int(size) for size in reversed(tensor.shape)) for tensor in reader.tensors}
    assert len(shapes) == 2 * 2 * len(LINEAR)
    assert shapes["blk.1.ffn_down.weight.lora_a"] == (4, 128)
    assert shapes["blk.1.ffn_down.weight.lora_b"] == (64, 4)
    assert shapes["blk.0.attn_q.weight.lora_a"][0] == 2


@pytest.mark.parametrize(
    ("number_type", "matrix", "embedding"), [("f16", "F16", "F16"), ("bf16", "BF16", "BF16"), ("q8_0", "Q8_0", "Q8_0"), ("q4_0", "Q4_0", "Q8_0")]
)
def test_types_are_those_that_were_asked_for(number_type: Any, matrix: str, embedding: str, inputs: ExportInputs, tmp_path: Path) -> None:
    report = run(GgufExport(format="gguf", type=number_type, parity=LOOSE), inputs, tmp_path / "out")
    kinds = {tensor.name: tensor.tensor_type.name for tensor in gguf.GGUFReader(tmp_path / "out" / "model.gguf").tensors}
    assert (kinds["blk.0.attn_q.weight"], kinds["token_embd.weight"], kinds["output_norm.weight"]) == (matrix, embedding, "F32")
    assert "output.weight" not in kinds, "tied embeddings are stored once"
    assert report.parity.effect == pytest.approx(1, abs=0.1)


def test_tokenizer_template_and_stop_go_along(inputs: ExportInputs, tmp_path: Path) -> None:
    run(GgufExport(format="gguf", type="f32"), inputs, tmp_path / "out")
    fields = gguf.GGUFReader(tmp_path / "out" / "model.gguf").fields
    tokenizer = AutoTokenizer.from_pretrained(inputs.base)
    tokens = fields["tokenizer.ggml.tokens"].contents()
    assert [tokens[number] for number in range(len(tokens))] == tokenizer.convert_ids_to_tokens(list(range(512)))
    assert fields["tokenizer.chat_template"].contents() == CHAT_TEMPLATE
    assert fields["tokenizer.ggml.pre"].contents() == "gpt-2"
    assert fields["tokenizer.ggml.eos_token_id"].contents() == tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert fields["tokenizer.ggml.add_bos_token"].contents() is False
    kinds = fields["tokenizer.ggml.token_type"].contents()
    assert {kinds[tokenizer.convert_tokens_to_ids(token)] for token in ("<|im_start|>", "<|im_end|>")} == {3}


def test_rows_of_rotated_heads_go_to_neighbouring_pairs_and_back() -> None:
    rows = torch.arange(8.0)[:, None]
    assert paired(rows, heads=2).flatten().tolist() == [0, 2, 1, 3, 4, 6, 5, 7]
    assert torch.equal(halved(paired(rows, heads=2), heads=2), rows)


def unpaired(name: str, tensor: torch.Tensor, config: Any, family: str) -> torch.Tensor:
    return tensor


def test_wrong_order_of_rows_fails_the_gate(inputs: ExportInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_ordered", unpaired)
    for spec in (GgufExport(format="gguf", type="f32"), GgufAdapterExport(format="gguf_adapter", parity=Parity(max_effect_error=0.001))):
        with pytest.raises(GateError, match="the export differs from its adapter"):
            run(spec, inputs, tmp_path / "out")
        assert not (tmp_path / "out").exists()


def biased_base(folder: Path) -> Path:
    """A tiny Llama whose linear layers all have biases, none of them zero."""
    base = tiny_base(folder)
    config = AutoConfig.from_pretrained(base, attention_bias=True, mlp_bias=True)
    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith(".bias"):
                weight.normal_(std=0.3)
    model.save_pretrained(base)
    return base


@pytest.mark.parametrize("checked_by", ["reader", pytest.param("llama.cpp", marks=pytest.mark.slow)])
def test_biases_of_a_llama_are_written_and_read(checked_by: Any, tmp_path: Path) -> None:
    base = biased_base(tmp_path / "base")
    adapter = make_adapter(tmp_path / "adapter", base, target_modules=LINEAR)
    inputs = ExportInputs(adapter=adapter, dataset=make_dataset(tmp_path / "dataset", [make_record("What is it?", "A thing.")]), base=base)
    report = run(GgufExport(format="gguf", type="f32", checked_by=checked_by), inputs, tmp_path / "out")
    assert report.parity.mean_kl < 1e-4
    assert report.parity.top1_agreement == 1


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        ({"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}, "gpt-2"),
        ({"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": True}, {"type": "ByteLevel", "use_regex": True}]}, "smollm"),
        *(
            (
                {
                    "type": "Sequence",
                    "pretokenizers": [
                        {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False},
                        {"type": "ByteLevel", "use_regex": False},
                    ],
                },
                name,
            )
            for pattern, name in CUTTINGS.items()
            if name in ("qwen2", "llama-bpe")
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_cutting_of_texts_is_named_as_llama_cpp_does(rule: dict[str, Any], name: str) -> None:
    assert _cutting(rule) == name


@pytest.mark.parametrize("rule", [{"type": "Whitespace"}, {"type": "ByteLevel", "add_prefix_space": True}, {}])
def test_unknown_cutting_is_refused(rule: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"cuts texts in a way that llama\.cpp has no name for"):
        _cutting(rule)


def test_logits_of_the_adapter_file_are_the_adapters(inputs: ExportInputs, tmp_path: Path) -> None:
    from adapt.export.gguf_runner import open_gguf_adapter

    run(GgufAdapterExport(format="gguf_adapter", type="f16", parity=LOOSE), inputs, tmp_path / "out")
    ids = torch.arange(40, 90)[None]
    with torch.inference_mode():
        trained = load_adapter(inputs.adapter, inputs.base, dtype="float32", device="cpu").model(input_ids=ids).logits
        read = open_gguf_adapter(tmp_path / "out", inputs.base, device="cpu").model(input_ids=ids).logits
    assert (trained - read).abs().max() < 2e-2
