"""Methods that train weights of the base itself: full fine-tuning, the last layers, biases (BitFit, Ben Zaken et al. 2021, arXiv:2106.10199), and
every weight with GaLore's optimiser.

Trained weights are held in float32, since steps of a small rate vanish in sixteen bits; products are computed in `train.dtype`. The folder
holds the changed tensors alone, in shards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor
from torch.nn import Parameter
from transformers import PreTrainedModel

from adapt.adapter.folder import CONFIG, FORMAT, base_name, write_json, write_tensors
from adapt.adapter.methods.attached import Attached
from adapt.adapter.methods.coverage import language_names
from adapt.adapter.methods.frozen import Base
from adapt.adapter.methods.galore import GaloreAdamW
from adapt.adapter.methods.layers import decoder_layers
from adapt.adapter.optimisers import group_weights
from adapt.errors import InputError
from adapt.spec.base import PinnedBase
from adapt.spec.common_train import CommonTrain
from adapt.spec.methods import fitting_instead
from adapt.spec.optimizer import AdamwOptimizer
from adapt.spec.resolved.train import TrainSection
from adapt.spec.train import FreezeTrain, GaloreTrain

NAME = "weights"
"""Value of `FORMAT` for folders of this module."""
SHARD_BYTES = 4 << 30
_SHARDS = "weights-*.safetensors"


class Weights(Attached):
    """Some or all weights of a base in training."""

    def __init__(self, model: PreTrainedModel, weights: Mapping[str, Parameter], *, compute: str, stored: str) -> None:
        """`compute` is the number format of products, `stored` that of the folder."""
        super().__init__(model, weights)
        self._compute, self._stored = getattr(torch, compute), getattr(torch, stored)

    def computing(self) -> AbstractContextManager[Any]:
        return torch.autocast(self.causal.device.type, self._compute, enabled=self._compute != torch.float32)

    def save(self, folder: Path, base: PinnedBase) -> None:
        """The changed tensors in shards, and a config that names the base."""
        for number, shard in enumerate(_shards({name: weight.detach().to(self._stored).cpu() for name, weight in self.weights.items()}), start=1):
            write_tensors(folder / _SHARDS.replace("*", f"{number:05}"), shard)
        write_json(folder / CONFIG, {FORMAT: NAME, "base_model_name_or_path": base_name(base)})


class Galore(Weights):
    """Every weight, with projected gradients for the optimiser."""

    def optimiser(self, settings: CommonTrain, weights: Mapping[str, Parameter]) -> torch.optim.Optimizer:
        if not isinstance(settings, GaloreTrain) or not isinstance(settings.optimizer, AdamwOptimizer):
            raise AssertionError(settings)
        return GaloreAdamW(
            group_weights(settings, weights, share=self.rate_share),
            rank=settings.projection_rank,
            every=settings.projection_every_steps,
            scale=settings.projection_scale,
            betas=(settings.optimizer.beta1, settings.optimizer.beta2),
            epsilon=settings.optimizer.epsilon,
        )


def attach(base: Base, section: TrainSection, *, device: str) -> Attached:
    """The base with the method's weights trainable. Raises InputError when the base has none of them, or no module of a name."""
    train = section.train
    model = base.load(dtype=train.dtype, device=device)
    model.requires_grad_(False)
    names = _chosen(model, train)
    chosen = {name: weight for name, weight in model.named_parameters() if name in names}
    for weight in chosen.values():
        weight.data = weight.data.float()
        weight.requires_grad_(True)
    kind = Galore if train.method == "galore" else Weights
    return kind(model, chosen, compute=train.dtype, stored="float32" if train.method == "bitfit" else train.dtype)


def _chosen(model: PreTrainedModel, train: CommonTrain) -> set[str]:
    language = language_names(model)
    names = [name for name, _ in model.named_parameters() if name.rpartition(".")[0] in language]
    if isinstance(train, FreezeTrain):
        return _thawed(model, train)
    if getattr(train, "method", None) != "bitfit":
        return set(names)
    biases = {name for name in names if name.endswith(".bias")}
    if not biases:
        raise InputError(
            f"train.method bitfit trains biases, and {type(model).__name__} has none",
            hint=f"choose a method that needs none: {fitting_instead('biases')}",
        )
    return biases


def _thawed(model: PreTrainedModel, train: FreezeTrain) -> set[str]:
    layers = list(decoder_layers(model))
    if train.layers > len(layers):
        raise InputError(
            f"train.layers is {train.layers}, and the base has {len(layers)} layers", hint=f"set it to {len(layers)} or less, or train full"
        )
    modules = set(layers[len(layers) - train.layers :])
    for pattern in train.modules:
        found = {name for name, _ in model.named_modules() if name and fnmatchcase(name, pattern)}
        if not found:
            raise InputError(f"train.modules: {pattern!r} names no module of the base", hint="give full names or shell patterns, such as model.norm")
        if not _weights_in(model, found):
            raise InputError(
                f"train.modules: {pattern!r} names {', '.join(sorted(found)[:3])}, and no weight is theirs alone",
                hint="a head that shares its weights with the embedding is trained under the embedding's name",
            )
        modules |= found
    return _weights_in(model, modules)


def _weights_in(model: PreTrainedModel, modules: Iterable[str]) -> set[str]:
    """Names of the parameters inside `modules`; one that is shared counts where it stands first."""
    inside = tuple(f"{module}." for module in modules)
    return {name for name, _ in model.named_parameters() if name.startswith(inside)}


def _shards(tensors: Mapping[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """`tensors`, sorted by name, in parts of at most SHARD_BYTES; a larger tensor is a part of its own."""
    shard: dict[str, Tensor] = {}
    size = 0
    for name, tensor in sorted(tensors.items()):
        if shard and size + tensor.nbytes > SHARD_BYTES:
            yield shard
            shard, size = {}, 0
        shard[name] = tensor
        size += tensor.nbytes
    yield shard


class ReplacedWeights:
    """A base some of whose weights were replaced by trained ones."""

    def __init__(self, model: PreTrainedModel, folder: Path) -> None:
        """Read the shards of `folder` into `model`, and keep what they replace. Raises InputError for tensors that the base does not have."""
        self.model = model
        self._others: dict[str, Tensor] = {}
        parameters = dict(model.named_parameters())
        for path in sorted(folder.glob(_SHARDS)):
            with safe_open(path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118
                    self._others[name] = _fitting(parameters, name, file.get_tensor(name))
        self._swap()

    @contextmanager
    def disabled(self) -> Iterator[None]:
        """The base alone while it is open."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def merge(self) -> PreTrainedModel:
        """The model itself; the base's own weights are given up."""
        self._others = {}
        return self.model

    def _swap(self) -> None:
        parameters = dict(self.model.named_parameters())
        for name, other in self._others.items():
            weight = parameters[name]
            self._others[name], weight.data = weight.data, other


def _fitting(parameters: Mapping[str, Parameter], name: str, tensor: Tensor) -> Tensor:
    weight = parameters.get(name)
    if weight is None or weight.shape != tensor.shape:
        raise InputError(f"the adapter holds {name} of shape {list(tensor.shape)}, which the base does not have", hint="build it on this base again")
    return tensor.to(weight.device, weight.dtype)
