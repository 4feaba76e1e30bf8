"""Proximal policy optimisation of answers (Schulman et al. 2017, arXiv:1707.06347; Ouyang et al. 2022, arXiv:2203.02155).

An answer's reward comes with its last token; each token pays for its log-ratio to the start. Advantages are generalised ones (Schulman et al. 2015,
arXiv:1506.02438) over a value head on the policy's own hidden states, and are brought to mean 0 and deviation 1 over a step's tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from adapt.adapter.batches import answer_rows
from adapt.adapter.folder import HEAD, write_tensors
from adapt.adapter.methods.attached import Attached
from adapt.adapter.objectives.heads import scored
from adapt.adapter.objectives.objective import Loss
from adapt.adapter.objectives.rewards import Rewards
from adapt.adapter.objectives.rollouts import Passed, Rollout, RolloutObjective, clipped, joined
from adapt.adapter.prompt import Example, Prompt
from adapt.adapter.states import States
from adapt.spec.objective import PpoObjective

_SMALLEST_DEVIATION = 1e-4
"""Far above the rounding of float32, which would else be brought to deviation 1 where all advantages are equal."""


class Ppo(RolloutObjective):
    """The mean over answer tokens of the clipped policy gradient and the value head's squared error."""

    def __init__(self, spec: PpoObjective, prompt: Prompt, rewards: Rewards, *, batch_tokens: int, size: int, device: str) -> None:
        """The value head, on hidden states of `size` units, begins at zero: nothing is expected of any answer."""
        super().__init__(spec, prompt, rewards, batch_tokens=batch_tokens)
        self._settings = spec
        self._head = Parameter(torch.zeros(1, size, device=device))

    def weight(self, items: Sequence[Passed]) -> int:
        """Answer tokens."""
        return sum(item.length - item.example.prompt_length for item in items if isinstance(item, Rollout)) or len(items)

    def weights(self) -> dict[str, Parameter]:
        return {"value": self._head}

    def save(self, folder: Path) -> Mapping[str, Any]:
        write_tensors(folder / HEAD, self.weights())
        return {}

    def rollouts(self, attached: Attached, examples: Sequence[Example], rewards: Sequence[float]) -> list[Passed]:
        before, start = self.before_and_start(attached, examples)
        values = self._values(attached, examples)
        spec, found = self._settings, []
        for reward, own, first, value in zip(rewards, before, start, values, strict=True):
            paid = -spec.kl_beta * (own - first)
            paid[-1] += reward
            found.append(generalised_advantages(paid, value, discount=spec.discount, lambda_=spec.gae_lambda))
        every = torch.split(whiten(torch.cat(found)), [len(advantages) for advantages in found])
        return [
            Rollout(example, reward, white, own, first, value, advantages + value)
            for example, reward, white, advantages, own, first, value in zip(examples, rewards, every, found, before, start, values, strict=True)
        ]

    def policy_loss(self, states: States, rollouts: Sequence[Rollout], now: Sequence[Tensor]) -> Loss:
        logs = torch.cat(list(now))
        names = ("advantages", "before", "start", "values", "returns")
        advantages, before, start, values, returns = (joined([getattr(each, name) for each in rollouts], logs) for name in names)
        policy = clipped(torch.exp(logs - before), advantages, self._settings.clip)
        expected = self._expected(states, [each.example for each in rollouts])
        value = value_losses(expected, values, returns, clip=self._settings.clip)
        counts = [len(each) for each in now]
        reward = sum(each.reward * count for each, count in zip(rollouts, counts, strict=True))
        figures = {"reward": reward, "divergence": float((logs.detach() - start).sum()), "value": float(value.detach().sum())}
        return Loss((policy + self._settings.value_weight * value).sum(), figures)

    def _values(self, attached: Attached, examples: Sequence[Example]) -> list[Tensor]:
        found: dict[int, Tensor] = {}
        for positions, states in self.passes(attached, examples):
            some = [examples[position] for position in positions]
            counts = [example.length - example.prompt_length for example in some]
            found |= dict(zip(positions, torch.split(self._expected(states, some).detach().cpu(), counts), strict=True))
        return [found[position] for position in range(len(examples))]

    def _expected(self, states: States, examples: Sequence[Example]) -> Tensor:
        """What the head expects before each answer token, (answer tokens,)."""
        rows = answer_rows(examples, states.starts)[0].to(states.hidden.device)
        return scored(states.hidden[rows], self._head).squeeze(-1)


def whiten(advantages: Tensor) -> Tensor:
    """`advantages` (tokens,) brought to mean 0 and deviation 1; equal ones become zeros."""
    exact = advantages.double()
    deviation = exact.std(unbiased=False) + _SMALLEST_DEVIATION
    return ((exact - exact.mean()) / deviation).to(advantages.dtype)


def generalised_advantages(rewards: Tensor, values: Tensor, *, discount: float, lambda_: float) -> Tensor:
    """Advantages of one answer's tokens, all (tokens,); nothing comes after the last."""
    advantages = torch.zeros_like(rewards)
    later = following = 0.0
    for token in reversed(range(len(rewards))):
        surprise = float(rewards[token]) + discount * following - float(values[token])
        later = surprise + discount * lambda_ * later
        advantages[token], following = later, float(values[token])
    return advantages


def value_losses(expected: Tensor, before: Tensor, returns: Tensor, *, clip: float) -> Tensor:
    """Half the squared error of each token's value, at worst of it and of itself kept within `clip` of what it was `before`."""
    near = torch.clamp(expected, before - clip, before + clip)
    return 0.5 * torch.maximum((expected - returns) ** 2, (near - returns) ** 2)
