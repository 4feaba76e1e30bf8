"""What answers are worth, by functions and by a reward model, against a plain computation on the same answers."""

import math
from array import array
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter

from adapt.adapter.objectives.rewards import RewardModel, Rewards
from adapt.adapter.prompt import Example, Prompt
from adapt.base.load import load_model, load_tokenizer
from adapt.spec.objective import RewardFunction
from tests.adapter.objectives.pairs import pairs
from tests.adapter.trainings import BASE
from tests.tiny import CHAT_TEMPLATE

FUNCTIONS: list[dict[str, Any]] = [
    {"kind": "contains", "texts": ["gold"], "weight": 2},
    {"kind": "length", "min_tokens": 1, "max_tokens": 4},
]


@pytest.fixture(scope="module")
def prompt(workspace: Path) -> Prompt:
    return Prompt(CHAT_TEMPLATE, load_tokenizer(workspace / BASE))


def answered(prompt: Prompt, answer: str, *, ended: bool = True) -> Example:
    question = list(prompt.encode_question(pairs(1)[0].messages[:-1]))
    ids = prompt.tokenizer.encode(answer, add_special_tokens=False)
    return Example(
        ids=array("i", [*question, *ids, *([prompt.end_ids[0]] if ended else [])]),
        prompt_length=len(question),
        record_id="r",
    )


def functions() -> list[Any]:
    return [TypeAdapter(RewardFunction).validate_python(function) for function in FUNCTIONS]


def test_functions_see_the_answer_alone_without_its_end(prompt: Prompt) -> None:
    rewards = Rewards(functions(), prompt, None, batch_tokens=100)
    short = answered(prompt, " a")
    assert prompt.tokenizer.decode(short.ids[short.prompt_length :]).strip() != "a", "an end token was drawn"
    length = len(prompt.tokenizer.encode(" a", add_special_tokens=False))
    expected = float(length <= 4)
    record = pairs(1)[0].model_copy(update={"instruction": "gold", "output": "gold"})
    assert rewards.of([short, answered(prompt, " a", ended=False)], [record] * 2) == [expected, expected]
    exact = Rewards([TypeAdapter(RewardFunction).validate_python({"kind": "exact_match"})], prompt, None, batch_tokens=100)
    same = record.model_copy(update={"output": "it is , 7 ."})
    assert exact.of([answered(prompt, "it is , 7 .")], [same]) == [1.0], "spaces stay as they were written"


def test_a_reward_model_adds_its_head_on_the_last_token(prompt: Prompt, workspace: Path) -> None:
    model: Any = load_model(workspace / BASE, dtype="float32", device="cpu").eval()
    weight = torch.randn(1, model.config.hidden_size, generator=torch.Generator().manual_seed(3))
    examples = [answered(prompt, text) for text in (" gold and more words than four", " b", " a longer one without it")]
    records = [pairs(1)[0]] * 3
    by_functions = Rewards(functions(), prompt, None, batch_tokens=100).of(examples, records)
    with torch.no_grad():
        states = [model(input_ids=torch.tensor([list(each.ids)]), output_hidden_states=True).hidden_states[-1][0, -1] for each in examples]
    expected = [own + float(weight[0] @ state) for own, state in zip(by_functions, states, strict=True)]
    for batch_tokens in (30, 10_000):
        both = Rewards(functions(), prompt, RewardModel(model, weight), batch_tokens=batch_tokens).of(examples, records)
        assert both == pytest.approx(expected, rel=1e-4, abs=1e-5)
    assert len({round(value, 4) for value in expected}) == 3
    assert all(map(math.isfinite, expected))


def test_answers_and_records_must_be_as_many(prompt: Prompt) -> None:
    with pytest.raises(ValueError, match="zip"):
        Rewards(functions(), prompt, None, batch_tokens=100).of([answered(prompt, " a")], [])
