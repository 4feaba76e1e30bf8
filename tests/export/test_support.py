"""What llama.cpp computes of a configuration, held against llama.cpp itself."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM

from adapt.adapter.prompt import Prompt, effective_template
from adapt.base.load import load_tokenizer
from adapt.errors import InputError
from adapt.export.gguf_file import MODEL, write_gguf
from adapt.export.llama_cpp import BINDING, Head, LlamaCpp
from adapt.export.support import check_form, check_gguf, read_config
from adapt.spec.export import AdapterExport, GgufAdapterExport, GgufExport, MergedExport
from adapt.spec.prompt import PinnedPrompt
from tests.tiny import VOCABULARY, tiny_base

TOKENS = torch.randint(5, VOCABULARY, (40,), generator=torch.Generator().manual_seed(1))
COMPUTED = [
    ("llama", {}),
    ("llama", {"attention_bias": True, "mlp_bias": True}),
    ("llama", {"head_dim": 32}),
    ("qwen2", {}),
    ("qwen2", {"use_sliding_window": False, "sliding_window": 8}),
    ("qwen2", {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 9}),
    ("qwen3", {}),
]
NOT_COMPUTED = [
    ("llama", {"hidden_act": "gelu"}, "hidden_act is gelu"),
    ("qwen2", {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1}, r"sliding_window \(layers\) is mixed"),
    ("qwen2", {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 0}, r"sliding_window \(layers\) is sliding"),
    ("qwen3", {"attention_bias": True}, "attention_bias is True"),
]


def base_of(folder: Path, family: str, settings: dict[str, Any]) -> Path:
    """A tiny base of `family` with further settings, biases and weights all random."""
    base = tiny_base(folder, kind="llama" if family == "llama" else "qwen2")
    plain = json.loads((base / "config.json").read_bytes())
    sizes = {key: plain[key] for key in ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")}
    ends = {key: plain[key] for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    config = AutoConfig.for_model(
        family, vocab_size=VOCABULARY, num_key_value_heads=2, max_position_embeddings=256, **{"head_dim": 16, **sizes, **ends, **settings}
    )
    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(std=0.25)
    model.save_pretrained(base)
    return base


def logits_of(base: Path) -> torch.Tensor:
    model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, attn_implementation="eager").eval()
    with torch.no_grad():
        return torch.log_softmax(model(TOKENS[None]).logits[0], -1)


@pytest.mark.parametrize(("family", "settings", "message"), NOT_COMPUTED)
def test_settings_that_llama_cpp_passes_over_are_refused(family: str, settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    base = base_of(tmp_path / "base", family, settings)
    for spec in (GgufExport(format="gguf", type="f32"), GgufAdapterExport(format="gguf_adapter")):
        with pytest.raises(InputError, match=message):
            check_form(spec, read_config(base))
    prompt = Prompt(effective_template(PinnedPrompt(kind="model"), load_tokenizer(base)), load_tokenizer(base))
    with pytest.raises(InputError, match=message):
        write_gguf(base, tmp_path / "out", number_type="f32", prompt=prompt)
    for other in (AdapterExport(format="adapter"), MergedExport(format="merged")):
        check_form(other, read_config(base))


@pytest.mark.parametrize(("family", "settings"), COMPUTED)
def test_settings_that_llama_cpp_computes_pass(family: str, settings: dict[str, Any], tmp_path: Path) -> None:
    assert check_gguf(read_config(base_of(tmp_path / "base", family, settings))) == family


@pytest.mark.parametrize(
    ("change", "message"),
    [({"model_type": "mistral"}, "of the mistral family"), ({"rope_parameters": {"rope_type": "llama3"}}, "rope_parameters.rope_type is llama3")],
)
def test_other_families_and_scaled_positions_are_refused(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        check_gguf(read_config(tiny_base(tmp_path)) | change)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "settings", "same"),
    [*((*case, True) for case in COMPUTED), *((family, settings, False) for family, settings, _ in NOT_COMPUTED)],
)
def test_llama_cpp_agrees_with_the_table(family: str, settings: dict[str, Any], same: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written all the same, a configuration of the other side of the line gives other log-probabilities, or does not load."""
    pytest.importorskip(BINDING)
    base = base_of(tmp_path / "base", family, settings)
    monkeypatch.setattr("adapt.export.gguf_file.check_gguf", lambda config: family)
    tokenizer = load_tokenizer(base)
    prompt = Prompt(effective_template(PinnedPrompt(kind="model"), tokenizer), tokenizer)
    write_gguf(base, tmp_path / "out", number_type="f32", prompt=prompt)
    try:
        states = LlamaCpp(tmp_path / "out" / MODEL).states(TOKENS.tolist())
        computed = torch.log_softmax(Head(tmp_path / "out" / MODEL).logits(states), -1)
    except Exception:
        assert not same
        return
    difference = float((computed - logits_of(base)).abs().max())
    assert (difference < 0.05) is same, difference
