"""What an adapter was trained for beside answering, measured on the test split: preferences, rewards, labels, retrieval.

Enters: a loaded adapter, its test records, and answers where some were generated. Leaves: figures of base and adapter, one line per record, and what
a reader should see of them. The base is the same model with the adapter switched off; it has no head, so a classifier is held against always giving
the commonest label of the training records, and a reward model against nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from adapt.adapter.load import LoadedAdapter
from adapt.adapter.scoring import Score, response_logprobs
from adapt.errors import InputError
from adapt.evaluate.answers import SIDES, Side, speaking
from adapt.evaluate.confusion import confusion_table, macro_f1
from adapt.evaluate.metrics import Figures
from adapt.evaluate.retrieval import ranks, retrieval_figures
from adapt.records import AlpacaRecord

_PER_TOKEN = ("ipo", "orpo", "simpo")
"""Objectives of preference that compare likelihoods per token."""
_WITHOUT_REFERENCE = ("orpo", "simpo")


@dataclass(frozen=True)
class Measured:
    """What was found beside the likelihood of answers and their overlap with references."""

    figures: Mapping[Side, Figures] = field(default_factory=lambda: {"base": {}, "adapter": {}})
    lines: Sequence[Mapping[str, Any]] = ()
    """One for each record, for measurements.jsonl."""
    report: Sequence[str] = ()
    """Markdown, below the table of figures."""


def measure_preferences(loaded: LoadedAdapter, records: Sequence[AlpacaRecord], *, batch_tokens: int) -> Measured:
    """Whether the better answer of each pair is the likelier one, and by how much: the implicit reward's margin."""
    kind, beta = loaded.objective["kind"], float(loaded.objective.get("beta", 1.0))
    scores: dict[Side, list[tuple[Score, Score]]] = {}
    examples = [loaded.prompt.encode(record) for record in records] + [
        loaded.prompt.encode(record.model_copy(update={"output": record.rejected})) for record in records
    ]
    for side in SIDES:
        with speaking(loaded, side):
            found = response_logprobs(loaded.model, examples, batch_tokens=batch_tokens)
        scores[side] = list(zip(found[: len(records)], found[len(records) :], strict=True))
    margins = {side: [_logprob(better, kind) - _logprob(worse, kind) for better, worse in scores[side]] for side in SIDES}
    figures: dict[Side, Figures] = {side: {"preference_accuracy": _share(margins[side])} for side in SIDES}
    if kind in _WITHOUT_REFERENCE:
        rewards = {side: [beta * margin for margin in margins[side]] for side in SIDES}
        for side in SIDES:
            figures[side]["reward_margin"] = _mean(rewards[side])
    else:
        rewards = {"adapter": [beta * (ours - theirs) for ours, theirs in zip(margins["adapter"], margins["base"], strict=True)]}
        figures["adapter"] |= {"reward_accuracy": _share(rewards["adapter"]), "reward_margin": _mean(rewards["adapter"])}
    lines = [
        {"id": record.id, **{side: {"better": scores[side][row][0].logprob, "worse": scores[side][row][1].logprob} for side in SIDES}}
        for row, record in enumerate(records)
    ]
    return Measured(figures, lines, ["", _PREFERENCE_NOTE])


def measure_rewards(loaded: LoadedAdapter, records: Sequence[AlpacaRecord], *, batch_tokens: int) -> Measured:
    """Whether a reward model gives the better answer of each pair more, and by how much."""
    sides = [records, [record.model_copy(update={"output": record.rejected}) for record in records]]
    better, worse = (loaded.outputs([loaded.prompt.encode(each).ids for each in side], batch_tokens=batch_tokens)[:, 0].tolist() for side in sides)
    margins = [one - other for one, other in zip(better, worse, strict=True)]
    lines = [{"id": record.id, "better": one, "worse": other} for record, one, other in zip(records, better, worse, strict=True)]
    return Measured({"base": {}, "adapter": {"reward_accuracy": _share(margins), "reward_margin": _mean(margins)}}, lines, ["", _REWARD_NOTE])


