"""Objectives of pairs of answers: DPO (Rafailov et al. 2023, arXiv:2305.18290), IPO (Azar et al. 2023, arXiv:2310.12036), ORPO (Hong et al. 2024,
arXiv:2403.07691) and SimPO (Meng et al. 2024, arXiv:2405.14734).

DPO and IPO hold an answer's likelihood against that under the model of the start. It is measured once, before the first step, so that no second model
is in memory and none is run while training.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from adapt.adapter.batches import pack_sorted
from adapt.adapter.head import Head, find_head
from adapt.adapter.methods.attached import Attached
from adapt.adapter.objectives.likelihood import Logprobs, answer_logprobs
from adapt.adapter.objectives.objective import Loss, Objective
from adapt.adapter.prompt import Example, Prompt
from adapt.adapter.states import States, Tokens, states_of
from adapt.errors import InputError
from adapt.records import AlpacaRecord
from adapt.spec.objective import DpoObjective, IpoObjective, OrpoObjective, SimpoObjective


@dataclass(frozen=True)
class Pair:
    """A question with a better and a worse answer."""

    better: Example
    worse: Example

    @property
    def record_id(self) -> str:
        return self.better.record_id

    @property
    def length(self) -> int:
        return self.better.length + self.worse.length


def encode_pair(record: AlpacaRecord, prompt: Prompt, *, objective: str) -> Pair:
    """A record's pair. Raises InputError for a record without a worse answer."""
    if not record.rejected:
        raise InputError(
            f"record {record.id[:12]} has no worse answer, and train.objective {objective} compares two", hint="set dataset.form to preference"
        )
    worse = record.model_copy(update={"output": record.rejected})
    return Pair(better=prompt.encode(record), worse=prompt.encode(worse))


def both(items: Sequence[Pair]) -> list[Example]:
    """Better answers, then worse ones."""
    return [item.better for item in items] + [item.worse for item in items]


class PairObjective(Objective[Pair]):
    """What objectives of pairs share. The loss is the mean over pairs; `accuracy` is the share of pairs whose margin is above zero."""

    name: str

    def encode(self, record: AlpacaRecord, prompt: Prompt) -> list[Pair]:
        return [encode_pair(record, prompt, objective=self.name)]

    def weight(self, items: Sequence[Pair]) -> int:
        return len(items)

    def sequences(self, items: Sequence[Pair]) -> list[Tokens]:
        return [example.ids for example in both(items)]

    def loss(self, states: States, items: Sequence[Pair], head: Head) -> Loss:
        better, worse = answer_logprobs(states, both(items), head).split(len(items))
        losses, margins = self.losses(better, worse, items)
        return Loss(losses.sum(), {"accuracy": float((margins > 0).sum()), "margin": float(margins.detach().sum())})

    @abstractmethod
    def losses(self, better: Logprobs, worse: Logprobs, items: Sequence[Pair]) -> tuple[Tensor, Tensor]:
        """Loss and margin of each pair, both (pairs,)."""


class _Referenced(PairObjective):
    """Pairs whose likelihoods are held against those of the start."""

    def __init__(self, *, batch_tokens: int) -> None:
        self._batch_tokens = batch_tokens
        self._reference: dict[str, tuple[float, float]] = {}
        """Log-likelihood of both answers under the start, by record."""

    def prepare(self, attached: Attached, items: Sequence[Pair]) -> None:
        examples = both(items)
        sums = reference_logprobs(attached, examples, batch_tokens=self._batch_tokens)
        for item, better, worse in zip(items, sums[: len(items)], sums[len(items) :], strict=True):
            self._reference[item.record_id] = better, worse

    def reference(self, items: Sequence[Pair], like: Tensor) -> tuple[Tensor, Tensor]:
        """Log-likelihoods of the better and the worse answers under the start, both (pairs,)."""
        found = torch.tensor([self._reference[item.record_id] for item in items], device=like.device, dtype=like.dtype)
        return found[:, 0], found[:, 1]


