"""Figures against gates: whether an adapter may be exported and served.

Enters: an evaluation folder. Leaves: passed.json (that this adapter passed, how far its numbers reach, and
nothing else: moving a bound that still holds leaves its bytes as they are, so nothing after it is built
again) and verdict.json (every bound with what was found). A failure leaves nothing, an older verdict
included. No torch: moving a bound costs no time.
"""

import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from adapt.artifact.manifest import provenance_path, verify
from adapt.artifact.progress import Progress
from adapt.artifact.staging import locked, staged
from adapt.errors import GateError
from adapt.evaluate.metrics import Metrics, is_better, lower_is_better, read_metrics, read_subject, shown
from adapt.evaluate.numerics import read_numbers
from adapt.records import Shape
from adapt.spec.evaluate import Gate, Metric
from adapt.spec.resolved.gate import GateSection

PASSED, VERDICT = "passed.json", "verdict.json"
_UNMEASURED: dict[Metric, tuple[str, str]] = {
    "perplexity": ("the likelihood of the test records is not a finite number", "lower train.learning_rate, or set train.dtype to float32"),
    "reward_accuracy": ("a model without a reward of its own has none", "bound it with minimum in place of beats_base"),
    "reward_margin": ("a model without a reward of its own has none", "bound it with minimum in place of beats_base"),
    "checks_passed": ("the spec has no checks", "add evaluate.checks, or take the gate on checks_passed out"),
}
_UNANSWERED = ("no test record was answered", "set evaluate.generate_records above 0, or take the gate out")


class Verdict(Shape):
    """One bound of a gate held against what was measured."""

    metric: Metric
    rule: Literal["beats_base", "minimum", "maximum"]
    bound: float | None
    """What the adapter's figure is held against: for `beats_base` the base's figure. Absent when the base's was not measured."""
    found: float | None
    """The adapter's figure; absent when it was not measured."""
    base: float | None
    """The base's figure, for comparison."""
    passed: bool

    @property
    def sentence(self) -> str:
        """Metric, figure, bound and the base's figure, for a reader."""
        base = "was not measured" if self.base is None else f"has {shown(self.base)}"
        if self.rule == "beats_base":
            bound = f"must be {'below' if lower_is_better(self.metric) else 'above'} the base, which {base}"
        else:
            bound = f"{self.rule} {shown(self.bound or 0.0)}; the base {base}"
        if self.found is None:
            return f"{self.metric}: not measured, since {_UNMEASURED.get(self.metric, _UNANSWERED)[0]}; {bound}"
        return f"{self.metric}: found {shown(self.found)}, {bound}"

    @property
    def hint(self) -> str:
        """What may bring a failed figure to its bound."""
        if self.found is None or self.base is None:
            return _UNMEASURED.get(self.metric, _UNANSWERED)[1]
        if (self.rule == "minimum" and lower_is_better(self.metric)) or (self.rule == "maximum" and not lower_is_better(self.metric)):
            return f"this {self.rule} refuses a better {self.metric}: make sure that it is the bound you mean"
        if self.metric == "perplexity" and self.found == self.base:
            return "the adapter changes nothing: raise train.learning_rate or train.epochs"
        if is_better(self.metric, self.base, self.found):
            return "the adapter is worse than its base: lower train.learning_rate or train.epochs, and look at the curves of its training"
        return "the adapter is no worse than its base, and not good enough: more train.epochs or more records may bring it there"


@dataclass(frozen=True)
class GateReport:
    """What held. There is a report only when every gate passed."""

    adapter: str
    """Digest of the adapter that passed."""
    verdicts: tuple[Verdict, ...]


def judge(section: GateSection, *, inputs: Path, out: Path, progress: Progress) -> GateReport:
    """Hold the figures in evaluation folder `inputs` against every gate, and write `out` when all pass.

    Raises GateError that lists every gate that failed, InputError when `inputs` is not a finished evaluation.
    """
    verify(inputs)
    adapter = read_subject(inputs)
    numbers = read_numbers(inputs)
    if numbers is not None and not numbers.finite:
        _withdraw(out)
        raise GateError(
            f"{inputs.name}: the adapter's logits are not all finite: it may not be exported or served",
            hint="lower train.learning_rate, or set train.dtype to float32",
        )
    verdicts = compare(section.gates, read_metrics(inputs))
    failed = [verdict for verdict in verdicts if not verdict.passed]
    if failed:
        _withdraw(out)
        raise _failure(failed, inputs)
    with staged(out, section=section, inputs={"evaluation": inputs}) as folder:
        measured = {} if numbers is None else {"numbers": numbers.model_dump()}
        _write(folder / PASSED, {"adapter": adapter, "passed": True, **measured})
        _write(folder / VERDICT, {"gates": [verdict.model_dump() for verdict in verdicts]})
    return GateReport(adapter=adapter, verdicts=verdicts)


def failures(gates: Iterable[Gate], metrics: Metrics) -> list[Verdict]:
    """The bounds that do not hold, in the order of the gates."""
    return [verdict for verdict in compare(gates, metrics) if not verdict.passed]


def compare(gates: Iterable[Gate], metrics: Metrics) -> tuple[Verdict, ...]:
    """One verdict per bound, in the order of the gates. A figure that was not measured passes no bound."""
    return tuple(verdict for gate in gates for verdict in _verdicts(gate, metrics))


def _verdicts(gate: Gate, metrics: Metrics) -> Iterator[Verdict]:
    found, base = metrics.adapter.get(gate.metric), metrics.base.get(gate.metric)
    if gate.beats_base:
        better = found is not None and base is not None and is_better(gate.metric, found, base)
        yield Verdict(metric=gate.metric, rule="beats_base", bound=base, found=found, base=base, passed=better)
    if gate.minimum is not None:
        enough = found is not None and found >= gate.minimum
        yield Verdict(metric=gate.metric, rule="minimum", bound=gate.minimum, found=found, base=base, passed=enough)
    if gate.maximum is not None:
        enough = found is not None and found <= gate.maximum
        yield Verdict(metric=gate.metric, rule="maximum", bound=gate.maximum, found=found, base=base, passed=enough)


def _failure(failed: list[Verdict], inputs: Path) -> GateError:
    count = "a gate does" if len(failed) == 1 else f"{len(failed)} gates do"
    lines = [f"{inputs.name}: {count} not pass", *(f"  {verdict.sentence}" for verdict in failed)]
    hints = dict.fromkeys(verdict.hint for verdict in failed)
    return GateError("\n".join(lines), hint="\n  ".join([f"read {inputs / 'report.md'}", *hints]))


def _withdraw(out: Path) -> None:
    """Take an older verdict away: it speaks of another adapter, or of other bounds."""
    with locked(out):
        shutil.rmtree(out, ignore_errors=True)
        provenance_path(out).unlink(missing_ok=True)


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
