"""Sends the points of curves to trackers while a training runs. Loaded by name, so that no adapter depends on this code or on a tracker's version.

Enters: the points of each step. Leaves: nothing that a stage reads. What is sent is noted before, so that a training that was killed goes on in the
same run and repeats no point. Keys are read by the trackers themselves, from the environment; without one they write to a folder and send nothing.
Of a training only figures and settings are told: no text, no record, no code, no output of the terminal, nothing of the machine.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from adapt.adapter.curves import Point
from adapt.adapter.training import Tracking
from adapt.errors import InputError
from adapt.spec.resolved.train import TrainSection

log = logging.getLogger(__name__)
Settings = Mapping[str, str | int | float | bool]
_TOLD = ("epochs", "learning_rate", "schedule", "batch_tokens", "accumulate", "weight_decay", "dtype")


class Tracker(Protocol):
    """A run of one tracker."""

    def tell(self, step: int, values: Mapping[str, float]) -> None:
        """Send the points of one step."""

    def close(self, *, finished: bool) -> None:
        """End the run, which may go on later when the training did not finish."""


class Trackers:
    """The runs of one training in every tracker that was asked for."""

    def __init__(self, tracking: Tracking, section: TrainSection, memory: Path) -> None:
        """`memory` is a file that belongs to this training alone: what its runs are called and what was sent. Raises InputError for a tracker that is
        not installed or cannot begin."""
        self._memory = memory
        kept: dict[str, Any] = {}
        with suppress(FileNotFoundError, ValueError):
            kept = json.loads(memory.read_bytes())
        self._sent: int = kept.get("sent", -1)
        self._runs: dict[str, str] = kept.get("runs", {})
        self._trackers: dict[str, Tracker] = {}
        try:
            for kind in tracking.trackers:
                self._trackers[kind] = self._open(kind, tracking, settings_of(section))
        except InputError:
            self.close(finished=False)
            raise
        finally:  # a run that began goes on when the training is tried again
            self._remember()

    def tell(self, points: Sequence[Point]) -> None:
        """Send what was not sent before. A tracker that fails is told nothing more; the training goes on."""
        by_step: dict[int, dict[str, float]] = {}
        for step, name, value in points:
            if step > self._sent:
                by_step.setdefault(step, {})[name] = value
        for step, values in sorted(by_step.items()):
            self._sent = step
            self._remember()
            for kind, tracker in tuple(self._trackers.items()):
                self._try(kind, partial(tracker.tell, step, values))

    def close(self, *, finished: bool) -> None:
        """End the runs; of a training that finished nothing is remembered."""
        for kind, tracker in tuple(self._trackers.items()):
            self._try(kind, partial(tracker.close, finished=finished))
        if finished:
            self._memory.unlink(missing_ok=True)

    def _open(self, kind: str, tracking: Tracking, settings: Settings) -> Tracker:
        folder = tracking.folder / kind
        folder.mkdir(parents=True, exist_ok=True)
        try:
            opened, self._runs[kind] = _KINDS[kind](tracking, folder, settings, self._runs.get(kind))
        except ImportError as error:
            raise InputError(
                f"trackers.use names {kind}, and its package is not installed ({error})",
                hint="pip install 'adapt-build[trackers]', or leave it out of trackers.use in params.yaml",
            ) from None
        except InputError:
            raise
        except Exception as error:  # libraries of others, whose messages may hold an address with its password, or a key
            raise InputError(
                f"{kind} cannot begin a run: {type(error).__name__}",
                hint="see to its environment variables and to the server that they name, or leave it out of trackers.use",
            ) from None
        return opened

    def _try(self, kind: str, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:  # whatever it is, a picture of the training must not end it
            log.warning("%s failed, and is told nothing more: %s", kind, type(error).__name__)
            del self._trackers[kind]

    def _remember(self) -> None:
        self._memory.parent.mkdir(parents=True, exist_ok=True)
        aside = self._memory.with_suffix(".partial")
        aside.write_text(json.dumps({"sent": self._sent, "runs": self._runs}), encoding="utf-8")
        aside.replace(self._memory)


def settings_of(section: TrainSection) -> dict[str, str | int | float | bool]:
    """What trackers are told of a training besides its points: chosen fields, none of which holds a text."""
    train = section.train
    told: dict[str, str | int | float | bool] = {"method": train.method, "objective": train.objective.kind, "optimizer": train.optimizer.kind}
    told |= {name: getattr(train, name) for name in _TOLD}
    told |= {"base": section.base.digest[:12], "seed": section.seed}
    if section.lora.r is not None:
        told["lora_r"] = section.lora.r
    return told


class _TensorBoard:
    def __init__(self, folder: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder))

    def tell(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self, *, finished: bool) -> None:
        self._writer.close()


def _tensorboard(tracking: Tracking, folder: Path, settings: Settings, run: str | None) -> tuple[Tracker, str]:
    run = run or f"{tracking.name}-{secrets.token_hex(4)}"
    return _TensorBoard(folder / tracking.project / run), run


class _LogsSteps:
    """A run of wandb or of SwanLab, which are told alike."""

    def __init__(self, run: Any, close: Callable[[bool], None]) -> None:
        self._run, self._close = run, close

    def tell(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def close(self, *, finished: bool) -> None:
        self._close(finished)


def _wandb(tracking: Tracking, folder: Path, settings: Settings, run: str | None) -> tuple[Tracker, str]:
    wandb: Any = import_module("wandb")

    run = run or secrets.token_hex(4)
    opened = wandb.init(
        project=tracking.project,
        name=tracking.name,
        id=run,
        resume="allow",
        reinit="create_new",  # adapters that train together have a run each
        config=dict(settings),
        settings=wandb.Settings(
            mode=os.environ.get("WANDB_MODE") or ("online" if os.environ.get("WANDB_API_KEY") else "offline"),
            root_dir=str(folder.parent),  # it makes a folder `wandb` there
            host="-",
            username="-",
            email="-",
            console="off",
            save_code=False,
            disable_git=True,
            silent=True,
            x_disable_meta=True,
            x_disable_machine_info=True,
            x_disable_stats=True,
            x_save_requirements=False,
        ),
    )
    return _LogsSteps(opened, lambda finished: opened.finish(exit_code=int(not finished))), run


def _swanlab(tracking: Tracking, folder: Path, settings: Settings, run: str | None) -> tuple[Tracker, str]:
    swanlab: Any = import_module("swanlab")

    if swanlab.has_run():
        raise InputError(
            "SwanLab follows one run in a process, and several adapters train in this one",
            hint="build them one by one with `adapt build --at-once 1`, or leave swanlab out of trackers.use",
        )
    run = run or secrets.token_hex(4)
    nothing = swanlab.Settings.Probe(hardware=False, runtime=False, requirements=False, conda=False, git=False, swanlab=False, monitor=False)
    opened = swanlab.init(
        mode=os.environ.get("SWANLAB_MODE") or ("online" if os.environ.get("SWANLAB_API_KEY") else "offline"),
        project=tracking.project,
        name=tracking.name,
        id=run,
        resume="allow",
        log_dir=str(folder),
        config=dict(settings),
        settings=swanlab.Settings(interactive=False, probe=nothing, terminal=swanlab.Settings.Terminal(proxy_type="none")),
    )
    return _LogsSteps(opened, lambda finished: opened.finish(**({} if finished else {"state": "aborted"}))), run


class _Mlflow:
    def __init__(self, client: Any, run: str, metric: Callable[..., Any]) -> None:
        self._client, self._run, self._metric = client, run, metric

    def tell(self, step: int, values: Mapping[str, float]) -> None:
        now = int(time.time() * 1000)
        self._client.log_batch(self._run, metrics=[self._metric(name, value, now, step) for name, value in values.items()])

    def close(self, *, finished: bool) -> None:
        self._client.set_terminated(self._run, status="FINISHED" if finished else "FAILED")


def _mlflow(tracking: Tracking, folder: Path, settings: Settings, run: str | None) -> tuple[Tracker, str]:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)  # they tell of every table that they make
    entities: Any = import_module("mlflow.entities")
    address = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(folder / 'mlflow.db').resolve()}"
    client = import_module("mlflow").MlflowClient(tracking_uri=address)
    if run is None:
        experiment = client.get_experiment_by_name(tracking.project)
        number = client.create_experiment(tracking.project) if experiment is None else experiment.experiment_id
        run = client.create_run(number, run_name=tracking.name).info.run_id
        client.log_batch(run, params=[entities.Param(name, str(value)) for name, value in settings.items()])
    else:
        client.update_run(run, status="RUNNING")
    return _Mlflow(client, run, entities.Metric), run


_KINDS: Mapping[str, Callable[[Tracking, Path, Settings, str | None], tuple[Tracker, str]]] = {
    "tensorboard": _tensorboard,
    "wandb": _wandb,
    "mlflow": _mlflow,
    "swanlab": _swanlab,
}
