"""`train.distributed`: one training in several processes, and what works in them."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from adapt.spec.section import Section

if TYPE_CHECKING:
    from adapt.spec.common_train import CommonTrain

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
REFERENCE_OBJECTIVES = ("dpo", "ipo", "kto")
"""Objectives that read log-likelihoods of the model before the first step."""


class DistributedSpec(Section):
    """Several processes that train one adapter: the forward passes of a step are dealt to them, and their gradients are added up."""

    strategy: Literal["ddp", "fsdp2", "zero2", "zero3"]
    """`ddp`: every process has the whole model. `fsdp2`: the decoder layers are sharded over the processes, weights, gradients and optimiser
    (Zhao et al. 2023, arXiv:2304.11277); each layer is gathered while it computes. `zero2`: every process has the whole model, and its
    share of gradients and optimiser (DeepSpeed's ZeRO stage 2, Rajbhandari et al. 2020, arXiv:1910.02054). `zero3`: its share of every weight too,
    gathered while in use (stage 3). Both need the extra `deepspeed`."""
    processes: int = Field(ge=2)
    """Processes, one for each GPU; on a CPU they share its cores. A step that has fewer forward passes than processes has its passes cut, so set
    `accumulate` to a multiple."""

    @field_validator("strategy", mode="before")
    @classmethod
    def _is_no_name_of_others(cls, value: object) -> object:
        """Names that other programs have for strategies are answered with what does the same here."""
        if value == "fsdp":
            raise ValueError(f"{value} is not offered; set it to fsdp2, which shards weights, gradients and the optimiser alike")
        return value


def distributed_problems(train: "CommonTrain") -> Iterator[str]:
    """What of section `train` does not work in several processes, with what to set instead."""
    spec, method, objective = train.distributed, getattr(train, "method", ""), train.objective.kind
    if spec is None:
        return
    if objective in ("ppo", "grpo"):
        yield f"distributed is set, and objective {objective} learns from answers that one process samples; unset it"
    if objective in ("contrastive", "kto") and train.accumulate < spec.processes:
        yield f"distributed.processes is {spec.processes}, and a forward pass of {objective} is not cut; set accumulate to {spec.processes} or more"
    if spec.strategy == "ddp":
        return
    if method in NOT_SHARDED:
        yield f"distributed.strategy is {spec.strategy}, and with method {method} {NOT_SHARDED[method]}; set the strategy to ddp"
    if train.optimizer.kind not in SHARDED_OPTIMIZERS:
        allowed = " or ".join(SHARDED_OPTIMIZERS)
        found = f"distributed.strategy is {spec.strategy}, and optimizer {train.optimizer.kind} needs whole weights"
        yield f"{found}; set the optimizer to {allowed}, or the strategy to ddp"
    if spec.strategy == "zero3" and objective in REFERENCE_OBJECTIVES:
        yield f"distributed.strategy is zero3, and objective {objective} runs the model outside of training; set the strategy to fsdp2, zero2 or ddp"
    if train.dtype == "float16":
        yield f"distributed.strategy is {spec.strategy}, and float16 would need one loss scale for all shards; set dtype to bfloat16"
