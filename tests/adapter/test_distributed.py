"""Several processes against one: the same plan, losses and weights."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from pydantic import TypeAdapter, ValidationError
from safetensors.torch import load_file

from adapt.adapter.distributed.launch import read_job, write_job
from adapt.adapter.distributed.ranks import ALONE, Ranks, even_parts
from adapt.adapter.training import Tracking, Training
from adapt.artifact.manifest import verify
from adapt.artifact.process import lives
from adapt.errors import InputError, WorkspaceError
from adapt.spec.combinations import NOT_SHARDED
from adapt.spec.lora import LoraSpec
from adapt.spec.methods import METHODS
from adapt.spec.train import TrainSpec
from tests.adapter.trainings import records, run, section, write_dataset

DDP, FSDP2, ZERO2, ZERO3 = ({"strategy": strategy, "processes": 2} for strategy in ("ddp", "fsdp2", "zero2", "zero3"))
CASES: dict[str, dict[str, Any]] = {
    "whole passes and dropout": {"distributed": DDP, "accumulate": 2, "lora": LoraSpec(r=4, lora_dropout=0.2)},
    "passes cut in two": {"distributed": DDP, "accumulate": 1, "ema_decay": 0.5},
    "sharded, with dropout": {"distributed": FSDP2, "accumulate": 2, "lora": LoraSpec(r=4, lora_dropout=0.2)},
    "sharded, every weight": {"distributed": FSDP2, "accumulate": 3, "method": "full", "learning_rate": 1e-3, "ema_decay": 0.5},
    "sharded, with idle processes": {"distributed": FSDP2, "accumulate": 3, "objective": "contrastive"},
    "sharded, with a head": {"distributed": FSDP2, "accumulate": 2, "objective": "reward", "gradient_checkpointing": True},
}
ZERO_CASES: dict[str, dict[str, Any]] = {
    "zero2, with dropout": {"distributed": ZERO2, "accumulate": 6, "lora": LoraSpec(r=4, lora_dropout=0.2), "max_grad_norm": 0.1},
    "zero2, every weight": {"distributed": ZERO2, "accumulate": 3, "method": "full", "learning_rate": 1e-3, "ema_decay": 0.5},
    "zero2, with idle processes": {"distributed": ZERO2, "accumulate": 3, "objective": "contrastive"},
    "zero2, with a head": {"distributed": ZERO2, "accumulate": 2, "objective": "reward", "gradient_checkpointing": True},
    "zero3, with dropout": {"distributed": ZERO3, "accumulate": 6, "lora": LoraSpec(r=4, lora_dropout=0.2), "max_grad_norm": 0.1},
    "zero3, every weight": {"distributed": ZERO3, "accumulate": 3, "method": "full", "learning_rate": 1e-3, "ema_decay": 0.5},
    "zero3, with idle processes": {"distributed": ZERO3, "accumulate": 3, "objective": "contrastive"},
    "zero3, with a head": {"distributed": ZERO3, "accumulate": 2, "objective": "reward", "gradient_checkpointing": True},
}
SETTINGS = {"batch_tokens": 160, "epochs": 1, "evaluate_every_steps": 2, "optimizer": {"kind": "adamw", "epsilon": 1e-3}}
"""Steps in which rounding is not blown up: AdamW's usual epsilon makes a large one of the smallest gradient."""
RUN_ALL = (
    "import sys; from pathlib import Path; from adapt.spec.resolved.train import TrainSection; from tests.adapter.trainings import run\n"
    "for target in sorted(Path(sys.argv[1]).iterdir()):\n"
    "    section = TrainSection.model_validate_json((target / 'section.json').read_bytes())\n"
    "    run(section, Path(sys.argv[2]), Path(sys.argv[3]), target)\n"
)


def settings(workspace: Path, name: str, *, alone: bool) -> Any:
    return section(workspace, **{**SETTINGS, **(CASES | ZERO_CASES)[name], **({"distributed": None} if alone else {})})


def curve(target: Path, name: str) -> list[float]:
    return [float(line.split("\t")[1]) for line in (target / f"curves/plots/metrics/{name}.tsv").read_text().splitlines()[1:]]


