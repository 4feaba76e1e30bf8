import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from adapt.adapter.generation import generate
from adapt.adapter.lane import Lane
from adapt.adapter.load import load_adapter
from adapt.adapter.schedules import learning_rate
from adapt.adapter.scoring import response_logprobs
from adapt.adapter.train import train_together
from adapt.adapter.training import Training
from adapt.artifact.digest import digest_files
from adapt.artifact.manifest import verify
from adapt.artifact.progress import QuietProgress
from adapt.base import numerics
from adapt.base.numerics import NumericClass, instruction_set, numeric_class
from adapt.errors import InputError
from adapt.spec.lora import LoraSpec
from adapt.spec.low_rank_train import LoraTrain
from adapt.spec.prompt import PinnedPrompt
from adapt.spec.resolved.train import TrainSection
from tests.adapter.trainings import BASE, record, records, run, section

Dataset = Callable[..., Path]


def _losses(target: Path, name: str = "validation/loss") -> list[float]:
    lines = (target / "curves" / "plots" / "metrics" / f"{name}.tsv").read_text().splitlines()
    return [float(line.split("\t")[1]) for line in lines[1:]]


def _read(path: Path) -> dict:
    return json.loads(path.read_text())


def test_a_training_learns_and_leaves_a_finished_adapter(workspace: Path, dataset: Dataset, tmp_path: Path) -> None:
    before = digest_files(workspace / BASE)
    report = run(section(workspace), workspace, dataset(), tmp_path)
    assert report.validation_loss is not None
    assert report.validation_loss_before is not None
    assert report.validation_loss < 0.85 * report.validation_loss_before
    assert (report.steps, report.left_out, report.device, report.resumed_at_step) == (report.planned_steps, 0, "cpu", 0)
    assert report.tokens_per_second > 0
    assert sorted(verify(tmp_path / "adapter").files) == ["adapter_config.json", "adapter_model.safetensors", "chat_template.jinja", "training.json"]
    assert digest_files(workspace / BASE) == before
    assert not list((tmp_path / "work").glob("*")), "checkpoints of a finished training are removed"


def test_only_adapter_weights_are_saved_in_float32(workspace: Path, dataset: Dataset, tmp_path: Path) -> None:
    run(section(workspace, dtype="bfloat16", epochs=1), workspace, dataset(), tmp_path)
    weights = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    assert len(weights) == 2 * 7 * 2
    assert all("lora_A" in name or "lora_B" in name for name in weights)
    assert {weight.dtype for weight in weights.values()} == {torch.float32}
    assert all(weight.abs().max() > 0 for weight in weights.values())


def test_nothing_in_the_output_names_a_path_or_a_time(workspace: Path, dataset: Dataset, tmp_path: Path) -> None:
    run(section(workspace, epochs=1), workspace, dataset(), tmp_path)
    config = _read(tmp_path / "adapter" / "adapter_config.json")
    assert config["base_model_name_or_path"].startswith("sha256:")
    assert config["target_modules"] == sorted(config["target_modules"])
    text = "".join(path.read_text() for path in (tmp_path / "adapter").glob("*.json")) + (tmp_path / "curves" / "metrics.json").read_text()
    assert str(tmp_path) not in text
    assert str(workspace) not in text
    assert "timestamp" not in text


def test_the_trained_adapter_scores_as_training_measured(workspace: Path, dataset: Dataset, tmp_path: Path) -> None:
    report = run(section(workspace), workspace, dataset(), tmp_path)
    loaded = load_adapter(tmp_path / "adapter", workspace / BASE, device="cpu")
    assert loaded.dtype == "float32"
    scores = response_logprobs(loaded.model, [loaded.prompt.encode(each) for each in records(6, first=24)], batch_tokens=256)
    assert -sum(score.logprob for score in scores) / sum(score.tokens for score in scores) == pytest.approx(report.validation_loss, rel=1e-4)


