"""The one door to the objectives: from a resolved section to what a training minimises."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapt.adapter.folder import HEAD, TRAINING
from adapt.adapter.methods.frozen import Base
from adapt.adapter.objectives.objective import Objective
from adapt.adapter.prompt import Prompt
from adapt.artifact.lines import read_lines
from adapt.base.numerics import forward_dtype
from adapt.errors import InputError
from adapt.records import AlpacaRecord
from adapt.spec.methods import METHODS
from adapt.spec.objective import (
    ClassificationObjective,
    ContrastiveObjective,
    DpoObjective,
    GrpoObjective,
    IpoObjective,
    KtoObjective,
    OrpoObjective,
    PpoObjective,
    PretrainObjective,
    RewardObjective,
    RewardSource,
    SftObjective,
)
from adapt.spec.resolved.train import TrainSection


@dataclass(frozen=True)
class Surroundings:
    """What an objective may need besides its section."""

    base: Base
    prompt: Prompt
    dataset: Path
    """The dataset folder."""
    steps: Mapping[str, Path]
    """Adapter folders of the steps that the section names."""
    device: str


def objective_of(section: TrainSection, around: Surroundings) -> Objective[Any]:
    """What a training of `section` minimises. Raises InputError for records or steps that it cannot use."""
    spec, batch_tokens = section.train.objective, section.train.batch_tokens
    if isinstance(spec, SftObjective):
        from adapt.adapter.objectives.sft import Sft

        return Sft(section.train.label_smoothing)
    if isinstance(spec, PretrainObjective):
        from adapt.adapter.objectives.pretrain import Pretrain

        return Pretrain(section.train.label_smoothing)
    if isinstance(spec, KtoObjective):
        from adapt.adapter.objectives.kto import Kto

        return Kto(spec, batch_tokens=batch_tokens)
    if isinstance(spec, ContrastiveObjective):
        from adapt.adapter.objectives.contrastive import Contrastive

        return Contrastive(spec)
    if isinstance(spec, PpoObjective | GrpoObjective):
        return _rollout_objective(spec, section, around)
    if isinstance(spec, RewardObjective | ClassificationObjective):
        return _head_objective(spec, section, around)
    from adapt.adapter.objectives.preference import Dpo, Ipo, Orpo, Simpo

    if isinstance(spec, DpoObjective):
        return Dpo(spec, batch_tokens=batch_tokens)
    if isinstance(spec, IpoObjective):
        return Ipo(spec, batch_tokens=batch_tokens)
    return Orpo(spec) if isinstance(spec, OrpoObjective) else Simpo(spec)


def save_objective(objective: Objective[Any], section: TrainSection, folder: Path) -> dict[str, Any]:
    """Write the objective's own weights, and give what training.json says of it: nothing for fine-tuning, which is what an adapter is taken for."""
    told = objective.save(folder)
    settings = section.train.objective
    return {} if isinstance(settings, SftObjective) else {"objective": {**settings.model_dump(mode="json"), **told}}


def _head_objective(spec: RewardObjective | ClassificationObjective, section: TrainSection, around: Surroundings) -> Objective[Any]:
    from adapt.adapter.objectives.heads import Classification, Reward

    size, seed, device = hidden_size(around.base.folder), section.seed, around.device
    if isinstance(spec, RewardObjective):
        return Reward(spec, size=size, seed=seed, device=device)
    labels = Counter(record.label for record in read_lines(around.dataset / "train.jsonl", AlpacaRecord) if record.label)
    return Classification(labels, size=size, seed=seed, device=device)


def _rollout_objective(spec: PpoObjective | GrpoObjective, section: TrainSection, around: Surroundings) -> Objective[Any]:
    from adapt.adapter.objectives.grpo import Grpo
    from adapt.adapter.objectives.ppo import Ppo

    batch_tokens = section.train.batch_tokens
    rewards = open_rewards(spec.reward, around, batch_tokens=batch_tokens)
    if isinstance(spec, GrpoObjective):
        return Grpo(spec, around.prompt, rewards, batch_tokens=batch_tokens)
    return Ppo(spec, around.prompt, rewards, batch_tokens=batch_tokens, size=hidden_size(around.base.folder), device=around.device)


def open_rewards(source: RewardSource, around: Surroundings, *, batch_tokens: int) -> Any:
    """What answers are worth by `source`. The reward model shares the base's weights in memory, where its method leaves them as they are."""
    from safetensors.torch import load_file

    from adapt.adapter.methods.door import fit
    from adapt.adapter.objectives.rewards import RewardModel, Rewards

    model = None
    if source.step is not None:
        folder = around.steps[source.step]
        trained = json.loads((folder / TRAINING).read_bytes())
        if trained.get("objective", {}).get("kind") != "reward":
            raise InputError(f"step {source.step} trained no reward model", hint="name a step with objective reward")
        base = around.base if METHODS[trained["method"]].shares_base else Base(around.base.folder)
        fitted = fit(base.load(dtype=forward_dtype(trained["dtype"], around.device), device=around.device), folder)
        fitted.model.eval()
        model = RewardModel(fitted.model, load_file(folder / HEAD)["reward"])
    return Rewards(source.functions, around.prompt, model, batch_tokens=batch_tokens)


def hidden_size(base: Path) -> int:
    """Units of the hidden states of the model in folder `base`."""
    from transformers import AutoConfig

    config: Any = AutoConfig.from_pretrained(str(base), local_files_only=True, trust_remote_code=False)
    return int(config.get_text_config().hidden_size)
