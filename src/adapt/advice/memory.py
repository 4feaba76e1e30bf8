"""Peak memory of a training, from the shape of its base, its settings and its records.

Enters: shapes and settings, no model. Leaves: bytes by what takes them. Resident memory of the process on a CPU; memory of the device on a GPU.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from adapt.advice.activations import NUMBER_BYTES, Kept, kept_by
from adapt.advice.shape import ModelShape
from adapt.advice.trained import method_of, trained_parameters
from adapt.advice.workload import Workload
from adapt.spec.common_train import CommonTrain
from adapt.spec.lora import LoraSpec
from adapt.spec.low_rank_train import LoftqTrain, QloraTrain
from adapt.spec.methods import METHODS
from adapt.spec.train import GaloreTrain

MIB = 1 << 20
GIB = 1 << 30
PROCESS_BYTES = {"cpu": 590 * MIB, "cuda": 600 * MIB}
"""A process that has loaded torch, transformers and peft and trained nothing; on a GPU, what CUDA's context and libraries take of the device."""
_SIXTEEN_BIT_KERNELS = 50 * MIB
"""What oneDNN keeps on a CPU: a compiled product for every shape that it met in sixteen bits."""
_TOKENIZER_BYTES = 1024
"""What a tokenizer takes for each token that it knows."""
_BLOCK, _CONSTANT_BLOCK = 64, 256
"""Weights that share a quantization constant, and constants that share one of their own (Dettmers et al. 2023, arXiv:2305.14314)."""
_LARGE = 32 * MIB
"""Blocks from this size on, glibc's malloc takes from the system one by one; smaller ones come from what earlier passes left free."""
_FLOAT = 4
_FRAGMENTED_LAYERS = 6
"""Layers' worth of memory that glibc's malloc holds free between blocks in use on a CPU; measured, see docs/decisions/81."""
_MOMENTS = 2
"""Numbers that AdamW remembers of each weight."""
_STATE_BYTES = {"adamw": 8, "adamw_8bit": 2, "paged_adamw_8bit": 2, "lion": 4, "adafactor": 0, "sgd": 4, "muon": 4}
"""What optimisers remember of each weight, in bytes; Adafactor's rows and columns do not count beside the rest."""


@dataclass(frozen=True)
class Memory:
    """Bytes at the peak, by what takes them."""

    process: float
    weights: float
    """The base as it is held, trained weights of its own in float32."""
    trained: float
    """Weights of the adapter."""
    gradients: float
    optimiser: float
    best: float
    """The best weights so far, which lie in the CPU's memory, and a moving average."""
    activations: float
    logits: float
    """One chunk of the output head, or what the backward pass takes at once where that is more."""
    fragments: float = 0.0
    """On a CPU, memory between blocks in use that nothing has a place in."""
    other: float = 0.0
    """What goes beyond these at another moment: while the base is read, or a checkpoint is written."""

    @property
    def peak(self) -> float:
        return math.fsum(vars(self).values())

    @property
    def peak_mib(self) -> int:
        return round(self.peak / MIB)


def forecast_memory(shape: ModelShape, train: CommonTrain, lora: LoraSpec, workload: Workload, *, device: str) -> Memory:
    """Memory of a training on `device`, `cpu` or `cuda`."""
    on_host = device == "cpu"
    trained = trained_parameters(shape, train, lora)
    own = METHODS[method_of(train)].keeps == "inputs of what is trained" or method_of(train) in ("bitfit", "ln_tuning")
    passes = [kept_by(shape, train, lora, one, device=device) for one in set(workload.passes)]
    largest = max(passes, key=lambda kept: kept.peak)
    weights = base_bytes(shape, train, trained if own else 0, device=device)
    head = _head_gradient(shape, train)
    memory = Memory(
        process=PROCESS_BYTES[device] + (_on_host(shape, train) if on_host else 0),
        weights=weights,
        trained=0.0 if own else _FLOAT * trained,
        gradients=_FLOAT * trained,
        optimiser=optimiser_bytes(shape, train, trained),
        best=_FLOAT * trained * (on_host + (train.ema_decay is not None)),
        activations=largest.activations,
        logits=max(largest.logits + head, largest.backward),
    )
    if on_host:
        memory = replace(memory, fragments=_fragments(shape, largest, memory))
    elsewhere = max(_while_reading(shape, train, memory, device=device), _while_saving(memory, workload, train) if on_host else 0.0)
    return memory if elsewhere <= memory.peak else replace(memory, other=elsewhere - memory.peak)


