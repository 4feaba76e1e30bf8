"""Every training method, by the same table: it learns, resumes exactly, comes back from its folder, and merges or refuses."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from adapt.adapter.generation import generate
from adapt.adapter.lane import Lane
from adapt.adapter.load import LoadedAdapter, load_adapter
from adapt.adapter.methods.door import FAMILIES
from adapt.adapter.methods.frozen import Base
from adapt.adapter.scoring import mean_loss, response_logprobs
from adapt.adapter.states import side_by_side
from adapt.artifact.digest import digest_files
from adapt.base.load import load_model
from adapt.errors import InputError
from adapt.serving.candidate import Candidate, Served
from adapt.serving.checks import CHECKS, has_unserved_method, is_not_what_was_judged
from adapt.serving.weights import BaseWeights
from adapt.spec.base import BundledBase, PinnedBase
from adapt.spec.lora import LoraSpec
from adapt.spec.methods import METHODS
from adapt.spec.prompt import PinnedPrompt
from adapt.spec.resolved.serving import Member
from adapt.spec.train import TrainSpec
from tests.adapter.own import own_loss, own_model
from tests.adapter.trainings import records, run, section

Dataset = Callable[..., Path]
IDS = torch.arange(40, 80)[None]
TOLERANCE = 1e-4
"""Largest difference between logits of the order of 10, in float32."""

CASES: dict[str, dict[str, Any]] = {
    "full": {"learning_rate": 2e-3},
    "freeze": {"learning_rate": 5e-3, "layers": 1, "modules": ["model.norm"]},
    "lora": {},
    "qlora": {},
    "rslora": {},
    "dora": {},
    "lora_plus": {"learning_rate": 2e-3, "b_rate_ratio": 4},
    "pissa": {"svd_iterations": None},
    "olora": {},
    "loftq": {},
    "eva": {"activation_batches": 2},
    "adalora": {"learning_rate": 2e-2, "move_every_steps": 2},
    "vera": {"learning_rate": 5e-2},
    "loha": {"learning_rate": 1e-2},
    "lokr": {"learning_rate": 1e-2, "factor": 8},
    "moe_lora": {},
    "longlora": {"group_tokens": 16},
    "galore": {"learning_rate": 2e-3, "projection_rank": 8, "projection_every_steps": 3},
    "houlsby": {"bottleneck_size": 8},
    "pfeiffer": {"bottleneck_size": 8, "activation": "silu"},
    "parallel": {"bottleneck_size": 8, "activation": "gelu", "bottleneck_scale": 4},
    "ia3": {"learning_rate": 5e-2},
    "ln_tuning": {"learning_rate": 2e-2},
    "prompt_tuning": {"learning_rate": 5e-2, "virtual_tokens": 4, "initial_text": "Answer on bonds."},
    "prefix_tuning": {"learning_rate": 1e-2, "virtual_tokens": 4, "encoder_size": 16},
    "p_tuning": {"learning_rate": 1e-2, "virtual_tokens": 4, "encoder_size": 16},
    "p_tuning_v2": {"learning_rate": 5e-2, "virtual_tokens": 4},
    "bitfit": {"learning_rate": 2e-2},
}
APPROXIMATE = {"qlora", "loftq"}
"""Methods that are loaded on the base as it was before quantization: their logits are near, not equal."""
BASES = {"moe_lora": "mixtral", "bitfit": "qwen2"}


class _StopError(Exception):
    pass


def made(bases: Path, method: str, **settings: Any):
    lora = LoraSpec(r=4) if "r" in METHODS[method].reads else LoraSpec()
    usual = {"checkpoint_every_steps": 3, "epochs": 2} | CASES[method]
    return section(bases, base=BASES.get(method, "llama"), method=method, lora=lora, **(usual | settings))


def trained(bases: Path, method: str, inputs: Path, target: Path, *, stop_at: int | None = None, **settings: Any):
    """Train; gives the report and the lane with the weights that were saved. `stop_at` fails before that step."""
    seen: list[Lane] = []
    turn = Lane.turn

    def watched(self: Lane) -> bool:
        seen[:] = [self]
        if self.state.step == stop_at:
            raise _StopError
        return turn(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lane, "turn", watched)
        report = run(made(bases, method, **settings), bases, inputs, target, base=BASES.get(method, "llama"))
    return report, seen[0]


def logits(model: Any) -> torch.Tensor:
    """Of IDS, without those of virtual tokens."""
    with torch.inference_mode():
        found: torch.Tensor = model(input_ids=IDS.to(model.device)).logits[:, -IDS.shape[1] :]
        return found


def training_logits(lane: Lane) -> torch.Tensor:
    lane.model.eval()
    with torch.inference_mode():
        return lane.head.logits(lane.attached.states(side_by_side(IDS.tolist())).hidden).view(*IDS.shape, -1)


def largest(a: torch.Tensor, b: torch.Tensor) -> float:
    return float((a - b).abs().max())


def loaded(bases: Path, method: str, target: Path) -> LoadedAdapter:
    return load_adapter(target / "adapter", bases / BASES.get(method, "llama"), dtype="float32", device="cpu")


def base_logits(bases: Path, method: str) -> torch.Tensor:
    return logits(load_model(bases / BASES.get(method, "llama"), dtype="float32", device="cpu"))


@cache
def base_loss(folder: Path) -> float:
    """Of the validation records, as transformers computes it from labels on the base alone."""
    prompt = Base(folder).prompt(PinnedPrompt(kind="model"))
    return own_loss(own_model(folder), [prompt.encode(record) for record in records(6, first=24)])


def reason_against_serving(bases: Path, method: str, target: Path) -> str | None:
    """What the serving room says to the adapter's folder, whoever judged it."""
    base, prompt = PinnedBase(source=BundledBase(), digest="0"), PinnedPrompt(kind="model")
    server = Served(base="0", prompt=prompt, weights=BaseWeights(bases / BASES.get(method, "llama")))
    verdict = target / "passed.json"
    verdict.write_text(json.dumps({"passed": True, "numbers": {"finite": True, "largest": 1.0}}))
    candidate = Candidate("a", Member(base=base, prompt=prompt, enabled=True), folder=target / "adapter", verdict=verdict, server=server)
    asked = [check for check in CHECKS[CHECKS.index(has_unserved_method) :] if check is not is_not_what_was_judged]
    return next((reason for check in asked if (reason := check(candidate)) is not None), None)


