"""Bottleneck adapters: small layers inside each decoder layer of a frozen base.

Houlsby et al. 2019 (arXiv:1902.00751) after attention and after feed-forward, Pfeiffer et al. 2020 (arXiv:2005.00247) after feed-forward alone, He
et al. 2021 (arXiv:2110.04366) beside feed-forward. They begin as nothing, since the second projection begins at zero.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import gelu, linear, relu, silu
from transformers import PreTrainedModel

from adapt.adapter.folder import CONFIG, FORMAT, WEIGHTS, base_name, write_json, write_tensors
from adapt.adapter.methods.attached import Attached
from adapt.adapter.methods.frozen import Base
from adapt.adapter.methods.layers import attention_of, decoder_layers, feed_forward_of
from adapt.errors import InputError
from adapt.spec.base import PinnedBase
from adapt.spec.resolved.train import TrainSection
from adapt.spec.train import BottleneckTrain

NAME = "bottleneck"
"""Value of `FORMAT` for folders of this module."""
_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"relu": relu, "gelu": gelu, "silu": silu}


class _Narrow(nn.Module):
    """Down to a few units, a non-linearity, and up again; weights in float32, products in the input's number format."""

    def __init__(self, size: int, narrow: int, activation: str, scale: float) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(size, narrow), nn.Linear(narrow, size)
        nn.init.normal_(self.down.weight, std=0.02)
        for begin in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(begin)
        self._activation, self._scale = _ACTIVATIONS[activation], scale

    def forward(self, x: Tensor) -> Tensor:
        down, up = ((layer.weight.to(x.dtype), layer.bias.to(x.dtype)) for layer in (self.down, self.up))
        return linear(self._activation(linear(x, *down)), *up) * self._scale


class Bottlenecks(nn.Module):
    """The small layers of a whole model, by the name of the module that each follows or stands beside."""

    def __init__(self, model: PreTrainedModel, config: dict[str, Any]) -> None:
        """Put them into `model`. `config` holds `method`, `size`, `activation` and `scale`."""
        super().__init__()
        self.model_settings = config
        self.enabled = True
        self.narrow = nn.ModuleDict()
        parallel = config["method"] == "parallel"
        size = model.config.get_text_config().hidden_size
        for index, layer in enumerate(decoder_layers(model).values()):
            places = {"feed_forward": feed_forward_of(layer)}
            if config["method"] == "houlsby":
                places = {"attention": attention_of(layer)} | places
            for place, module in places.items():
                narrow = _Narrow(size, config["size"], config["activation"], config["scale"]).to(model.device)
                self.narrow[f"{index}_{place}"] = narrow
                module.register_forward_hook(self._hook(narrow, parallel=parallel))

    def _hook(self, narrow: _Narrow, *, parallel: bool) -> Any:
        def add(module: nn.Module, arguments: tuple[Any, ...], output: Any) -> Any:
            if not self.enabled:
                return output
            first: Tensor = output[0] if isinstance(output, tuple) else output
            changed = first + narrow(arguments[0] if parallel else first)
            return (changed, *output[1:]) if isinstance(output, tuple) else changed

        return add


class Bottleneck(Attached):
    """Bottleneck adapters in training."""

    def __init__(self, model: PreTrainedModel, inside: Bottlenecks) -> None:
        super().__init__(model, dict(inside.named_parameters()))
        self._inside = inside

    def save(self, folder: Path, base: PinnedBase) -> None:
        write_tensors(folder / WEIGHTS, self.weights)
        write_json(folder / CONFIG, {FORMAT: NAME, "base_model_name_or_path": base_name(base), **self._inside.model_settings})


def attach(base: Base, section: TrainSection, *, device: str) -> Attached:
    """The base with small layers from `section.seed`. Raises InputError for a base whose layers are not known."""
    train = section.train
    if not isinstance(train, BottleneckTrain):
        raise AssertionError(train.method)
    model = base.load(dtype=train.dtype, device=device)
    model.requires_grad_(False)
    torch.manual_seed(section.seed)
    config = {"method": train.method, "size": train.bottleneck_size, "activation": train.activation, "scale": train.bottleneck_scale}
    return Bottleneck(model, Bottlenecks(model, config))


class WithBottlenecks:
    """A base with trained bottleneck adapters."""

    def __init__(self, model: PreTrainedModel, folder: Path) -> None:
        """Raises InputError when the folder's tensors do not fit the base."""
        self.model = model
        config = json.loads((folder / CONFIG).read_bytes())
        self._inside = Bottlenecks(model, config)
        try:
            self._inside.load_state_dict(load_file(folder / WEIGHTS))
        except RuntimeError as error:
            raise InputError(
                f"the adapter does not fit the base: {str(error).splitlines()[-1].strip()}", hint="build it on this base again"
            ) from None
        self._inside.requires_grad_(False)

    @contextmanager
    def disabled(self) -> Iterator[None]:
        """The base alone while it is open."""
        self._inside.enabled = False
        try:
            yield
        finally:
            self._inside.enabled = True

    def merge(self) -> PreTrainedModel:
        """Never: a non-linearity stands between the projections."""
        raise InputError("bottleneck adapters cannot be folded into the base's weights", hint="serve them with `adapt chat`, or train another method")
