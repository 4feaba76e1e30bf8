"""Evaluation of a tiny adapter, figures held against torch itself."""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapt.adapter.load import load_adapter
from adapt.adapter.scoring import response_logprobs
from adapt.artifact.digest import digest_file, digest_files, digest_folder
from adapt.artifact.manifest import MANIFEST, read_provenance, verify
from adapt.artifact.progress import QuietProgress
from adapt.base.numerics import numeric_class
from adapt.errors import InputError
from adapt.evaluate import predictions
from adapt.evaluate.build import EvaluateInputs, EvaluateReport, build
from adapt.evaluate.judge import judge
from adapt.evaluate.metrics import read_metrics
from adapt.records import AlpacaRecord
from adapt.spec.evaluate import Gate
from adapt.spec.resolved.gate import GateSection
from tests.adapter.trainings import run as train
from tests.adapter.trainings import section
from tests.adapter.trainings import write_dataset as write_training
from tests.evaluate.conftest import evaluate_section, record, records, write_dataset

CHECKS = ({"prompt": "What is a bond?", "must_not_contain": ["zebra"]}, {"prompt": "什么是债券？", "must_contain": ["斑马"]})


def evaluated(out: Path, adapter: Path, dataset: Path, base: Path, **settings: Any) -> EvaluateReport:
    inputs, figures = EvaluateInputs(adapter=adapter, dataset=dataset, base=base), out.with_name("shown") / "alpha.json"
    return build(evaluate_section(**settings), inputs=inputs, out=out, progress=QuietProgress(), figures=figures)


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "predictions.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, adapter: Path, base: Path) -> Path:
    """One evaluation that answers every record and two checks, for the tests that only read it."""
    folder = tmp_path_factory.mktemp("whole")
    evaluated(folder / "out", adapter, write_dataset(folder / "dataset", records()), base, generate_records=6, checks=CHECKS)
    return folder / "out"


def test_the_metrics_stand_in_a_file_of_their_own_too(whole: Path) -> None:
    assert (whole.parent / "shown" / "alpha.json").read_bytes() == (whole / "metrics.json").read_bytes()


def torch_nll(model: Any, tokenizer: Any, rows: Sequence[AlpacaRecord]) -> list[tuple[float, int]]:
    """Negative log-likelihood and tokens of each answer with its end token, one record at a time and without the project's prompt or scoring."""
    import torch

    found = []
    for row in rows:
        prompt = f"<|im_start|>user\n{row.question}<|im_end|>\n<|im_start|>assistant\n"
        head, tail = (tokenizer(text, add_special_tokens=False).input_ids for text in (prompt, f"{row.output}<|im_end|>"))
        with torch.no_grad():
            logits = model(torch.tensor([head + tail])).logits[0, len(head) - 1 : -1]
        picked = torch.log_softmax(logits.double(), dim=-1)[range(len(tail)), tail]
        found.append((-picked.sum().item(), len(tail)))
    return found


@pytest.mark.parametrize("method", ["full", "parallel", "p_tuning", "prefix_tuning"])
def test_an_adapter_of_another_method_is_held_against_the_base_alone(tmp_path: Path, dataset: Path, base: Path, method: str) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    settings = section(base.parent, base=base.name, method=method, epochs=1)
    train(settings, base.parent, write_training(tmp_path / "training"), tmp_path, base=base.name)
    metrics = evaluated(tmp_path / "out", tmp_path / "adapter", dataset, base).metrics
    alone = torch_nll(AutoModelForCausalLM.from_pretrained(base), AutoTokenizer.from_pretrained(base), records())
    assert metrics.base["perplexity"] == pytest.approx(math.exp(sum(nll for nll, _ in alone) / metrics.tokens), rel=1e-5)
    assert metrics.adapter["perplexity"] != pytest.approx(metrics.base["perplexity"], rel=1e-3)


