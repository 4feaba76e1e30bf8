"""Losses held against the formulas of their papers, written out on the logits of every position, one sequence at a time."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cosine_similarity, cross_entropy, logsigmoid, mse_loss

from adapt.adapter.head import Head, find_head
from adapt.adapter.methods.attached import Attached
from adapt.adapter.methods.door import attach
from adapt.adapter.methods.frozen import Base
from adapt.adapter.objectives.contrastive import Contrastive
from adapt.adapter.objectives.grpo import Grpo, group_advantages, grpo_losses
from adapt.adapter.objectives.heads import Classification, Reward
from adapt.adapter.objectives.kto import Kto
from adapt.adapter.objectives.likelihood import row_losses
from adapt.adapter.objectives.ppo import Ppo, generalised_advantages, value_losses
from adapt.adapter.objectives.preference import Dpo, Ipo, Orpo, Simpo
from adapt.adapter.objectives.pretrain import Pretrain
from adapt.adapter.objectives.rewards import Rewards
from adapt.adapter.prompt import Example, Prompt
from adapt.adapter.states import states_of
from adapt.base.load import load_tokenizer
from adapt.errors import InputError
from adapt.spec.objective import (
    ContrastiveObjective,
    DpoObjective,
    GrpoObjective,
    IpoObjective,
    KtoObjective,
    OrpoObjective,
    PpoObjective,
    RewardObjective,
    SimpoObjective,
)
from tests.adapter.objectives.pairs import labelled, pairs, texts
from tests.adapter.trainings import BASE, record, section
from tests.tiny import CHAT_TEMPLATE

ANY_REWARD = {"functions": [{"kind": "json_valid"}]}


@pytest.fixture(scope="module")
def prompt(workspace: Path) -> Prompt:
    return Prompt(CHAT_TEMPLATE, load_tokenizer(workspace / BASE))


@pytest.fixture
def attached(workspace: Path) -> Attached:
    """A new adapter, as training finds it."""
    return attach(Base(workspace / BASE), section(workspace), device="cpu", sequences=[])


def moved(attached: Attached, seed: int = 7) -> None:
    """Take the adapter away from its start."""
    draws = torch.Generator().manual_seed(seed)
    for weight in attached.weights.values():
        weight.data += 0.05 * torch.randn(weight.shape, generator=draws)


def found(attached: Attached, objective: Any, items: list[Any]) -> tuple[Tensor, dict[str, float], dict[str, Tensor]]:
    """The loss, its figures and the gradient on every trained weight."""
    head = find_head(attached.causal)
    loss = objective.loss(states_of(attached, objective.sequences(items)), items, head)
    weights = {**attached.weights, **objective.weights()}
    grads = torch.autograd.grad(loss.total, list(weights.values()), allow_unused=True)
    return loss.total.detach(), dict(loss.figures), {name: grad for name, grad in zip(weights, grads, strict=True) if grad is not None}


def whole_logits(attached: Attached, ids: Any) -> Tensor:
    model: Any = attached.model
    return model(input_ids=torch.tensor([list(ids)])).logits[0]


def logprob(attached: Attached, example: Example) -> Tensor:
    """(answer tokens,)."""
    logs = torch.log_softmax(whole_logits(attached, example.ids), -1)[:-1]
    return logs[torch.arange(len(logs)), torch.tensor(example.ids[1:])][example.prompt_length - 1 :]


def last_hidden(attached: Attached, ids: Any) -> Tensor:
    model: Any = attached.model
    return model(input_ids=torch.tensor([list(ids)]), output_hidden_states=True).hidden_states[-1][0]


def agree(attached: Attached, objective: Any, items: list[Any], expected: Tensor, figures: dict[str, float] | None = None) -> None:
    """Loss, figures and every gradient are those of `expected`."""
    total, seen, grads = found(attached, objective, items)
    assert float(total) == pytest.approx(float(expected), rel=1e-4, abs=1e-5)
    weights = {**attached.weights, **objective.weights()}
    for name, grad in grads.items():
        wanted = torch.autograd.grad(expected, weights[name], retain_graph=True)[0]
        torch.testing.assert_close(grad, wanted, rtol=2e-3, atol=2e-5)
    assert grads
    for name, value in (figures or {}).items():
        assert seen[name] == pytest.approx(value, rel=1e-4, abs=1e-5)


def test_row_losses_are_cross_entropies_and_train_a_head_where_it_is_trained() -> None:
    draws = torch.Generator().manual_seed(0)
    hidden, weight, bias = (torch.randn(*shape, generator=draws, requires_grad=True) for shape in ((9, 8), (30, 8), (30,)))
    targets, share = torch.arange(9) * 3, torch.randn(9, generator=draws)
    for softcap in (None, 5.0):
        head = Head(weight=weight, bias=bias, scale=0.5, softcap=softcap)
        expected = cross_entropy(head.logits(hidden), targets, reduction="none")
        ours = row_losses(head, hidden, targets)
        torch.testing.assert_close(ours, expected)
        wanted = torch.autograd.grad((expected * share).sum(), (hidden, weight, bias), retain_graph=True)
        for grad, want in zip(torch.autograd.grad((ours * share).sum(), (hidden, weight, bias)), wanted, strict=True):
            torch.testing.assert_close(grad, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["dpo", "smooth dpo", "ipo", "orpo", "simpo"])
def test_losses_of_pairs_are_those_of_the_papers(attached: Attached, prompt: Prompt, name: str) -> None:
    objective: Any = {
        "dpo": lambda: Dpo(DpoObjective(kind="dpo", beta=0.3), batch_tokens=64),
        "smooth dpo": lambda: Dpo(DpoObjective(kind="dpo", beta=0.3, label_smoothing=0.2), batch_tokens=64),
        "ipo": lambda: Ipo(IpoObjective(kind="ipo", beta=0.3), batch_tokens=64),
        "orpo": lambda: Orpo(OrpoObjective(kind="orpo", odds_weight=0.3)),
        "simpo": lambda: Simpo(SimpoObjective(kind="simpo", beta=2.5, gamma=0.7)),
    }[name]()
    items = [item for each in pairs(3) for item in objective.encode(each, prompt)]
    with torch.no_grad():
        before = [(logprob(attached, item.better), logprob(attached, item.worse)) for item in items]
    objective.prepare(attached, items)
    moved(attached)
    losses, margins = [], []
    for item, (old_better, old_worse) in zip(items, before, strict=True):
        better, worse = logprob(attached, item.better), logprob(attached, item.worse)
        if name == "orpo":
            odds = [torch.log(torch.exp(each.mean()) / (1 - torch.exp(each.mean()))) for each in (better, worse)]
            margins.append(odds[0] - odds[1])
            losses.append(-better.mean() - 0.3 * logsigmoid(margins[-1]))
        elif name == "simpo":
            margins.append(2.5 * (better.mean() - worse.mean()))
            losses.append(-logsigmoid(margins[-1] - 0.7))
        elif name == "ipo":
            margins.append((better - old_better).mean() - (worse - old_worse).mean())
            losses.append(mse_loss(margins[-1], torch.tensor(1 / 0.6)))
        else:
            margins.append(0.3 * ((better.sum() - old_better.sum()) - (worse.sum() - old_worse.sum())))
            losses.append(binary_cross_entropy_with_logits(margins[-1], torch.tensor(0.8 if name == "smooth dpo" else 1.0)))
    figures = {"margin": float(sum(margins).detach()), "accuracy": float(sum(margin > 0 for margin in margins))}
    agree(attached, objective, items, torch.stack(losses).sum(), figures)
    assert objective.weight(items) == 3


def test_the_loss_of_kto_is_that_of_the_paper(attached: Attached, prompt: Prompt) -> None:
    objective = Kto(KtoObjective(kind="kto", beta=0.4, desirable_weight=1.3, undesirable_weight=0.6), batch_tokens=64)
    items = [item for each in pairs(3) for item in objective.encode(each, prompt)]
    objective.prepare(attached, items)
    partners = objective._examples(items)[len(items) :]
    for item, partner in zip(items, partners, strict=True):
        assert list(partner.ids[: partner.prompt_length]) == list(item.example.ids[: item.example.prompt_length])
        own = list(partner.ids[partner.prompt_length :])
        assert any(own == list(each.example.ids[each.example.prompt_length :]) for each in items if each.record_id != item.record_id)
    with torch.no_grad():
        old = [logprob(attached, item.example).sum() for item in items]
        strange = [logprob(attached, partner).sum() for partner in partners]
    moved(attached)
    drift = torch.stack([logprob(attached, partner).sum().detach() - was for partner, was in zip(partners, strange, strict=True)]).mean().clamp(min=0)
    losses = []
    for item, was in zip(items, old, strict=True):
        reward = logprob(attached, item.example).sum() - was
        value = torch.sigmoid(0.4 * (reward - drift)) if item.good else torch.sigmoid(0.4 * (drift - reward))
        losses.append((1.3 if item.good else 0.6) * (1 - value))
    agree(attached, objective, items, torch.stack(losses).sum(), {"divergence": float(drift) * 6})


def test_the_loss_of_a_reward_model_is_that_of_bradley_and_terry(attached: Attached, prompt: Prompt) -> None:
    objective = Reward(RewardObjective(kind="reward", centre_weight=0.1), size=64, seed=3, device="cpu")
    items = [item for each in pairs(3) for item in objective.encode(each, prompt)]
    moved(attached)
    weight, losses, right = objective.head_weight, [], 0
    for item in items:
        better, worse = ((last_hidden(attached, each.ids)[-1] @ weight.T)[0] for each in (item.better, item.worse))
        losses.append(-torch.log(torch.exp(better) / (torch.exp(better) + torch.exp(worse))) + 0.1 * (better + worse) ** 2)
        right += int(better > worse)
    agree(attached, objective, items, torch.stack(losses).sum(), {"accuracy": right})


def test_the_loss_of_a_classifier_is_a_cross_entropy(attached: Attached, prompt: Prompt) -> None:
    objective = Classification({"money": 1, "law": 1, "health": 2}, size=64, seed=3, device="cpu")
    items = [item for each in labelled(4) for item in objective.encode(each, prompt)]
    assert [item.label for item in items] == [1, 0, 2, 1]
    moved(attached)
    logits = torch.stack([last_hidden(attached, item.ids)[-1] for item in items]) @ objective.head_weight.T
    right = int((logits.argmax(-1) == torch.tensor([1, 0, 2, 1])).sum())
    agree(attached, objective, items, cross_entropy(logits, torch.tensor([1, 0, 2, 1]), reduction="sum"), {"accuracy": right})


@pytest.mark.parametrize("pooling", ["mean", "last"])
def test_the_loss_of_embeddings_is_info_nce_without_false_negatives(attached: Attached, prompt: Prompt, pooling: Any) -> None:
    objective = Contrastive(ContrastiveObjective(kind="contrastive", temperature=0.2, pooling=pooling))
    rows = [*pairs(2), record("What is a price?", pairs(2)[0].output), record(pairs(1)[0].instruction, "Another answer.")]
    items = [item for each in rows for item in objective.encode(each, prompt)]
    moved(attached)

    def embedded(ids: Any) -> Tensor:
        states = last_hidden(attached, ids)
        return states.mean(0) if pooling == "mean" else states[-1]

    against = [item.answer for item in items] + [items[0].worse, items[1].worse]
    false = {(0, 2), (2, 0), (0, 3), (3, 0)}  # an equal answer, an equal question
    losses = []
    for number, item in enumerate(items):
        cosines = {place: cosine_similarity(embedded(item.question), embedded(text), dim=0) / 0.2 for place, text in enumerate(against)}
        kept = torch.stack([value for place, value in cosines.items() if (number, place) not in false])
        losses.append(torch.logsumexp(kept, 0) - cosines[number])
    agree(attached, objective, items, torch.stack(losses).sum())


def test_pretraining_counts_every_token_but_the_first(attached: Attached, prompt: Prompt) -> None:
    objective = Pretrain()
    items = [item for each in texts(2) for item in objective.encode(each, prompt)]
    assert [item.ids[-1] for item in items] == [prompt.tokenizer.eos_token_id] * 2
    assert objective.weight(items) == sum(len(item.ids) - 1 for item in items)
    moved(attached)
    expected = [cross_entropy(whole_logits(attached, item.ids)[:-1], torch.tensor(list(item.ids[1:])), reduction="sum") for item in items]
    agree(attached, objective, items, torch.stack(expected).sum())


def test_the_loss_of_grpo_is_that_of_the_paper(attached: Attached, prompt: Prompt) -> None:
    spec = GrpoObjective(kind="grpo", reward=ANY_REWARD, generations=2, max_new_tokens=5, clip=0.1, kl_beta=0.3, temperature=1.5)
    objective = Grpo(spec, prompt, Rewards((), prompt, None, batch_tokens=64), batch_tokens=64)
    questions = [item for each in pairs(2) for item in objective.encode(each, prompt)]
    objective.prepare(attached, questions)
    moved(attached, seed=1)
    examples = [Example(ids=each.ids, prompt_length=each.prompt_length, record_id="r") for each in _answered(prompt)]
    rollouts = objective.rollouts(attached, examples, [1.0, 0.0, 0.0, 3.0])
    deviation = 0.5**0.5 + 1e-4
    assert [float(each.advantages[0]) for each in rollouts[:2]] == pytest.approx([0.5 / deviation, -0.5 / deviation])
    assert not torch.allclose(rollouts[0].before, rollouts[0].start)
    moved(attached, seed=2)
    losses = []
    for rollout in rollouts:
        logs = _warm(attached, rollout.example, 1.5)
        ratio, gap = torch.exp(logs - rollout.before), rollout.start - logs
        gain = torch.min(ratio * rollout.advantages, ratio.clamp(0.9, 1.1) * rollout.advantages)
        losses.append((-gain + 0.3 * (torch.exp(gap) - gap - 1)).mean())
    agree(attached, objective, list(rollouts), torch.stack(losses).sum(), {"reward": 4.0})


def test_the_loss_of_ppo_is_that_of_the_paper(attached: Attached, prompt: Prompt) -> None:
    spec = PpoObjective(kind="ppo", reward=ANY_REWARD, max_new_tokens=5, clip=0.1, kl_beta=0.2, discount=0.9, gae_lambda=0.8, value_weight=0.5)
    objective = Ppo(spec, prompt, Rewards((), prompt, None, batch_tokens=64), batch_tokens=64, size=64, device="cpu")
    questions = [item for each in pairs(2) for item in objective.encode(each, prompt)]
    objective.prepare(attached, questions)
    head = objective.weights()["value"]
    head.data.normal_(generator=torch.Generator().manual_seed(5))
    moved(attached, seed=1)
    examples = _answered(prompt)
    rollouts = objective.rollouts(attached, examples, [1.0, 0.0, 0.0, 3.0])
    assert float(torch.cat([each.advantages for each in rollouts]).mean()) == pytest.approx(0, abs=1e-5)
    moved(attached, seed=2)
    losses = []
    for rollout in rollouts:
        logs = logprob(attached, rollout.example)
        values = last_hidden(attached, rollout.example.ids)[rollout.example.prompt_length - 1 : -1] @ head[0]
        ratio = torch.exp(logs - rollout.before)
        gain = torch.min(ratio * rollout.advantages, ratio.clamp(0.9, 1.1) * rollout.advantages)
        near = rollout.values + (values - rollout.values).clamp(-0.1, 0.1)
        error = torch.max((values - rollout.returns) ** 2, (near - rollout.returns) ** 2)
        losses.append((-gain + 0.5 * 0.5 * error).sum())
    agree(attached, objective, list(rollouts), torch.stack(losses).sum())
    assert objective.weight(rollouts) == sum(len(each.before) for each in rollouts)


def test_what_is_learnt_from_ends_with_the_end_token_that_the_model_drew(attached: Attached, prompt: Prompt) -> None:
    def answers(prompt: Prompt) -> list[list[int]]:
        spec = GrpoObjective(kind="grpo", reward=ANY_REWARD, max_new_tokens=6)
        objective = Grpo(spec, prompt, Rewards((), prompt, None, batch_tokens=64), batch_tokens=64)
        questions = [item for each in pairs(1) for item in objective.encode(each, prompt)]
        objective.prepare(attached, questions)
        return [list(item.example.ids[item.example.prompt_length :]) for item in objective.measured(attached, questions)]

    free = answers(prompt)
    other = Prompt(CHAT_TEMPLATE, prompt.tokenizer)
    other.__dict__["end_ids"] = (*prompt.end_ids, free[0][2])
    assert answers(other)[0] == free[0][: free[0].index(free[0][2]) + 1]


def test_generalised_advantages_are_discounted_sums_of_surprises() -> None:
    rewards, values = torch.tensor([0.1, -0.2, 2.0]), torch.tensor([0.5, 0.4, 0.3])
    surprises = [0.1 + 0.9 * 0.4 - 0.5, -0.2 + 0.9 * 0.3 - 0.4, 2.0 - 0.3]
    expected = [sum((0.9 * 0.8) ** later * surprises[token + later] for later in range(3 - token)) for token in range(3)]
    assert generalised_advantages(rewards, values, discount=0.9, lambda_=0.8).tolist() == pytest.approx(expected)
    assert generalised_advantages(rewards, values, discount=1.0, lambda_=1.0).tolist() == pytest.approx([1.4, 1.4, 1.7])


def test_nothing_is_pushed_beyond_the_clip() -> None:
    now, before = torch.tensor([0.5, 0.5], requires_grad=True), torch.zeros(2)
    losses = grpo_losses(now, before, before, torch.tensor([1.0, -1.0]), clip=0.2, beta=0.0)
    grad = torch.autograd.grad(losses.sum(), now)[0]
    assert grad[0] == 0, "a good answer that is likelier already"
    assert grad[1] > 0, "a bad one is still pushed down"
    assert value_losses(torch.tensor([5.0]), torch.tensor([0.0]), torch.tensor([5.0]), clip=0.2).item() == pytest.approx(0.5 * 4.8**2)


def test_equal_rewards_of_a_group_teach_nothing() -> None:
    assert group_advantages(torch.tensor([2.0, 2.0, 1.0, 0.0]), 2).tolist() == pytest.approx([0, 0, 0.7070, -0.7070], abs=1e-3)


@pytest.mark.parametrize("objective", ["dpo", "kto", "reward"])
def test_a_record_without_a_worse_answer_is_named(prompt: Prompt, objective: str) -> None:
    made: dict[str, Any] = {
        "dpo": Dpo(DpoObjective(kind="dpo"), batch_tokens=64),
        "kto": Kto(KtoObjective(kind="kto"), batch_tokens=64),
        "reward": Reward(RewardObjective(kind="reward"), size=64, seed=0, device="cpu"),
    }
    with pytest.raises(InputError, match=f"has no worse answer, and train.objective {objective} compares two"):
        made[objective].encode(record("Why?", "So."), prompt)


def test_labels_that_cannot_be_told_apart_are_refused(prompt: Prompt) -> None:
    with pytest.raises(InputError, match=r"have 1 labels, and train\.objective classification tells at least two apart"):
        Classification({"law": 3}, size=64, seed=0, device="cpu")
    two = Classification({"law": 3, "money": 1}, size=64, seed=0, device="cpu")
    with pytest.raises(InputError, match="has the label 'health', which no training record has"):
        two.encode(labelled(3)[1], prompt)


def _answered(prompt: Prompt) -> list[Example]:
    """Two answers to each of two questions, of different lengths."""
    made = []
    for each in pairs(2):
        made += [prompt.encode(each), prompt.encode(each.model_copy(update={"output": each.rejected}))]
    return made


def _warm(attached: Attached, example: Example, temperature: float) -> Tensor:
    logs = torch.log_softmax(whole_logits(attached, example.ids) / temperature, -1)[:-1]
    return logs[torch.arange(len(logs)), torch.tensor(list(example.ids[1:]))][example.prompt_length - 1 :]
