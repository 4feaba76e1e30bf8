"""`train.distributed`: one training in several processes."""

from typing import Literal

from pydantic import Field, field_validator

from adapt.spec.section import Section


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
