"""What trackers are sent while a training runs, and that a training does not depend on them."""

import json
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from adapt.adapter.lane import Lane
from adapt.adapter.trackers import Trackers, settings_of
from adapt.adapter.train import train_together
from adapt.adapter.training import Tracking, Training, TrainReport
from adapt.artifact.digest import digest_files
from adapt.artifact.progress import QuietProgress
from adapt.errors import InputError
from adapt.spec.resolved.train import TrainSection
from tests.adapter.trainings import BASE, section

Dataset = Callable[..., Path]
Point = tuple[int, str, float]


def tracked(folder: Path, *kinds: str) -> Tracking:
    return Tracking(kinds, "bonds", "train@finance", folder)


def train(settings: TrainSection, workspace: Path, inputs: Path, target: Path, tracking: Tracking | None) -> TrainReport:
    training = Training(settings, inputs, target / "adapter", target / "curves", target / "work", tracking=tracking)
    return train_together([training], base=workspace / BASE, progress=QuietProgress())[0]


def curves(target: Path) -> list[Point]:
    """Every point that a training left, as DVC reads them."""
    root = target / "curves" / "plots" / "metrics"
    return sorted(
        (int(line.split("\t")[0]), path.relative_to(root).with_suffix("").as_posix(), float(line.split("\t")[1]))
        for path in root.rglob("*.tsv")
        for line in path.read_text().splitlines()[1:]
    )


class _Follower:
    """A tracker whose library is not needed: what every run was told."""

    def __init__(self) -> None:
        self.runs: dict[str, list[Point]] = {}
        self.closed: list[bool] = []
        self.fails_at = -1

    def open(self, tracking: Tracking, folder: Path, settings: Any, run: str | None) -> tuple[Any, str]:
        run = run or f"run-{len(self.runs)}"
        told = self.runs.setdefault(run, [])

        def tell(step: int, values: dict[str, float]) -> None:
            if step == self.fails_at:
                raise ConnectionError("secret-token")
            told.extend((step, name, value) for name, value in values.items())

        return SimpleNamespace(tell=tell, close=lambda *, finished: self.closed.append(finished)), run


@pytest.fixture
def follower(monkeypatch: pytest.MonkeyPatch) -> _Follower:
    found = _Follower()
    monkeypatch.setattr("adapt.adapter.trackers._KINDS", {"wandb": found.open})
    return found


class _StopError(Exception):
    pass


def stop_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    turn = Lane.turn

    def stop(self: Lane) -> bool:
        if self.state.step == step:
            raise _StopError
        return turn(self)

    monkeypatch.setattr(Lane, "turn", stop)


