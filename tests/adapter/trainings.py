"""Small datasets and trainings for the tests of this room."""

import os
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from adapt.adapter.train import TrainReport, train
from adapt.artifact.digest import digest_text
from adapt.artifact.lines import write_lines
from adapt.artifact.progress import Note, Progress, QuietProgress, Task
from adapt.artifact.staging import staged
from adapt.base.pin import pin
from adapt.records import AlpacaRecord
from adapt.spec.base import PathBase
from adapt.spec.lora import LoraSpec
from adapt.spec.prompt import PinnedPrompt
from adapt.spec.resolved.stage import StageSection
from adapt.spec.resolved.train import TrainSection

BASE = "base"


def record(instruction: str, output: str, **fields: Any) -> AlpacaRecord:
    usual = {"language": "en", "source": "faq.csv", "locator": "line 1", "document": "d"}
    return AlpacaRecord(id=digest_text(instruction, output, str(fields)), instruction=instruction, output=output, **(usual | fields))


def records(count: int, first: int = 0) -> list[AlpacaRecord]:
    """English and Chinese questions of different lengths, with answers that follow a pattern."""
    made = []
    for number in range(first, first + count):
        if number % 3:
            made.append(record(f"What is bond {number}?", f"Bond {number} is a loan" + " to the company" * (number % 4) + "."))
        else:
            made.append(record(f"什么是债券{number}？", f"债券{number}是借款凭证。", language="zh"))
    return made


def write_dataset(folder: Path, train: list[AlpacaRecord] | None = None, validation: list[AlpacaRecord] | None = None) -> Path:
    with staged(folder, section=StageSection(code="0" * 64, libraries={}), inputs={}) as staging:
        write_lines(staging / "train.jsonl", records(24) if train is None else train)
        write_lines(staging / "validation.jsonl", records(6, first=24) if validation is None else validation)
    return folder


def section(
    workspace: Path,
    *,
    lora: LoraSpec | None = None,
    prompt: PinnedPrompt | None = None,
    method: str = "lora",
    seed: int = 1,
    base: str = BASE,
    **train: Any,
) -> TrainSection:
    settings = {"batch_tokens": 256, "epochs": 3, "learning_rate": 5e-3, "dtype": "float32", "device": "cpu", "evaluate_every_steps": 4} | train
    return TrainSection(
        code="0" * 64,
        libraries={},
        base=pin(PathBase(kind="path", path=base), root=workspace),
        prompt=prompt or PinnedPrompt(kind="model"),
        lora=lora or LoraSpec(r=4),
        train={"method": method, **settings},
        seed=seed,
    )


def run(section: TrainSection, workspace: Path, dataset: Path, target: Path, *, progress: Progress | None = None, base: str = BASE) -> TrainReport:
    """Train into `target`/adapter, with curves and checkpoints beside it."""
    return train(
        section,
        inputs=dataset,
        base=workspace / base,
        out=target / "adapter",
        curves=target / "curves",
        work=target / "work",
        progress=progress or QuietProgress(),
    )


class Killer(QuietProgress):
    """Progress that kills its process when training reaches a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    @contextmanager
    def _fused(self, label: str) -> Iterator[Task]:
        yield _Fuse(self.step if label == "training" else -1)

    def task(self, label: str, total: int | None = None) -> AbstractContextManager[Task]:
        return self._fused(label)


class _Fuse:
    def __init__(self, left: int) -> None:
        self.left = left

    def advance(self, steps: int = 1) -> None:
        self.left -= steps
        if steps and self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    skip = advance

    def note(self, text: Note) -> None:
        pass
