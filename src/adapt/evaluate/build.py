"""Measures an adapter against its base on the test split.

Enters: a finished adapter, the dataset whose test.jsonl it never saw, the prepared base. Leaves: metrics.json (the figures),
predictions.jsonl (every test record with its likelihood, and with answers where some were generated), report.md (the same for a reader).
The base is the adapter's own model with the adapter switched off, so both see the same prompts, weights and number format.
"""

import heapq
import logging
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from adapt.adapter.load import LoadedAdapter, load_adapter
from adapt.artifact.lines import read_lines, write_lines
from adapt.artifact.progress import Progress
from adapt.artifact.staging import staged
from adapt.errors import InputError
from adapt.evaluate.answers import SIDES, Checked, Side, answer
from adapt.evaluate.metrics import Metrics, rounded, write_metrics
from adapt.evaluate.predictions import Prediction, predict
from adapt.evaluate.report import render
from adapt.evaluate.tally import Tally
from adapt.records import AlpacaRecord, Message
from adapt.spec.evaluate import EvaluateSpec
from adapt.spec.resolved.evaluate import EvaluateSection

log = logging.getLogger(__name__)
TEST, PREDICTIONS, REPORT = "test.jsonl", "predictions.jsonl", "report.md"
_SAMPLES = 3
"""Records whose answers stand in the report."""


@dataclass(frozen=True)
class EvaluateInputs:
    """Folders that the stage reads."""

    adapter: Path
    dataset: Path
    base: Path
    """The prepared base model. The manifest's inputs leave it out, since the section holds its digest."""


@dataclass(frozen=True)
class EvaluateReport:
    """What was measured."""

    metrics: Metrics
    answered: int
    """Test records that both models answered."""
    checks: int


def build(section: EvaluateSection, *, inputs: EvaluateInputs, out: Path, progress: Progress) -> EvaluateReport:
    """Measure the adapter and its base, and write `out`.

    Raises InputError when the test split is missing, empty or unreadable, or when adapter or base cannot be loaded.
    """
    spec, test = section.evaluate, inputs.dataset / TEST
    with staged(out, section=section, inputs={"adapter": inputs.adapter, "dataset": inputs.dataset}) as folder:
        chosen, total = _choose(test, spec.generate_records)
        if not inputs.base.is_dir():
            raise InputError(f"base: {inputs.base} is not a folder", hint="`adapt build` prepares the base model first")
        loaded = load_adapter(inputs.adapter, inputs.base)
        answers, checks = _ask(loaded, chosen, spec, progress)
        tally, samples = Tally(), dict[str, Prediction]()
        predictions = predict(loaded, _read(test), answers, batch_tokens=spec.batch_tokens, total=total, progress=progress)
        write_lines(folder / PREDICTIONS, _counted(predictions, tally, samples, sampled=[record.id for record in chosen[:_SAMPLES]]))
        metrics = _metrics(tally, checks)
        write_metrics(folder, metrics)
        report = render(metrics, tally, checks, [samples[key] for key in sorted(samples)], answered=len(chosen))
        (folder / REPORT).write_text(report, encoding="utf-8")
    return EvaluateReport(metrics=metrics, answered=len(chosen), checks=len(checks))


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


def _metrics(tally: Tally, checks: list[Checked]) -> Metrics:
    figures = {}
    for side in SIDES:
        found = tally.figures(side)
        if "perplexity" not in found:
            log.warning("the %s's likelihood of the test records is not a finite number, so its perplexity is left out", side)
        if checks:
            found["checks_passed"] = sum(not checked.objections(side) for checked in checks) / len(checks)
        figures[side] = rounded(found)
    return Metrics(base=figures["base"], adapter=figures["adapter"], records=tally.records.total(), tokens=tally.tokens)
