"""Group-relative policy optimisation (Shao et al. 2024, arXiv:2402.03300).

An answer's advantage is its reward held against those of the other answers to its question, so that no value head is needed.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from adapt.adapter.methods.attached import Attached
from adapt.adapter.objectives.objective import Loss
from adapt.adapter.objectives.rewards import Rewards
from adapt.adapter.objectives.rollouts import Passed, Rollout, RolloutObjective, clipped, joined
from adapt.adapter.prompt import Example, Prompt
from adapt.adapter.states import States
from adapt.spec.objective import GrpoObjective

_SMALLEST_DEVIATION = 1e-4


class Grpo(RolloutObjective):
    """The mean over answers of the mean over their tokens: the clipped policy gradient and the divergence from the start."""

    def __init__(self, spec: GrpoObjective, prompt: Prompt, rewards: Rewards, *, batch_tokens: int) -> None:
        super().__init__(spec, prompt, rewards, batch_tokens=batch_tokens)
        self._clip, self._beta, self._generations = spec.clip, spec.kl_beta, spec.generations

    def weight(self, items: Sequence[Passed]) -> int:
        """Answers."""
        return len(items)

    def rollouts(self, attached: Attached, examples: Sequence[Example], rewards: Sequence[float]) -> list[Passed]:
        advantages = group_advantages(torch.tensor(rewards, dtype=torch.float64), self._generations).tolist()
        before, start = self.before_and_start(attached, examples)
        none = [torch.zeros_like(each) for each in before]
        return [
            Rollout(example, reward, torch.full_like(own, advantage), own, first, nothing, nothing)
            for example, reward, advantage, own, first, nothing in zip(examples, rewards, advantages, before, start, none, strict=True)
        ]

    def policy_loss(self, states: States, rollouts: Sequence[Rollout], now: Sequence[Tensor]) -> Loss:
        logs = torch.cat(list(now))
        advantages, before, start = (joined([getattr(each, name) for each in rollouts], logs) for name in ("advantages", "before", "start"))
        losses = grpo_losses(logs, before, start, advantages, clip=self._clip, beta=self._beta)
        counts = [len(each) for each in now]
        total = torch.stack([part.mean() for part in torch.split(losses, counts)]).sum()
        divergence = [float(part.mean()) for part in torch.split(_divergence(logs.detach(), start), counts)]
        return Loss(total, {"reward": sum(each.reward for each in rollouts), "divergence": sum(divergence), "tokens": float(sum(counts))})


def group_advantages(rewards: Tensor, generations: int) -> Tensor:
    """(r - mean) / deviation within each group of `generations` behind each other; `rewards` is (answers,) of a floating type.

    A group of equal rewards gets zeros.
    """
    groups = rewards.view(-1, generations)
    return ((groups - groups.mean(1, keepdim=True)) / (groups.std(1, keepdim=True) + _SMALLEST_DEVIATION)).flatten()


def grpo_losses(now: Tensor, before: Tensor, start: Tensor, advantages: Tensor, *, clip: float, beta: float) -> Tensor:
    """Loss of each answer token, from its log-likelihoods now, when it was drawn and under the start; all (tokens,)."""
    return clipped(torch.exp(now - before), advantages, clip) + beta * _divergence(now, start)


def _divergence(now: Tensor, start: Tensor) -> Tensor:
    """The estimate exp(d) - d - 1 of d = log start - log now, which is never negative (Schulman 2020)."""
    gap = start - now
    return torch.exp(gap) - gap - 1
