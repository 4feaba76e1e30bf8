"""What one forward pass keeps for its backward pass, and what the output head and the backward pass take besides, in bytes.

A decoder layer in the manner of Llama is counted tensor by tensor, as torch's autograd keeps it; docs/decisions/81 has the table and how it was
checked. The idea is that of Korthikanti et al. 2022 (arXiv:2205.05198), who count the layers of GPT.
"""

from __future__ import annotations

from typing import NamedTuple

from adapt.advice.shape import ModelShape
from adapt.advice.trained import method_of, thawed_share
from adapt.advice.workload import Pass
from adapt.spec.common_train import CommonTrain
from adapt.spec.lora import LoraSpec
from adapt.spec.methods import METHODS
from adapt.spec.train import BottleneckTrain

CHUNK_ELEMENTS = 1 << 24
"""Logits held at once: `adapt.adapter.head.CHUNK_ELEMENTS`, which cannot be imported without torch."""
NUMBER_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
_FLOAT = 4
_AFTER_FIRST_LAYER = ("pfeiffer", "parallel")
"""Methods whose first trained weights stand after the first layer's own."""
_OFFLOADED_LAYERS = 2
"""Layers whose activations are on the device while others are on their way to the CPU's memory."""


class Kept(NamedTuple):
    """Bytes of one forward pass."""

    activations: float
    """Kept until the backward pass."""
    logits: float
    """One chunk of logits with its probabilities and gradient, while all activations are kept."""
    backward: float
    """Gradients of the activations of the layer at hand, and its own activations anew with gradient checkpointing."""
    layer: float
    """What one layer keeps on average, or would keep without gradient checkpointing."""

    @property
    def peak(self) -> float:
        return self.activations + max(self.logits, self.backward)


def kept_by(shape: ModelShape, train: CommonTrain, lora: LoraSpec, one: Pass, *, device: str) -> Kept:
    """Bytes that forward pass `one` needs at its peak, on `device` (`cpu` or `cuda`)."""
    tokens = one.rows
    layer = tokens * _layer(shape, train, lora, one, device=device)
    number = NUMBER_BYTES[train.dtype]
    trained_layers = _kept_layers(shape, train)
    end = tokens * shape.hidden * _FLOAT  # what the last normalisation keeps
    scores = _scores(shape, one, device=device) * tokens * number
    backward = tokens * number * (2 * shape.feed_forward + 2 * shape.hidden) + scores
    if not train.gradient_checkpointing:
        held = min(_OFFLOADED_LAYERS, trained_layers) if train.offload_activations and device == "cuda" else trained_layers
        return Kept(held * layer + end, logits_bytes(shape, train, one), backward, layer * trained_layers / shape.layers)
    inputs = tokens * shape.hidden * (_FLOAT if _weights_are_trained(train) else number)
    return Kept(shape.layers * inputs + end, logits_bytes(shape, train, one), layer + backward, layer)


def logits_bytes(shape: ModelShape, train: CommonTrain, one: Pass) -> float:
    """One chunk: logits in the base's number format, probabilities in float32, and a copy of the logits or of the gradient on the way."""
    elements = min(one.answers, max(1, CHUNK_ELEMENTS // shape.vocabulary)) * shape.vocabulary
    number = NUMBER_BYTES[train.dtype]
    return elements * (number + _FLOAT + (_FLOAT if number < _FLOAT else 0))


def _kept_layers(shape: ModelShape, train: CommonTrain) -> float:
    """Layers through which a gradient goes: from the first trained weight on."""
    if _weights_are_trained(train):
        return shape.layers * thawed_share(shape, train)
    return shape.layers - 1 if method_of(train) in _AFTER_FIRST_LAYER else shape.layers


def _weights_are_trained(train: CommonTrain) -> bool:
    return METHODS[method_of(train)].keeps == "inputs of what is trained"


def _layer(shape: ModelShape, train: CommonTrain, lora: LoraSpec, one: Pass, *, device: str) -> float:
    """Bytes that one decoder layer keeps for one token."""
    hidden, query, key, wide = shape.hidden, shape.query, shape.key, shape.feed_forward * _experts_met(shape)
    number = NUMBER_BYTES[train.dtype]
    keeps = METHODS[method_of(train)].keeps
    bytes_ = float(_FLOAT * 2 * hidden)  # both normalisations keep their input in float32
    bytes_ += number * (2 * query + 2 * key + _scores(shape, one, device=device))  # queries, keys, values, and what attention gives
    bytes_ += number * 3 * wide  # the gate before and after its function, and what it is multiplied with
    if keeps == "nothing":
        narrow = train.bottleneck_size * (2 if method_of(train) == "houlsby" else 1) if isinstance(train, BottleneckTrain) else 0
        return bytes_ - number * query + number * (hidden * bool(narrow) + 2 * narrow)
    bytes_ += number * (2 * hidden + wide)  # inputs of the adapted layers: both normalised states, the product
    if keeps == "inputs of what is trained":
        copies = number * 3 * hidden + number * query if number < _FLOAT else 0  # autocast casts the input of each layer by itself
        return bytes_ + _FLOAT * 2 * hidden + copies
    bytes_ += number * lora.rank * sum(1 for _ in shape.targets(lora.target_modules))
    if keeps == "inputs":
        return bytes_
    casts = (5 * hidden + query + wide) * _FLOAT - number * (2 * hidden + wide + query) if number < _FLOAT else 0
    outputs = (2 * _FLOAT if keeps == "float32 inputs and outputs" else 0) * (query + 2 * key + 2 * wide + 2 * hidden)
    return bytes_ + casts + outputs


def _experts_met(shape: ModelShape) -> float:
    """Feed-forward networks that a token goes through."""
    if not shape.has_experts:
        return 1.0
    wide = sum(linear.parameters for linear in shape.linear.values() if linear.expert) * shape.active_experts
    return max(1.0, wide / (3 * shape.layers * shape.hidden * shape.feed_forward))


def _scores(shape: ModelShape, one: Pass, *, device: str) -> float:
    """Attention probabilities that are kept for one token of one layer; the fused kernel keeps none."""
    return shape.heads * max(1.0, one.short_squares / one.rows if device == "cpu" else 0.0)