def test_points_are_sent_as_they_come_and_the_adapter_has_the_same_bytes(
    workspace: Path, dataset: Dataset, tmp_path: Path, follower: _Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs, settings = dataset(), section(workspace, epochs=1)
    train(settings, workspace, inputs, tmp_path / "alone", None)
    seen: list[int] = []
    end_step = Lane.end_step

    def noticed(self: Lane, loss: float) -> None:
        end_step(self, loss)
        seen.append(max(step for step, _, _ in follower.runs["run-0"]))

    monkeypatch.setattr(Lane, "end_step", noticed)
    report = train(settings, workspace, inputs, tmp_path / "told", tracked(tmp_path / "runs", "wandb"))
    assert seen == list(range(1, report.steps + 1)), "each step's points are sent before the next step"
    assert sorted(follower.runs["run-0"]) == curves(tmp_path / "told")
    assert follower.closed == [True]
    assert not list((tmp_path / "told" / "work").glob("*"))
    for folder in ("adapter", "curves"):
        assert digest_files(tmp_path / "told" / folder) == digest_files(tmp_path / "alone" / folder)


def test_a_resumed_training_goes_on_in_its_run_and_repeats_no_point(
    workspace: Path, dataset: Dataset, tmp_path: Path, follower: _Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs, settings = dataset(), section(workspace, epochs=2, checkpoint_every_steps=3, batch_tokens=128)
    with monkeypatch.context() as patch:
        stop_at(5, patch)
        with pytest.raises(_StopError):
            train(settings, workspace, inputs, tmp_path, tracked(tmp_path / "runs", "wandb"))
    assert max(step for step, _, _ in follower.runs["run-0"]) == 5
    report = train(settings, workspace, inputs, tmp_path, tracked(tmp_path / "runs", "wandb"))
    assert report.resumed_at_step == 3
    assert list(follower.runs) == ["run-0"]
    assert sorted(follower.runs["run-0"]) == curves(tmp_path)
    assert follower.closed == [False, True]
    train(settings, workspace, inputs, tmp_path, tracked(tmp_path / "runs", "wandb"))
    assert list(follower.runs) == ["run-0", "run-1"], "another training is another run"


def test_a_tracker_that_fails_does_not_end_the_training_and_tells_no_secret(
    workspace: Path, dataset: Dataset, tmp_path: Path, follower: _Follower, caplog: pytest.LogCaptureFixture
) -> None:
    follower.fails_at = 2
    report = train(section(workspace, epochs=1), workspace, dataset(), tmp_path, tracked(tmp_path / "runs", "wandb"))
    assert report.steps == report.planned_steps
    assert {step for step, _, _ in follower.runs["run-0"]} == {0, 1}
    assert "wandb failed, and is told nothing more: ConnectionError" in caplog.text
    assert "secret-token" not in caplog.text


def test_only_figures_and_settings_are_told_and_no_text(workspace: Path) -> None:
    told = settings_of(section(workspace, method="prompt_tuning", initial_text="A private sentence.", lora=None))
    assert "private" not in json.dumps(told)
    assert told["method"] == "prompt_tuning"
    assert told["learning_rate"] == 5e-3


@pytest.mark.parametrize(("kind", "package"), [("tensorboard", "tensorboard"), ("wandb", "wandb"), ("mlflow", "mlflow"), ("swanlab", "swanlab")])
def test_a_tracker_that_is_not_installed_is_named_with_what_to_install(
    workspace: Path, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, package: str
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == package or name.startswith("torch.utils.tensorboard")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=f"trackers.use names {kind}, and its package is not installed") as caught:
        train(section(workspace), workspace, dataset(), tmp_path, tracked(tmp_path / "runs", kind))
    assert "adapt-build[trackers]" in str(caught.value.hint)
    assert not (tmp_path / "adapter").exists()


def _cannot_begin(tracking: Tracking, folder: Path, settings: Any, run: str | None) -> tuple[Any, str]:
    raise ConnectionError("https://user:secret-token@tracking.example")


def test_a_tracker_that_cannot_begin_tells_no_secret_and_leaves_no_run_open(
    workspace: Path, tmp_path: Path, follower: _Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapt.adapter.trackers._KINDS", {"wandb": follower.open, "mlflow": _cannot_begin})
    memory = tmp_path / "work" / "trackers.json"
    with pytest.raises(InputError, match=r"mlflow cannot begin a run: ConnectionError\nhint: ") as caught:
        Trackers(tracked(tmp_path / "runs", "wandb", "mlflow"), section(workspace), memory)
    assert "secret-token" not in f"{caught.value} {caught.value.hint}"
    assert caught.value.__cause__ is None
    assert follower.closed == [False]
    again = Trackers(tracked(tmp_path / "runs", "wandb"), section(workspace), memory)
    again.tell([(0, "validation/loss", 3.0)])
    assert follower.runs == {"run-0": [(0, "validation/loss", 3.0)]}, "the run that began goes on"


def test_what_a_tracker_refuses_is_told_as_it_is(workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "swanlab", SimpleNamespace(has_run=lambda: True))
    with pytest.raises(InputError, match=r"^SwanLab follows one run in a process, and several adapters train in this one") as caught:
        Trackers(tracked(tmp_path / "runs", "swanlab"), section(workspace), tmp_path / "work" / "trackers.json")
    assert "adapt build --at-once 1" in str(caught.value.hint)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, no server, and no connection but to this machine."""
    for name in ("WANDB_API_KEY", "WANDB_MODE", "SWANLAB_API_KEY", "SWANLAB_MODE", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    connect = socket.socket.connect

    def only_here(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise AssertionError(f"a connection to {address} was tried")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", only_here)


POINTS = [[(0, "validation/loss", 3.0)], [(1, "train/loss", 2.5), (1, "learning_rate", 0.1)], [(2, "train/loss", 2.0)]]


def follow(kind: str, tmp_path: Path, workspace: Path) -> Path:
    """Send the points in two goes, as a training that was killed after the first step does; returns the tracker's folder."""
    settings, memory = section(workspace), tmp_path / "work" / "trackers.json"
    first = Trackers(tracked(tmp_path / "runs", kind), settings, memory)
    first.tell(POINTS[0])
    first.tell(POINTS[1])
    first.close(finished=False)
    second = Trackers(tracked(tmp_path / "runs", kind), settings, memory)
    second.tell([*POINTS[0], *POINTS[1]])
    second.tell(POINTS[2])
    second.close(finished=True)
    assert not memory.exists()
    return tmp_path / "runs" / kind


@pytest.mark.slow
def test_tensorboard_files_hold_every_point_once(workspace: Path, tmp_path: Path, offline: None) -> None:
    pytest.importorskip("tensorboard", reason="the extra `trackers` is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (run,) = (follow("tensorboard", tmp_path, workspace) / "bonds").iterdir()
    assert run.name.startswith("train@finance-")
    events = EventAccumulator(str(run)).Reload()
    found = sorted((event.step, name, round(event.value, 6)) for name in events.Tags()["scalars"] for event in events.Scalars(name))
    assert found == sorted(point for some in POINTS for point in some)


@pytest.mark.slow
def test_mlflow_has_one_run_with_every_point_once(workspace: Path, tmp_path: Path, offline: None) -> None:
    pytest.importorskip("mlflow", reason="the extra `trackers` is not installed")
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{follow('mlflow', tmp_path, workspace)}/mlflow.db")
    experiment = client.get_experiment_by_name("bonds")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.run_name, run.info.status) == ("train@finance", "FINISHED")
    found = [(each.step, name, each.value) for name in run.data.metrics for each in client.get_metric_history(run.info.run_id, name)]
    assert sorted(found) == sorted(point for some in POINTS for point in some)
    assert run.data.params["method"] == "lora"


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "pattern"), [("wandb", "offline-run-*/*.wandb"), ("swanlab", "run-*/*.swanlab")])
def test_without_a_key_runs_stay_in_a_folder_and_go_on_there(
    workspace: Path, tmp_path: Path, offline: None, monkeypatch: pytest.MonkeyPatch, kind: str, pattern: str
) -> None:
    pytest.importorskip(kind, reason="the extra `trackers` is not installed")
    monkeypatch.setattr(socket, "gethostname", lambda: "host-of-somebody")
    monkeypatch.setattr("platform.node", lambda: "host-of-somebody")
    files = sorted(follow(kind, tmp_path, workspace).glob(pattern))
    assert len({path.stem for path in files}) == 1, "both goes are one run"
    content = b"".join(path.read_bytes() for path in files)
    assert b"train/loss" in content
    assert str(Path.home()).encode() not in content
    assert b"host-of-somebody" not in content