class Dpo(_Referenced):
    """-log sigmoid(beta (h_w - h_l)), h being an answer's log-ratio to the start; with smoothing, the mean over both labels (Mitchell 2023)."""

    name = "dpo"

    def __init__(self, spec: DpoObjective, *, batch_tokens: int) -> None:
        super().__init__(batch_tokens=batch_tokens)
        self._beta, self._smoothing = spec.beta, spec.label_smoothing

    def losses(self, better: Logprobs, worse: Logprobs, items: Sequence[Pair]) -> tuple[Tensor, Tensor]:
        before_better, before_worse = self.reference(items, better.sums)
        margins = self._beta * ((better.sums - before_better) - (worse.sums - before_worse))
        return -(1 - self._smoothing) * logsigmoid(margins) - self._smoothing * logsigmoid(-margins), margins


class Ipo(_Referenced):
    """(h_w - h_l - 1 / (2 beta))^2, log-ratios taken per token, as its authors advise where answers differ in length."""

    name = "ipo"

    def __init__(self, spec: IpoObjective, *, batch_tokens: int) -> None:
        super().__init__(batch_tokens=batch_tokens)
        self._beta = spec.beta

    def losses(self, better: Logprobs, worse: Logprobs, items: Sequence[Pair]) -> tuple[Tensor, Tensor]:
        before_better, before_worse = self.reference(items, better.sums)
        margins = (better.sums - before_better) / better.counts - (worse.sums - before_worse) / worse.counts
        return (margins - 1 / (2 * self._beta)) ** 2, margins


class Orpo(PairObjective):
    """-log p_w - lambda log sigmoid(log odds_w - log odds_l), with p the mean likelihood of a token and odds = p / (1 - p)."""

    name = "orpo"

    def __init__(self, spec: OrpoObjective) -> None:
        self._odds_weight = spec.odds_weight

    def losses(self, better: Logprobs, worse: Logprobs, items: Sequence[Pair]) -> tuple[Tensor, Tensor]:
        margins = _log_odds(better.means) - _log_odds(worse.means)
        return -better.means - self._odds_weight * logsigmoid(margins), margins


class Simpo(PairObjective):
    """-log sigmoid(beta (log p_w - log p_l) - gamma), with p the mean likelihood of a token."""

    name = "simpo"

    def __init__(self, spec: SimpoObjective) -> None:
        self._beta, self._gamma = spec.beta, spec.gamma

    def losses(self, better: Logprobs, worse: Logprobs, items: Sequence[Pair]) -> tuple[Tensor, Tensor]:
        margins = self._beta * (better.means - worse.means)
        return -logsigmoid(margins - self._gamma), margins


def _log_odds(logs: Tensor) -> Tensor:
    """log(p / (1 - p)) of log p; a p of one, which only rounding makes, counts as the largest below it."""
    kept = logs.clamp(max=-1e-6)
    return kept - torch.log(-torch.expm1(kept))


def reference_logprobs(attached: Attached, examples: Sequence[Example], *, batch_tokens: int) -> list[float]:
    """Log-likelihood of each example's answer under the model as it is now, without dropout and without a gradient."""
    attached.model.eval()
    found: dict[int, float] = {}
    with torch.no_grad():
        with attached.computing():
            head = find_head(attached.causal)
        for positions, states in _passes(attached, examples, batch_tokens):
            with attached.computing():
                sums = answer_logprobs(states, [examples[position] for position in positions], head).sums
            found |= dict(zip(positions, sums.tolist(), strict=True))
    return [found[position] for position in range(len(examples))]


def _passes(attached: Attached, examples: Sequence[Example], batch_tokens: int) -> Iterator[tuple[list[int], States]]:
    for positions in pack_sorted([example.length for example in examples], batch_tokens=batch_tokens):
        yield positions, states_of(attached, [examples[position].ids for position in positions])
