"""Trains an adapter: Alpaca records and a base model in, an adapter folder and loss curves out.

Leaves, in the adapter folder: weights and config as the method stores them (peft's, for most), the chat template that it was trained with, and
training.json. The loss is taken on answers alone, end token included. A training that is killed goes on from its last checkpoint and ends with
the same bytes.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapt.adapter.folder import TEMPLATE, TRAINING, base_name, write_json
from adapt.adapter.prompt import Example, Prompt, effective_template
from adapt.artifact.digest import digest_value
from adapt.artifact.lines import read_lines
from adapt.artifact.manifest import section_digest, verify
from adapt.artifact.progress import Progress
from adapt.artifact.staging import staged
from adapt.base.load import load_tokenizer, resolve_device
from adapt.errors import InputError
from adapt.records import AlpacaRecord
from adapt.spec.common_train import CommonTrain
from adapt.spec.resolved.train import TrainSection

if TYPE_CHECKING:
    from adapt.adapter.loop import Trainer

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainReport:
    """How a training went."""

    steps: int
    planned_steps: int
    best_step: int
    """Step whose weights were kept."""
    train_loss: float
    """Loss of the last step, in nats per answer token."""
    validation_loss_before: float | None
    """Validation loss of the base alone; None without validation records."""
    validation_loss: float | None
    """Validation loss of the weights that were kept."""
    records: int
    left_out: int
    """Records longer than train.max_length_tokens."""
    tokens: int
    """Tokens seen over all epochs, prompts included."""
    tokens_per_second: float
    """Tokens of training steps over their time, in this process; validation and loading not counted."""
    trainable_parameters: int
    device: str
    resumed_at_step: int


def train(section: TrainSection, *, inputs: Path, base: Path, out: Path, curves: Path, work: Path, progress: Progress) -> TrainReport:
    """Train on the dataset folder `inputs` (train.jsonl, validation.jsonl) over the prepared base in folder `base`.

    `curves` gets the loss curves, just before `out` appears. `work` is a folder for checkpoints of this adapter alone; it is empty again on success.
    Raises InputError for unusable settings or records, and when the loss stops being finite.
    """
    device = _checked_device(section)
    verify(inputs)
    prompt = _prompt(section, base)
    with staged(out, section=section, inputs={"dataset": inputs}, seed=section.seed) as staging:
        examples, left_out = _encode(inputs / "train.jsonl", prompt, section, progress)
        validation, unmeasured = _encode(inputs / "validation.jsonl", prompt, section, progress)
        _check_records(section.train, examples, left_out, validation, unmeasured)
        trainer = _trainer(section, examples, validation, inputs=inputs, base=base, work=work, device=device)
        trainer.run(progress)
        _warn_of_outcome(trainer, prompt)
        report = _report(trainer, records=len(examples), left_out=left_out)
        trainer.attached.load_weights(trainer.best)
        trainer.attached.save(staging, section.base)
        (staging / TEMPLATE).write_text(prompt.template, encoding="utf-8", newline="\n")
        write_json(staging / TRAINING, _training(section, trainer, report, prompt, validation=len(validation), unmeasured=unmeasured))
        _write_curves(curves, trainer)
    trainer.checkpoint.clear()
    return report


def _checked_device(section: TrainSection) -> str:
    device = resolve_device(section.train.device)
    if device == "cpu" and section.train.dtype == "float16":
        raise InputError(
            "train.dtype is float16, and training runs on a CPU, where half precision has no loss scaling",
            hint="set train.dtype to bfloat16 or float32",
        )
    return device


def _prompt(section: TrainSection, base: Path) -> Prompt:
    tokenizer = load_tokenizer(base)
    return Prompt(effective_template(section.prompt, tokenizer), tokenizer)


def _encode(path: Path, prompt: Prompt, section: TrainSection, progress: Progress) -> tuple[list[Example], int]:
    """The records of `path` that are short enough, and how many are not."""
    examples, left_out = [], 0
    with progress.task(f"tokenising {path.name}") as task:
        for record in _records(path):
            example = prompt.encode(record)
            if len(example.ids) <= section.train.max_length_tokens:
                examples.append(example)
            else:
                left_out += 1
            task.advance()
    return examples, left_out


def _records(path: Path) -> Iterable[AlpacaRecord]:
    if not path.is_file():
        raise InputError(f"{path} does not exist", hint="build the dataset stage first, or run `adapt build`")
    return read_lines(path, AlpacaRecord)


def _check_records(settings: CommonTrain, examples: list[Example], left_out: int, validation: list[Example], unmeasured: int) -> None:
    limit = settings.max_length_tokens
    if not examples:
        found = f"all {left_out} records are longer than train.max_length_tokens ({limit})" if left_out else "train.jsonl has no records"
        hint = "raise train.max_length_tokens" if left_out else "look at the dataset's ledger"
        raise InputError(f"there is nothing to train on: {found}", hint=hint)
    if left_out or unmeasured:
        log.warning("left out as longer than train.max_length_tokens (%d): %d training and %d validation records", limit, left_out, unmeasured)
    if not validation and settings.patience is not None:
        log.warning("there are no validation records, so train.patience has no effect and the last weights are kept")


def _trainer(
    section: TrainSection, examples: list[Example], validation: list[Example], *, inputs: Path, base: Path, work: Path, device: str
) -> Trainer:
    from adapt.adapter.checkpoint import Checkpoint
    from adapt.adapter.loop import Trainer
    from adapt.adapter.methods.door import attach

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it at its first product; without it results vary
    key = digest_value([section_digest(section), verify(inputs).model_dump(), device])
    attached = attach(base, section, device=device, examples=examples)
    return Trainer(attached, examples, validation, section.train, seed=section.seed, checkpoint=Checkpoint(work, key[:32]))


def _warn_of_outcome(trainer: Trainer, prompt: Prompt) -> None:
    state = trainer.state
    if state.first_loss is not None and state.best_loss is not None and state.best_loss >= state.first_loss:
        log.warning("the validation loss never fell below that of the base: %.4f before, %.4f at best", state.first_loss, state.best_loss)
    settings = trainer.causal.generation_config
    known = settings.eos_token_id if isinstance(settings.eos_token_id, list) else [settings.eos_token_id]
    if prompt.end_ids[0] not in (*known, prompt.tokenizer.eos_token_id):
        log.warning("answers end with %r, at which the base model's own settings do not stop", prompt.tokenizer.decode([prompt.end_ids[0]]))


def _report(trainer: Trainer, *, records: int, left_out: int) -> TrainReport:
    state = trainer.state
    return TrainReport(
        steps=state.step,
        planned_steps=trainer.plan.steps,
        best_step=state.best_step,
        train_loss=state.train_loss,
        validation_loss_before=state.first_loss,
        validation_loss=state.best_loss,
        records=records,
        left_out=left_out,
        tokens=state.tokens,
        tokens_per_second=trainer.seconds_tokens / trainer.seconds if trainer.seconds else 0.0,
        trainable_parameters=sum(weight.numel() for weight in trainer.weights.values()),
        device=trainer.device,
        resumed_at_step=trainer.resumed_at,
    )


def _training(section: TrainSection, trainer: Trainer, report: TrainReport, prompt: Prompt, *, validation: int, unmeasured: int) -> dict[str, Any]:
    """Contents of training.json: nothing that depends on the time or on whether the training was interrupted."""
    return {
        "base": {"kind": section.base.source.kind, "model": base_name(section.base), "digest": section.base.digest},
        "method": section.train.method,
        "dtype": section.train.dtype,
        "device": report.device,
        "steps": {"planned": report.planned_steps, "taken": report.steps, "best": report.best_step},
        "losses": {"train": report.train_loss, "validation_before": report.validation_loss_before, "validation": report.validation_loss},
        "records": {"train": report.records, "validation": validation, "left_out_train": report.left_out, "left_out_validation": unmeasured},
        "tokens": {"seen": report.tokens, "trained": trainer.state.answer_tokens},
        "trainable_parameters": report.trainable_parameters,
        "end_token_ids": list(prompt.end_ids),
    }


def _write_curves(curves: Path, trainer: Trainer) -> None:
    from adapt.adapter.curves import write_curves

    write_curves(curves, trainer.state.points)