def _on_host(shape: ModelShape, train: CommonTrain) -> float:
    """What the process takes on a CPU for this base and number format."""
    return _TOKENIZER_BYTES * shape.vocabulary + (_SIXTEEN_BIT_KERNELS if NUMBER_BYTES[train.dtype] < _FLOAT else 0)


def _fragments(shape: ModelShape, largest: Kept, memory: Memory) -> float:
    """Kept and passing blocks lie side by side, and the passing ones leave gaps. Gradients, moments and best weights come later and fill some."""
    gaps = min(_FRAGMENTED_LAYERS, shape.layers / 2) * largest.layer
    return max(0.0, gaps - memory.gradients - memory.optimiser - memory.best)


def base_bytes(shape: ModelShape, train: CommonTrain, trained: int, *, device: str) -> float:
    """The base as it is held: quantized where the method does so, `trained` of its weights in float32, which autocast copies for products."""
    number = NUMBER_BYTES[train.dtype]
    if isinstance(train, QloraTrain | LoftqTrain):
        return shape.linear_parameters * _quantized_bytes(train) + (shape.parameters - shape.linear_parameters) * number
    copies = number * min(trained, shape.linear_parameters) if trained and number < _FLOAT else 0
    return (shape.parameters - trained) * number + trained * _FLOAT + copies


def optimiser_bytes(shape: ModelShape, train: CommonTrain, trained: int) -> float:
    """What the optimiser remembers of each weight. GaLore keeps moments of projections to `projection_rank`, and the projections."""
    if not isinstance(train, GaloreTrain):
        momentum = getattr(train.optimizer, "momentum", 1.0)
        return trained * (_STATE_BYTES[train.optimizer.kind] if momentum else 0)
    long_sides = sum(linear.span for linear in shape.linear.values()) - shape.hidden * shape.layers * len(shape.linear)
    projected = train.projection_rank * (_MOMENTS * long_sides + shape.hidden * shape.layers * len(shape.linear))
    return _FLOAT * (min(projected, _MOMENTS * shape.linear_parameters) + _MOMENTS * (trained - shape.linear_parameters))


def _quantized_bytes(train: QloraTrain | LoftqTrain) -> float:
    if train.quantization_type == "int8":
        return 1.0
    constants = 1 / _BLOCK + _FLOAT / (_BLOCK * _CONSTANT_BLOCK) if train.double_quantization is not False else _FLOAT / _BLOCK
    return 0.5 + constants


def _head_gradient(shape: ModelShape, train: CommonTrain) -> float:
    """A head that is trained has its gradient summed over chunks: the sum, and a chunk's own."""
    return 2 * _FLOAT * shape.vocabulary * shape.hidden if method_of(train) in ("full", "galore") else 0.0


def _while_reading(shape: ModelShape, train: CommonTrain, memory: Memory, *, device: str) -> float:
    """The files are mapped while weights are copied out of them in another number format."""
    number = NUMBER_BYTES[train.dtype]
    files = shape.parameters * shape.stored_bytes if device == "cpu" and number != shape.stored_bytes else 0
    return memory.process + memory.weights + memory.trained + files


def _while_saving(memory: Memory, workload: Workload, train: CommonTrain) -> float:
    """A checkpoint is put together in memory: a copy of the weights, and the bytes of weights, best weights and moments."""
    if workload.steps * train.epochs <= train.checkpoint_every_steps:
        return 0.0
    bytes_ = 2 * memory.gradients + memory.optimiser
    steady = memory.process + memory.weights + memory.trained + memory.optimiser + memory.best + memory.activations
    return steady + memory.gradients + bytes_ if bytes_ >= _LARGE else 0.0
