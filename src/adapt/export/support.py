"""Which configurations of a model llama.cpp computes as transformers does.

Enters: a base's config.json. Leaves: the first setting that llama.cpp would pass over in silence. The table was read off
its graphs (src/models/llama.cpp, qwen2.cpp, qwen3.cpp); tests hold its log-probabilities against transformers' for settings
on both sides of the line. onnxruntime-genai's model builder reads windows, activations and biases, and refuses the rest.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapt.errors import InputError
from adapt.spec.export import ExportSpec, GgufAdapterExport, GgufExport

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Setting:
    """A setting of a model's configuration, and what of it is computed."""

    name: str
    """As messages show it."""
    read: Callable[[Config], Any]
    """Its value as transformers takes it, defaults included."""
    allowed: tuple[Any, ...]


def _rope(config: Config) -> Mapping[str, Any]:
    return config.get("rope_parameters") or config.get("rope_scaling") or {}


def _rope_type(config: Config) -> str:
    return str(_rope(config).get("rope_type") or _rope(config).get("type") or "default")


def _attention_layers(config: Config) -> str:
    """`full`, `sliding` or `mixed`; a window that no text can leave counts as full."""
    qwen = str(config.get("model_type")).startswith("qwen")
    window = config.get("sliding_window") if config.get("use_sliding_window", not qwen) else None
    if not window or window >= config["max_position_embeddings"]:
        return "full"
    layers = int(config["num_hidden_layers"])
    types = list(config.get("layer_types") or ())
    if not types:  # layers below the first of these see the whole text
        first = min(int(config.get("max_window_layers") or 0), layers)
        types = ["full_attention"] * first + ["sliding_attention"] * (layers - first)
    if "sliding_attention" not in types:
        return "full"
    return "mixed" if "full_attention" in types else "sliding"


_ACTIVATION = Setting("hidden_act", lambda config: config.get("hidden_act", "silu"), ("silu",))
_ROPE = Setting("rope_parameters.rope_type", _rope_type, ("default",))
_FULL_ATTENTION = Setting("sliding_window (layers)", _attention_layers, ("full",))
_NO_ATTENTION_BIAS = Setting("attention_bias", lambda config: bool(config.get("attention_bias", False)), (False,))

GGUF: Mapping[str, tuple[Setting, ...]] = {
    # biases of attention and of the feed-forward layers are added where the file holds them
    "llama": (_ACTIVATION, _ROPE),
    "qwen2": (_ACTIVATION, _ROPE, _FULL_ATTENTION),
    "qwen3": (_ACTIVATION, _ROPE, _FULL_ATTENTION, _NO_ATTENTION_BIAS),
}
"""By family, the settings of which llama.cpp computes some values only; it reads no other setting of these families."""


def check_form(spec: ExportSpec, config: Config) -> None:
    """Raise InputError where the program that runs an export of this form would compute the base otherwise."""
    if isinstance(spec, GgufExport | GgufAdapterExport):
        check_gguf(config)


def check_gguf(config: Config) -> str:
    """The family in llama.cpp's words. Raises InputError for a model that llama.cpp would compute otherwise."""
    family = str(config.get("model_type"))
    if family not in GGUF:
        raise InputError(
            f"the base is of the {family} family, and GGUF files are written for {', '.join(GGUF)}",
            hint="export it as merged or onnx",
        )
    for setting in GGUF[family]:
        value = setting.read(config)
        if value not in setting.allowed:
            allowed = ", ".join(map(str, setting.allowed))
            raise InputError(
                f"the base's {setting.name} is {value}, and llama.cpp's {family} computes {allowed} alone",
                hint="export it as merged or onnx",
            )
    return family


def read_config(folder: Path) -> dict[str, Any]:
    """config.json of a model's folder."""
    value: dict[str, Any] = json.loads((folder / "config.json").read_bytes())
    return value
