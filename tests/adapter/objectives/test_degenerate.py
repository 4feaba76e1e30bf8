"""Batches with little or nothing in them: every objective's loss is what plain numpy makes of the model's logits, and can be trained on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from adapt.adapter.head import find_head, row_scores, summed_loss
from adapt.adapter.load import read_training
from adapt.adapter.methods.attached import Attached
from adapt.adapter.methods.door import attach
from adapt.adapter.methods.frozen import Base
from adapt.adapter.objectives.contrastive import Contrastive
from adapt.adapter.objectives.grpo import Grpo, group_advantages
from adapt.adapter.objectives.heads import Classification, Reward
from adapt.adapter.objectives.kto import Kto
from adapt.adapter.objectives.likelihood import row_losses
from adapt.adapter.objectives.ppo import Ppo, whiten
from adapt.adapter.objectives.preference import Dpo, Ipo, Orpo, Simpo
from adapt.adapter.objectives.pretrain import Pretrain
from adapt.adapter.objectives.rewards import Rewards
from adapt.adapter.objectives.sft import Sft
from adapt.adapter.passes import Passes
from adapt.adapter.prompt import Example, Prompt
from adapt.adapter.reward_functions import summed_rewards
from adapt.adapter.states import states_of
from adapt.base.load import load_tokenizer
from adapt.spec.objective import (
    ContainsReward,
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
from tests.adapter.trainings import BASE, record, run, section, write_dataset
from tests.tiny import CHAT_TEMPLATE

Numbers = NDArray[np.float64]
NEVER = {"functions": [{"kind": "contains", "texts": ["a text that no answer holds"]}]}
SAME = record("What is a bond?", "A loan.", rejected="A loan.")
SHORT = record("Q", "A", rejected="B")


@pytest.fixture(scope="module")
def prompt(workspace: Path) -> Prompt:
    return Prompt(CHAT_TEMPLATE, load_tokenizer(workspace / BASE))


@pytest.fixture
def attached(workspace: Path) -> Attached:
    return attach(Base(workspace / BASE), section(workspace), device="cpu", sequences=[])


def move(attached: Attached) -> None:
    draws = torch.Generator().manual_seed(7)
    for weight in attached.weights.values():
        weight.data += 0.05 * torch.randn(weight.shape, generator=draws)


def run_model(attached: Attached, ids: Any) -> Any:
    model: Any = attached.model
    with torch.no_grad():
        return model(input_ids=torch.tensor([list(ids)]), output_hidden_states=True)


def token_logs(attached: Attached, example: Example, temperature: float = 1.0) -> Numbers:
    """Log-likelihoods of the answer's tokens, in float64."""
    logits = run_model(attached, example.ids).logits[0].double().numpy() / temperature
    logs = logits - np.log(np.exp(logits - logits.max(-1, keepdims=True)).sum(-1, keepdims=True)) - logits.max(-1, keepdims=True)
    return np.array([logs[place - 1, example.ids[place]] for place in range(example.prompt_length, example.length)])


def last_state(attached: Attached, ids: Any) -> Numbers:
    found: Numbers = run_model(attached, ids).hidden_states[-1][0, -1].double().numpy()
    return found


def log_sigmoid(value: Any) -> Any:
    return -np.logaddexp(0, -value)


def check(attached: Attached, objective: Any, items: list[Any], expected: float, **figures: float) -> None:
    """The loss and its figures are as expected, and every gradient is a finite number."""
    loss = objective.loss(states_of(attached, objective.sequences(items)), items, find_head(attached.causal))
    assert float(loss.total.detach()) == pytest.approx(expected, rel=1e-4, abs=1e-5)
    for name, value in figures.items():
        assert loss.figures[name] == pytest.approx(value, rel=1e-4, abs=1e-5)
    weights = [*attached.weights.values(), *objective.weights().values()]
    for grad in torch.autograd.grad(loss.total, weights, allow_unused=True):
        assert grad is None or bool(grad.isfinite().all())


