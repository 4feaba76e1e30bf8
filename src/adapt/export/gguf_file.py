"""Writes models and adapters as GGUF files for llama.cpp and Ollama: Llama, Qwen2 and Qwen3 families.

Enters: a merged model's folder, or a finished adapter. Leaves: model.gguf with the tokenizer and the chat template in it, or adapter.gguf, in
llama.cpp's names (the `gguf` package has the table), and a Modelfile for Ollama.

llama.cpp turns pairs of neighbouring channels where transformers turns halves, so for Llama the rows of queries and keys are put into that order; the
rows of an adapter's B are rows of those matrices, and go along. Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapt.adapter.prompt import Prompt
from adapt.errors import InputError
from adapt.export.canonical import BaseShapes, read_factors
from adapt.export.gguf_tokenizer import add_tokenizer
from adapt.export.modelfile import write_modelfile
from adapt.export.support import check_gguf, read_config

if TYPE_CHECKING:
    from torch import Tensor

MODEL, ADAPTER = "model.gguf", "adapter.gguf"
_ROTATED = ("q_proj", "k_proj")
_BLOCK = 32  # weights that share a scale in the 4- and 8-bit types
_FILE_TYPES = {"f32": "ALL_F32", "f16": "MOSTLY_F16", "bf16": "MOSTLY_BF16", "q8_0": "MOSTLY_Q8_0", "q4_0": "MOSTLY_Q4_0"}
_FINE = ("token_embd.weight", "output.weight")  # stay at 8 bits in a 4-bit file: most of what 4 bits cost is lost there


def write_gguf(merged: Path, folder: Path, *, number_type: str, prompt: Prompt) -> Mapping[str, Any]:
    """Write the model of folder `merged` into `folder`. Raises InputError for another family, scaled positions or a tokenizer that is not known."""
    import gguf

    config = read_config(merged)
    family = check_gguf(config)
    writer = gguf.GGUFWriter(None, family)
    writer.add_type(gguf.GGUFType.MODEL)
    _add_shape(writer, config, family)
    writer.add_file_type(gguf.LlamaFileType[_FILE_TYPES[number_type]])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    add_tokenizer(writer, merged, prompt, vocabulary=config["vocab_size"])
    names = _names(config, family)
    for name, tensor in _stored(merged):
        known = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if known is None:
            raise InputError(f"the model has a tensor {name}, for which llama.cpp's {family} has no name", hint="export it as merged")
        _add(writer, known, _ordered(name, tensor, config, family), number_type)
    _finish(writer, folder / MODEL)
    write_modelfile(folder, prompt, [f"FROM ./{MODEL}"])
    return {"family": family}


def write_gguf_adapter(adapter: Path, base: Path, folder: Path, *, number_type: str, prompt: Prompt) -> Mapping[str, Any]:
    """Write a finished adapter into `folder`. Raises InputError when it cannot become plain LoRA, or as `write_gguf` does."""
    import gguf

    config = read_config(base)
    family = check_gguf(config)
    _, factors = read_factors(adapter, BaseShapes(base))
    writer = gguf.GGUFWriter(None, family)
    writer.add_type(gguf.GGUFType.ADAPTER)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    ranks = {a.shape[0] for a, _ in factors.values()}
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, float(max(ranks)))
    names = _names(config, family)
    for module, (a, b) in sorted(factors.items()):
        known = names.get_name(f"{module}.weight", try_suffixes=(".weight",))
        if known is None:
            raise InputError(f"the adapter changes {module}, for which llama.cpp's {family} has no name", hint="export it as gguf, merged")
        own = a.shape[0] / max(ranks)  # llama.cpp multiplies by alpha / rank of each pair
        _add(writer, f"{known}.lora_a", a, number_type)
        _add(writer, f"{known}.lora_b", _ordered(f"{module}.weight", b * own, config, family), number_type)
    _finish(writer, folder / ADAPTER)
    write_modelfile(folder, prompt, ["# FROM the GGUF file of the base model: set its path", "FROM ./base.gguf", f"ADAPTER ./{ADAPTER}"])
    return {"family": family, "rank": max(ranks), "modules": len(factors)}


def paired(weight: Tensor, heads: int) -> Tensor:
    """Rows of queries or keys of shape (heads * size, ...), from halves to neighbouring pairs within each head."""
    return weight.reshape(heads, 2, -1, *weight.shape[1:]).transpose(1, 2).reshape(weight.shape)


def halved(weight: Tensor, heads: int) -> Tensor:
    """The inverse of `paired`."""
    return weight.reshape(heads, -1, 2, *weight.shape[1:]).transpose(1, 2).reshape(weight.shape)


def heads_of(module: str, config: Mapping[str, Any], family: str) -> int | None:
    """Heads of a layer whose rows llama.cpp wants in pairs; None for others."""
    if family != "llama" or not any(f".{name}." in f"{module}." for name in _ROTATED):
        return None
    queries = int(config["num_attention_heads"])
    return queries if ".q_proj" in module else int(config.get("num_key_value_heads") or queries)


def _add_shape(writer: Any, config: Mapping[str, Any], family: str) -> None:
    heads = int(config["num_attention_heads"])
    size = int(config.get("head_dim") or config["hidden_size"] // heads)
    rope = config.get("rope_parameters") or {}
    writer.add_vocab_size(config["vocab_size"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(int(config.get("num_key_value_heads") or heads))
    writer.add_key_length(size)
    writer.add_value_length(size)
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(float(rope.get("rope_theta") or config.get("rope_theta") or 10000.0))
    if family == "llama":
        writer.add_rope_dimension_count(size)


def _names(config: Mapping[str, Any], family: str) -> Any:
    import gguf

    architecture = next(key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == family)
    return gguf.get_tensor_name_map(architecture, int(config["num_hidden_layers"]))


def _stored(folder: Path) -> Iterator[tuple[str, Tensor]]:
    """Every tensor of a model's files, in float32, sorted by name."""
    from safetensors import safe_open

    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for name in sorted(file.keys()):
                yield name, file.get_tensor(name).float()


def _ordered(name: str, tensor: Tensor, config: Mapping[str, Any], family: str) -> Tensor:
    heads = heads_of(name, config, family)
    return tensor if heads is None else paired(tensor, heads)


def _add(writer: Any, name: str, tensor: Tensor, number_type: str) -> None:
    """Add one tensor in the type that suits it: vectors stay in float32, and rows that no block divides in float16."""
    import gguf
    import torch

    if tensor.ndim < 2:
        chosen = "F32"
    elif number_type.startswith("q"):
        fine = number_type == "q4_0" and name in _FINE
        chosen = "F16" if tensor.shape[-1] % _BLOCK else "Q8_0" if fine else number_type.upper()
    else:
        chosen = number_type.upper()
    if chosen == "F16" and float(tensor.abs().max()) > torch.finfo(torch.float16).max:
        raise InputError(f"{name} is larger than float16 holds", hint="export it with type bf16 or f32")
    kind = gguf.GGMLQuantizationType[chosen]
    writer.add_tensor(name, gguf.quants.quantize(tensor.contiguous().numpy(), kind), raw_dtype=kind)


def _finish(writer: Any, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer.write_header_to_file(path)
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
