"""GGUF files as models: run by llama.cpp, or read back by transformers' reader of the format for a whole model, by the `gguf` package for an adapter.

None is the code that wrote them. The readers give the file's own numbers, 4-bit ones widened, and an adapter is added to its base; the kernels of
llama.cpp round activations too.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapt.adapter.prompt import Prompt
from adapt.base.load import load_model, quiet_loading
from adapt.export.gguf_file import ADAPTER, MODEL, halved, heads_of, write_gguf
from adapt.export.llama_cpp import LlamaCppRunner
from adapt.export.runner import TorchRunner

if TYPE_CHECKING:
    from torch import Tensor


def run_gguf(folder: Path) -> LlamaCppRunner:
    """The model in `folder` in llama.cpp. Raises InputError without the extra `gguf`."""
    return LlamaCppRunner(folder / MODEL)


def run_gguf_adapter(folder: Path, base: Path, *, prompt: Prompt, work: Path) -> LlamaCppRunner:
    """The adapter in `folder` in llama.cpp, on its base, which is written into `work` in float32. Raises InputError without the extra `gguf`."""
    write_gguf(base, work / "base", number_type="f32", prompt=prompt)
    return LlamaCppRunner(work / "base" / MODEL, [folder / ADAPTER])


def open_gguf(folder: Path) -> TorchRunner:
    """The model in `folder`, widened to float32."""
    return TorchRunner.open(partial(_load_gguf, folder))


def _load_gguf(folder: Path) -> Any:
    import io
    from contextlib import redirect_stderr

    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, GgufConfig

    with quiet_loading(), redirect_stderr(io.StringIO()):  # the reader draws a progress bar that no setting turns off
        config = AutoConfig.from_pretrained(str(folder), gguf_file=MODEL, local_files_only=True)
        _note_biases(config, folder / MODEL)
        model = AutoModelForCausalLM.from_pretrained(
            str(folder),
            config=config,
            gguf_file=MODEL,
            quantization_config=GgufConfig(dequantize=True),
            dtype=torch.float32,
            local_files_only=True,
        )
    model.train(False)
    return model


def _note_biases(config: Any, file: Path) -> None:
    """Tell the configuration of biases that the file holds: GGUF has no setting for them, and the reader assumes none."""
    import gguf

    names = {tensor.name for tensor in gguf.GGUFReader(file).tensors}
    for setting, tensor in (("attention_bias", "blk.0.attn_q.bias"), ("mlp_bias", "blk.0.ffn_up.bias")):
        if hasattr(config, setting):
            setattr(config, setting, tensor in names)


def open_gguf_adapter(folder: Path, base: Path, *, device: str) -> TorchRunner:
    """The adapter in `folder` on its base in float32, as llama.cpp adds it: W + alpha / rank B A."""
    return TorchRunner.open(partial(_load_adapter, folder, base, device))


def _load_adapter(folder: Path, base: Path, device: str) -> Any:
    import torch

    model = load_model(base, dtype="float32", device=device)
    config = json.loads((base / "config.json").read_bytes())
    alpha, family, pairs = _read(folder / ADAPTER)
    names = _module_names(int(config["num_hidden_layers"]))
    with torch.no_grad():
        for name, (a, b) in pairs.items():
            module = names[name]
            heads = heads_of(module, config, family)
            update = (halved(b, heads) if heads else b) @ a * (alpha / a.shape[0])
            layer: Any = model.get_submodule(module)
            layer.weight.add_(update.to(device))
    return model


def _read(path: Path) -> tuple[float, str, dict[str, tuple[Tensor, Tensor]]]:
    """Alpha, family, and A and B by the names that llama.cpp gives weights."""
    import gguf
    import torch

    reader = gguf.GGUFReader(path)
    widen: Any = gguf.quants.dequantize
    tensors = {str(tensor.name): torch.from_numpy(widen(tensor.data, tensor.tensor_type).copy()) for tensor in reader.tensors}
    names = sorted(name.removesuffix(".lora_a") for name in tensors if name.endswith(".lora_a"))
    fields: Any = reader.fields
    alpha = float(fields[gguf.Keys.Adapter.LORA_ALPHA].contents())
    family = str(fields[gguf.Keys.General.ARCHITECTURE].contents())
    return alpha, family, {name: (tensors[f"{name}.lora_a"], tensors[f"{name}.lora_b"]) for name in names}


def _module_names(layers: int) -> dict[str, str]:
    """Modules of transformers by llama.cpp's names of their weights."""
    parts = {"attn_q": "self_attn.q_proj", "attn_k": "self_attn.k_proj", "attn_v": "self_attn.v_proj", "attn_output": "self_attn.o_proj",
             "ffn_gate": "mlp.gate_proj", "ffn_up": "mlp.up_proj", "ffn_down": "mlp.down_proj"}  # fmt: skip
    return {f"blk.{layer}.{short}.weight": f"model.layers.{layer}.{module}" for layer in range(layers) for short, module in parts.items()}
