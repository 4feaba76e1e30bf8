"""Measures an adapter against its base on the test split.

Enters: a finished adapter, the dataset whose test.jsonl it never saw, the prepared base. Leaves: metrics.json (the figures), report.md (the same for
a reader), predictions.jsonl for models that answer (every test record with its likelihood, and with answers where some were generated), and
measurements.jsonl for other objectives than fine-tuning (every test record with what the objective is measured by).
The base is the adapter's own model with the adapter switched off, so both see the same prompts, weights and number format.
"""

import heapq
import json
import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from adapt.adapter.load import LoadedAdapter, load_adapter, read_training
from adapt.artifact.lines import read_lines, write_lines
from adapt.artifact.progress import Progress
from adapt.artifact.staging import staged
from adapt.base.numerics import NumericClass
from adapt.errors import InputError
from adapt.evaluate.answers import SIDES, Checked, Side, answer
from adapt.evaluate.metrics import METRICS, Figures, Metrics, rounded, write_metrics
from adapt.evaluate.objectives import (
    Measured,
    measure_answers,
    measure_labels,
    measure_preferences,
    measure_retrieval,
    measure_rewards,
    rewarding_steps,
)
from adapt.evaluate.predictions import Prediction, predict
from adapt.evaluate.report import render, render_figures
from adapt.evaluate.tally import Tally
from adapt.records import AlpacaRecord, Message
from adapt.spec.evaluate import EvaluateSpec
from adapt.spec.objectives import OBJECTIVES
from adapt.spec.resolved.evaluate import EvaluateSection

log = logging.getLogger(__name__)
TEST, PREDICTIONS, MEASUREMENTS, REPORT = "test.jsonl", "predictions.jsonl", "measurements.jsonl", "report.md"
_SAMPLES = 3
"""Records whose answers stand in the report."""


@dataclass(frozen=True)
class EvaluateInputs:
    """Folders that the stage reads."""

    adapter: Path
    dataset: Path
    base: Path
    """The prepared base model. The manifest's inputs leave it out, since the section holds its digest."""
    steps: Path | None = None
    """Where the adapters of the spec's steps lie, by their names: one of them may be the reward model that it learnt from."""


@dataclass(frozen=True)
class EvaluateReport:
    """What was measured."""

    metrics: Metrics
    answered: int
    """Test records that both models answered."""
    checks: int
    numerics: NumericClass
    """What it was computed in."""


def build(section: EvaluateSection, *, inputs: EvaluateInputs, out: Path, progress: Progress, figures: Path | None = None) -> EvaluateReport:
    """Measure the adapter and its base, and write `out`; `figures` is a file that gets the metrics too, since DVC shows those of a file of their own.

    Raises InputError when the test split is missing, empty or unreadable, or when adapter or base cannot be loaded.
    """
    objective = _objective(inputs.adapter)
    steps = rewarding_steps(objective, inputs.steps)
    made_from = {"adapter": inputs.adapter, "dataset": inputs.dataset, **{f"step {name}": step for name, step in steps.items()}}
    with staged(out, section=section, inputs=made_from) as folder:
        if not inputs.base.is_dir():
            raise InputError(f"base: {inputs.base} is not a folder", hint="`adapt build` prepares the base model first")
        if OBJECTIVES[objective["kind"]].answers:
            report = _evaluate_answers(section.evaluate, inputs, steps, folder, progress)
        else:
            report = _evaluate_outputs(section.evaluate, inputs, folder, progress)
    if figures is not None:
        figures.parent.mkdir(exist_ok=True)
        figures.write_bytes((out / METRICS).read_bytes())
    return report


def _objective(adapter: Path) -> Mapping[str, Any]:
    """What the adapter was trained for; load_adapter says what is wrong with a folder that cannot be read."""
    try:
        return dict(read_training(adapter).get("objective", {"kind": "sft"}))
    except (OSError, ValueError):
        return {"kind": "sft"}


def _evaluate_answers(spec: EvaluateSpec, inputs: EvaluateInputs, steps: Mapping[str, Path], folder: Path, progress: Progress) -> EvaluateReport:
    """Likelihood and answers of a model that answers, and what its objective is measured by."""
    test = inputs.dataset / TEST
    chosen, total = _choose(test, spec.generate_records)
    loaded = _load(inputs, progress)
    if loaded.objective["kind"] == "pretrain":
        chosen = []  # running text asks nothing
    answers, checks = _ask(loaded, chosen, spec, progress)
    tally, samples = Tally(), dict[str, Prediction]()
    predictions = predict(loaded, _read(test), answers, batch_tokens=spec.batch_tokens, total=total, progress=progress)
    write_lines(folder / PREDICTIONS, _counted(predictions, tally, samples, sampled=[record.id for record in chosen[:_SAMPLES]]))
    measured = Measured()
    family = OBJECTIVES[loaded.objective["kind"]].family
    with progress.task("measure") if family in ("preference", "rollout") else nullcontext():
        if family == "preference":
            measured = measure_preferences(loaded, list(_read(test)), batch_tokens=spec.batch_tokens)
        elif family == "rollout":
            measured = measure_answers(loaded, chosen, answers, base=inputs.base, steps=steps, batch_tokens=spec.batch_tokens)
    _write_measurements(folder, measured)
    metrics, computed = _metrics(tally, checks, measured.figures), _computed(loaded)
    write_metrics(folder, metrics)
    report = render(
        metrics, tally, checks, [samples[key] for key in sorted(samples)], answered=len(chosen), further=measured.report, computed=computed
    )
    (folder / REPORT).write_text(report, encoding="utf-8")
    return EvaluateReport(metrics=metrics, answered=len(chosen), checks=len(checks), numerics=loaded.numerics)


