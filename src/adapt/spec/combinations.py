"""What of a training does not go together: the one place that `adapt validate`, `adapt plan`, `adapt sweep`
and the training itself ask.

Enters: section `train`, with section `lora` or the device where one is needed. Leaves: problems, one
sentence each that names what is set, why that cannot be and what to set. What depends on the base is asked
of `adapt.adapter.probe`, what depends on other sections of `adapt.spec.capability`.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from adapt.spec.methods import METHODS
from adapt.spec.objectives import OBJECTIVES

if TYPE_CHECKING:
    from adapt.spec.common_train import CommonTrain
    from adapt.spec.lora import LoraSpec

VIRTUAL_TOKENS = ("prompt_tuning", "p_tuning", "prefix_tuning", "p_tuning_v2")
"""Methods that put virtual tokens before every prompt."""
PREFIXES = ("prefix_tuning", "p_tuning_v2")
"""Those among them that put keys and values there."""
SHARDED_OPTIMIZERS = ("adamw", "sgd")
"""Optimisers that work on each number by itself, so that every process can take the step of its own shards."""
NOT_SHARDED: Mapping[str, str] = {
    "qlora": "a quantized base is not sharded",
    "loftq": "a quantized base is not sharded",
    "adalora": "ranks move by the importance of whole matrices",
    "galore": "gradients of whole matrices are projected",
    "moe_lora": "updates of experts are computed outside the layers that own them",
}
"""Methods that only `ddp` takes, and why."""
ONLY_ON_CUDA: Mapping[str, str] = {"kernels": "liger", "attention": "flex"}
"""Settings of which one choice runs on CUDA alone."""


def combination_problems(train: "CommonTrain") -> Iterator[str]:
    """What of section `train` does not go with something else of it."""
    yield from _unread(train)
    yield from _of_the_method(train)
    yield from _in_several_processes(train)
    yield from _compiled(train)
    yield from _flex(train)


def shape_problems(train: "CommonTrain", lora: "LoraSpec") -> Iterator[str]:
    """What of section `train` does not go with the shape of the adapter."""
    spread = getattr(train, "rank_spread", None)
    if spread is not None and (wanted := lora.rank * spread) > train.batch_tokens:
        found = f"lora.r is {lora.rank} and rank_spread {spread:g}, so eva looks for {wanted:g} directions"
        yield f"{found}, and a batch has {train.batch_tokens} tokens at most; lower lora.r or rank_spread, or raise batch_tokens"


def device_problems(train: "CommonTrain", device: str) -> Iterator[str]:
    """What of section `train` does not run on `device`, `cpu` or `cuda`."""
    if device != "cpu":
        return
    if train.dtype == "float16":
        yield "dtype is float16, and training runs on a CPU, where half precision has no loss scaling; set it to auto, bfloat16 or float32"
    if train.offload_activations:
        yield "offload_activations is set, and training runs on a CPU, where activations are already; set it to false"
    for name, value in ONLY_ON_CUDA.items():
        if getattr(train, name) == value:
            other = type(train).model_fields[name].default
            yield f"{name} is {value}, which runs on CUDA alone, and training runs on a CPU; set it to {other}"


def alone_reason(train: "CommonTrain") -> str | None:
    """Why forward passes cannot be shared with other trainings; None where they can."""
    method = _method(train)
    if method and not METHODS[method].shares_passes:
        return f"method {method} changes more of the model than low-rank updates of linear layers"
    for name in ("neftune_alpha", "gradient_checkpointing", "offload_activations", "distributed", "compile"):
        if getattr(train, name):
            return f"{name} is set"
    for name, value in {"packing": "padded", **ONLY_ON_CUDA}.items():
        if getattr(train, name) == value:
            return f"{name} is {value}"
    return None


def packing_obstacle(method: str) -> str | None:
    """Why records of `method` cannot follow each other in one row; None where the method does not stand in
    the way.
    """
    if method in VIRTUAL_TOKENS:
        return f"method {method} puts virtual tokens before every prompt"
    return "method longlora attends to groups of the whole row" if method == "longlora" else None


def _method(train: "CommonTrain") -> str:
    return str(getattr(train, "method", ""))


def _unread(train: "CommonTrain") -> Iterator[str]:
    if train.decay_ratio is not None and train.schedule != "wsd":
        yield f"decay_ratio is set, and schedule {train.schedule} does not read it; set schedule to wsd"
    if train.label_smoothing and train.objective.kind not in ("sft", "pretrain"):
        yield f"label_smoothing is set, and objective {train.objective.kind} has no targets to smooth; sft and pretrain have"
    if train.cotraining == "fused" and (reason := alone_reason(train)):
        yield f"cotraining is fused, and {reason}, so no forward pass could be shared; set it to interleaved"


def _of_the_method(train: "CommonTrain") -> Iterator[str]:
    method = _method(train)
    if train.ema_decay is not None and method == "adalora":
        yield "ema_decay is set, and a mean of adalora's weights has more ranks than asked for; unset it, or choose another method"
    if train.gradient_checkpointing and method in PREFIXES:
        yield "gradient_checkpointing does not work with keys and values before the prompt; set it to false"
    if method == "galore" and train.optimizer.kind != "adamw":
        yield f"optimizer is {train.optimizer.kind}, and galore is an AdamW of its own; set it to adamw"
    if train.packing == "packed" and (obstacle := packing_obstacle(method)):
        yield f"packing is packed, and {obstacle}; set packing to auto or padded"


def _in_several_processes(train: "CommonTrain") -> Iterator[str]:
    spec, method, objective = train.distributed, _method(train), train.objective.kind
    if spec is None:
        return
    if objective in ("ppo", "grpo"):
        yield f"distributed is set, and objective {objective} learns from answers that one process samples; unset it"
    if OBJECTIVES[objective].passwise and train.accumulate < spec.processes:
        found = f"distributed.processes is {spec.processes}, and a forward pass of {objective} is not cut"
        yield f"{found}; set accumulate to {spec.processes} or more"
    if spec.strategy == "ddp":
        return
    if method in NOT_SHARDED:
        yield f"distributed.strategy is {spec.strategy}, and with method {method} {NOT_SHARDED[method]}; set the strategy to ddp"
    if train.optimizer.kind not in SHARDED_OPTIMIZERS:
        found = f"distributed.strategy is {spec.strategy}, and optimizer {train.optimizer.kind} needs whole weights"
        yield f"{found}; set the optimizer to {' or '.join(SHARDED_OPTIMIZERS)}, or the strategy to ddp"
    if spec.strategy == "zero3" and OBJECTIVES[objective].referenced:
        found = f"distributed.strategy is zero3, and objective {objective} runs the model outside of training"
        yield f"{found}; set the strategy to fsdp2, zero2 or ddp"
    if train.dtype == "float16":
        found = f"distributed.strategy is {spec.strategy}, and float16 would need one loss scale for all shards"
        yield f"{found}; set dtype to bfloat16"


def _compiled(train: "CommonTrain") -> Iterator[str]:
    if not train.compile:
        return
    if train.gradient_checkpointing:
        found = "compile is set, and gradient_checkpointing computes layers anew that a compiler has arranged"
        yield f"{found}; set one of the two to false"
    if train.distributed is not None and train.distributed.strategy != "ddp":
        found = f"compile is set, and {train.distributed.strategy} acts on weights and gradients inside a layer's code"
        yield f"{found}; set compile to false, or the strategy to ddp"
    if train.kernels != "torch":
        found = f"compile is set, and kernels {train.kernels} would stand where a compiler writes its own"
        yield f"{found}; set compile to false, or kernels to torch"


def _flex(train: "CommonTrain") -> Iterator[str]:
    if train.attention != "flex":
        return
    method, objective = _method(train), train.objective.kind
    if train.packing == "padded":
        yield "attention is flex, and packing is padded, whose rows need no mask; set packing to auto, or attention to auto"
    if packing_obstacle(method):
        yield f"attention is flex, and method {method} has an attention of its own or virtual tokens; set attention to auto"
    if objective in ("ppo", "grpo"):
        yield f"attention is flex, and objective {objective} also answers, one token at a time; set attention to auto"
