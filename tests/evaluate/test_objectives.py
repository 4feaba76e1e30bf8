"""What adapters of other objectives than fine-tuning are measured by, held against plain computations."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cosine_similarity

from adapt.adapter.load import load_adapter
from adapt.adapter.objectives.contrastive import embedded_ids
from adapt.adapter.scoring import response_logprobs
from adapt.artifact.manifest import read_provenance
from adapt.artifact.progress import QuietProgress
from adapt.errors import InputError
from adapt.evaluate.build import EvaluateInputs, build
from adapt.evaluate.confusion import confusion_table, macro_f1
from adapt.evaluate.metrics import Metrics, read_metrics
from adapt.evaluate.retrieval import ranks, retrieval_figures
from adapt.records import AlpacaRecord
from tests.adapter.objectives.pairs import labelled, pairs, texts
from tests.adapter.trainings import run, section
from tests.adapter.trainings import write_dataset as write_training
from tests.evaluate.conftest import evaluate_section, write_dataset

RATE = {"dpo": 2e-3, "reward": 2e-3, "contrastive": 2e-3, "simpo": 2e-3}


def trained(tmp_path: Path, base: Path, objective: Any, rows: Any, **settings: Any) -> Path:
    """An adapter for `objective`, on records that `rows` makes."""
    kind = objective if isinstance(objective, str) else objective["kind"]
    usual = {"learning_rate": RATE.get(kind, 5e-3), "epochs": 2, "batch_tokens": 512} | settings
    inputs = write_training(tmp_path / "training", rows(24), rows(6, first=24))
    run(section(base.parent, base=base.name, objective=objective, **usual), base.parent, inputs, tmp_path, base=base.name)
    return tmp_path / "adapter"


def measured(tmp_path: Path, adapter: Path, base: Path, rows: list[AlpacaRecord], **settings: Any) -> tuple[Metrics, list[dict[str, Any]], str]:
    """Metrics, lines and report of an evaluation."""
    steps = settings.pop("steps", None)
    inputs = EvaluateInputs(adapter=adapter, dataset=write_dataset(tmp_path / "test", rows), base=base, steps=steps)
    build(evaluate_section(**settings), inputs=inputs, out=tmp_path / "out", progress=QuietProgress())
    lines = [json.loads(line) for line in (tmp_path / "out" / "measurements.jsonl").read_text(encoding="utf-8").splitlines()]
    return read_metrics(tmp_path / "out"), lines, (tmp_path / "out" / "report.md").read_text(encoding="utf-8")


def test_preferences_are_compared_by_likelihood_and_by_implicit_reward(tmp_path: Path, base: Path) -> None:
    adapter, rows = trained(tmp_path, base, {"kind": "dpo", "beta": 0.3}, pairs), pairs(8, first=40)
    metrics, lines, report = measured(tmp_path, adapter, base, rows, generate_records=2)
    loaded = load_adapter(adapter, base, device="cpu")

    def logprobs() -> list[tuple[float, float]]:
        sides = [[row.model_copy(update={"output": text}) for row, text in zip(rows, each, strict=True)]
                 for each in ([r.output for r in rows], [r.rejected for r in rows])]  # fmt: skip
        better, worse = (response_logprobs(loaded.model, [loaded.prompt.encode(row) for row in side], batch_tokens=10_000) for side in sides)
        return [(one.logprob, other.logprob) for one, other in zip(better, worse, strict=True)]

    ours = logprobs()
    with loaded.disabled():
        before = logprobs()
    assert metrics.adapter["preference_accuracy"] == sum(better > worse for better, worse in ours) / 8
    assert metrics.base["preference_accuracy"] == sum(better > worse for better, worse in before) / 8
    margins = [0.3 * ((one[0] - two[0]) - (one[1] - two[1])) for one, two in zip(ours, before, strict=True)]
    assert metrics.adapter["reward_margin"] == pytest.approx(sum(margins) / 8, rel=1e-3)
    assert metrics.adapter["reward_accuracy"] == sum(margin > 0 for margin in margins) / 8 > 0.8
    assert "reward_accuracy" not in metrics.base
    assert {"perplexity", "rouge_l"} <= metrics.adapter.keys()
    assert [line["id"] for line in lines] == [row.id for row in rows]
    assert "| reward_margin | all | none |" in report
    assert "share of pairs whose better answer is the likelier one" in report


def test_preferences_without_a_reference_have_a_margin_of_their_own(tmp_path: Path, base: Path) -> None:
    metrics, lines, _ = measured(tmp_path, trained(tmp_path, base, "simpo", pairs), base, pairs(4, first=40), generate_records=0)
    assert "reward_accuracy" not in metrics.adapter
    assert metrics.adapter["reward_margin"] > metrics.base["reward_margin"]
    assert lines[0]["base"]["better"] < 0


def test_a_reward_model_is_measured_by_its_head(tmp_path: Path, base: Path) -> None:
    adapter, rows = trained(tmp_path, base, "reward", pairs), pairs(8, first=40)
    metrics, lines, report = measured(tmp_path, adapter, base, rows)
    loaded = load_adapter(adapter, base, device="cpu")
    examples = [loaded.prompt.encode(row.model_copy(update={"output": text})) for row in rows for text in (row.output, row.rejected)]
    rewards = loaded.outputs([each.ids for each in examples], batch_tokens=10_000)[:, 0].view(-1, 2)
    assert [[line["better"], line["worse"]] for line in lines] == [pytest.approx(each, rel=1e-3, abs=1e-4) for each in rewards.tolist()]
    assert metrics.adapter == {
        "reward_accuracy": float((rewards[:, 0] > rewards[:, 1]).float().mean()),
        "reward_margin": pytest.approx(float((rewards[:, 0] - rewards[:, 1]).mean()), rel=1e-3),
    }
    assert metrics.adapter["reward_accuracy"] > 0.8
    assert metrics.base == {}
    assert "| reward_accuracy | all | none |" in report
    assert not (tmp_path / "out" / "predictions.jsonl").exists()


def test_a_classifier_is_held_against_the_commonest_label(tmp_path: Path, base: Path) -> None:
    rows = [each for number, each in enumerate(labelled(40, first=60)) if number % 3 < 2 or number < 9]
    metrics, lines, report = measured(tmp_path, trained(tmp_path, base, "classification", lambda n, first=0: labelled(n + 1, first)), base, rows)
    right = sum(line["label"] == line["found"] for line in lines)
    assert metrics.adapter["accuracy"] == pytest.approx(right / len(rows))
    assert metrics.adapter["accuracy"] > metrics.base["accuracy"] == pytest.approx(sum(row.label == "law" for row in rows) / len(rows))
    assert metrics.adapter["macro_f1"] > metrics.base["macro_f1"]
    assert "always giving 'law'" in report
    assert "| wanted | health | law | money |" in report


def test_retrieval_is_that_of_all_answers(tmp_path: Path, base: Path) -> None:
    adapter, rows = trained(tmp_path, base, {"kind": "contrastive", "pooling": "last"}, pairs), pairs(12, first=40)
    metrics, lines, _ = measured(tmp_path, adapter, base, rows)
    loaded: Any = load_adapter(adapter, base, device="cpu")

    def places() -> list[int]:
        def state(text: str) -> torch.Tensor:
            with torch.no_grad():
                ids = torch.tensor([embedded_ids(text, loaded.prompt)])
                return loaded.model(input_ids=ids, output_hidden_states=True).hidden_states[-1][0, -1]

        answers = [state(row.output) for row in rows]
        found = []
        for number, row in enumerate(rows):
            near = [float(cosine_similarity(state(row.question), answer, dim=0)) for answer in answers]
            found.append(1 + sum(each >= near[number] and rows[place].output != row.output for place, each in enumerate(near)))
        return found

    ours = places()
    assert [line["adapter"] for line in lines] == ours
    with loaded.disabled():
        assert [line["base"] for line in lines] == places()
    assert metrics.adapter["mrr"] == pytest.approx(sum(1 / place for place in ours) / 12, rel=1e-5)
    assert metrics.adapter["mrr"] > metrics.base["mrr"]
    assert metrics.adapter["recall_5"] == pytest.approx(sum(place <= 5 for place in ours) / 12, rel=1e-5)


def test_answers_are_worth_what_the_adapter_learnt_from(tmp_path: Path, base: Path) -> None:
    step = trained(tmp_path / "steps" / "judge", base, "reward", pairs)
    steps = tmp_path / "named"
    steps.mkdir()
    (steps / "judge").symlink_to(step)
    functions = [{"kind": "length", "max_tokens": 3}]
    objective = {"kind": "grpo", "reward": {"step": "judge", "functions": functions}, "max_new_tokens": 4, "generations": 2}
    from adapt.adapter.train import train

    train(
        section(base.parent, base=base.name, objective=objective, epochs=1, batch_tokens=512), inputs=tmp_path / "steps" / "judge" / "training",
        base=base, out=tmp_path / "adapter", curves=tmp_path / "curves", work=tmp_path / "work", progress=QuietProgress(), steps={"judge": step},
    )  # fmt: skip
    rows = pairs(4, first=40)
    metrics, lines, _ = measured(tmp_path, tmp_path / "adapter", base, rows, generate_records=3, steps=steps)
    assert len(lines) == 3
    assert metrics.adapter["mean_reward"] == pytest.approx(sum(line["adapter"] for line in lines) / 3, rel=1e-5)
    judge = load_adapter(step, base, device="cpu")
    answers = {json.loads(line)["id"]: json.loads(line) for line in (tmp_path / "out" / "predictions.jsonl").read_text().splitlines()}
    for line in lines:
        row = next(each for each in rows if each.id == line["id"])
        answer = answers[line["id"]]["base"]["answer"]
        example = judge.prompt.encode(row.model_copy(update={"output": answer}))
        reward = float(judge.outputs([example.ids], batch_tokens=10_000)[0, 0])
        tokens = len(judge.tokenizer(answer, add_special_tokens=False).input_ids)
        assert line["base"] == pytest.approx(reward + (1 <= tokens <= 3), rel=1e-3, abs=1e-4)
    assert sorted(read_provenance(tmp_path / "out").inputs) == ["adapter", "step judge", "test"]
    with pytest.raises(InputError, match="was rewarded by step judge, which is not built"):
        measured(tmp_path, tmp_path / "adapter", base, rows, steps=tmp_path / "nowhere")


def test_perplexity_of_running_text_counts_all_its_tokens(tmp_path: Path, base: Path) -> None:
    adapter, rows = trained(tmp_path, base, "pretrain", texts), texts(4, first=40)
    inputs = EvaluateInputs(adapter=adapter, dataset=write_dataset(tmp_path / "test", rows), base=base)
    build(evaluate_section(generate_records=4), inputs=inputs, out=tmp_path / "out", progress=QuietProgress())
    metrics, loaded = read_metrics(tmp_path / "out"), load_adapter(adapter, base, device="cpu")
    model: Any = loaded.model
    nll = tokens = 0.0
    for row in rows:
        ids = torch.tensor([embedded_ids(row.output, loaded.prompt)])
        with torch.no_grad():
            nll += float(torch.nn.functional.cross_entropy(model(input_ids=ids).logits[0, :-1], ids[0, 1:], reduction="sum"))
        tokens += ids.shape[1] - 1
    assert metrics.tokens == tokens
    assert metrics.adapter == {"perplexity": pytest.approx(math.exp(nll / tokens), rel=1e-4)}
    assert metrics.adapter["perplexity"] < metrics.base["perplexity"]


def test_f1_is_a_mean_over_labels_and_the_table_counts() -> None:
    wanted, found = ["a", "a", "a", "b", "c"], ["a", "a", "b", "b", "a"]
    assert macro_f1(wanted, found) == pytest.approx((2 * 2 / 6 + 2 * 1 / 3 + 0) / 3)
    table = confusion_table({("a", "b"): 1, ("a", "a"): 2}, ["a", "b|c", "b"])
    assert table[0] == "| wanted | a | b\\|c | b |"
    assert table[2] == "| a | 2 | 0 | 1 |"


def test_equal_answers_are_found_as_one_and_equal_embeddings_find_nothing() -> None:
    eye, alike = torch.eye(3), torch.ones(3, 3) / 3**0.5
    assert ranks(eye, eye, ["x", "y", "z"]) == [1, 1, 1]
    assert ranks(alike, alike, ["x", "y", "z"]) == [3, 3, 3]
    assert ranks(alike, alike, ["x", "x", "z"]) == [2, 2, 3]
    assert retrieval_figures([1, 2, 7, 20]) == {"mrr": pytest.approx((1 + 1 / 2 + 1 / 7 + 1 / 20) / 4), "recall_1": 0.25, "recall_5": 0.5,
                                                "recall_10": 0.75}  # fmt: skip
