"""Shapes in a safetensors file, and whether they are those of a LoRA adapter for a base model.

The layout is eight bytes of length (little-endian), that many bytes of JSON, then the data (https://github.com/huggingface/safetensors#format).
vLLM takes some wrong shapes without a word and pads them with zeros, and skips modules that the base lacks; both are refused here.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from .numbers import find_largest
from .refusal import RefusedError

LORA_TENSOR = re.compile(r"(?:base_model\.model\.)?(?P<module>.+)\.lora_(?P<side>[AB])\.weight")
_LENGTH_BYTES = 8
_MAX_HEADER_BYTES = 100_000_000

Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Tensors:
    """What a weights file holds."""

    shapes: Shapes
    largest: dict[str, float]
    """The largest absolute value of each; NaN or infinity where there is one."""


def read_tensors(file: BinaryIO) -> Tensors:
    """Shapes and sizes of the tensors in an open file.

    Raises RefusedError when it is no whole safetensors file.
    """
    size = file.seek(0, 2)
    file.seek(0)
    length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
    if not 2 <= length <= min(_MAX_HEADER_BYTES, size - _LENGTH_BYTES):
        raise RefusedError("its weights are not a safetensors file")
    try:
        header: dict[str, Any] = json.loads(file.read(length))
        entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
        offsets = [entry["data_offsets"] for entry in entries.values()]
        places = [(int(start), int(end)) for start, end in offsets]
        shapes = {name: tuple(int(side) for side in entry["shape"]) for name, entry in entries.items()}
        whole = all(0 <= start <= end for start, end in places)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise RefusedError("its weights are not a safetensors file") from None
    if not whole or max((end for _, end in places), default=0) != size - _LENGTH_BYTES - length:
        raise RefusedError("its weights are cut off")
    try:
        largest = find_largest(file, entries, start=_LENGTH_BYTES + length)
    except (ValueError, TypeError, KeyError):
        raise RefusedError("its weights are not a safetensors file") from None
    return Tensors(shapes, largest)


def wrong_shape(shapes: Shapes, config: Mapping[str, Any], modules: Mapping[str, list[int]] | None) -> str | None:
    """Why the tensors do not fit a base whose linear modules are `modules` (rows, columns); None as `modules`: only against each other."""
    pairs: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, shape in shapes.items():
        found = LORA_TENSOR.fullmatch(name)
        if found is None or len(shape) != 2:
            return f"{name} is no matrix of a LoRA adapter"
        pairs.setdefault(found["module"], {})[found["side"]] = shape
    if not pairs:
        return "its weights adapt no module"
    largest = max(int(value) for value in (config["r"], *(config.get("rank_pattern") or {}).values()))
    for module, sides in sorted(pairs.items()):
        if sides.keys() != {"A", "B"}:
            return f"lora_A or lora_B is missing for {module}"
        rank, columns = sides["A"]
        rows, inner = sides["B"]
        base = _shape(module, modules)
        if modules is not None and base is None:
            return f"the base has no {module}"
        expected = (columns, rows) if config.get("fan_in_fan_out") else (rows, columns)
        if inner != rank or not 1 <= rank <= largest or (base is not None and expected != tuple(base)):
            return f"the shapes of {module} do not fit the base and the rank"
    return None


def _shape(module: str, modules: Mapping[str, list[int]] | None) -> list[int] | None:
    """Some checkpoints leave out the first part of the names, so that is tried as well."""
    if modules is None:
        return None
    return modules.get(module) or modules.get(module.partition(".")[2])
