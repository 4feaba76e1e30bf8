"""Which training method a situation asks for, and why the others do not come into question."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from adapt.advice.situation import Situation, tried
from adapt.spec.methods import METHODS, Method

_WEIGHTS = "inputs of what is trained"


@dataclass(frozen=True)
class Choice:
    """A method and what speaks for it."""

    name: str
    reason: str
    rejected: tuple[str, ...]
    """Reasons against others, each with the methods that it holds against."""


def choose_method(situation: Situation, *, rank: int) -> Choice:
    """The method for `situation`, with low-rank updates of `rank` where it is of low rank."""
    against = {name: _against(situation, method, rank) for name, method in METHODS.items()}
    possible = [name for name, reason in against.items() if reason is None]
    name, reason = _chosen(situation, possible, rank)
    why = {other: found or _not_first(other, situation) for other, found in against.items() if other != name}
    grouped: dict[str, list[str]] = {}
    for other, found in why.items():
        grouped.setdefault(found, []).append(other)
    return Choice(name, reason, tuple(f"{', '.join(others)}: {found}" for found, others in grouped.items()))


def _chosen(situation: Situation, possible: list[str], rank: int) -> tuple[str, str]:
    if situation.is_long and "longlora" in possible:
        return "longlora", f"records of {situation.longest_tokens} tokens: attention within groups while training, the whole context when serving"
    if "full" in possible and (situation.is_foreign or situation.objective == "pretrain"):
        return "full", "much new is to be learnt, the records are many, and weights, gradients and moments of all of them fit"
    if "lora" in possible:
        if rank >= 64 and "rslora" in possible:
            return "rslora", f"at rank {rank} the scaling alpha / r of plain LoRA slows learning; alpha / sqrt(r) does not"
        served = f", is served beside {situation.neighbours} others on one base" if situation.served and situation.neighbours else ""
        return "lora", f"fits with the base in its own number format{served}, and is what the others are measured against"
    if "qlora" in possible:
        return "qlora", "the base fits only quantized; the adapter is served on it as it is"
    quantized = situation.device.kind == "cuda"
    return ("qlora" if quantized else "lora"), "nothing fits; this needs the least"


def _against(situation: Situation, method: Method, rank: int) -> str | None:
    """The first reason why `method` does not come into question; None when it does."""
    checks: tuple[Callable[[Situation, Method, int], str | None], ...] = (_serving, _merging, _needs, _data, _speed, _memory)
    return next((reason for check in checks if (reason := check(situation, method, rank))), None)


def _serving(situation: Situation, method: Method, rank: int) -> str | None:
    if not situation.served or method.vllm == "adapter":
        return None
    return "vLLM serves it as a model of its own after merging, not beside others" if method.vllm == "merged" else "vLLM does not serve it"


def _merging(situation: Situation, method: Method, rank: int) -> str | None:
    return "cannot be merged, and an export asks for it" if situation.merged and not method.mergeable else None


def _needs(situation: Situation, method: Method, rank: int) -> str | None:
    if method.needs == "experts" and not situation.shape.has_experts:
        return "the base has no experts"
    if method.needs == "biases" and not situation.shape.bias_parameters:
        return "the base has no biases"
    return None


def _data(situation: Situation, method: Method, rank: int) -> str | None:
    return f"wants {method.min_records} records, there are {situation.records}" if situation.records < method.min_records else None


def _speed(situation: Situation, method: Method, rank: int) -> str | None:
    return "4-bit products have no fast kernel on a CPU" if method.quantized_base and situation.device.kind == "cpu" else None


def _memory(situation: Situation, method: Method, rank: int) -> str | None:
    """Whether it does not even fit with one record in a pass and activations computed anew."""
    recompute = method.name not in ("prefix_tuning", "p_tuning_v2")
    size = max(64, situation.longest_tokens)
    least = tried(situation, method.name, rank=rank if method.rank else None, batch_tokens=size, gradient_checkpointing=recompute)
    return None if least.fits else "does not fit"


def _not_first(name: str, situation: Situation) -> str:
    """Why a method that would do is not the one."""
    method = METHODS[name]
    if method.quantized_base:
        return "saves memory that is there, and costs time"
    if method.keeps == _WEIGHTS:
        return "one whole model for each task, where an adapter of a few MB would do"
    if method.needs == "full attention":
        return f"for records of many thousand tokens, and the longest has {situation.longest_tokens}"
    if "r" in method.reads:
        return "would do too; worth a sweep once plain low-rank updates have been measured"
    return "trains few numbers, and learns less than low-rank updates"