def test_an_adapter_that_was_edited_is_not_loaded(workspace: Path, dataset: Dataset, tmp_path: Path) -> None:
    run(section(workspace, epochs=1), workspace, dataset(), tmp_path)
    (tmp_path / "adapter" / "chat_template.jinja").write_text("{{ messages }}")
    with pytest.raises(InputError, match=r"differs from its manifest: chat_template\.jinja"):
        load_adapter(tmp_path / "adapter", workspace / BASE)


def test_the_end_token_is_learnt(workspace: Path, dataset: Dataset, tmp_path: Path) -> None:
    answers = [record(f"Say yes {number}.", "yes") for number in range(24)]
    run(section(workspace, epochs=12, learning_rate=1e-2, patience=None), workspace, dataset(answers, answers[:4]), tmp_path)
    loaded = load_adapter(tmp_path / "adapter", workspace / BASE, device="cpu")
    example = loaded.prompt.encode(answers[0])
    with torch.no_grad():
        likely = loaded.model(input_ids=torch.tensor([list(example.ids[:-1])])).logits[0, -1].argmax()
    assert int(likely) == example.ids[-1] == loaded.prompt.end_ids[0]
    questions = [loaded.prompt.encode_question(answer.messages[:-1]) for answer in answers[:3]]
    found = generate(loaded.model, loaded.tokenizer, questions, max_new_tokens=8, batch_tokens=256, end_ids=loaded.prompt.end_ids)
    assert [loaded.tokenizer.decode(ids) for ids in found] == ["yes"] * 3


@pytest.mark.parametrize("method", ["lora", "qlora"])
def test_two_trainings_give_the_same_bytes(workspace: Path, dataset: Dataset, tmp_path: Path, method: str) -> None:
    settings = section(workspace, method=method, lora=LoraSpec(r=4, lora_dropout=0.1), gradient_checkpointing=True, epochs=1)
    inputs = dataset()
    for name in ("first", "second"):
        run(settings, workspace, inputs, tmp_path / name)
    assert digest_files(tmp_path / "first" / "adapter") == digest_files(tmp_path / "second" / "adapter")
    assert digest_files(tmp_path / "first" / "curves") == digest_files(tmp_path / "second" / "curves")


def test_another_seed_gives_another_adapter(workspace: Path, dataset: Dataset, tmp_path: Path) -> None:
    inputs = dataset()
    for seed in (1, 2):
        run(section(workspace, seed=seed, epochs=1), workspace, inputs, tmp_path / str(seed))
    found = [digest_files(tmp_path / str(seed) / "adapter")["adapter_model.safetensors"] for seed in (1, 2)]
    assert found[0] != found[1]


def test_gradient_checkpointing_changes_no_result(workspace: Path, dataset: Dataset, tmp_path: Path) -> None:
    inputs = dataset()
    for on in (True, False):
        run(section(workspace, gradient_checkpointing=on, epochs=1), workspace, inputs, tmp_path / str(on))
    assert _losses(tmp_path / "True") == pytest.approx(_losses(tmp_path / "False"), rel=1e-4)


def test_a_killed_training_goes_on_and_ends_with_the_same_bytes(workspace: Path, dataset: Dataset, tmp_path: Path) -> None:
    settings = section(workspace, lora=LoraSpec(r=4, lora_dropout=0.1), checkpoint_every_steps=3, batch_tokens=128, epochs=2)
    inputs = dataset()
    run(settings, workspace, inputs, tmp_path / "whole")
    (tmp_path / "section.json").write_text(settings.model_dump_json())
    code = (
        "import sys; from pathlib import Path; from adapt.spec.resolved.train import TrainSection; from tests.adapter.trainings import Killer, run\n"
        "section = TrainSection.model_validate_json(Path(sys.argv[1]).read_bytes())\n"
        "run(section, Path(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4]), progress=Killer(8))"
    )
    killed = tmp_path / "killed"
    arguments = [str(path) for path in (tmp_path / "section.json", workspace, inputs, killed)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code, *arguments], check=False, capture_output=True, env=environment)
    assert done.returncode == -9, done.stderr.decode()
    assert not (killed / "adapter").exists()
    assert [path.suffix for path in (killed / "work").iterdir()] == [".safetensors"]
    report = run(settings, workspace, inputs, killed)
    assert report.resumed_at_step == 6
    assert digest_files(killed / "adapter") == digest_files(tmp_path / "whole" / "adapter")
    assert digest_files(killed / "curves") == digest_files(tmp_path / "whole" / "curves")


