"""Whether a model's numbers stay finite, and how far they reach: what a server is told before it loads an
adapter.

Enters: an adapter on its base, and a few records. Leaves: whether every logit was finite, and the largest
absolute value that any layer took in or gave out. One pass says so for every number format: what a format
cannot hold overflows in it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from adapt.errors import InputError
from adapt.records import Shape

if TYPE_CHECKING:
    from torch import Tensor

    from adapt.adapter.load import LoadedAdapter

NUMBERS = "numbers.json"
PROBED_RECORDS = 8
_PROBED_TOKENS = 512
_SIGNIFICANT_DIGITS = 3


class Numbers(Shape):
    """What was seen of a model's numbers."""

    finite: bool
    """Whether every logit of the probe, and every test record's likelihood, is a finite number."""
    largest: float
    """The largest absolute value that was finite, among inputs of linear layers and outputs of all
    modules, logits included."""


def measure_numbers(loaded: LoadedAdapter, sequences: Sequence[Sequence[int]]) -> Numbers:
    """Run token ids, one sequence at a time, through the adapter, and look at what every module computes."""
    import torch

    model: Any = loaded.model
    finite, largest = True, 0.0

    def look(tensor: Tensor) -> None:
        nonlocal finite, largest
        peak = float(tensor.detach().abs().amax().float())
        if math.isfinite(peak):
            largest = max(largest, peak)
        else:
            finite = False

    def hook(module: Any, given: Any, result: Any) -> None:
        for tensor in (*(_floats(given) if isinstance(module, torch.nn.Linear) else ()), *_floats(result)):
            look(tensor)

    hooks = [module.register_forward_hook(hook) for module in model.modules()]
    try:
        with torch.no_grad():
            for ids in sequences:
                rows = torch.tensor([list(ids)[:_PROBED_TOKENS]], device=model.device)
                model(input_ids=rows, use_cache=False)
    finally:
        for each in hooks:
            each.remove()
    return Numbers(finite=finite, largest=float(f"{largest:.{_SIGNIFICANT_DIGITS}g}"))


def write_numbers(folder: Path, numbers: Numbers) -> None:
    """Write numbers.json into an evaluation folder."""
    (folder / NUMBERS).write_text(json.dumps(numbers.model_dump(), indent=2) + "\n", encoding="utf-8")


def read_numbers(folder: Path) -> Numbers | None:
    """What an evaluation saw; None for a model that answers nothing.

    Raises InputError when it cannot be read.
    """
    path = folder / NUMBERS
    if not path.is_file():
        return None
    try:
        return Numbers.model_validate_json(path.read_bytes())
    except ValidationError as error:
        what = f"{path} cannot be read: {error.errors()[0]['msg']}"
        raise InputError(what, hint="delete the folder and evaluate again") from None


def _floats(value: Any) -> Iterator[Tensor]:
    """Tensors of floating-point numbers in what a module takes or gives, one level deep."""
    import torch

    parts = value if isinstance(value, tuple | list) else (value,)
    if isinstance(value, dict):
        parts = tuple(value.values())
    tensors = (part for part in parts if isinstance(part, torch.Tensor))
    return (tensor for tensor in tensors if tensor.is_floating_point() and tensor.numel())
