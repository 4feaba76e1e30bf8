"""What a safetensors file holds, read from its header: names, number formats, shapes, and whether a tensor is all zeros.

Enters: the path of a file, or the folder of a base model. Leaves: shapes. The header is read here, and not through the safetensors package,
because that hands bfloat16 tensors to torch only, and this room loads no torch; the layout is fixed and short: eight bytes of length
(little-endian), that many bytes of JSON, then the data (https://github.com/huggingface/safetensors#format).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapt.errors import InputError

_LENGTH_BYTES = 8
_MAX_HEADER_BYTES = 100_000_000
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Tensor:
    """One tensor of a file, without its data."""

    dtype: str
    """As the format writes it, such as `F32` or `BF16`."""
    shape: tuple[int, ...]
    start: int
    """Offset of its first byte in the file."""
    end: int


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of the safetensors file at `path`, sorted by name. Raises InputError when it is not one, or is cut off."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        if not 2 <= length <= min(_MAX_HEADER_BYTES, size - _LENGTH_BYTES):
            raise _damaged(path, "its header does not fit into it")
        raw = file.read(length)
    try:
        header = json.loads(raw)
        entries = [(name, entry) for name, entry in header.items() if name != "__metadata__"]
        tensors = {name: _tensor(entry, data=_LENGTH_BYTES + length) for name, entry in sorted(entries)}
    except (ValueError, TypeError, KeyError, AttributeError):
        raise _damaged(path, "its header is not in the format") from None
    if any(not tensor.start <= tensor.end <= size for tensor in tensors.values()):
        raise _damaged(path, "it ends before its last tensor")
    return tensors


def is_zero(path: Path, tensor: Tensor) -> bool:
    """Whether every byte of the tensor is zero, which a floating-point zero is in every number format."""
    with path.open("rb") as file:
        file.seek(tensor.start)
        left = tensor.end - tensor.start
        while left and (block := file.read(min(_BLOCK, left))):
            if block.count(0) != len(block):
                return False
            left -= len(block)
    return True


class BaseWeights:
    """The shapes of a base model's weights, by the names that its modules have in transformers."""

    def __init__(self, folder: Path) -> None:
        """Read the headers in `folder`. Raises InputError for a damaged file or a folder without config.json."""
        self._shapes = {name: tensor.shape for path in sorted(folder.glob("*.safetensors")) for name, tensor in read_tensors(path).items()}
        self._config = _read_config(folder / "config.json")

    def shape_of(self, module: str) -> tuple[int, ...] | None:
        """Shape of a module's weight, or None when the base has no such module.

        Some checkpoints leave out the first part of the names (`h.0.attn` for `transformer.h.0.attn`), and some with further towers have
        `language_model.model` for `model.language_model`, so these are tried as well.
        """
        for name in (module, module.partition(".")[2], module.replace("model.language_model.", "language_model.model.", 1)):
            if f"{name}.weight" in self._shapes:
                return self._shapes[f"{name}.weight"]
        return None

    def linear_modules(self) -> Iterator[str]:
        """Names of everything with a two-dimensional weight: linear layers, and embeddings."""
        return (name.removesuffix(".weight") for name, shape in self._shapes.items() if name.endswith(".weight") and len(shape) == 2)

    @property
    def family(self) -> str | None:
        """The model's type, such as `llama`; None where config.json does not say."""
        family = self._config.get("model_type")
        return family if isinstance(family, str) else None

    @property
    def dtype(self) -> str | None:
        """Number format that config.json names, such as `bfloat16`; None where it names none."""
        text = self._config.get("text_config") or {}
        named = [part.get(field) for part in (self._config, text) for field in ("dtype", "torch_dtype")]
        return next((dtype for dtype in named if isinstance(dtype, str)), None)

    @property
    def positions(self) -> int | None:
        """Longest sequence in tokens; None where config.json does not say, or scales it."""
        text = self._config.get("text_config") or self._config
        scaling = text.get("rope_scaling") or text.get("rope_parameters") or {}
        scaled = scaling.get("rope_type", scaling.get("type", "default")) != "default" if isinstance(scaling, dict) else True
        positions = text.get("max_position_embeddings")
        return positions if isinstance(positions, int) and not scaled else None


def _tensor(entry: dict[str, Any], *, data: int) -> Tensor:
    start, end = entry["data_offsets"]
    return Tensor(dtype=str(entry["dtype"]), shape=tuple(int(size) for size in entry["shape"]), start=data + int(start), end=data + int(end))


def _read_config(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise InputError(f"{path} does not exist, so the folder is not a base model", hint="delete the cached base model and build again") from None
    except ValueError as error:
        raise InputError(f"{path} is not JSON: {error}", hint="copy or download the base model again") from None
    return value if isinstance(value, dict) else {}


def _damaged(path: Path, what: str) -> InputError:
    return InputError(f"{path} is not a whole safetensors file: {what}", hint="delete its folder and build it again")
