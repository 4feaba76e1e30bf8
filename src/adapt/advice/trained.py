"""How many numbers each method trains on a base of a given shape."""

from __future__ import annotations

import math

from adapt.advice.shape import ModelShape
from adapt.spec.common_train import CommonTrain
from adapt.spec.lora import LoraSpec
from adapt.spec.low_rank_train import AdaloraTrain
from adapt.spec.methods import METHODS
from adapt.spec.train import BottleneckTrain, DeepPromptTrain, FreezeTrain, PrefixTrain, PromptTuningTrain

_PAIRS_OF_FACTORS = {"loha": 2}
"""Low-rank products of methods whose update is made of more than one."""


def trained_parameters(shape: ModelShape, train: CommonTrain, lora: LoraSpec) -> int:
    """Trainable numbers. Exact for the low-rank family on linear layers, weights and bottlenecks; to a few per cent for the rest."""
    name = method_of(train)
    if "r" in METHODS[name].reads:
        return _low_rank(shape, train, lora, name)
    if name in ("full", "galore"):
        return shape.parameters
    if name == "bitfit":
        return shape.bias_parameters
    if name == "ln_tuning":
        return shape.norm_parameters
    if name == "ia3":
        return shape.layers * (2 * shape.key + shape.feed_forward)
    if isinstance(train, FreezeTrain):
        return round(thawed_share(shape, train) * shape.linear_parameters)
    if isinstance(train, BottleneckTrain):
        places = 2 if name == "houlsby" else 1
        return places * shape.layers * (2 * shape.hidden * train.bottleneck_size + shape.hidden + train.bottleneck_size)
    return _virtual(shape, train)


def method_of(train: CommonTrain) -> str:
    """Name of the method of a section `train`."""
    return str(getattr(train, "method"))  # noqa: B009 (each model of the union has it, the class that they share has not)


def thawed_share(shape: ModelShape, train: CommonTrain) -> float:
    """Share of the decoder's layers whose own weights are trained."""
    if isinstance(train, FreezeTrain):
        return min(train.layers, shape.layers) / shape.layers if not train.modules else 1.0
    return 1.0


def _low_rank(shape: ModelShape, train: CommonTrain, lora: LoraSpec, name: str) -> int:
    targets = [*shape.targets(lora.target_modules)]
    if name == "vera":
        return sum(target.outputs for target in targets) + shape.layers * len(targets) * lora.rank
    if name == "lokr":
        return round(math.sqrt(sum(target.parameters for target in targets))) * shape.layers
    if name == "moe_lora":
        targets += [linear for linear in shape.linear.values() if linear.expert]
    rank = lora.rank * (train.initial_rank_ratio if isinstance(train, AdaloraTrain) else 1) * _PAIRS_OF_FACTORS.get(name, 1)
    magnitudes = sum(target.outputs for target in targets) if name == "dora" else 0
    return round(rank * sum(target.span for target in targets)) + magnitudes


def _virtual(shape: ModelShape, train: CommonTrain) -> int:
    if isinstance(train, PromptTuningTrain):
        return train.virtual_tokens * shape.hidden
    if isinstance(train, DeepPromptTrain):
        return train.virtual_tokens * shape.layers * 2 * shape.key
    if not isinstance(train, PrefixTrain):
        raise AssertionError(train)
    width = shape.layers * 2 * shape.key if method_of(train) == "prefix_tuning" else shape.hidden
    return train.virtual_tokens * shape.hidden + train.encoder_size * (shape.hidden + width)
