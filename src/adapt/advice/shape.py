"""How large a base model is, read without loading it.

Enters: config.json and the headers of the weights, or the header of the bundled GGUF file. Leaves: the sizes that memory and time depend on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

from adapt.base.bundled import find_gguf
from adapt.base.prepare import base_folder
from adapt.errors import InputError
from adapt.plan.workspace import Workspace
from adapt.serving.weights import read_tensors
from adapt.spec.base import BundledBase, HubBase, PinnedBase

_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I8": 1, "U8": 1, "F8_E4M3": 1, "F8_E5M2": 1}
_EMBEDDINGS = ("embed_tokens", "wte", "wpe", "lm_head", "embed_positions", "token_embd", "output")
_GGUF_NAMES = {
    "attn_q": "q_proj", "attn_k": "k_proj", "attn_v": "v_proj", "attn_output": "o_proj",
    "ffn_gate": "gate_proj", "ffn_up": "up_proj", "ffn_down": "down_proj",
}  # fmt: skip
"""llama.cpp's names of linear layers, and transformers'."""


@dataclass(frozen=True)
class Linear:
    """The linear layers of one name, over all decoder layers."""

    parameters: int
    span: int
    """Sum of rows and columns: a low-rank update of rank r has r times as many parameters."""
    outputs: int
    """Sum of the rows."""
    expert: bool = False
    """Whether they belong to the experts of a mixture."""


@dataclass(frozen=True)
class ModelShape:
    """Sizes of a decoder-only language model."""

    hidden: int
    layers: int
    heads: int
    groups: int
    """Key-value heads."""
    head_size: int
    feed_forward: int
    vocabulary: int
    parameters: int
    linear: Mapping[str, Linear] = field(default_factory=dict)
    """Linear layers of the decoder by the last part of their name."""
    stored_bytes: int = 2
    """Bytes of a number in the model's files."""
    positions: int | None = None
    """Longest sequence that the model was made for."""
    active_experts: float = 1.0
    """Share of a mixture's experts that a token goes through."""
    bias_parameters: int = 0
    norm_parameters: int = 0

    @property
    def linear_parameters(self) -> int:
        return sum(linear.parameters for linear in self.linear.values())

    @property
    def active_parameters(self) -> float:
        """Parameters of linear layers that one token meets."""
        return sum(linear.parameters * (self.active_experts if linear.expert else 1.0) for linear in self.linear.values())

    @property
    def has_experts(self) -> bool:
        return any(linear.expert for linear in self.linear.values())

    @property
    def query(self) -> int:
        """Numbers of a token's queries."""
        return self.heads * self.head_size

    @property
    def key(self) -> int:
        """Numbers of a token's keys."""
        return self.groups * self.head_size

    def targets(self, names: str | Iterable[str]) -> list[Linear]:
        """The linear layers that a low-rank method adapts: those of `names`, or all but experts for `all-linear`."""
        if isinstance(names, str):
            return [linear for linear in self.linear.values() if not linear.expert]
        return [linear for name, linear in self.linear.items() if name in set(names)]


def shape_of(base: PinnedBase, workspace: Workspace) -> ModelShape:
    """The shape of `base`. Raises InputError when a hub model was not downloaded yet, or its config is not that of a decoder."""
    folder = base_folder(base, root=workspace.root, cache=workspace.cache)
    if (folder / "config.json").is_file():
        return read_shape(folder)
    if isinstance(base.source, HubBase):
        raise InputError(
            f"the size of {base.source.model} is not known: it was not downloaded yet",
            hint="`adapt build --to dataset` downloads it and trains nothing",
        )
    if not isinstance(base.source, BundledBase):
        raise AssertionError(base.source)
    return _bundled_shape(find_gguf())


def read_shape(folder: Path) -> ModelShape:
    """The shape of the model in `folder`, in the Hugging Face layout."""
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except ValueError as error:
        raise InputError(f"{folder.name}/config.json is not JSON: {error}", hint="copy or download the model again") from None
    config = config.get("text_config") or config
    tensors = {
        name: (tensor.shape, _BYTES.get(tensor.dtype, 2))
        for path in sorted(folder.glob("*.safetensors"))
        for name, tensor in read_tensors(path).items()
    }
    return _shape(config, {name: shape for name, (shape, _) in tensors.items()}, stored=max(size for _, size in tensors.values()))