class _StopError(Exception):
    pass


class _Listener(QuietProgress):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


@pytest.fixture
def other_threads() -> Iterator[int]:
    """This process with another number of threads than before."""
    before = torch.get_num_threads()
    torch.set_num_threads(before + 1)
    yield before
    torch.set_num_threads(before)


def test_a_checkpoint_of_another_number_of_threads_is_not_gone_on_from(
    workspace: Path, dataset: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture, other_threads: int
) -> None:
    settings, inputs, target = section(workspace, checkpoint_every_steps=2, batch_tokens=128, epochs=1), dataset(), tmp_path / "here"

    def stop(step: int, loss: float) -> None:
        raise InputError("enough")

    training = Training(settings, inputs, target / "adapter", target / "curves", target / "work", watch=stop)
    with pytest.raises(InputError, match="enough"):
        train_together([training], base=workspace / BASE, progress=QuietProgress())
    assert list((target / "work").glob("checkpoint-*"))
    torch.set_num_threads(other_threads)
    report = run(settings, workspace, inputs, target)
    assert report.resumed_at_step == 0
    assert f"computed in float32 on cpu ({instruction_set('cpu')}, {other_threads + 1} threads)" in caplog.text
    run(settings, workspace, inputs, tmp_path / "whole")
    assert digest_files(target / "adapter") == digest_files(tmp_path / "whole" / "adapter")


@pytest.mark.parametrize("native", ["bfloat16", "float32"])
def test_auto_takes_what_is_native_says_it_and_records_it(
    workspace: Path, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, native: str
) -> None:
    monkeypatch.setattr(numerics, "_cpu_multiplies_bfloat16", lambda limit: native == "bfloat16")
    listener = _Listener()
    report = run(section(workspace, dtype="auto", epochs=1), workspace, dataset(), tmp_path / "auto", progress=listener)
    recorded = _read(tmp_path / "auto" / "adapter" / "training.json")
    assert NumericClass.read(recorded) == NumericClass.read(vars(report)) == numeric_class(native, "cpu")
    assert listener.lines[0].startswith(f"training in {native} on cpu (")
    assert ("times slower" in listener.lines[0]) == (native == "float32")
    run(section(workspace, dtype=native, epochs=1), workspace, dataset(), tmp_path / "named")
    name = "adapter_model.safetensors"
    assert (tmp_path / "auto" / "adapter" / name).read_bytes() == (tmp_path / "named" / "adapter" / name).read_bytes()