def tensors(target: Path) -> dict[str, torch.Tensor]:
    files = sorted((target / "adapter").glob("*.safetensors"))
    return {f"{file.name}/{name}": tensor for file in files for name, tensor in load_file(file).items()}


def assert_alike(one: Path, other: Path, tolerance: float) -> None:
    for name in ("train/loss", "validation/loss"):
        assert curve(one, name) == pytest.approx(curve(other, name), rel=tolerance), name
    expected = tensors(other)
    assert set(tensors(one)) == set(expected)
    for name, tensor in tensors(one).items():
        torch.testing.assert_close(tensor, expected[name], rtol=0, atol=tolerance * max(1.0, float(expected[name].abs().max())), msg=name)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset folder whose records have a worse answer each."""
    train, validation = ([each.model_copy(update={"rejected": "No."}) for each in some] for some in (records(24), records(6, first=24)))
    return write_dataset(tmp_path_factory.mktemp("pairs") / "dataset", train, validation)


@pytest.fixture(scope="module")
def trained(workspace: Path, pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every case, trained by two processes that torchrun started."""
    return train_all(CASES, workspace, pairs, tmp_path_factory)


@pytest.fixture(scope="module")
def trained_by_zero(workspace: Path, pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of the cases that need DeepSpeed."""
    pytest.importorskip("deepspeed", reason="needs the extra `deepspeed`")
    return train_all(ZERO_CASES, workspace, pairs, tmp_path_factory)


def train_all(names: Iterable[str], workspace: Path, pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    for name in names:
        (folder / name).mkdir()
        (folder / name / "section.json").write_text(settings(workspace, name, alone=False).model_dump_json())
    script = tmp_path_factory.mktemp("script") / "all.py"
    script.write_text(RUN_ALL)
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
        str(script),
        str(folder),
        str(workspace),
        str(pairs),
    ]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}, check=False, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return folder


@pytest.mark.parametrize("name", CASES)
def test_two_processes_train_as_one(workspace: Path, pairs: Path, trained: Path, tmp_path: Path, name: str) -> None:
    assert_trained_as_one(workspace, pairs, trained, tmp_path, name)


@pytest.mark.slow
@pytest.mark.parametrize("name", ZERO_CASES)
def test_two_processes_of_deepspeed_train_as_one(workspace: Path, pairs: Path, trained_by_zero: Path, tmp_path: Path, name: str) -> None:
    assert_trained_as_one(workspace, pairs, trained_by_zero, tmp_path, name)


def assert_trained_as_one(workspace: Path, pairs: Path, trained: Path, tmp_path: Path, name: str) -> None:
    alone = run(settings(workspace, name, alone=True), workspace, pairs, tmp_path)
    assert_alike(trained / name, tmp_path, 1e-5)
    verify(trained / name / "adapter")
    assert not list((trained / name / "work").glob("*"))
    told = json.loads((trained / name / "adapter" / "training.json").read_text())
    assert told["tokens"]["seen"] == alone.tokens
    assert told["trainable_parameters"] == alone.trainable_parameters
    assert told["steps"] == {"planned": alone.planned_steps, "taken": alone.steps, "best": alone.best_step}


def children(parent: int) -> dict[int, str]:
    """Processes that `parent` started, with their RANK."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[1]) == parent and fields[0] != "Z":
                variables = dict(item.partition(b"=")[::2] for item in (stat.parent / "environ").read_bytes().split(b"\0"))
                found[int(stat.parent.name)] = variables.get(b"RANK", b"").decode()
        except (OSError, IndexError):
            continue
    return found


def kill_rank(rank: str, once: Path, done: threading.Event) -> None:
    """Kill the child process of that rank as soon as `once` holds a checkpoint."""
    while not done.wait(0.02):
        if list(once.glob("checkpoint-*.safetensors")):
            for pid in [pid for pid, found in children(os.getpid()).items() if found == rank]:
                os.kill(pid, signal.SIGKILL)
                return


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
def test_a_killed_process_ends_the_others_and_one_process_goes_on(workspace: Path, pairs: Path, tmp_path: Path) -> None:
    assert_goes_on(workspace, pairs, tmp_path, FSDP2, None)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
@pytest.mark.parametrize(("killed", "after"), [(ZERO2, None), (ZERO2, ZERO2), (ZERO3, ZERO3), (ZERO3, ZERO2)])
def test_what_deepspeed_left_unfinished_goes_on(
    workspace: Path, pairs: Path, tmp_path: Path, killed: dict[str, Any], after: dict[str, Any] | None
) -> None:
    pytest.importorskip("deepspeed", reason="needs the extra `deepspeed`")
    assert_goes_on(workspace, pairs, tmp_path, killed, after)


def assert_goes_on(workspace: Path, pairs: Path, tmp_path: Path, killed: dict[str, Any], after: dict[str, Any] | None) -> None:
    """A training whose second process is killed as `killed` ends the others, and one as `after` goes on as if nothing had been."""
    changes = {**SETTINGS, "epochs": 15, "patience": None, "checkpoint_every_steps": 2, "accumulate": 2, "learning_rate": 1e-4}
    over = threading.Event()
    killer = threading.Thread(target=kill_rank, args=("1", tmp_path / "killed" / "work", over))
    killer.start()
    try:
        with pytest.raises(
            WorkspaceError, match=r"process 2 of the 2 that trained together was killed by signal 9, and the others were ended"
        ) as caught:
            run(section(workspace, distributed=killed, **changes), workspace, pairs, tmp_path / "killed")
    finally:
        over.set()
        killer.join()
    assert "goes on from its last checkpoint" in str(caught.value.hint)
    assert not [rank for rank in children(os.getpid()).values() if rank]
    assert not (tmp_path / "killed" / "adapter").exists()
    report = run(section(workspace, distributed=after, **changes), workspace, pairs, tmp_path / "killed")
    assert report.resumed_at_step > 0
    run(section(workspace, **changes), workspace, pairs, tmp_path / "whole")
    assert_alike(tmp_path / "killed", tmp_path / "whole", 1e-4)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks processes up in /proc")
def test_nobody_is_left_when_the_process_that_started_them_is_killed(workspace: Path, pairs: Path, tmp_path: Path) -> None:
    made = section(workspace, distributed=DDP, **{**SETTINGS, "epochs": 90, "patience": None})
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "section.json").write_text(made.model_dump_json())
    command = [sys.executable, "-c", RUN_ALL, str(tmp_path), str(workspace), str(pairs)]
    starter = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}, stderr=subprocess.DEVNULL)
    while len(started := {pid: rank for pid, rank in children(starter.pid).items() if rank}) < 2:
        assert starter.poll() is None
        time.sleep(0.02)
    time.sleep(1)  # they ask the kernel to end with their starter in their first lines
    starter.kill()
    starter.wait()
    until = time.monotonic() + 20
    while any(lives(pid) for pid in started):
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.slow
def test_an_error_of_a_user_in_the_processes_is_that_error(workspace: Path, tmp_path: Path) -> None:
    inputs = write_dataset(tmp_path / "dataset", [])
    with pytest.raises(InputError, match=r"nothing to train on: train\.jsonl has no records") as caught:
        run(section(workspace, distributed=DDP), workspace, inputs, tmp_path)
    assert "ledger" in str(caught.value.hint)


