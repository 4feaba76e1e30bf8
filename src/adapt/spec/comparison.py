"""Which settings decide what the validation loss of a training means, so that trainings which differ in
them are not ranked by it.

The fields themselves carry the mark `Defines`; objectives that hold likelihoods against those of the start,
or whose loss depends on what stands in one forward pass, are told by `adapt.spec.objectives`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from adapt.spec.objectives import OBJECTIVES

if TYPE_CHECKING:
    from adapt.spec.common_train import CommonTrain

LOSS = "loss"
"""Name of the metric that is each training's own validation loss."""
Metric = Literal["answer_loss", "preference_accuracy", "reward_accuracy", "accuracy", "mrr"]


@dataclass(frozen=True)
class Defines:
    """Mark on a field: another value gives the validation loss another meaning."""

    reason: str
    """What it changes, after the name of the field."""
    where: Literal["always", "referenced", "passwise"] = "always"
    """Objectives for which it does: all, or those of which the table of objectives says this."""


@dataclass(frozen=True)
class PlainMetric:
    """A metric that is computed alike for every trial, whatever it was trained with."""

    name: Metric
    meaning: str
    largest: bool
    """Whether the largest is the best."""
    objectives: tuple[str, ...]
    """Objectives whose trials have it."""


_LIKELIHOODS = ("sft", "pretrain", "dpo", "ipo", "kto", "orpo", "simpo", "ppo", "grpo")
_PREFERENCES = ("dpo", "ipo", "kto", "orpo", "simpo")
_TABLE = (
    PlainMetric("answer_loss", "mean negative log-likelihood of an answer token, in nats", largest=False, objectives=_LIKELIHOODS),
    PlainMetric(
        "preference_accuracy",
        "share of pairs whose better answer is the likelier one per token",
        largest=True,
        objectives=_PREFERENCES,
    ),
    PlainMetric("reward_accuracy", "share of pairs whose better answer has the higher reward", largest=True, objectives=("reward",)),
    PlainMetric("accuracy", "share of records with the right label", largest=True, objectives=("classification",)),
    PlainMetric("mrr", "mean of 1 / place at which a question finds its own answer", largest=True, objectives=("contrastive",)),
)
METRICS: Mapping[str, PlainMetric] = {metric.name: metric for metric in _TABLE}


def incomparable(trains: Sequence["CommonTrain"]) -> str | None:
    """Why the validation losses of `trains` mean different things: the setting and what it changes.

    None where they can be compared.
    """
    seen: dict[str, Any] = {}
    for train in trains:
        for path, value, reason in _defining(train):
            if seen.setdefault(path, value) != value:
                return f"{path} {reason}"
    return None


def metrics_for(trains: Sequence["CommonTrain"]) -> list[str]:
    """Names of the plain metrics that all of `trains` have."""
    kinds = {train.objective.kind for train in trains}
    return [metric.name for metric in _TABLE if kinds <= set(metric.objectives)]


def _defining(train: "CommonTrain") -> Iterator[tuple[str, Any, str]]:
    """Path, value and reason of every setting that decides what the validation loss of `train` means; the
    objective's kind comes first.
    """
    objective = OBJECTIVES[train.objective.kind]
    yield "train.objective", objective.name, "is what the loss is"
    for prefix, section in (("train.objective", train.objective), ("train", train)):
        for name, field in type(section).model_fields.items():
            for mark in field.metadata:
                if isinstance(mark, Defines) and (mark.where == "always" or getattr(objective, mark.where)):
                    yield f"{prefix}.{name}", getattr(section, name), mark.reason
