"""`train.objective`: what a training minimises. A bare string is short for the objective of that kind with its defaults."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from adapt.spec.patterns import PART_NAME
from adapt.spec.section import Section

StepName = Annotated[str, StringConstraints(pattern=PART_NAME)]
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class SftObjective(Section):
    """Supervised fine-tuning: the likelihood of the answers. Of a preference pair the better answer is taken."""

    kind: Literal["sft"] = "sft"
    """What is minimised."""


class PretrainObjective(Section):
    """Continued pre-training: the likelihood of every token of running text."""

    kind: Literal["pretrain"]
    """What is minimised."""


class DpoObjective(Section):
    """Direct preference optimisation (Rafailov et al. 2023, arXiv:2305.18290)."""

    kind: Literal["dpo"]
    """What is minimised."""
    beta: float = Field(default=0.1, gt=0)
    """Factor of the implicit reward: larger stays nearer to the start."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=0.5)
    """Share of the pairs that are taken to be labelled the wrong way round."""


class IpoObjective(Section):
    """Identity preference optimisation (Azar et al. 2023, arXiv:2310.12036), on log-likelihoods per token."""

    kind: Literal["ipo"]
    """What is minimised."""
    beta: float = Field(default=0.1, gt=0)
    """The paper's tau: the margin is drawn to 1 / (2 beta)."""


class KtoObjective(Section):
    """Kahneman-Tversky optimisation (Ethayarajh et al. 2024, arXiv:2402.01306); pairs are split into a good and a bad answer."""

    kind: Literal["kto"]
    """What is minimised."""
    beta: float = Field(default=0.1, gt=0)
    """Factor of the implicit reward."""
    desirable_weight: float = Field(default=1.0, ge=0)
    """Weight of better answers."""
    undesirable_weight: float = Field(default=1.0, ge=0)
    """Weight of worse answers."""

    @model_validator(mode="after")
    def _weighs_something(self) -> Self:
        if not self.desirable_weight and not self.undesirable_weight:
            raise ValueError("desirable_weight and undesirable_weight are both 0, so nothing would be learnt")
        return self


class OrpoObjective(Section):
    """Odds-ratio preference optimisation (Hong et al. 2024, arXiv:2403.07691): fine-tuning and preference in one loss, without a reference."""

    kind: Literal["orpo"]
    """What is minimised."""
    odds_weight: float = Field(default=0.1, gt=0)
    """The paper's lambda: weight of the odds ratio beside the likelihood of the better answer."""


class SimpoObjective(Section):
    """Simple preference optimisation (Meng et al. 2024, arXiv:2405.14734)."""

    kind: Literal["simpo"]
    """What is minimised."""
    beta: float = Field(default=2.0, gt=0)
    """Factor of the mean log-likelihoods."""
    gamma: float = Field(default=1.0, ge=0)
    """Margin that the better answer shall have."""


class RewardObjective(Section):
    """A reward model: a head on the answer's last token, trained on pairs (Ouyang et al. 2022, arXiv:2203.02155)."""

    kind: Literal["reward"]
    """What is minimised."""
    centre_weight: float = Field(default=0.01, ge=0)
    """Weight of the squared sum of a pair's rewards, which keeps rewards about zero (Eisenstein et al. 2023, arXiv:2312.09244)."""


class _RewardFunction(Section):
    weight: float = 1.0
    """Factor of its value, which is 0 or 1."""


class ExactMatchReward(_RewardFunction):
    """1 for an answer that is the record's own but for case and white space."""

    kind: Literal["exact_match"]
    """What is rewarded."""


class ContainsReward(_RewardFunction):
    """1 for an answer that has every one of some texts."""

    kind: Literal["contains"]
    """What is rewarded."""
    texts: Annotated[tuple[Words, ...], Field(min_length=1)]
    """Texts that the answer must contain, whatever their case."""


class RegexReward(_RewardFunction):
    """1 for an answer in which a regular expression is found."""

    kind: Literal["regex"]
    """What is rewarded."""
    pattern: str = Field(min_length=1)
    """Python regular expression, searched for anywhere."""

    @model_validator(mode="after")
    def _is_a_pattern(self) -> Self:
        _compiled(self.pattern)
        return self


class SameMatchReward(_RewardFunction):
    """1 where a regular expression finds the same in the answer as in the record's own: final results of calculations, for one."""

    kind: Literal["same_match"]
    """What is rewarded."""
    pattern: str = Field(min_length=1)
    """Python regular expression with one group; the last place where it is found counts."""

    @model_validator(mode="after")
    def _has_one_group(self) -> Self:
        if (found := _compiled(self.pattern).groups) != 1:
            raise ValueError(f"pattern {self.pattern!r} has {found} groups, and one is compared")
        return self


