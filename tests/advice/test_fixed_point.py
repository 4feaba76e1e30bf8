"""Advice holds once it is taken: its figures are those of the settings that it recommends, and advising again changes nothing."""

import random
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from pydantic import TypeAdapter

from adapt.adapter.batches import plan_epoch
from adapt.advice.advise import Advice, advise
from adapt.advice.machine import Device
from adapt.advice.shape import made_shape
from adapt.advice.situation import Situation
from adapt.advice.workload import packs
from adapt.spec.combinations import combination_problems, device_problems
from adapt.spec.common_train import CommonTrain
from adapt.spec.train import TrainSpec
from tests.advice.situations import EIGHT_LONG, GIB, SEVEN, SITUATIONS, SMALL

OBJECTIVES = ("sft", "pretrain", "dpo", "classification", "contrastive", "grpo", "reward")
SHORT = made_shape(hidden=64, layers=2, heads=4, groups=2, feed_forward=128, vocabulary=512, positions=512)
TRAIN: TypeAdapter[CommonTrain] = TypeAdapter(TrainSpec)


def random_situations(count: int) -> Iterator[Situation]:
    rng = random.Random(7)
    for _ in range(count):
        longest = rng.choice((24, 64, 200, 512, 1024, 4000, 16_000))
        served = rng.random() < 0.7
        yield Situation(
            device=Device(rng.choice(("cpu", "cuda")), round(rng.choice((0.5, 4, 8, 24, 80)) * GIB)),
            shape=rng.choice((SMALL, SEVEN, EIGHT_LONG, SHORT)),
            records=round(10 ** rng.uniform(1, 6)),
            median_tokens=max(8, longest // rng.choice((1, 2, 5))),
            longest_tokens=longest,
            tokens_per_character=rng.choice((0.25, 0.25, 0.95)),
            objective=rng.choice(OBJECTIVES),
            served=served,
            neighbours=rng.choice((0, 3)) if served else 0,
            merged=rng.random() < 0.3,
            max_length_tokens=rng.choice((128, 1024, 8192)),
        )


CASES = [*SITUATIONS.values(), *random_situations(24)]


def advised(situation: Situation, advice: Advice) -> Situation:
    """The situation once the advice is taken: what of it comes from the spec."""
    return replace(situation, max_length_tokens=advice.settings.get("train.max_length_tokens", situation.max_length_tokens))


def planned_steps(situation: Situation, advice: Advice) -> float:
    """Optimiser steps that the loop itself would plan for records of such lengths."""
    train = advice.forecast.train
    places = situation.shape.positions or situation.longest_tokens
    longest, median = min(situation.longest_tokens, places), min(situation.median_tokens, places)
    count = min(situation.records, 40_000)
    lengths = [median] * (count - 1) + [longest]
    plan = plan_epoch(
        lengths,
        batch_tokens=train.batch_tokens,
        accumulate=advice.settings["train.accumulate"],
        seed=0,
        epoch=0,
        padded=not packs(train, situation.device.kind),
    )
    return len(plan) * situation.records / len(lengths) * advice.settings["train.epochs"]


@pytest.fixture(scope="module", params=CASES)
def case(request: pytest.FixtureRequest) -> tuple[Situation, Advice]:
    return request.param, advise(request.param)


def test_advice_that_is_taken_stays_as_it_is(case: tuple[Situation, Advice]) -> None:
    situation, advice = case
    again = advise(advised(situation, advice))
    assert {**advice.settings, **again.settings} == advice.settings


def test_figures_are_those_of_the_settings_that_are_recommended(case: tuple[Situation, Advice]) -> None:
    situation, advice = case
    by_name = {one.setting: one for one in advice.recommendations}
    steps = int(re.search(r"about (\d+) optimiser steps", by_name["train.accumulate"].reason)[1])  # type: ignore[index]
    assert steps == pytest.approx(planned_steps(situation, advice), rel=0.15, abs=4)
    batch = by_name["train.batch_tokens"]
    if "and 100 are wanted" in batch.rejected[0]:
        assert int(batch.rejected[0].split()[1]) < 100
        assert "even they make" in batch.reason or steps * advice.settings["train.accumulate"] >= 100
    assert ("where 100 are wanted" in by_name["train.accumulate"].reason) == (steps < 100)
    assert advice.forecast.train.batch_tokens == batch.value
    assert batch.value >= min(situation.longest_tokens, situation.shape.positions or situation.longest_tokens)


def test_what_is_recommended_goes_together(case: tuple[Situation, Advice]) -> None:
    situation, settings = case[0], case[1].settings
    train = TRAIN.validate_python({path.partition(".")[2]: value for path, value in settings.items() if path.startswith("train.")})
    assert list(combination_problems(train)) == []
    assert list(device_problems(train, situation.device.kind)) == []