def test_the_table_the_specs_the_families_and_these_cases_name_the_same_methods() -> None:
    models = {name for model in TrainSpec.__origin__.__args__ for name in model.model_fields["method"].annotation.__args__}
    assert set(METHODS) == models == set(CASES) == {name for names in FAMILIES.values() for name in names}


@pytest.mark.parametrize("method", CASES)
def test_a_method_learns_resumes_reloads_and_merges_or_refuses(bases: Path, dataset: Dataset, tmp_path: Path, method: str) -> None:
    inputs = dataset()
    report, lane = trained(bases, method, inputs, tmp_path / "whole")
    before = base_loss(bases / BASES.get(method, "llama"))
    assert report.validation_loss_before == pytest.approx(before, rel=0.02 if method in APPROXIMATE else 1e-5), "the base's own"
    assert report.validation_loss is not None
    assert report.validation_loss_before is not None
    assert report.validation_loss < report.validation_loss_before - 0.05

    with pytest.raises(_StopError):
        trained(bases, method, inputs, tmp_path / "stopped", stop_at=5)
    resumed, _ = trained(bases, method, inputs, tmp_path / "stopped")
    assert resumed.resumed_at_step == 3
    assert digest_files(tmp_path / "stopped" / "adapter") == digest_files(tmp_path / "whole" / "adapter")
    assert digest_files(tmp_path / "stopped" / "curves") == digest_files(tmp_path / "whole" / "curves")

    ready = loaded(bases, method, tmp_path / "whole")
    adapted = logits(ready.model)
    if method not in APPROXIMATE:
        assert largest(adapted, training_logits(lane)) < TOLERANCE
        scores = response_logprobs(ready.model, [ready.prompt.encode(each) for each in records(6, first=24)], batch_tokens=256)
        assert mean_loss(scores) == pytest.approx(report.validation_loss, rel=1e-4)
    with ready.disabled():
        assert largest(logits(ready.model), base_logits(bases, method)) == 0
    assert largest(adapted, logits(ready.model)) == 0
    assert largest(adapted, base_logits(bases, method)) > 0.05

    if METHODS[method].mergeable:
        assert largest(adapted, logits(ready.merge())) < TOLERANCE
    else:
        with pytest.raises(InputError, match="cannot be folded into the base's weights"):
            ready.merge()

    reason = reason_against_serving(bases, method, tmp_path / "whole")
    expected = {
        "adapter": None,
        "merged": f"{method}, and vLLM serves only LoRA adapters beside a base; export it",
        "no": f"{method}, and vLLM serves only",
    }
    wanted = expected[METHODS[method].vllm]
    assert reason is None if wanted is None else wanted in str(reason)