def made_shape(
    *, hidden: int, layers: int, heads: int, groups: int, feed_forward: int, vocabulary: int, tied: bool = False, positions: int = 4096
) -> ModelShape:
    """The shape of a model in the manner of Llama, from its sizes alone."""
    key = hidden // heads * groups
    one = {"q_proj": (hidden, hidden), "k_proj": (key, hidden), "v_proj": (key, hidden), "o_proj": (hidden, hidden)}
    one |= {"gate_proj": (feed_forward, hidden), "up_proj": (feed_forward, hidden), "down_proj": (hidden, feed_forward)}
    tensors: dict[str, tuple[int, ...]] = {f"layers.{number}.{name}.weight": size for number in range(layers) for name, size in one.items()}
    tensors |= {f"layers.{number}.{place}_norm.weight": (hidden,) for number in range(layers) for place in ("in", "out")}
    tensors |= {"embed_tokens.weight": (vocabulary, hidden), "norm.weight": (hidden,)} | ({} if tied else {"lm_head.weight": (vocabulary, hidden)})
    config = {
        "hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads, "num_key_value_heads": groups,
        "intermediate_size": feed_forward, "vocab_size": vocabulary, "max_position_embeddings": positions,
    }  # fmt: skip
    return _shape(config, tensors, stored=2)


def _shape(config: Mapping[str, Any], tensors: Mapping[str, tuple[int, ...]], *, stored: int) -> ModelShape:
    def size(*names: str, default: int | None = None) -> int:
        found = next((config[name] for name in names if isinstance(config.get(name), int)), default)
        if found is None:
            raise InputError(
                f"the base's config.json has no {names[0]}, so its size is not known", hint="advice and forecasts are for decoder-only models"
            )
        return int(found)

    hidden, heads = size("hidden_size", "n_embd"), size("num_attention_heads", "n_head")
    experts = size("num_local_experts", "num_experts", default=1)
    return ModelShape(
        hidden=hidden,
        layers=size("num_hidden_layers", "n_layer"),
        heads=heads,
        groups=size("num_key_value_heads", default=heads),
        head_size=size("head_dim", default=hidden // heads),
        feed_forward=size("intermediate_size", "n_inner", default=4 * hidden),
        vocabulary=size("vocab_size"),
        parameters=sum(prod(shape) for shape in tensors.values()),
        linear=_linear(tensors),
        stored_bytes=stored,
        positions=config.get("max_position_embeddings"),
        active_experts=size("num_experts_per_tok", default=experts) / experts,
        bias_parameters=sum(prod(shape) for name, shape in tensors.items() if name.endswith(".bias")),
        norm_parameters=sum(prod(shape) for name, shape in tensors.items() if len(shape) == 1 and name.endswith(".weight") and shape[0] == hidden),
    )


def _linear(tensors: Mapping[str, tuple[int, ...]]) -> dict[str, Linear]:
    found: dict[str, list[int]] = {}
    experts = set()
    for whole, shape in tensors.items():
        name = whole.removesuffix(".weight").rpartition(".")[2]
        if len(shape) not in (2, 3) or name in _EMBEDDINGS:
            continue
        sums = found.setdefault(name, [0, 0, 0])
        count = shape[0] if len(shape) == 3 else 1
        for place, value in enumerate((prod(shape), count * (shape[-1] + shape[-2]), count * shape[-2])):
            sums[place] += value
        if ".experts." in whole or "_exps" in name:
            experts.add(name)
    return {name: Linear(sums[0], sums[1], sums[2], name in experts) for name, sums in sorted(found.items())}


def _bundled_shape(gguf: Path) -> ModelShape:
    """From the header of the GGUF file, before it was converted to bfloat16."""
    from gguf import GGUFReader

    reader = GGUFReader(gguf)
    names = {
        "hidden_size": "embedding_length", "num_hidden_layers": "block_count", "num_attention_heads": "attention.head_count",
        "num_key_value_heads": "attention.head_count_kv", "intermediate_size": "feed_forward_length", "max_position_embeddings": "context_length",
    }  # fmt: skip
    config = {ours: int(reader.fields[f"llama.{theirs}"].contents()) for ours, theirs in names.items()}
    tensors = {}
    for tensor in reader.tensors:
        parts = [_GGUF_NAMES.get(part, part) for part in tensor.name.split(".")]
        tensors[".".join(parts)] = tuple(int(length) for length in reversed(tensor.shape))
    return _shape(config | {"vocab_size": tensors["token_embd.weight"][0]}, tensors, stored=2)