def test_perplexity_is_that_of_torch_for_base_and_adapter(tmp_path: Path, adapter: Path, dataset: Path, base: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    metrics = evaluated(tmp_path / "out", adapter, dataset, base, batch_tokens=64).metrics
    tokenizer = AutoTokenizer.from_pretrained(base)
    model: Any = AutoModelForCausalLM.from_pretrained(base)
    alone = torch_nll(model, tokenizer, records())
    adapted = torch_nll(PeftModel.from_pretrained(model, str(adapter)), tokenizer, records())
    tokens = sum(count for _, count in alone)
    assert metrics.tokens == tokens
    assert metrics.records == 6
    assert metrics.base["perplexity"] == pytest.approx(math.exp(sum(nll for nll, _ in alone) / tokens), rel=1e-5)
    assert metrics.adapter["perplexity"] == pytest.approx(math.exp(sum(nll for nll, _ in adapted) / tokens), rel=1e-5)
    assert metrics.base["perplexity"] != pytest.approx(metrics.adapter["perplexity"], rel=1e-3)
    assert [line["base"]["nll"] for line in lines(tmp_path / "out")] == pytest.approx([nll for nll, _ in alone], rel=1e-5)
    assert [line["tokens"] for line in lines(tmp_path / "out")] == [count for _, count in alone]


def recite(monkeypatch: pytest.MonkeyPatch, adapter_says: Callable[[AlpacaRecord], str]) -> None:
    """Let the base say nothing and the adapter what is given, in place of generation."""
    by_question = {row.question: row for row in records()}

    def say(loaded: Any, conversations: Any, spec: Any, progress: Any) -> list[dict[str, str]]:
        return [{"base": "", "adapter": adapter_says(by_question[messages[-1].content])} for messages in conversations]

    monkeypatch.setattr("adapt.evaluate.build.answer", say)


def test_figures_are_means_over_answers_and_bleu_is_weighted_by_language(
    tmp_path: Path, adapter: Path, dataset: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sacrebleu

    recite(monkeypatch, lambda row: row.output[:-3])
    metrics = evaluated(tmp_path / "out", adapter, dataset, base, generate_records=6).metrics
    found = lines(tmp_path / "out")
    bleus = {}
    for language, tokenize in (("en", "13a"), ("zh", "zh")):
        rows = [line for line in found if line["language"] == language]
        answers = [line["adapter"]["answer"] for line in rows]
        references = [line["reference"] for line in rows]
        bleus[language] = sacrebleu.corpus_bleu(answers, [references], tokenize=tokenize).score
    assert bleus["en"] != pytest.approx(bleus["zh"])
    assert metrics.adapter["bleu"] == pytest.approx((4 * bleus["en"] + 2 * bleus["zh"]) / 6, rel=1e-5)
    assert 0 < metrics.adapter["rouge_l"] < 1
    assert metrics.adapter["rouge_l"] == pytest.approx(sum(line["adapter"]["rouge_l"] for line in found) / 6, rel=1e-5)
    assert metrics.adapter["f1"] == pytest.approx(sum(line["adapter"]["f1"] for line in found) / 6, rel=1e-5)
    assert "checks_passed" not in metrics.adapter


def test_a_perfect_adapter_scores_full_marks(tmp_path: Path, adapter: Path, dataset: Path, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recite(monkeypatch, lambda row: row.output)
    metrics = evaluated(tmp_path / "out", adapter, dataset, base, generate_records=6).metrics
    best = {name: figure for name, figure in metrics.adapter.items() if name != "perplexity"}
    assert best == {"rouge_l": 1.0, "bleu": 100.0, "exact_match": 1.0, "f1": 1.0}
    assert {name: figure for name, figure in metrics.base.items() if name != "perplexity"} == dict.fromkeys(best, 0.0)


def test_base_figures_do_not_depend_on_the_adapter(tmp_path: Path, make_adapter: Callable[[int], Path], dataset: Path, base: Path) -> None:
    first = evaluated(tmp_path / "a", make_adapter(1), dataset, base, checks=CHECKS).metrics
    second = evaluated(tmp_path / "b", make_adapter(2), dataset, base, checks=CHECKS).metrics
    assert first.base == second.base
    assert [line["base"] for line in lines(tmp_path / "a")] == [line["base"] for line in lines(tmp_path / "b")]
    assert first.adapter != second.adapter
    assert [line["adapter"]["answer"] for line in lines(tmp_path / "a")] != [line["adapter"]["answer"] for line in lines(tmp_path / "b")]


def test_answers_and_likelihoods_do_not_depend_on_batches(
    tmp_path: Path, adapter: Path, dataset: Path, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluated(tmp_path / "a", adapter, dataset, base, generate_records=6, batch_tokens=4096)
    monkeypatch.setattr(predictions, "_SCORED_AT_ONCE", 2)
    monkeypatch.setattr("adapt.evaluate.answers._ANSWERED_AT_ONCE", 4)
    evaluated(tmp_path / "b", adapter, dataset, base, generate_records=6, batch_tokens=16)
    for one, other in zip(lines(tmp_path / "a"), lines(tmp_path / "b"), strict=True):
        for side in ("base", "adapter"):
            assert one[side]["answer"] == other[side]["answer"]
            assert one[side]["nll"] == pytest.approx(other[side]["nll"], rel=1e-5)


def test_base_answers_are_what_the_base_generates_by_itself(whole: Path, base: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model: Any = AutoModelForCausalLM.from_pretrained(base)
    tokenizer: Any = AutoTokenizer.from_pretrained(base)
    for line in lines(whole):
        prompt = tokenizer(f"<|im_start|>user\n{line['question']}<|im_end|>\n<|im_start|>assistant\n", add_special_tokens=False).input_ids
        ids = list(prompt)
        for _ in range(8):
            with torch.no_grad():
                token = int(model(torch.tensor([ids])).logits[0, -1].argmax())
            if token == tokenizer.eos_token_id:
                break
            ids.append(token)
        assert line["base"]["answer"] == tokenizer.decode(ids[len(prompt) :], skip_special_tokens=True).strip()


def test_only_the_first_records_by_id_are_answered_and_all_are_scored(tmp_path: Path, adapter: Path, base: Path) -> None:
    rows = records()
    dataset = write_dataset(tmp_path / "shuffled", rows[::-1])
    assert evaluated(tmp_path / "out", adapter, dataset, base, generate_records=2).answered == 2
    found = lines(tmp_path / "out")
    assert [line["id"] for line in found] == [row.id for row in rows[::-1]]
    assert {line["id"] for line in found if line["adapter"]["answer"] is not None} == {row.id for row in rows[:2]}
    assert all(line["base"]["nll"] > 0 and line["adapter"]["nll"] > 0 for line in found)
    unanswered = next(line for line in found if line["id"] == rows[5].id)
    assert unanswered["base"] == {"nll": unanswered["base"]["nll"], "answer": None, "rouge_l": None, "exact_match": None, "f1": None}


def test_history_system_and_input_reach_the_model(tmp_path: Path, adapter: Path, base: Path) -> None:
    plain = record("Why?", "The issuer pays interest.")
    told = record("Why?", "The issuer pays interest.", system="Be brief.", history=(("What is a bond?", "A loan."),), input="A bond is a debt.")
    nll = []
    for name, row in (("plain", plain), ("told", told)):
        evaluated(tmp_path / name, adapter, write_dataset(tmp_path / f"{name}-data", [row]), base)
        (line,) = lines(tmp_path / name)
        nll.append(line["adapter"]["nll"])
    assert line["question"] == "Why?\n\nA bond is a debt."
    assert nll[0] != pytest.approx(nll[1], rel=1e-3)


def test_checks_are_answered_by_both(whole: Path) -> None:
    assert read_metrics(whole).base["checks_passed"] == 0.5
    assert read_metrics(whole).adapter["checks_passed"] == 0.5
    text = (whole / "report.md").read_text(encoding="utf-8")
    assert f"Measured in {numeric_class('float32', 'cpu')}." in text
    assert "**Base** passed" in text
    assert "**Adapter** failed: lacks '斑马'" in text


def test_what_was_not_measured_is_left_out(tmp_path: Path, adapter: Path, dataset: Path, base: Path) -> None:
    report = evaluated(tmp_path / "out", adapter, dataset, base, generate_records=0)
    assert (report.answered, report.checks) == (0, 0)
    written = json.loads((tmp_path / "out/metrics.json").read_text())
    assert list(written) == ["base", "adapter", "records", "tokens"]
    assert list(written["base"]) == list(written["adapter"]) == ["perplexity"]
    assert "Sample answers" not in (tmp_path / "out/report.md").read_text(encoding="utf-8")


def test_figures_have_six_significant_digits(whole: Path) -> None:
    metrics = read_metrics(whole)
    for figure in (*metrics.base.values(), *metrics.adapter.values()):
        assert figure == float(f"{figure:.6g}")
    assert list(metrics.adapter) == ["perplexity", "rouge_l", "bleu", "exact_match", "f1", "checks_passed"]


def test_an_infinite_likelihood_is_left_out_with_a_warning(
    tmp_path: Path, adapter: Path, dataset: Path, base: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(model: Any, examples: Any, *, batch_tokens: int) -> Any:
        scores = response_logprobs(model, examples, batch_tokens=batch_tokens)
        return [replace(score, logprob=math.nan) for score in scores]

    monkeypatch.setattr(predictions, "response_logprobs", broken)
    metrics = evaluated(tmp_path / "out", adapter, dataset, base).metrics
    assert "perplexity" not in metrics.base
    assert "the adapter's likelihood of the test records is not a finite number" in caplog.text
    assert {line["adapter"]["nll"] for line in lines(tmp_path / "out")} == {None}


def test_report_compares_by_language_and_quotes_answers(whole: Path) -> None:
    text = (whole / "report.md").read_text(encoding="utf-8")
    assert "Test records: 6 (4 en, 2 zh)" in text
    for label in ("all", "en", "zh"):
        assert f"| perplexity | {label} | " in text
    (row,) = [line.split("|") for line in text.splitlines() if line.startswith("| perplexity | all")]
    assert row[5].strip() == ("better" if float(row[4]) < float(row[3]) else "**worse**")
    assert text.count("### Record ") == 3
    assert f"> {records()[0].output}" in text


def test_manifest_names_adapter_and_dataset_and_the_gates_accept_it(tmp_path: Path, whole: Path, adapter: Path) -> None:
    verify(whole)
    assert read_provenance(whole).inputs == {"adapter": digest_folder(adapter), "test": digest_file(whole.parent / "dataset" / "test.jsonl")}
    section = GateSection(code="0" * 64, libraries={}, gates=(Gate(metric="perplexity", minimum=1), Gate(metric="checks_passed", minimum=0.5)))
    assert judge(section, inputs=whole, out=tmp_path / "gate", progress=QuietProgress()).adapter == digest_folder(adapter)
    assert read_provenance(tmp_path / "gate").inputs == {"evaluation": digest_folder(whole)}


def test_same_inputs_give_the_same_bytes_and_no_paths(tmp_path: Path, adapter: Path, dataset: Path, base: Path) -> None:
    for name in ("a", "b"):
        evaluated(tmp_path / name, adapter, dataset, base, checks=CHECKS)
    assert digest_files(tmp_path / "a") == digest_files(tmp_path / "b")
    for path in (tmp_path / "a").iterdir():
        assert str(tmp_path) not in path.read_text(encoding="utf-8")


def test_an_empty_test_split_is_an_input_error_and_leaves_nothing(tmp_path: Path, adapter: Path, base: Path) -> None:
    empty = write_dataset(tmp_path / "empty", [])
    with pytest.raises(InputError, match=r"test\.jsonl has no records, so there is nothing to measure\nhint: raise dataset\.split\.test"):
        evaluated(tmp_path / "out", adapter, empty, base)
    assert not (tmp_path / "out").exists()


def test_a_missing_or_broken_test_split_is_an_input_error(tmp_path: Path, adapter: Path, dataset: Path, base: Path) -> None:
    (dataset / "test.jsonl").write_bytes(b'{"id": "1"}\n')
    with pytest.raises(InputError, match=r"differs from its manifest: test\.jsonl"):
        evaluated(tmp_path / "out", adapter, dataset, base)
    list_again(dataset)
    with pytest.raises(InputError, match=r"test\.jsonl holds a line that is not an Alpaca record"):
        evaluated(tmp_path / "out", adapter, dataset, base)
    (dataset / "test.jsonl").write_bytes("利率\n".encode("gb18030") + b"\xff")
    list_again(dataset)
    with pytest.raises(InputError, match="it is not UTF-8"):
        evaluated(tmp_path / "out", adapter, dataset, base)
    (dataset / "test.jsonl").unlink()
    with pytest.raises(InputError, match=r"differs from its manifest: test\.jsonl|test\.jsonl does not exist"):
        evaluated(tmp_path / "out", adapter, dataset, base)


def list_again(dataset: Path) -> None:
    """Let the manifest say what the test split is now, as if the stage had written it."""
    manifest = json.loads((dataset / MANIFEST).read_bytes())
    manifest["files"]["test.jsonl"] = digest_file(dataset / "test.jsonl")
    (dataset / MANIFEST).write_text(json.dumps(manifest))


def test_missing_folders_are_input_errors(tmp_path: Path, adapter: Path, dataset: Path, base: Path) -> None:
    with pytest.raises(InputError, match=r"adapter: .* does not exist"):
        evaluated(tmp_path / "out", tmp_path / "none", dataset, base)
    with pytest.raises(InputError, match=r"base: .* is not a folder"):
        evaluated(tmp_path / "out", adapter, dataset, tmp_path / "none")
    with pytest.raises(InputError, match=r"not a finished output: it has no manifest\.json"):
        evaluated(tmp_path / "out", base, dataset, base)


def test_the_model_is_the_adapter_again_after_the_base_has_spoken(adapter: Path, base: Path) -> None:
    from adapt.evaluate.answers import speaking

    loaded = load_adapter(adapter, base)
    model: Any = loaded.model
    example = [loaded.prompt.encode(records()[0])]
    score = [response_logprobs(model, example, batch_tokens=512)[0].logprob]
    with speaking(loaded, "base"):
        score += [response_logprobs(model, example, batch_tokens=512)[0].logprob]
    score += [response_logprobs(model, example, batch_tokens=512)[0].logprob]
    assert score[0] == score[2] != score[1]
