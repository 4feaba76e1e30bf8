"""Advice on the settings of a training: a decision tree over resources, data, base, objective and serving.

Enters: a situation. Leaves: a recommendation for each setting with its reason, its source and what was rejected. What methods are and can do comes
from `adapt.spec.methods` alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from adapt.advice.machine import Device
from adapt.advice.method import Choice, choose_method
from adapt.advice.situation import Candidate, Situation, tried
from adapt.spec.methods import METHODS
from adapt.spec.objectives import OBJECTIVES

MOST_BATCH_TOKENS = {"cpu": 2048, "cuda": 16384}
"""Tokens in a pass beyond which nothing more is gained: products are large enough to keep the device busy."""
_ENOUGH_BATCH_TOKENS, _FEWEST_BATCH_TOKENS = 2048, 512
_SIZES = (16384, 8192, 4096, 2048, 1024, 512)
_LEAST_STEPS = 100
"""Optimiser steps that a training should have at least, where the records allow it."""
_MOST_STEP_TOKENS = 1 << 17
_RANKS = ((500, 8), (20_000, 16), (200_000, 32))
"""Ranks by the number of records below which they do."""
_LARGE_RANK = 64
_EPOCHS = ((1_000, 3.0), (50_000, 2.0))
_CHECKPOINTING = "arXiv:1604.06174"
_BATCHES = "arXiv:1812.06162"
_RANK_PAPER = "arXiv:2405.09673"


@dataclass(frozen=True)
class Recommendation:
    """One setting."""

    setting: str
    """Path of the field, such as `train.method`."""
    value: Any
    reason: str
    source: str | None = None
    """The paper that it rests on."""
    rejected: tuple[str, ...] = ()
    """Alternatives, each with why not."""


@dataclass(frozen=True)
class Advice:
    """Recommendations for a situation, and what they are forecast to take."""

    recommendations: tuple[Recommendation, ...]
    forecast: Candidate
    remarks: tuple[str, ...] = ()

    @property
    def settings(self) -> dict[str, Any]:
        return {one.setting: one.value for one in self.recommendations}


def advise(situation: Situation) -> Advice:
    """Advice for `situation`. Where nothing fits, the least that there is is recommended, and a remark says so."""
    rank = _rank(situation)
    method = choose_method(situation, rank=rank.value)
    reads_rank = "r" in METHODS[method.name].reads
    batch, candidate = _batch(situation, method.name, rank.value if reads_rank else None)
    found = [_method(method), *([rank] if reads_rank else []), *_quantization(situation, method.name), _dtype(situation.device), *batch]
    found += [_steps(situation, candidate), _epochs(situation), _rate(situation, method.name)]
    if situation.longest_tokens > situation.max_length_tokens:
        found.append(_longest(situation))
    return Advice(tuple(found), candidate, tuple(_remarks(situation, candidate)))


def _method(choice: Choice) -> Recommendation:
    paper = METHODS[choice.name].paper
    return Recommendation("train.method", choice.name, choice.reason, f"arXiv:{paper}" if paper else None, choice.rejected)


def _rank(situation: Situation) -> Recommendation:
    family = OBJECTIVES[situation.objective].family
    if family == "head":
        return Recommendation(
            "lora.r", 8, "a head over a few labels needs a small change of the base", "arXiv:2106.09685", ("16: twice the parameters",)
        )
    if situation.objective == "pretrain" or situation.is_foreign:
        why = "new knowledge or a language that the tokenizer spells out needs updates of high rank"
        return Recommendation("lora.r", _LARGE_RANK * 2, why, _RANK_PAPER, ("16: learns style, and little of what is new",))
    records = situation.records
    rank = next((rank for below, rank in _RANKS if records < below), _LARGE_RANK)
    less, more = rank // 2, rank * 2
    rejected = (f"{less}: less room than {records} records fill", f"{more}: more parameters than {records} records pin down")
    return Recommendation("lora.r", rank, f"grows with the records, of which there are {records}", _RANK_PAPER, rejected)


def _quantization(situation: Situation, method: str) -> list[Recommendation]:
    if method != "qlora":
        return []
    plain = tried(situation, "lora", batch_tokens=max(64, situation.longest_tokens), gradient_checkpointing=True)
    rejected = ("fp4: NF4 suits normally distributed weights", f"int8: {situation.shape.linear_parameters / 2**30:.1f} GiB of weights, twice as much")
    reason = f"the base in bfloat16 needs {_gib(plain)} at least"
    return [Recommendation("train.quantization_type", "nf4", reason, "arXiv:2305.14314", rejected)]


def _dtype(device: Device) -> Recommendation:
    known = device.calibration
    if known is None or known.native == "bfloat16":
        reason = "bfloat16 here: half the memory of float32, and its range, so that no loss is scaled"
        return Recommendation("train.dtype", "auto", reason, None, ("float16: overflows", "float32: twice the memory"))
    reason = f"float32 here: this device has no instructions for bfloat16 ({known.instruction_set})"
    rejected = f"bfloat16: products take {known.slowdown:.1f} times as long"
    return Recommendation("train.dtype", "auto", reason, None, (rejected, "float16: overflows"))


def _batch(situation: Situation, method: str, rank: int | None) -> tuple[list[Recommendation], Candidate]:
    """The largest passes that fit and leave enough steps, activations kept where passes can then still be large."""
    longest = situation.longest_tokens
    most = min(MOST_BATCH_TOKENS[situation.device.kind], max(_FEWEST_BATCH_TOKENS, _all_tokens(situation) / _LEAST_STEPS))
    sizes = [size for size in _SIZES if longest <= size <= most] or [longest]
    enough = min(sizes[0], max(sizes[-1], _ENOUGH_BATCH_TOKENS))
    for recompute in (False, True):
        for size in sizes:
            found = tried(situation, method, rank=rank, batch_tokens=size, gradient_checkpointing=recompute)
            if found.fits and (recompute or size >= enough):
                return _batch_advice(situation, method, rank, found), found
    least = tried(situation, method, rank=rank, batch_tokens=sizes[-1], gradient_checkpointing=True)
    return _batch_advice(situation, method, rank, least), least


def _batch_advice(situation: Situation, method: str, rank: int | None, found: Candidate) -> list[Recommendation]:
    size, recompute = found.train.batch_tokens, found.train.gradient_checkpointing
    other = tried(situation, method, rank=rank, batch_tokens=size, gradient_checkpointing=not recompute)
    double = tried(situation, method, rank=rank, batch_tokens=2 * size, gradient_checkpointing=recompute)
    largest = size >= MOST_BATCH_TOKENS[situation.device.kind]
    spare = "nothing is gained by larger products" if largest else f"fewer than {_LEAST_STEPS} optimiser steps, or activations that do not fit"
    why_not = f"forecast {_gib(double)}" if not double.fits else spare
    have = f"{situation.device.memory / 2**30:.1f} GiB"
    if recompute:
        reason, rejected = f"activations that are kept would need {_gib(other)} of {have}", "false: does not fit"
    else:
        reason, rejected = f"activations fit: {_gib(found)} of {have}", "true: a third more time for memory that is there"
    return [
        Recommendation("train.batch_tokens", size, f"the largest passes that fit and pay: {_gib(found)}", None, (f"{2 * size}: {why_not}",)),
        Recommendation("train.gradient_checkpointing", recompute, reason, _CHECKPOINTING, (rejected,)),
    ]


def _steps(situation: Situation, candidate: Candidate) -> Recommendation:
    tokens = _all_tokens(situation)
    step = min(_MOST_STEP_TOKENS, max(candidate.train.batch_tokens, tokens / (5 * _LEAST_STEPS)))
    passes = max(1, round(step / candidate.train.batch_tokens))
    steps = max(1, round(tokens / candidate.train.batch_tokens / passes))
    rejected = (f"{2 * passes}: fewer steps, {max(1, steps // 2)}",)
    return Recommendation("train.accumulate", passes, f"about {steps} optimiser steps in all", _BATCHES, rejected)


def _all_tokens(situation: Situation) -> float:
    """Tokens of a whole training."""
    return float(situation.records * situation.median_tokens * _epochs(situation).value)


def _epochs(situation: Situation) -> Recommendation:
    epochs = next((epochs for below, epochs in _EPOCHS if situation.records < below), 1.0)
    reason = f"{situation.records} records: few are seen more often, and the best weights are kept" if epochs > 1 else "many records are seen once"
    return Recommendation("train.epochs", epochs, reason, None, (f"{epochs + 1:g}: repeats what is known",))


def _rate(situation: Situation, method: str) -> Recommendation:
    known, objective = METHODS[method], OBJECTIVES[situation.objective]
    rate = known.learning_rate * objective.rate
    reason = f"the good rate of {method}" + (f", times {objective.rate:g} for {objective.name}" if objective.rate != 1 else "")
    source = objective.paper if objective.rate != 1 and objective.paper else known.paper
    return Recommendation("train.learning_rate", float(f"{rate:.3g}"), reason, f"arXiv:{source}" if source else None)


def _longest(situation: Situation) -> Recommendation:
    reason = f"the longest record has {situation.longest_tokens} tokens, and longer ones than this are left out"
    rejected = (f"{situation.max_length_tokens}: leaves records out",)
    return Recommendation("train.max_length_tokens", situation.longest_tokens, reason, None, rejected)


def _remarks(situation: Situation, candidate: Candidate) -> list[str]:
    remarks = []
    if not candidate.fits:
        remarks.append(f"nothing fits: the least is forecast at {_gib(candidate)}, and there are {situation.device.memory / 2**30:.1f} GiB")
    if situation.shape.positions and situation.longest_tokens > situation.shape.positions:
        remarks.append(f"the base was made for {situation.shape.positions} tokens, and the longest record has {situation.longest_tokens}")
    if situation.left_out:
        remarks.append(f"a few records are longer than train.max_length_tokens, {situation.max_length_tokens}, and are left out")
    if situation.is_foreign:
        remarks.append("the tokenizer spells the records out in bytes: train with objective pretrain on running text first, or take another base")
    if situation.records < 100:
        remarks.append(f"{situation.records} records are few: a test split of a tenth says little; see docs/how-to/make-questions-from-documents.md")
    return remarks


def _gib(candidate: Candidate) -> str:
    return f"{candidate.memory.peak / 2**30:.1f} GiB"