@pytest.mark.parametrize("each", [SAME, SHORT], ids=["equal answers", "one letter"])
@pytest.mark.parametrize("name", ["sft", "smooth sft", "dpo", "ipo", "orpo", "simpo", "kto"])
def test_one_record_has_the_loss_of_the_formula(attached: Attached, prompt: Prompt, name: str, each: Any) -> None:
    makers: dict[str, Callable[[], Any]] = {
        "sft": Sft,
        "smooth sft": lambda: Sft(0.2),
        "dpo": lambda: Dpo(DpoObjective(kind="dpo", beta=0.3), batch_tokens=64),
        "ipo": lambda: Ipo(IpoObjective(kind="ipo", beta=0.3), batch_tokens=64),
        "orpo": lambda: Orpo(OrpoObjective(kind="orpo", odds_weight=0.3)),
        "simpo": lambda: Simpo(SimpoObjective(kind="simpo", beta=2.5, gamma=0.7)),
        "kto": lambda: Kto(KtoObjective(kind="kto", beta=0.4, desirable_weight=1.3, undesirable_weight=0.6), batch_tokens=64),
    }
    objective = makers[name]()
    items = objective.encode(each, prompt)
    better = prompt.encode(each)
    worse = prompt.encode(each.model_copy(update={"output": each.rejected}))
    objective.prepare(attached, [])
    objective.prepare(attached, items)
    start = [token_logs(attached, example).sum() for example in (better, worse)]
    move(attached)
    won, lost = token_logs(attached, better), token_logs(attached, worse)
    margin = (won.sum() - start[0]) - (lost.sum() - start[1])
    if name == "kto":
        # Where there is no other record, a question's partner is its own answer.
        ratios = np.array([won.sum() - start[0], lost.sum() - start[1]])
        drift = max(0.0, float(ratios.mean()))
        expected = 1.3 * (1 - 1 / (1 + np.exp(-0.4 * (ratios[0] - drift)))) + 0.6 * (1 - 1 / (1 + np.exp(-0.4 * (drift - ratios[1]))))
    elif name == "smooth sft":
        logits = run_model(attached, better.ids).logits[0, better.prompt_length - 1 : -1].double().numpy()
        every = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        expected = -0.8 * won.sum() - 0.2 * every.mean(-1).sum()
    else:
        odds = [value - np.log(-np.expm1(value)) for value in (won.mean(), lost.mean())]
        length = (won.sum() - start[0]) / len(won) - (lost.sum() - start[1]) / len(lost)
        expected = {
            "sft": -won.sum(),
            "dpo": -log_sigmoid(0.3 * margin),
            "ipo": (length - 1 / 0.6) ** 2,
            "orpo": -won.mean() - 0.3 * log_sigmoid(odds[0] - odds[1]),
            "simpo": -log_sigmoid(2.5 * (won.mean() - lost.mean()) - 0.7),
        }[name]
    check(attached, objective, items, float(expected))


def test_one_pair_of_equal_answers_has_a_reward_and_a_class(attached: Attached, prompt: Prompt) -> None:
    reward = Reward(RewardObjective(kind="reward", centre_weight=0.1), size=64, seed=3, device="cpu")
    [pair] = reward.encode(SAME, prompt)
    move(attached)
    score = float(last_state(attached, pair.better.ids) @ reward.head_weight.detach().double().numpy()[0])
    check(attached, reward, [pair], np.log(2) + 0.1 * (2 * score) ** 2, margin=0.0)
    classes = Classification({"law": 1, "money": 1}, size=64, seed=3, device="cpu")
    [item] = classes.encode(labelled(1)[0], prompt)
    logits = classes.head_weight.detach().double().numpy() @ last_state(attached, item.ids)
    check(attached, classes, [item], float(np.log(np.exp(logits).sum()) - logits[item.label]))


def test_questions_without_negatives_have_no_loss(attached: Attached, prompt: Prompt) -> None:
    objective = Contrastive(ContrastiveObjective(kind="contrastive", temperature=0.2))
    alone = [item for each in (record("Q", "A"), record("Q", "A", source="b.csv")) for item in objective.encode(each, prompt)]
    move(attached)
    check(attached, objective, alone[:1], 0.0)
    check(attached, objective, alone, 0.0)


@pytest.mark.parametrize("rewards", [[0.0] * 4, [0.1] * 4, [0.1, 0.1, 0.1, 0.9]], ids=["none", "equal", "one"])
@pytest.mark.parametrize("beta", [0.0, 0.3])
def test_grpo_of_equal_rewards_is_the_divergence_alone(attached: Attached, prompt: Prompt, rewards: list[float], beta: float) -> None:
    spec = GrpoObjective(kind="grpo", reward=NEVER, generations=4, max_new_tokens=5, clip=0.1, kl_beta=beta, temperature=1.5)
    objective = Grpo(spec, prompt, Rewards((), prompt, None, batch_tokens=64), batch_tokens=64)
    objective.prepare(attached, [])
    examples = [prompt.encode(record("Q", "A" * (number + 1))) for number in range(4)]
    rollouts = objective.rollouts(attached, examples, rewards)
    before = [token_logs(attached, example, 1.5) for example in examples]
    move(attached)
    spread = np.array(rewards) - np.mean(rewards)
    advantages = spread / (np.std(rewards, ddof=1) + 1e-4)
    expected = 0.0
    for example, old, advantage in zip(examples, before, advantages, strict=True):
        now = token_logs(attached, example, 1.5)
        ratio, gap = np.exp(now - old), old - now
        gain = np.minimum(ratio * advantage, np.clip(ratio, 0.9, 1.1) * advantage)
        expected += float((-gain + beta * (np.exp(gap) - gap - 1)).mean())
    check(attached, objective, list(rollouts), expected, reward=sum(rewards))