def measure_labels(loaded: LoadedAdapter, records: Sequence[AlpacaRecord], *, batch_tokens: int) -> Measured:
    """How often the right label is found, over all records and as the mean F1 over labels."""
    from adapt.adapter.objectives.heads import classified_ids

    counts: Mapping[str, int] = loaded.objective["labels"]
    logits = loaded.outputs([classified_ids(record, loaded.prompt) for record in records], batch_tokens=batch_tokens)
    found = [loaded.labels[number] for number in logits.argmax(-1).tolist()]
    wanted, commonest = [record.label for record in records], max(counts, key=lambda label: counts[label])
    figures: dict[Side, Figures] = {
        side: {"accuracy": _mean([float(one == other) for one, other in zip(wanted, given, strict=True)]), "macro_f1": macro_f1(wanted, given)}
        for side, given in zip(SIDES, ([commonest] * len(wanted), found), strict=True)
    }
    lines = [{"id": record.id, "label": record.label, "found": label} for record, label in zip(records, found, strict=True)]
    note = f"The base has no head: its column is that of always giving {commonest!r}, the commonest label of the training records."
    return Measured(figures, lines, ["", note, "", "## Confusion", "", *confusion_table(Counter(zip(wanted, found, strict=True)), loaded.labels)])


def measure_retrieval(loaded: LoadedAdapter, records: Sequence[AlpacaRecord], *, batch_tokens: int) -> Measured:
    """At which place among all answers of the test split a question finds its own."""
    from adapt.adapter.objectives.contrastive import embedded_ids

    questions, answers = (
        [embedded_ids(text, loaded.prompt) for text in texts] for texts in zip(*((r.question, r.output) for r in records), strict=True)
    )
    places: dict[Side, list[int]] = {}
    for side in SIDES:
        with speaking(loaded, side):
            embedded = [loaded.embed(texts, batch_tokens=batch_tokens) for texts in (questions, answers)]
        places[side] = ranks(embedded[0], embedded[1], answers)
    lines = [{"id": record.id, **{side: places[side][row] for side in SIDES}} for row, record in enumerate(records)]
    return Measured({side: retrieval_figures(places[side]) for side in SIDES}, lines, ["", _RETRIEVAL_NOTE])


def measure_answers(
    loaded: LoadedAdapter,
    records: Sequence[AlpacaRecord],
    answers: Mapping[str, Mapping[Side, str]],
    *,
    base: Path,
    steps: Mapping[str, Path],
    batch_tokens: int,
) -> Measured:
    """What generated answers are worth, by the functions or the reward model that the adapter learnt from."""
    from adapt.adapter.methods.frozen import Base
    from adapt.adapter.objectives.door import Surroundings, open_rewards
    from adapt.base.load import resolve_device
    from adapt.spec.objective import RewardSource

    asked = [record for record in records if record.id in answers]
    if not asked:
        return Measured()
    around = Surroundings(Base(base), loaded.prompt, dataset=base, steps=steps, device=resolve_device("auto"))
    rewards = open_rewards(RewardSource.model_validate(loaded.objective["reward"]), around, batch_tokens=batch_tokens)
    worth = {}
    for side in SIDES:
        examples = [loaded.prompt.encode(record.model_copy(update={"output": answers[record.id][side]})) for record in asked]
        worth[side] = rewards.of(examples, asked)
    lines = [{"id": record.id, **{side: worth[side][row] for side in SIDES}} for row, record in enumerate(asked)]
    return Measured({side: {"mean_reward": _mean(worth[side])} for side in SIDES}, lines, ["", _ANSWERS_NOTE])


def rewarding_steps(objective: Mapping[str, Any], steps: Path | None) -> dict[str, Path]:
    """The folder of the reward model that `objective` names, by its step. Raises InputError when the steps are nowhere."""
    name = objective.get("reward", {}).get("step") if isinstance(objective.get("reward"), Mapping) else None
    if name is None:
        return {}
    if steps is None or not (steps / name).is_dir():
        raise InputError(f"the adapter was rewarded by step {name}, which is not built", hint="build it with `adapt build`")
    return {name: steps / name}


_PREFERENCE_NOTE = (
    "preference_accuracy is the share of pairs whose better answer is the likelier one, per token for ipo, orpo and simpo. reward_accuracy and "
    "reward_margin are of the implicit reward: beta times the log-ratio to the base, or for orpo and simpo the log-likelihood itself."
)
_REWARD_NOTE = "reward_accuracy is the share of pairs whose better answer gets the higher reward, reward_margin the mean difference."
_RETRIEVAL_NOTE = (
    "Each question is held against all answers of the test split: shares found among the first 1, 5 and 10, and the mean of 1 / place (mrr)."
)
_ANSWERS_NOTE = "mean_reward is that of the generated answers, by what the adapter learnt from."


def _logprob(score: Score, kind: str) -> float:
    return score.logprob / score.tokens if kind in _PER_TOKEN else score.logprob


def _share(values: Sequence[float]) -> float:
    return sum(value > 0 for value in values) / len(values)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