def test_the_resolved_section_keeps_auto_so_that_no_machine_makes_an_adapter_stale(
    workspace: Path, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, inputs, digests = section(workspace, dtype="auto", epochs=1), dataset(), set()
    for native in (True, False):
        monkeypatch.setattr(numerics, "_cpu_multiplies_bfloat16", lambda limit, native=native: native)
        run(settings, workspace, inputs, tmp_path / str(native))
        digests.add(verify(tmp_path / str(native) / "adapter").section)
    assert len(digests) == 1


def test_a_named_bfloat16_without_instructions_for_it_is_kept_and_warned_of(
    workspace: Path, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(numerics, "_cpu_multiplies_bfloat16", lambda limit: False)
    run(section(workspace, dtype="bfloat16", epochs=1), workspace, dataset(), tmp_path)
    assert re.search(r"train\.dtype is bfloat16, whose products take this CPU \d+\.\d times as long", caplog.text)
    assert _read(tmp_path / "adapter" / "training.json")["dtype"] == "bfloat16"
    loaded = load_adapter(tmp_path / "adapter", workspace / BASE, device="cpu")
    assert (loaded.trained_dtype, loaded.dtype, next(loaded.model.parameters()).dtype) == ("bfloat16", "float32", torch.float32)


def test_a_rebuild_in_another_class_says_which_it_was(workspace: Path, dataset: Dataset, tmp_path: Path) -> None:
    here, listener = numeric_class("float32", "cpu"), _Listener()
    for former, told in ((here, False), (replace(here, instruction_set="NEON"), True)):
        training = Training(section(workspace, epochs=1), dataset(), tmp_path / "a", tmp_path / "c", tmp_path / "w", former=former)
        listener.lines.clear()
        train_together([training], base=workspace / BASE, progress=listener)
        assert any("the adapter before was trained in float32 on cpu (NEON" in line for line in listener.lines) == told


def _run_until(step: int, settings: TrainSection, workspace: Path, inputs: Path, target: Path) -> None:
    """Train, and fail when `step` steps are done."""
    turn = Lane.turn

    def stop(self: Lane) -> bool:
        if self.state.step == step:
            raise _StopError
        return turn(self)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lane, "turn", stop)
        with pytest.raises(_StopError):
            run(settings, workspace, inputs, target)


def test_a_checkpoint_of_other_settings_or_records_is_not_used(workspace: Path, dataset: Dataset, tmp_path: Path) -> None:
    settings = section(workspace, checkpoint_every_steps=2)
    _run_until(4, settings, workspace, dataset(), tmp_path)
    assert run(section(workspace, checkpoint_every_steps=2, learning_rate=1e-3), workspace, dataset(), tmp_path).resumed_at_step == 0
    _run_until(4, settings, workspace, dataset(), tmp_path)
    assert run(settings, workspace, dataset(records(23)), tmp_path).resumed_at_step == 0
    _run_until(4, settings, workspace, dataset(), tmp_path)
    assert run(settings, workspace, dataset(), tmp_path).resumed_at_step == 4


def test_a_damaged_checkpoint_is_left_aside(workspace: Path, dataset: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    inputs, settings = dataset(), section(workspace, checkpoint_every_steps=2, epochs=1)
    _run_until(2, settings, workspace, inputs, tmp_path)
    (found,) = (tmp_path / "work").iterdir()
    found.write_bytes(found.read_bytes()[:100])
    assert run(settings, workspace, inputs, tmp_path).resumed_at_step == 0
    assert "cannot be read; training starts anew" in caplog.text


def _lane(workspace: Path, tmp_path: Path, train: list, **settings) -> Lane:
    from adapt.adapter.checkpoint import Checkpoint
    from adapt.adapter.methods.door import attach
    from adapt.adapter.methods.frozen import Base
    from adapt.adapter.objectives.sft import Sft

    made = section(workspace, **settings)
    attached = attach(Base(workspace / BASE), made, device="cpu", sequences=[])
    prompt = Base(workspace / BASE).prompt(made.prompt)
    return Lane(attached, Sft(), [prompt.encode(each) for each in train], [], made.train, seed=1, checkpoint=Checkpoint(tmp_path, "key"))


def _gradient(lane: Lane, step: list[list[int]]) -> torch.Tensor:
    lane.optimiser.zero_grad()
    lane.gradients_of(lane.items_of(step))
    return torch.cat([weight.grad.flatten() for weight in lane.weights.values()])


def test_accumulated_passes_give_the_gradient_of_one_large_pass(workspace: Path, tmp_path: Path) -> None:
    lane = _lane(workspace, tmp_path, records(6))
    assert lane.gradients_of(lane.items_of([[0, 1, 2, 3, 4, 5]])) == pytest.approx(
        lane.gradients_of(lane.items_of([[0, 1], [2, 3, 4], [5]])), rel=1e-5
    )
    torch.testing.assert_close(_gradient(lane, [[0, 1, 2, 3, 4, 5]]), _gradient(lane, [[0, 1], [2, 3, 4], [5]]), rtol=1e-3, atol=1e-6)


def test_accumulation_trains_like_a_larger_batch(workspace: Path, dataset: Dataset, tmp_path: Path) -> None:
    inputs = dataset([record(f"Item {number:02}?", f"It is {number:02}.") for number in range(24)])
    lengths = {"batch_tokens": 10_000}
    run(section(workspace, **lengths, epochs=1), workspace, inputs, tmp_path / "length")
    tokens = _read(tmp_path / "length" / "adapter" / "training.json")["tokens"]["seen"]
    assert tokens % 24 == 0, "the records must have one length"
    longest = tokens // 24
    run(section(workspace, batch_tokens=3 * longest, accumulate=2), workspace, inputs, tmp_path / "two")
    run(section(workspace, batch_tokens=6 * longest, accumulate=1), workspace, inputs, tmp_path / "one")
    assert _losses(tmp_path / "two", "train/loss") == pytest.approx(_losses(tmp_path / "one", "train/loss"), rel=1e-3)


def test_gradients_are_those_of_peft_and_cross_entropy(workspace: Path, tmp_path: Path) -> None:
    from adapt.adapter.methods.lowrank import lora_config, with_adapter
    from adapt.base.load import load_model

    lane = _lane(workspace, tmp_path, records(3))
    base = load_model(workspace / BASE, dtype="float32", device="cpu")
    plain = with_adapter(base, lora_config(base, LoraSpec(r=4)), seed=1)
    loss = torch.zeros(())
    weights = dict(plain.named_parameters())
    with torch.no_grad():
        for name, weight in lane.weights.items():
            weight.add_(0.02)
            weights[name].copy_(weight)
    for example in lane.items:
        ids = torch.tensor([list(example.ids)])
        labels = ids.clone()
        labels[:, : example.prompt_length] = -100
        answer = len(example.ids) - example.prompt_length
        loss = loss + plain(input_ids=ids, labels=labels).loss * answer
    (loss / sum(len(example.ids) - example.prompt_length for example in lane.items)).backward()
    ours = _gradient(lane, [[0, 1, 2]])
    theirs = torch.cat([weights[name].grad.flatten() for name in lane.weights])
    torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_quantized_gradients_survive_a_measurement(workspace: Path, tmp_path: Path, dropout: float) -> None:
    lane = _lane(workspace, tmp_path, records(3), method="qlora", lora=LoraSpec(r=4, lora_dropout=dropout))
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in lane.weights.values():
            weight.add_(0.02)
    lane.model.train()
    torch.manual_seed(5)
    before = _gradient(lane, [[0, 1, 2]])
    lane.model.eval()
    response_logprobs(lane.model, lane.items, batch_tokens=256)
    lane.model.train()
    torch.manual_seed(5)
    torch.testing.assert_close(_gradient(lane, [[0, 1, 2]]), before)


def test_prompt_tokens_are_not_trained(workspace: Path, tmp_path: Path) -> None:
    lane = _lane(workspace, tmp_path, records(3))
    rows = [len(example.ids) - example.prompt_length for example in lane.items]
    lane.gradients_of(lane.items_of([[0, 1, 2]]))
    assert lane.state.trained == sum(rows)
    scores = response_logprobs(lane.model, lane.items, batch_tokens=256)
    assert lane.gradients_of(lane.items_of([[0, 1, 2]])) == pytest.approx(-sum(score.logprob for score in scores) / sum(rows), rel=1e-4)


def test_training_stops_early_and_keeps_the_best_weights(workspace: Path, dataset: Dataset, tmp_path: Path) -> None:
    settings = section(workspace, epochs=40, learning_rate=8e-2, evaluate_every_steps=1, patience=2, schedule="constant", batch_tokens=512)
    report = run(settings, workspace, dataset(), tmp_path)
    losses = _losses(tmp_path)
    assert report.steps < report.planned_steps
    assert report.steps == report.best_step + 2
    assert report.validation_loss == min(losses[1:]) == losses[report.best_step]
    scores_of = load_adapter(tmp_path / "adapter", workspace / BASE, device="cpu")
    scores = response_logprobs(scores_of.model, [scores_of.prompt.encode(each) for each in records(6, first=24)], batch_tokens=512)
    assert -sum(score.logprob for score in scores) / sum(score.tokens for score in scores) == pytest.approx(report.validation_loss, rel=1e-3)


def test_without_patience_training_goes_to_the_end(workspace: Path, dataset: Dataset, tmp_path: Path) -> None:
    report = run(section(workspace, learning_rate=8e-2, evaluate_every_steps=1, patience=None), workspace, dataset(), tmp_path)
    assert report.steps == report.planned_steps


def test_without_validation_records_the_last_weights_are_kept(
    workspace: Path, dataset: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    report = run(section(workspace, epochs=1), workspace, dataset(validation=[]), tmp_path)
    assert (report.validation_loss, report.best_step) == (None, report.steps)
    assert "train.patience has no effect" in caplog.text


def test_a_qlora_adapter_trains_and_loads_on_the_unquantized_base(workspace: Path, dataset: Dataset, tmp_path: Path) -> None:
    report = run(section(workspace, method="qlora"), workspace, dataset(), tmp_path)
    assert report.validation_loss is not None
    assert report.validation_loss_before is not None
    assert report.validation_loss < 0.85 * report.validation_loss_before
    loaded = load_adapter(tmp_path / "adapter", workspace / BASE, device="cpu")
    assert {type(module).__module__ for module in loaded.model.modules()}.isdisjoint({"bitsandbytes.nn.modules"})


def test_adapters_go_on_the_named_modules_only(workspace: Path, dataset: Dataset, tmp_path: Path) -> None:
    run(section(workspace, lora=LoraSpec(r=4, target_modules=("v_proj", "q_proj")), epochs=1), workspace, dataset(), tmp_path)
    weights = load_file(tmp_path / "adapter" / "adapter_model.safetensors")
    assert {name.split(".")[-3] for name in weights} == {"q_proj", "v_proj"}
    assert _read(tmp_path / "adapter" / "adapter_config.json")["target_modules"] == ["q_proj", "v_proj"]


@pytest.mark.parametrize("names", [("q_proj", "query"), ("lm_head",)])
def test_unknown_modules_are_refused_with_the_choice(workspace: Path, dataset: Dataset, tmp_path: Path, names: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="choose from: down_proj, gate_proj, k_proj, o_proj, q_proj, up_proj, v_proj"):
        run(section(workspace, lora=LoraSpec(r=4, target_modules=names)), workspace, dataset(), tmp_path)
    assert not (tmp_path / "adapter").exists()


def test_rank_scaling_and_alpha_reach_the_adapter(workspace: Path, dataset: Dataset, tmp_path: Path) -> None:
    run(section(workspace, lora=LoraSpec(r=2, lora_alpha=7, use_rslora=True), epochs=1), workspace, dataset(), tmp_path)
    config = _read(tmp_path / "adapter" / "adapter_config.json")
    assert (config["r"], config["lora_alpha"], config["use_rslora"]) == (2, 7, True)


def test_records_that_are_too_long_are_left_out_and_counted(
    workspace: Path, dataset: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    long = record("What?", "bond " * 200)
    report = run(section(workspace, max_length_tokens=120, epochs=1), workspace, dataset([*records(12), long], [*records(3), long]), tmp_path)
    assert (report.records, report.left_out) == (12, 1)
    assert "longer than train.max_length_tokens (120): 1 training and 1 validation records" in caplog.text
    assert _read(tmp_path / "adapter" / "training.json")["records"] == {"train": 12, "validation": 3, "left_out_train": 1, "left_out_validation": 1}


def test_nothing_to_train_on_is_an_input_error(workspace: Path, dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing to train on: all 24 records are longer than train\.max_length_tokens \(16\)"):
        run(section(workspace, max_length_tokens=16), workspace, dataset(), tmp_path)
    with pytest.raises(InputError, match=r"nothing to train on: train\.jsonl has no records"):
        run(section(workspace), workspace, dataset([]), tmp_path)


def test_half_precision_on_a_cpu_is_refused(workspace: Path, dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"train\.dtype is float16, and training runs on a CPU") as caught:
        run(section(workspace, dtype="float16"), workspace, dataset(), tmp_path)
    assert "bfloat16" in str(caught.value.hint)


def test_a_loss_that_is_not_finite_stops_with_the_records(workspace: Path, dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"training stopped at step \d+: the (loss|gradient) is (nan|inf), with records [0-9a-f]{12}") as caught:
        run(section(workspace, learning_rate=0.999, max_grad_norm=1e30, weight_decay=1e38, patience=None), workspace, dataset(), tmp_path)
    assert "lower train.learning_rate" in str(caught.value.hint)
    assert not (tmp_path / "adapter").exists()


def test_an_unfinished_dataset_is_refused(workspace: Path, dataset: Dataset, tmp_path: Path) -> None:
    inputs = dataset()
    (inputs / "manifest.json").unlink()
    with pytest.raises(InputError, match="not a finished output"):
        run(section(workspace), workspace, inputs, tmp_path)


def test_an_adapter_that_does_not_help_is_reported(workspace: Path, dataset: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run(section(workspace, learning_rate=1e-30, epochs=1), workspace, dataset(), tmp_path)
    assert "the validation loss never fell below that of the base" in caplog.text


def test_the_prompt_template_is_shipped_with_the_adapter(workspace: Path, dataset: Dataset, tmp_path: Path) -> None:
    run(section(workspace, prompt=PinnedPrompt(kind="alpaca", system="简短。"), epochs=1), workspace, dataset(), tmp_path)
    template = (tmp_path / "adapter" / "chat_template.jinja").read_text(encoding="utf-8")
    assert "### Instruction:" in template
    assert "简短。" in template


def test_curves_need_no_repository_and_no_network(workspace: Path, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("a network connection was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    for name, value in {"DVC_STUDIO_TOKEN": "x", "DVC_EXP_BASELINE_REV": "0" * 40, "DVC_EXP_NAME": "e", "DVC_ROOT": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "repository").mkdir()
    subprocess.run(["git", "init", "-q", str(tmp_path / "repository")], check=True)
    monkeypatch.chdir(tmp_path / "repository")
    run(section(workspace, epochs=1, evaluate_every_steps=2), workspace, dataset(), tmp_path)
    assert [path.name for path in (tmp_path / "repository").iterdir()] == [".git"]
    steps = _read(tmp_path / "adapter" / "training.json")["steps"]["taken"]
    assert len(_losses(tmp_path, "train/loss")) == len(_losses(tmp_path, "learning_rate")) == steps
    assert len(_losses(tmp_path)) == 1 + -(-steps // 2)


def test_the_learning_rate_rises_then_follows_its_schedule() -> None:
    def rates(schedule: str, warmup_ratio: float = 0.2) -> list[float]:
        settings = LoraTrain(learning_rate=0.1, schedule=schedule, warmup_ratio=warmup_ratio)
        return [learning_rate(step, 10, settings) for step in range(1, 11)]

    assert rates("linear") == pytest.approx([0.05, 0.1, 0.1, 0.0875, 0.075, 0.0625, 0.05, 0.0375, 0.025, 0.0125])
    assert rates("constant") == pytest.approx([0.05] + [0.1] * 9)
    assert rates("cosine")[2] == pytest.approx(0.1)
    assert rates("cosine")[6] == pytest.approx(0.05)
    assert rates("constant", warmup_ratio=0.0) == pytest.approx([0.1] * 10)
    assert rates("linear", warmup_ratio=0.99)[-1] == pytest.approx(0.1)
