"""What advice depends on: where training runs, the base, the records, the objective, and how the adapter will be used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from adapt.advice.machine import Device
from adapt.advice.memory import Memory, forecast_memory
from adapt.advice.shape import ModelShape
from adapt.advice.workload import assumed
from adapt.spec.common_train import CommonTrain
from adapt.spec.lora import LoraSpec
from adapt.spec.methods import settled_lora
from adapt.spec.train import TrainSpec

SPELLED_OUT = 0.9
"""Tokens per character from which a tokenizer does not know the language."""
LONG_CONTEXT = 8192
"""Tokens of a record from which attention over the whole past costs more than the linear layers of usual models."""


@dataclass(frozen=True)
class Situation:
    """One adapter to be."""

    device: Device
    shape: ModelShape
    records: int
    median_tokens: int
    longest_tokens: int
    """Of the records that are worth a place."""
    tokens_per_character: float = 0.25
    objective: str = "sft"
    served: bool = True
    """Whether it shall be served by the workspace's vLLM server, beside others on one base."""
    neighbours: int = 0
    """Other adapters on that server."""
    merged: bool = False
    """Whether an export folds it into the base."""
    max_length_tokens: int = 1024
    """What the spec has now."""
    left_out: int = 0
    """Records longer than `longest_tokens`, among those that were looked at."""

    @property
    def is_foreign(self) -> bool:
        """Whether the base's tokenizer spells the records out in bytes."""
        return self.tokens_per_character >= SPELLED_OUT

    @property
    def is_long(self) -> bool:
        return self.longest_tokens >= LONG_CONTEXT


@dataclass(frozen=True)
class Candidate:
    """Settings in a situation, with their forecast."""

    train: CommonTrain
    lora: LoraSpec
    memory: Memory
    fits: bool


def tried(situation: Situation, method: str, *, rank: int | None = None, **settings: Any) -> Candidate:
    """The forecast of `method` with `settings` of section `train`, others as they are by default."""
    whole: Mapping[str, Any] = {
        "method": method,
        "objective": situation.objective if situation.objective not in ("ppo", "grpo") else "sft",  # their rewards do not change memory
        "max_length_tokens": max(16, situation.longest_tokens),
        **settings,
    }
    train = situation.device.computed(TypeAdapter[CommonTrain](TrainSpec).validate_python(whole))
    lora = LoraSpec(**settled_lora(method, {"r": rank} if rank else {}))
    workload = assumed(
        train, device=situation.device.kind, records=situation.records, longest=situation.longest_tokens, median=situation.median_tokens
    )
    memory = forecast_memory(situation.shape, train, lora, workload, device=situation.device.kind)
    return Candidate(train, lora, memory, memory.peak <= situation.device.usable)