@pytest.fixture
def one_of_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """This process as a group of its own, whose models are sharded."""
    from adapt.adapter.distributed.sharded import Sharded

    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    monkeypatch.setattr("adapt.adapter.train.group_size", lambda: 2)
    monkeypatch.setattr("adapt.adapter.train.join", lambda spec, device: Sharded(local=0, device=device))
    yield
    dist.destroy_process_group()


@pytest.mark.slow
@pytest.mark.parametrize("method", [method for method in METHODS if method not in NOT_SHARDED])
def test_every_method_that_may_be_sharded_can(
    bases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, method: str
) -> None:
    inputs = write_dataset(tmp_path / "dataset", records(6), records(2, first=6))
    changes = {**SETTINGS, "method": method, "base": "qwen2", "learning_rate": 1e-3}
    run(section(bases, **changes), bases, inputs, tmp_path / "one", base="qwen2")
    request.getfixturevalue("one_of_one")
    run(section(bases, distributed=FSDP2, **changes), bases, inputs, tmp_path / "sharded", base="qwen2")
    assert_alike(tmp_path / "sharded", tmp_path / "one", 1e-5)


def test_another_number_of_processes_than_the_section_says_is_refused(
    workspace: Path, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"RANK": "0", "WORLD_SIZE": "3"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=r"train\.distributed\.processes is 2, and 3 processes were started"):
        run(section(workspace, distributed=DDP), workspace, pairs, tmp_path)
    with pytest.raises(InputError, match="3 processes were started for a training in one"):
        run(section(workspace), workspace, pairs, tmp_path)