def _evaluate_outputs(spec: EvaluateSpec, inputs: EvaluateInputs, folder: Path, progress: Progress) -> EvaluateReport:
    """What a head or embeddings say of the test records."""
    _choose(inputs.dataset / TEST, 0)
    loaded, records = _load(inputs, progress), list(_read(inputs.dataset / TEST))
    measure = {"reward": measure_rewards, "classification": measure_labels, "contrastive": measure_retrieval}[loaded.objective["kind"]]
    with progress.task("measure"):
        measured = measure(loaded, records, batch_tokens=spec.batch_tokens)
    _write_measurements(folder, measured)
    base, adapter = (rounded(dict(measured.figures[side])) for side in SIDES)
    metrics = Metrics(base=base, adapter=adapter, records=len(records), tokens=0)
    write_metrics(folder, metrics)
    (folder / REPORT).write_text(render_figures(metrics, measured.report, computed=_computed(loaded)), encoding="utf-8")
    return EvaluateReport(metrics=metrics, answered=0, checks=0, numerics=loaded.numerics)


def _load(inputs: EvaluateInputs, progress: Progress) -> LoadedAdapter:
    loaded = load_adapter(inputs.adapter, inputs.base)
    progress.say(_computed(loaded))
    return loaded


def _computed(loaded: LoadedAdapter) -> str:
    """A sentence on the class of the figures, and on that of the training where its number format was another."""
    other = f", of an adapter trained in {loaded.trained_dtype}" if loaded.trained_dtype != loaded.dtype else ""
    return f"Measured in {loaded.numerics}{other}."


def _write_measurements(folder: Path, measured: Measured) -> None:
    if measured.lines:
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in measured.lines)
        (folder / MEASUREMENTS).write_text(text, encoding="utf-8", newline="\n")


def _choose(test: Path, count: int) -> tuple[list[AlpacaRecord], int]:
    """The `count` records with the smallest ids, which is a draw that the file's order has no say in, and the number of all records."""
    total = sum(1 for _ in _read(test))
    if not total:
        raise InputError(f"{test} has no records, so there is nothing to measure", hint="raise dataset.split.test, or add raw material")
    return heapq.nsmallest(count, _read(test), key=lambda record: record.id), total


def _read(test: Path) -> Iterator[AlpacaRecord]:
    """The records of the test split, one at a time. Raises InputError when they cannot be read."""
    try:
        yield from read_lines(test, AlpacaRecord)
    except FileNotFoundError:
        raise InputError(f"{test} does not exist", hint="build the dataset with `adapt build`") from None
    except (ValidationError, UnicodeDecodeError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else "it is not UTF-8"
        raise InputError(f"{test} holds a line that is not an Alpaca record: {reason}", hint="delete the dataset folder and build it again") from None


def _ask(
    loaded: LoadedAdapter, chosen: list[AlpacaRecord], spec: EvaluateSpec, progress: Progress
) -> tuple[dict[str, dict[Side, str]], list[Checked]]:
    """Generated answers by record id, and the checks with theirs: all in one go, since that fills batches best."""
    conversations = [record.messages[:-1] for record in chosen] + [(Message(role="user", content=check.prompt),) for check in spec.checks]
    texts = answer(loaded, conversations, spec, progress)
    answers = {record.id: each for record, each in zip(chosen, texts, strict=False)}
    return answers, [Checked(check, each) for check, each in zip(spec.checks, texts[len(chosen) :], strict=True)]


def _counted(predictions: Iterable[Prediction], tally: Tally, samples: dict[str, Prediction], *, sampled: Collection[str]) -> Iterator[Prediction]:
    """Pass predictions on, count them in, and keep those in `sampled`."""
    for prediction in predictions:
        tally.add(prediction)
        if prediction.id in sampled:
            samples[prediction.id] = prediction
        yield prediction


def _metrics(tally: Tally, checks: list[Checked], further: Mapping[Side, Figures]) -> Metrics:
    figures = {}
    for side in SIDES:
        found = tally.figures(side)
        if "perplexity" not in found:
            log.warning("the %s's likelihood of the test records is not a finite number, so its perplexity is left out", side)
        if checks:
            found["checks_passed"] = sum(not checked.objections(side) for checked in checks) / len(checks)
        figures[side] = rounded(found | further[side])
    return Metrics(base=figures["base"], adapter=figures["adapter"], records=tally.records.total(), tokens=tally.tokens)
