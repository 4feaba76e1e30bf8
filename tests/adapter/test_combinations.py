"""Methods, objectives, bases and switches together: what `adapt validate` accepts trains for real, and what it refuses the training refuses."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adapt.adapter.lane import Lane
from adapt.adapter.probe import refusal
from adapt.errors import InputError
from adapt.records import AlpacaRecord
from adapt.spec.combinations import device_problems
from adapt.spec.lora import LoraSpec
from adapt.spec.methods import METHODS
from adapt.spec.objectives import OBJECTIVES
from adapt.spec.resolved.train import TrainSection
from tests.adapter.test_methods import CASES
from tests.adapter.trainings import record, run, section, write_dataset
from tests.tiny import tiny_base

KINDS = ("llama", "qwen2", "mixtral", "gpt2", "falcon", "falcon-alibi", "gpt-oss")
_ROLLOUT = {"reward": {"functions": [{"kind": "regex", "pattern": "[a-m]"}]}, "max_new_tokens": 4, "generations": 2}
TARGETS: dict[str, Any] = {name: name for name in OBJECTIVES} | {name: {"kind": name, **_ROLLOUT} for name in ("ppo", "grpo")}
SWITCHES: tuple[dict[str, Any], ...] = (
    {},
    {"packing": "packed"},
    {"packing": "padded"},
    {"gradient_checkpointing": True},
    {"accumulate": 2},
    {"ema_decay": 0.5},
    {"neftune_alpha": 5},
    {"label_smoothing": 0.1},
    {"optimizer": "sgd"},
    {"optimizer": "lion"},
    {"optimizer": "adafactor"},
    {"optimizer": "muon"},
    {"optimizer": "adamw_8bit"},
    {"cotraining": "fused"},
    {"dtype": "bfloat16"},
    {"dtype": "float16"},
    {"offload_activations": True},
    {"attention": "flex"},
    {"parameter_groups": [{"pattern": "*", "rate_factor": 0.5}]},
    {"schedule": "wsd", "decay_ratio": 0.5},
)
Case = tuple[str, str, str, int]
"""Method, objective, kind of base, place of the switch."""


def sample() -> Iterator[Case]:
    """Every method, objective, kind and switch at least once, each beside others than the last time."""
    methods, objectives = list(METHODS), list(OBJECTIVES)
    for turn in range(len(methods)):
        yield methods[turn], objectives[turn * 5 % len(objectives)], KINDS[turn * 3 % len(KINDS)], turn * 7 % len(SWITCHES)


def whole() -> Iterator[Case]:
    """Every pair that has a method in it."""
    for method in METHODS:
        yield from ((method, objective, "qwen2", 0) for objective in OBJECTIVES)
        yield from ((method, "sft", kind, 0) for kind in KINDS)
        yield from ((method, "dpo", "llama", switch) for switch in range(len(SWITCHES)))


@pytest.fixture(scope="module")
def every_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("bases")
    for kind in KINDS:
        tiny_base(root / kind, kind=kind)
    return root


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records that every objective can read."""

    def make(first: int, count: int) -> list[AlpacaRecord]:
        return [
            record(f"What is bond {number}?", f"Bond {number} is a loan.", rejected="A bird.", label="even" if number % 2 else "odd")
            for number in range(first, first + count)
        ]

    return write_dataset(tmp_path_factory.mktemp("pairs") / "data", make(0, 16), make(16, 4))


def judged(root: Path, kind: str, settings: dict[str, Any]) -> tuple[TrainSection | None, str | None]:
    """The section, where there is one, and what `adapt validate` has against it."""
    lora = LoraSpec(r=4) if "r" in METHODS[settings["method"]].reads else LoraSpec()
    try:
        made = section(root, base=kind, lora=lora, **settings)
    except ValidationError as error:
        return None, str(error)
    problems = list(device_problems(made.train, "cpu"))
    found = refusal(root / kind, made)
    return made, problems[0] if problems else None if found is None else str(found)


def hold(root: Path, pairs: Path, target: Path, case: Case) -> None:
    """Hold the verdict on a case against its training."""
    method, objective, kind, switch = case
    usual = {"epochs": 8 if method == "adalora" else 1, "evaluate_every_steps": 50}
    settings = {**usual, **CASES[method], "method": method, "objective": TARGETS[objective], **SWITCHES[switch]}
    made, problem = judged(root, kind, settings)
    if made is None:
        return
    if problem is not None:
        with pytest.raises(InputError):
            run(made, root, pairs, target, base=kind)
        return
    begun, ended = {}, {}
    start, finish = Lane.start, Lane.finish

    def watch_start(self: Lane) -> None:
        start(self)
        begun.update(self.copy_weights())

    def watch_finish(self: Lane) -> None:
        finish(self)
        ended.update(self.copy_weights())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lane, "start", watch_start)
        patch.setattr(Lane, "finish", watch_finish)
        report = run(made, root, pairs, target, base=kind)
    assert report.steps >= 1
    if objective != "grpo":  # equal rewards teach nothing, and answers of a random model may have them
        assert any(not begun[name].equal(ended[name]) for name in begun), case


def test_the_sample_has_every_method_objective_kind_and_switch() -> None:
    cases = list(sample())
    assert [{case[place] for case in cases} for place in range(4)] == [
        set(METHODS),
        set(OBJECTIVES),
        set(KINDS),
        set(range(len(SWITCHES))),
    ]


@pytest.mark.parametrize("case", sample(), ids=lambda case: "-".join(map(str, case)))
def test_a_verdict_is_that_of_the_training(every_base: Path, pairs: Path, tmp_path: Path, case: Case) -> None:
    hold(every_base, pairs, tmp_path, case)


@pytest.mark.slow
@pytest.mark.parametrize("case", whole(), ids=lambda case: "-".join(map(str, case)))
def test_every_verdict_is_that_of_the_training(every_base: Path, pairs: Path, tmp_path: Path, case: Case) -> None:
    hold(every_base, pairs, tmp_path, case)