def test_zero2_without_deepspeed_says_what_to_install(workspace: Path, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapt.adapter.distributed.group.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"train\.distributed\.strategy is zero2, and DeepSpeed is not installed") as caught:
        run(section(workspace, distributed=ZERO2), workspace, pairs, tmp_path)
    assert caught.value.hint == "pip install 'adapt-build[deepspeed]', or set it to ddp or fsdp2"


def test_a_job_comes_back_from_its_file_as_it_was(workspace: Path, tmp_path: Path) -> None:
    tracking = Tracking(("wandb",), "p", "train@a", tmp_path / "runs")
    made = Training(
        section(workspace, distributed=DDP), tmp_path / "d", tmp_path / "o", tmp_path / "c", tmp_path / "w", {"sft": tmp_path / "s"}, tracking
    )
    write_job(tmp_path / "job.json", made, workspace / "base")
    assert read_job(tmp_path / "job.json") == (made, workspace / "base")


class _Item:
    def __init__(self, length: int) -> None:
        self.length = length

    def __repr__(self) -> str:
        return str(self.length)


def dealt(lengths: list[list[int]], size: int, *, divisible: bool = True) -> list[list[int]]:
    ranks = Ranks()
    ranks.size = size
    return [[item.length for item in items] for items in ranks.deal([[_Item(length) for length in some] for some in lengths], divisible=divisible)]


def test_passes_are_dealt_in_rounds_and_what_is_left_is_cut() -> None:
    assert dealt([[4], [5], [6], [7]], 2) == [[4], [5], [6], [7]]
    assert dealt([[4], [5], [6, 2, 3, 1]], 2) == [[4], [5], [6], [2, 3, 1]]
    assert dealt([[4], [5, 3], [6]], 2, divisible=False) == [[4], [5, 3], [6], []]
    assert dealt([[4]], 3) == [[4], [], []]
    assert ALONE.deal([[_Item(1)]], divisible=True)[0][0].length == 1


def test_parts_are_even_and_keep_the_order() -> None:
    parts = even_parts([_Item(length) for length in (3, 9, 1, 5, 2, 4)], 3)
    assert [sum(item.length for item in part) for part in parts] == [9, 8, 7]
    assert [[item.length for item in part] for part in parts] == [[9], [1, 5, 2], [3, 4]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"objective": {"kind": "grpo", "reward": {"functions": [{"kind": "json_valid"}]}}},
            "objective grpo learns from answers that one process samples",
        ),
        ({"objective": "contrastive"}, "a forward pass of contrastive is not cut; set accumulate to 2 or more"),
        ({"cotraining": "fused"}, "cotraining is fused, and distributed is set, so no forward pass could be shared"),
        ({"method": "qlora", "distributed": FSDP2}, "with method qlora a quantized base is not sharded; set the strategy to ddp"),
        ({"optimizer": "muon", "distributed": FSDP2}, "optimizer muon needs whole weights; set the optimizer to adamw or sgd"),
        ({"dtype": "float16", "distributed": FSDP2}, "float16 would need one loss scale"),
        ({"method": "adalora", "distributed": ZERO2}, "strategy is zero2, and with method adalora ranks move by the importance of whole matrices"),
        (
            {"objective": "dpo", "distributed": ZERO3},
            "objective dpo runs the model outside of training; set the strategy to fsdp2, zero2 or ddp",
        ),
        ({"compile": True, "distributed": ZERO2}, "compile is set, and zero2 acts on weights and gradients inside a layer's code"),
        ({"distributed": {"strategy": "fsdp", "processes": 2}}, "fsdp is not offered; set it to fsdp2"),
        ({"distributed": {"strategy": "ddp", "processes": 1}}, "greater than or equal to 2"),
    ],
)
def test_what_does_not_work_in_several_processes_is_refused_with_what_does(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TypeAdapter[Any](TrainSpec).validate_python({"method": "lora", "distributed": DDP, **changes})
