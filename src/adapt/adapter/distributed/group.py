"""The group of processes that this one belongs to, as torchrun, Ray Train or our own launcher say it in the environment."""

from __future__ import annotations

import atexit
import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

from adapt.base.toolchain import require_toolchain
from adapt.errors import InputError
from adapt.spec.distributed import DistributedSpec

if TYPE_CHECKING:
    from adapt.adapter.distributed.ranks import Ranks


def group_size() -> int:
    """Processes of the group; 1 where this process was started alone."""
    return int(os.environ.get("WORLD_SIZE", "1")) if "RANK" in os.environ else 1


def is_first() -> bool:
    """Whether this process is the one of its group that writes."""
    return group_size() == 1 or int(os.environ["RANK"]) == 0


def join(spec: DistributedSpec, device: str) -> Ranks:
    """Meet the other processes; `device` is the type to train on. Raises InputError when they are not as many as the section says, or lack a GPU."""
    import torch
    import torch.distributed as dist

    if group_size() != spec.processes:
        raise InputError(
            f"train.distributed.processes is {spec.processes}, and {group_size()} processes were started",
            hint="start as many, or change the field: it is part of what the adapter is made from",
        )
    check_strategy(spec)
    local = int(os.environ.get("LOCAL_RANK", os.environ["RANK"]))
    if device == "cuda":
        check_devices(local + 1)
        torch.cuda.set_device(local % torch.cuda.device_count())
    if not dist.is_initialized():
        dist.init_process_group("cpu:gloo,cuda:nccl" if device == "cuda" else "gloo", init_method="env://")
        atexit.register(_leave)
    if spec.strategy == "fsdp2":
        from adapt.adapter.distributed.sharded import Sharded

        return Sharded(local=local, device=device)
    if spec.strategy == "zero2":
        from adapt.adapter.distributed.zero import Zero

        return Zero(local=local, device=device)
    if spec.strategy == "zero3":
        from adapt.adapter.distributed.zero3 import Zero3

        return Zero3(local=local, device=device)
    from adapt.adapter.distributed.processes import Processes

    return Processes(local=local, device=device)


def check_strategy(spec: DistributedSpec) -> None:
    """Raise InputError when a strategy's library is not installed, or cannot compile what it needs where it is."""
    if spec.strategy in ("zero2", "zero3") and find_spec("deepspeed") is None:
        hint = "pip install 'adapt-build[deepspeed]', or set it to ddp or fsdp2"
        raise InputError(f"train.distributed.strategy is {spec.strategy}, and DeepSpeed is not installed", hint=hint)
    if spec.strategy in ("zero2", "zero3"):
        require_toolchain(f"train.distributed.strategy: {spec.strategy}")


def check_devices(processes: int) -> None:
    """Raise InputError when this machine has fewer GPUs than processes that train on one."""
    import torch

    if torch.cuda.device_count() < processes:
        raise InputError(
            f"{processes} processes of a training run on this machine, which has {torch.cuda.device_count()} CUDA devices that torch can use",
            hint="lower train.distributed.processes, or start it on several machines with torchrun (docs/how-to/train-on-several-gpus.md)",
        )


def _leave() -> None:
    import torch.distributed as dist

    if dist.is_initialized():
        dist.destroy_process_group()
