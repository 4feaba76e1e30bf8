"""A process of the server ends when the one that started it is killed."""

import multiprocessing
import os
import signal
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from adapt.serving.plugin.orphans import end_with_parent


def engine(pipe: Connection, follows: bool) -> None:
    if follows:
        end_with_parent()
    pipe.send(os.getpid())
    time.sleep(60)


def front(pipe: Connection, method: str, follows: bool) -> None:
    multiprocessing.get_context(method).Process(target=engine, args=(pipe, follows)).start()
    time.sleep(60)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("method", ["spawn", "fork"])
@pytest.mark.parametrize("follows", [True, False])
def test_an_engine_ends_with_a_killed_front(method: str, follows: bool) -> None:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=front, args=(theirs, method, follows))
    process.start()
    child = int(ours.recv())
    process.kill()
    process.join()
    end = time.monotonic() + (10 if follows else 1)
    while is_running(child) and time.monotonic() < end:
        time.sleep(0.05)
    left = is_running(child)
    if left:
        os.kill(child, signal.SIGKILL)
    assert left is not follows  # without it the engine stays, which is what the test would otherwise not see


def test_the_front_itself_follows_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: None)
    end_with_parent()