@pytest.mark.parametrize("method", CASES)
def test_a_method_learns_in_the_default_number_format(bases: Path, dataset: Dataset, tmp_path: Path, method: str) -> None:
    checkpointing = method not in ("prefix_tuning", "p_tuning_v2")
    settings = {"dtype": "bfloat16", "gradient_checkpointing": checkpointing, "epochs": 2 if method == "adalora" else 1}
    report, lane = trained(bases, method, dataset(), tmp_path, evaluate_every_steps=100, **settings)
    assert report.validation_loss is not None
    assert report.validation_loss < report.validation_loss_before
    assert {weight.dtype for weight in lane.weights.values()} == {torch.float32}
    ready = load_adapter(tmp_path / "adapter", bases / BASES.get(method, "llama"), device="cpu")
    assert ready.dtype == "bfloat16"
    with lane.attached.computing():
        wanted = training_logits(lane).float()
    if method not in APPROXIMATE:
        assert largest(logits(ready.model).float(), wanted) < 0.15, "what sixteen bits round, at logits of the order of 5"


@pytest.mark.parametrize("method", ["prompt_tuning", "prefix_tuning", "p_tuning", "p_tuning_v2"])
def test_answers_behind_virtual_tokens_do_not_depend_on_the_batch(bases: Path, dataset: Dataset, tmp_path: Path, method: str) -> None:
    trained(bases, method, dataset(), tmp_path, epochs=1)
    ready = loaded(bases, method, tmp_path)
    prompts = [list(range(10, 10 + length)) for length in (9, 4, 9, 14)]
    found = generate(ready.model, ready.tokenizer, prompts, max_new_tokens=6, batch_tokens=10_000, end_ids=[1])
    for prompt, answer in zip(prompts, found, strict=True):
        ids = list(prompt)
        for expected in answer:
            with torch.inference_mode():
                ids.append(int(ready.model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
            assert ids[-1] == expected


@pytest.mark.parametrize("settings", [{"quantization_type": "fp4", "double_quantization": False}, {"quantization_type": "int8"}], ids=str)
def test_the_other_quantizations_learn(bases: Path, dataset: Dataset, tmp_path: Path, settings: dict[str, Any]) -> None:
    report, lane = trained(bases, "qlora", dataset(), tmp_path, epochs=1, **settings)
    assert report.validation_loss < report.validation_loss_before
    kinds = {type(module).__name__ for module in lane.model.modules()}
    assert ("Linear8bitLt" if settings["quantization_type"] == "int8" else "Linear4bit") in kinds
