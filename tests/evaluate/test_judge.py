"""Figures against gates."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from adapt.artifact.digest import digest_folder
from adapt.artifact.progress import QuietProgress
from adapt.artifact.staging import staged
from adapt.errors import GateError, InputError
from adapt.evaluate.judge import failures, judge
from adapt.evaluate.metrics import Metrics, write_metrics, write_subject
from adapt.evaluate.numerics import Numbers, write_numbers
from adapt.spec.evaluate import Gate
from adapt.spec.resolved.gate import GateSection
from tests.evaluate.conftest import PLAIN

BETTER = Metrics(base={"perplexity": 33.9, "rouge_l": 0.18}, adapter={"perplexity": 12.5, "rouge_l": 0.31}, records=9, tokens=210)


def gates(*each: dict[str, Any], code: str = "0" * 64) -> GateSection:
    return GateSection(code=code, libraries={}, gates=tuple(Gate(**gate) for gate in each))


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    with staged(tmp_path / "adapter", section=PLAIN, inputs={}) as folder:
        (folder / "weights").write_text("w")
    return tmp_path / "adapter"


def evaluation(tmp_path: Path, trained: Path, metrics: Metrics) -> Path:
    with staged(tmp_path / "evaluation" / "finance", section=PLAIN, inputs={"adapter": trained}) as folder:
        write_metrics(folder, metrics)
        write_subject(folder, adapter=digest_folder(trained))
    return tmp_path / "evaluation" / "finance"


def judged(section: GateSection, folder: Path, out: Path) -> str:
    """The message with which the gates fail."""
    with pytest.raises(GateError) as caught:
        judge(section, inputs=folder, out=out, progress=QuietProgress())
    return str(caught.value)


def test_passing_leaves_the_adapters_digest_and_every_verdict(tmp_path: Path, trained: Path) -> None:
    section = gates({"metric": "perplexity", "beats_base": True, "maximum": 20}, {"metric": "rouge_l", "minimum": 0.31})
    report = judge(section, inputs=evaluation(tmp_path, trained, BETTER), out=tmp_path / "out", progress=QuietProgress())
    assert json.loads((tmp_path / "out/passed.json").read_text()) == {"adapter": digest_folder(trained), "passed": True}
    assert report.adapter == digest_folder(trained)
    assert json.loads((tmp_path / "out/verdict.json").read_text())["gates"] == [
        {"metric": "perplexity", "rule": "beats_base", "bound": 33.9, "found": 12.5, "base": 33.9, "passed": True},
        {"metric": "perplexity", "rule": "maximum", "bound": 20.0, "found": 12.5, "base": 33.9, "passed": True},
        {"metric": "rouge_l", "rule": "minimum", "bound": 0.31, "found": 0.31, "base": 0.18, "passed": True},
    ]


def test_moving_a_bound_or_the_code_that_still_passes_leaves_passed_json_as_it_is(tmp_path: Path, trained: Path) -> None:
    folder = evaluation(tmp_path, trained, BETTER)
    judge(gates({"metric": "perplexity", "maximum": 20}), inputs=folder, out=tmp_path / "a", progress=QuietProgress())
    judge(gates({"metric": "perplexity", "maximum": 13}, code="1" * 64), inputs=folder, out=tmp_path / "b", progress=QuietProgress())
    assert (tmp_path / "a/passed.json").read_bytes() == (tmp_path / "b/passed.json").read_bytes()
    assert (tmp_path / "a/verdict.json").read_bytes() != (tmp_path / "b/verdict.json").read_bytes()


@pytest.mark.parametrize("section", [gates(), gates({"metric": "rouge_l", "minimum": 0})])
def test_logits_that_are_not_finite_pass_no_gate_whatever_it_asks_for(
    tmp_path: Path,
    trained: Path,
    section: GateSection,
) -> None:
    with staged(tmp_path / "evaluation" / "finance", section=PLAIN, inputs={"adapter": trained}) as folder:
        write_metrics(folder, BETTER)
        write_subject(folder, adapter=digest_folder(trained))
        write_numbers(folder, Numbers(finite=False, largest=3.0))
    text = judged(section, tmp_path / "evaluation" / "finance", tmp_path / "out")
    assert text.startswith("finance: the adapter's logits are not all finite: it may not be exported")
    assert not (tmp_path / "out").exists()


def test_verdict_passes_on_how_far_the_numbers_reach(tmp_path: Path, trained: Path) -> None:
    with staged(tmp_path / "evaluation" / "finance", section=PLAIN, inputs={"adapter": trained}) as folder:
        write_metrics(folder, BETTER)
        write_subject(folder, adapter=digest_folder(trained))
        write_numbers(folder, Numbers(finite=True, largest=41.5))
    judge(gates(), inputs=tmp_path / "evaluation" / "finance", out=tmp_path / "out", progress=QuietProgress())
    passed = json.loads((tmp_path / "out/passed.json").read_text())
    assert passed["numbers"] == {"finite": True, "largest": 41.5}


def test_no_gates_pass(tmp_path: Path, trained: Path) -> None:
    assert judge(gates(), inputs=evaluation(tmp_path, trained, BETTER), out=tmp_path / "out", progress=QuietProgress()).verdicts == ()


def test_failure_lists_every_gate_with_figure_bound_and_base_and_leaves_nothing(tmp_path: Path, trained: Path) -> None:
    worse = Metrics(base={"perplexity": 33.9, "rouge_l": 0.18}, adapter={"perplexity": 34.1, "rouge_l": 0.21}, records=9, tokens=210)
    folder = evaluation(tmp_path, trained, worse)
    section = gates({"metric": "perplexity", "beats_base": True}, {"metric": "rouge_l", "minimum": 0.3, "beats_base": True})
    assert judged(section, folder, tmp_path / "out") == (
        "finance: 2 gates do not pass\n"
        "  perplexity: found 34.1, must be below the base, which has 33.9\n"
        "  rouge_l: found 0.21, minimum 0.3; the base has 0.18\n"
        f"hint: read {folder / 'report.md'}\n"
        "  the adapter is worse than its base: lower train.learning_rate or train.epochs, and look at the curves of its training\n"
        "  the adapter is no worse than its base, and not good enough: more train.epochs or more records may bring it there"
    )
    assert not (tmp_path / "out").exists()


def test_failure_withdraws_the_verdict_of_an_earlier_adapter(tmp_path: Path, trained: Path) -> None:
    folder = evaluation(tmp_path, trained, BETTER)
    judge(gates({"metric": "perplexity", "maximum": 20}), inputs=folder, out=tmp_path / "out", progress=QuietProgress())
    assert (tmp_path / "out/passed.json").exists()
    message = judged(gates({"metric": "perplexity", "maximum": 12}), folder, tmp_path / "out")
    assert "finance: a gate does not pass\n  perplexity: found 12.5, maximum 12; the base has 33.9" in message
    assert not (tmp_path / "out").exists()


def test_beating_the_base_is_strict(tmp_path: Path, trained: Path) -> None:
    same = Metrics(base={"perplexity": 33.9, "f1": 0.2}, adapter={"perplexity": 33.9, "f1": 0.2}, records=9, tokens=210)
    section = gates({"metric": "perplexity", "beats_base": True}, {"metric": "f1", "beats_base": True})
    message = judged(section, evaluation(tmp_path, trained, same), tmp_path / "out")
    assert "perplexity: found 33.9, must be below the base, which has 33.9" in message
    assert "f1: found 0.2, must be above the base, which has 0.2" in message
    assert "the adapter changes nothing: raise train.learning_rate" in message


def test_a_gate_on_what_was_not_measured_fails_and_says_why(tmp_path: Path, trained: Path) -> None:
    section = gates({"metric": "checks_passed", "minimum": 0.9}, {"metric": "bleu", "beats_base": True})
    message = judged(section, evaluation(tmp_path, trained, BETTER), tmp_path / "out")
    assert "checks_passed: not measured, since the spec has no checks; minimum 0.9; the base was not measured\n" in message
    assert "bleu: not measured, since no test record was answered; must be above the base, which was not measured\n" in message
    assert "add evaluate.checks" in message
    assert "set evaluate.generate_records above 0" in message


def test_a_base_without_a_finite_figure_cannot_be_beaten() -> None:
    metrics = Metrics(base={}, adapter={"perplexity": 12.5}, records=9, tokens=210)
    (verdict,) = failures([Gate(metric="perplexity", beats_base=True)], metrics)
    assert verdict.sentence == "perplexity: found 12.5, must be below the base, which was not measured"
    assert failures([Gate(metric="perplexity", maximum=13)], metrics) == []


def test_a_bound_against_the_metrics_direction_is_pointed_out() -> None:
    (verdict,) = failures([Gate(metric="rouge_l", maximum=0.2)], BETTER)
    assert verdict.hint == "this maximum refuses a better rouge_l: make sure that it is the bound you mean"


def test_edited_figures_are_refused(tmp_path: Path, trained: Path) -> None:
    folder = evaluation(tmp_path, trained, BETTER)
    (folder / "metrics.json").write_text((folder / "metrics.json").read_text().replace("12.5", "1.5"))
    with pytest.raises(InputError, match=r"differs from its manifest: metrics\.json"):
        judge(gates(), inputs=folder, out=tmp_path / "out", progress=QuietProgress())


def test_a_folder_that_is_no_evaluation_is_refused(tmp_path: Path, trained: Path) -> None:
    with pytest.raises(InputError, match="does not say which adapter it measured"):
        judge(gates(), inputs=trained, out=tmp_path / "out", progress=QuietProgress())
    with pytest.raises(InputError, match=r"not a finished output: it has no manifest\.json"):
        judge(gates(), inputs=tmp_path / "nowhere", out=tmp_path / "out", progress=QuietProgress())


def test_the_gate_stage_loads_no_heavy_library() -> None:
    code = "import sys, adapt.evaluate.judge; print(sorted({'torch', 'transformers', 'peft', 'sacrebleu', 'numpy'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "[]\n"
