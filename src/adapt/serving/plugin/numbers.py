"""Whether a server can compute with an adapter's numbers: finite weights, within the range of its number
format, and finite logits.

Enters: the weights file, the adapter's configuration, and what the evaluation saw of its activations.
Leaves: a reason against it, or None. One spoiled number is not one spoiled answer: NaN that an adapter
leaves in freed blocks of the key-value cache was read by other requests (vLLM 0.32 on a CPU), which then
answered nonsense with status 200.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

LARGEST = {"float16": 65504.0, "bfloat16": 3.3895313892515355e38, "float32": 3.4028234663852886e38}
"""The largest finite number of each format that a server computes in."""
HEADROOM = 2.0
"""How many times an activation that was measured must fit: other prompts reach further than those of the
evaluation."""
_STORED = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
_BLOCK = 1 << 20

Entry = Mapping[str, Any]
"""One tensor's entry in a safetensors header."""


def choose_formats(dtype: str, base_dtype: str | None, supported: Sequence[str] = ()) -> tuple[str, ...]:
    """Formats that a server with `server.dtype` may compute in, by vLLM's rule.

    `auto` is the base's own format, and for one in float32, or that does not say, what the device prefers.
    `supported` are the device's formats, the preferred first, where they are known.
    """
    if dtype != "auto":
        return (dtype,)
    if base_dtype in ("float16", "bfloat16") and (not supported or base_dtype in supported):
        return (base_dtype,)
    return tuple(supported[:1]) or ("bfloat16", "float16")


def find_largest(file: BinaryIO, entries: Mapping[str, Entry], *, start: int) -> dict[str, float]:
    """The largest absolute value of each tensor; NaN or infinity where it holds one, and for a format that
    is not read here.

    `start` is the offset of the data in the file, `entries` the header.
    """
    return {name: _find_peak(file, entry, start) for name, entry in entries.items()}


def overflow_reason(
    largest: Mapping[str, float],
    config: Mapping[str, Any],
    formats: Sequence[str],
) -> str | None:
    """Why weights of these sizes cannot be served; a server folds the scaling into lora_B."""
    for name, value in sorted(largest.items()):
        if not math.isfinite(value):
            return f"{name} holds NaN or infinity, or a number format that is not served"
        folded = value * abs(_scaling(name, config)) if name.endswith(".lora_B.weight") else value
        most = max(value, folded)
        for each in formats:
            if most > LARGEST[each]:
                return f"{name} reaches {most:.3g} with its scaling, and {_describe_end(each)}"
    return None


def unproved_reason(numbers: Any, formats: Sequence[str]) -> str | None:
    """Why what the evaluation saw (`{"finite": true, "largest": 123.0}`) does not show that the server's
    logits will be finite."""
    if not isinstance(numbers, Mapping) or not isinstance(numbers.get("largest"), int | float):
        return "no evaluation showed that its logits are finite; build it again"
    if numbers.get("finite") is not True or not math.isfinite(numbers["largest"]):
        return "its logits were not finite when it was evaluated"
    for each in formats:
        if numbers["largest"] * HEADROOM > LARGEST[each]:
            reaches = f"its activations reached {numbers['largest']:.3g} when it was evaluated"
            return f"{reaches}, too far: {_describe_end(each)}; set server.dtype to bfloat16"
    return None


def _describe_end(number_format: str) -> str:
    return f"{number_format}, which the server computes in, ends at {LARGEST[number_format]:.3g}"


def _find_peak(file: BinaryIO, entry: Entry, start: int) -> float:
    import numpy as np  # loaded where it is used: `adapt` renders a configuration without it

    stored = _STORED.get(str(entry["dtype"]))
    if stored is None:
        return math.nan
    first, end = (start + int(offset) for offset in entry["data_offsets"])
    file.seek(first)
    most = 0.0
    while first < end and (block := file.read(min(_BLOCK, end - first))):
        first += len(block)
        values = np.frombuffer(block, dtype=stored)
        if entry["dtype"] == "BF16":  # the upper half of a float32
            values = (values.astype(np.uint32) << 16).view(np.float32)
        peak = float(np.abs(values).max()) if values.size else 0.0
        if not math.isfinite(peak):
            return peak
        most = max(most, peak)
    return most


def _scaling(name: str, config: Mapping[str, Any]) -> float:
    """alpha / r, or alpha / sqrt(r) with rsLoRA, of the tensor's module; patterns by the rule of peft."""
    module = name.removesuffix(".lora_B.weight").removeprefix("base_model.model.")
    rank = _of_pattern(config.get("rank_pattern"), module, config["r"])
    alpha = _of_pattern(config.get("alpha_pattern"), module, config.get("lora_alpha", rank))
    return float(alpha) / (math.sqrt(rank) if config.get("use_rslora") else float(rank))


def _of_pattern(patterns: Mapping[str, Any] | None, module: str, usual: Any) -> Any:
    for pattern, value in (patterns or {}).items():
        if re.match(rf"(.*\.)?({pattern})$", module):
            return value
    return usual