@pytest.mark.parametrize("rewards", [[0.0] * 3, [0.1] * 3], ids=["none", "equal"])
def test_ppo_does_not_learn_from_rounding_where_all_answers_are_worth_the_same(attached: Attached, prompt: Prompt, rewards: list[float]) -> None:
    spec = PpoObjective(kind="ppo", reward=NEVER, kl_beta=0.0, discount=1.0, gae_lambda=1.0, value_weight=0.5, clip=0.1)
    objective = Ppo(spec, prompt, Rewards((), prompt, None, batch_tokens=64), batch_tokens=64, size=64, device="cpu")
    objective.prepare(attached, [])
    examples = [prompt.encode(record("Q", "A" * (number + 1))) for number in range(3)]
    rollouts = objective.rollouts(attached, examples, rewards)
    assert all(float(each.advantages.abs().max()) < 1e-3 for each in rollouts)  # type: ignore[union-attr]
    move(attached)
    # The value head begins at zero and may move by 0.1, so its error is that of the reward itself.
    tokens = sum(example.length - example.prompt_length for example in examples)
    check(attached, objective, list(rollouts), 0.5 * 0.5 * rewards[0] ** 2 * tokens)


def test_equal_advantages_are_zero_at_any_size() -> None:
    for value in (0.0, 0.1, 1e6, -3.3):
        assert whiten(torch.full((1001,), value)).abs().max() < 1e-3
    drawn = torch.randn(100, generator=torch.Generator().manual_seed(0)) * 5 + 3
    numbers = drawn.double().numpy()
    np.testing.assert_allclose(whiten(drawn).numpy(), (numbers - numbers.mean()) / numbers.std(), rtol=1e-3, atol=1e-4)
    assert group_advantages(torch.tensor([0.1] * 3, dtype=torch.float64), 3).abs().max() < 1e-6


def test_an_answer_without_any_reward_is_worth_a_floating_zero() -> None:
    nothing = summed_rewards([ContainsReward(kind="contains", texts=["x"])], "y", 1, record("Q", "A"))
    assert isinstance(nothing, float)
    assert nothing == 0
    assert isinstance(summed_rewards([], "y", 1, record("Q", "A")), float)


def test_no_rows_have_no_loss() -> None:
    from adapt.adapter.head import Head

    head = Head(weight=torch.zeros(7, 4), bias=None, scale=1.0, softcap=None)
    hidden, targets = torch.zeros(0, 4, requires_grad=True), torch.zeros(0, dtype=torch.long)
    assert [part.shape for part in row_scores(head, hidden, targets)] == [(0,), (0,)]
    assert row_losses(head, hidden, targets).shape == (0,)
    summed_loss(head, hidden, targets).backward()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        assert float(summed_loss(head, hidden, targets)) == 0


@pytest.mark.parametrize("kind", ["grpo", "ppo"])
def test_a_training_that_is_never_rewarded_comes_to_its_end(workspace: Path, tmp_path: Path, kind: str) -> None:
    inputs = write_dataset(tmp_path / "dataset", pairs(3), pairs(1, first=9))
    objective = {"kind": kind, "reward": NEVER, "generations": 2, "max_new_tokens": 3}
    report = run(section(workspace, objective=objective, epochs=1), workspace, inputs, tmp_path)
    assert report.steps >= 1
    assert report.validation_loss == 0


def test_a_text_without_a_token_to_learn_is_left_out_and_counted(workspace: Path, tmp_path: Path) -> None:
    inputs = write_dataset(tmp_path / "dataset", [record("", ""), *texts(3)], [record("", "")])
    run(section(workspace, objective="pretrain", epochs=1), workspace, inputs, tmp_path)
    records = read_training(tmp_path / "adapter")["records"]
    assert (records["train"], records["without_answer_train"]) == (3, 1)
    assert (records["validation"], records["without_answer_validation"]) == (0, 1)


def test_measuring_a_single_item_is_its_own_loss(workspace: Path, attached: Attached, prompt: Prompt) -> None:
    objective = Pretrain()
    items = objective.encode(texts(1)[0], prompt)
    move(attached)
    attached.model.eval()
    outcome = Passes(attached, objective, section(workspace).train).measure(items)
    assert outcome.loss == pytest.approx(-float(token_logs(attached, items[0]).mean()), rel=1e-4)
