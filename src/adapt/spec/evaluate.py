"""Section `evaluate`: what is measured on the test split, and what an adapter must reach."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, StringConstraints, model_validator

from adapt.spec.objectives import OBJECTIVES
from adapt.spec.section import Section

Metric = Literal[
    "perplexity",
    "rouge_l",
    "bleu",
    "exact_match",
    "f1",
    "checks_passed",
    "preference_accuracy",
    "reward_accuracy",
    "reward_margin",
    "mean_reward",
    "accuracy",
    "macro_f1",
    "mrr",
    "recall_1",
    "recall_5",
    "recall_10",
]
UNBOUNDED = frozenset({"perplexity", "bleu", "reward_margin", "mean_reward"})
"""Metrics that do not run from 0 to 1."""
ANSWERED = frozenset({"rouge_l", "bleu", "exact_match", "f1", "mean_reward"})
"""Metrics of generated answers to test records."""
Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class Check(Section):
    """A question whose answer must, or must not, contain given words."""

    prompt: str = Field(min_length=1)
    """What the adapter is asked."""
    must_contain: tuple[Words, ...] = ()
    """Texts that the answer must contain, whatever their case."""
    must_not_contain: tuple[Words, ...] = ()
    """Texts that the answer must not contain, whatever their case."""

    @model_validator(mode="after")
    def _checks_something(self) -> Self:
        if not self.must_contain and not self.must_not_contain:
            raise ValueError("set must_contain or must_not_contain")
        return self


class Gate(Section):
    """A bound on a metric of the adapter on the test split."""

    metric: Metric
    """What is bounded; docs/methods.md says what is measured for which objective. Perplexity is better when lower, all others when higher; bleu runs
    from 0 to 100, reward_margin and mean_reward have no bounds, the others run from 0 to 1."""
    beats_base: bool = False
    """The adapter must be strictly better than the base model."""
    minimum: float | None = None
    """Lowest value that passes."""
    maximum: float | None = None
    """Highest value that passes."""

    @model_validator(mode="after")
    def _bounds_something(self) -> Self:
        if not self.beats_base and self.minimum is None and self.maximum is None:
            raise ValueError("set beats_base, minimum or maximum")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError("minimum is above maximum, so nothing passes")
        return self


class EvaluateSpec(Section):
    """Base against adapter on the test split."""

    generate_records: int = Field(default=16, ge=0)
    """Test records that are answered by generation, for ROUGE-L, BLEU, exact match and F1; perplexity always uses all."""
    max_new_tokens: int = Field(default=96, ge=1)
    """Longest generated answer, in tokens."""
    batch_tokens: int = Field(default=4096, ge=16)
    """Padded tokens in one forward pass, at most."""
    checks: tuple[Check, ...] = ()
    """Questions with required or forbidden words."""
    gates: tuple[Gate, ...] = (Gate(metric="perplexity", beats_base=True),)
    """What the adapter must reach to be exported and served; unset: the objective's own, see docs/methods.md."""

    @model_validator(mode="after")
    def _gates_can_be_judged(self) -> Self:
        for gate in self.gates:
            if gate.metric in ANSWERED and self.generate_records == 0:
                raise ValueError(f"a gate on {gate.metric} needs generated answers, and generate_records is 0")
            if gate.metric == "checks_passed" and not self.checks:
                raise ValueError("a gate on checks_passed needs checks")
            if gate.metric not in UNBOUNDED and gate.minimum is not None and gate.minimum > 1:
                raise ValueError(f"a gate on {gate.metric} asks for {gate.minimum:g}, and the metric runs from 0 to 1")
        return self


def with_settled_gates(values: Any) -> Any:
    """Fields of a model that has sections `evaluate` and `train`, with the gate of the objective where none is given.

    A step before validation: what is not well-formed is left to validation, which says so.
    """
    if not isinstance(values, Mapping):
        return values
    train, evaluate = values.get("train", {}), values.get("evaluate", {})
    objective = train.get("objective") if isinstance(train, Mapping) else getattr(train, "objective", None)
    kind = objective.get("kind") if isinstance(objective, Mapping) else getattr(objective, "kind", objective)
    given = evaluate.model_dump(exclude_unset=True) if isinstance(evaluate, BaseModel) else evaluate
    if not isinstance(kind, str) or kind not in OBJECTIVES or not isinstance(given, Mapping) or given.get("gates") is not None:
        return values
    known = OBJECTIVES[kind]
    bound = {"beats_base": True} if known.minimum is None else {"minimum": known.minimum}
    return {**values, "evaluate": {**given, "gates": ({"metric": known.metrics[0], **bound},)}}
