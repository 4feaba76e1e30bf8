"""What objectives report beside their losses, and what validation counts, recounted plainly on given likelihoods."""

from array import array
from pathlib import Path
from typing import Any

import pytest
import torch

from adapt.adapter.head import find_head
from adapt.adapter.methods.door import attach
from adapt.adapter.methods.frozen import Base
from adapt.adapter.objectives.grpo import Grpo
from adapt.adapter.objectives.kto import Kto
from adapt.adapter.objectives.likelihood import answer_logprobs
from adapt.adapter.objectives.rewards import Rewards
from adapt.adapter.objectives.rollouts import Measured
from adapt.adapter.prompt import Example, Prompt
from adapt.adapter.states import states_of
from adapt.base.load import load_tokenizer
from adapt.spec.objective import GrpoObjective, KtoObjective
from tests.adapter.objectives.pairs import pairs
from tests.adapter.trainings import BASE, section
from tests.tiny import CHAT_TEMPLATE


@pytest.fixture(scope="module")
def prompt(workspace: Path) -> Prompt:
    return Prompt(CHAT_TEMPLATE, load_tokenizer(workspace / BASE))


@pytest.mark.parametrize("rewards", [[1.5, -0.5, 2.0], [0.0], [-1.0, -1.0]])
def test_the_validation_loss_of_rollouts_is_the_reward_with_a_minus(rewards: list[float], prompt: Prompt) -> None:
    spec = GrpoObjective(kind="grpo", reward={"functions": [{"kind": "json_valid"}]}, max_new_tokens=5)
    objective = Grpo(spec, prompt, Rewards((), prompt, None, batch_tokens=64), batch_tokens=64)
    items = [Measured(Example(array("i", [5, 6]), 1, "r"), reward) for reward in rewards]
    nothing: Any = None  # neither states nor a head are looked at
    loss = objective.loss(nothing, items, nothing)
    assert float(loss.total) == -sum(rewards)
    assert loss.figures == {"reward": sum(rewards)}
    assert objective.weight(items) == len(rewards)


def test_kto_pairs_each_question_with_the_next_answer_by_length_of_another_record(workspace: Path, prompt: Prompt) -> None:
    objective = Kto(KtoObjective(kind="kto"), batch_tokens=10_000)
    items = [item for each in pairs(5) for item in objective.encode(each, prompt)]
    attached = attach(Base(workspace / BASE), section(workspace), device="cpu", sequences=[])
    objective.prepare(attached, items)
    answers = [list(item.example.ids[item.example.prompt_length :]) for item in items]
    order = sorted(range(len(items)), key=lambda number: (len(answers[number]), items[number].record_id, items[number].good))
    sequences = [list(ids) for ids in objective.sequences(items)]
    for place, number in enumerate(order):
        behind = [*order[place + 1 :], *order[:place]]
        partner = next(each for each in behind if items[each].record_id != items[number].record_id)
        question = list(items[number].example.ids[: items[number].example.prompt_length])
        assert sequences[len(items) + number] == question + answers[partner]

    draws = torch.Generator().manual_seed(1)
    with torch.no_grad():
        states = states_of(attached, objective.sequences(items))
        head = find_head(attached.causal)
        before = answer_logprobs(states, [item.example for item in items] + objective._examples(items)[len(items) :], head).sums
        for weight in attached.weights.values():
            weight.data += 0.2 * torch.randn(weight.shape, generator=draws)
        moved = states_of(attached, objective.sequences(items))
        after = answer_logprobs(moved, objective._examples(items), head).sums
        figures = objective.loss(moved, items, head).figures
    gains = (after - before)[: len(items)].tolist()
    right = sum((gain > 0) == item.good for gain, item in zip(gains, items, strict=True))
    assert 0 < right < len(items), "some are right and some wrong, or the count says nothing"
    assert figures["accuracy"] == right
    drift = max(float((after - before)[len(items) :].mean()), 0.0)
    assert figures["divergence"] == pytest.approx(drift * len(items), rel=1e-3, abs=1e-4)