class LengthReward(_RewardFunction):
    """1 for an answer whose number of tokens lies within bounds."""

    kind: Literal["length"]
    """What is rewarded."""
    min_tokens: int = Field(default=1, ge=0)
    """Shortest, in tokens without the end token."""
    max_tokens: int = Field(ge=1)
    """Longest."""

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        if self.min_tokens > self.max_tokens:
            raise ValueError("min_tokens is above max_tokens, so no answer is rewarded")
        return self


class JsonValidReward(_RewardFunction):
    """1 for an answer that is JSON."""

    kind: Literal["json_valid"]
    """What is rewarded."""
    keys: tuple[Words, ...] = ()
    """Keys that it must have, as an object."""


RewardFunction = Annotated[
    ExactMatchReward | ContainsReward | RegexReward | SameMatchReward | LengthReward | JsonValidReward, Field(discriminator="kind")
]


class RewardSource(Section):
    """What an answer is worth: a trained reward model, functions, or the sum of both. No code of the spec is run."""

    step: StepName | None = None
    """Name of the step that trained the reward model."""
    functions: tuple[RewardFunction, ...] = ()
    """Functions of the answer and the record, added up."""

    @model_validator(mode="after")
    def _rewards_something(self) -> Self:
        if self.step is None and not self.functions:
            raise ValueError("set step to the name of a step with objective reward, or functions")
        return self


class _RolloutObjective(Section):
    """What objectives have that learn from the model's own answers."""

    reward: RewardSource
    """What its answers are worth."""
    temperature: float = Field(default=1.0, gt=0)
    """Temperature that answers are drawn with."""
    max_new_tokens: int = Field(default=128, ge=1)
    """Longest answer, in tokens."""
    clip: float = Field(default=0.2, gt=0, lt=1)
    """Change of an answer token's probability beyond which it is pushed no further; answers are fresh in the first of `inner_iterations`, and
    nothing is beyond."""
    inner_iterations: int = Field(default=1, ge=1)
    """Optimiser steps on the same answers."""


class PpoObjective(_RolloutObjective):
    """Proximal policy optimisation (Schulman et al. 2017, arXiv:1707.06347), with a value head and generalised advantages (arXiv:1506.02438)."""

    kind: Literal["ppo"]
    """What is minimised."""
    generations: int = Field(default=1, ge=1)
    """Answers to each question."""
    kl_beta: float = Field(default=0.05, ge=0)
    """Price of each token's log-ratio to the start, taken off the reward."""
    discount: float = Field(default=1.0, gt=0, le=1)
    """Discount of rewards per token."""
    gae_lambda: float = Field(default=0.95, ge=0, le=1)
    """Lambda of the generalised advantages: 1 follows the rewards, 0 the value head."""
    value_weight: float = Field(default=0.1, gt=0)
    """Weight of the value head's loss."""


class GrpoObjective(_RolloutObjective):
    """Group-relative policy optimisation (Shao et al. 2024, arXiv:2402.03300)."""

    kind: Literal["grpo"]
    """What is minimised."""
    generations: int = Field(default=8, ge=2)
    """Answers to each question: the group within which rewards are compared."""
    kl_beta: float = Field(default=0.04, ge=0)
    """Weight of the divergence from the start; 0 measures none."""


class ContrastiveObjective(Section):
    """Embeddings in which a question is nearest to its own answer (van den Oord et al. 2018, arXiv:1807.03748). It is told apart from the other
    answers of a batch, and from worse answers of pairs."""

    kind: Literal["contrastive"]
    """What is minimised."""
    temperature: float = Field(default=0.05, gt=0)
    """Divisor of cosines."""
    pooling: Literal["mean", "last"] = "mean"
    """A text's embedding: the mean of its tokens' hidden states, or the last one's."""


class ClassificationObjective(Section):
    """A head over the values of `label`, on the last token of the question or text."""

    kind: Literal["classification"]
    """What is minimised."""


_KINDS = ("sft", "pretrain", "dpo", "ipo", "kto", "orpo", "simpo", "reward", "ppo", "grpo", "contrastive", "classification")


def _named(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


def _or_its_name(schema: dict[str, Any]) -> None:
    """Editors shall know that a bare string will do."""
    whole = {key: schema.pop(key) for key in ("oneOf", "discriminator") if key in schema}
    schema["anyOf"] = [{"enum": list(_KINDS)}, whole]


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(f"pattern {pattern!r} is no regular expression: {error}") from None


ObjectiveSpec = Annotated[
    SftObjective
    | PretrainObjective
    | DpoObjective
    | IpoObjective
    | KtoObjective
    | OrpoObjective
    | SimpoObjective
    | RewardObjective
    | PpoObjective
    | GrpoObjective
    | ContrastiveObjective
    | ClassificationObjective,
    Field(discriminator="kind", json_schema_extra=_or_its_name),
    BeforeValidator(_named),
]
