import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from adapt.artifact.process import lives
from adapt.engine.engine import open_engine
from adapt.engine.local import Inline
from adapt.engine.window import AHEAD
from adapt.errors import InputError, WorkspaceError
from adapt.spec.engine import LocalEngine
from tests.engine.operators import die, process_id, refuse, square, wait_noting_process


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_results_come_in_the_order_of_the_tasks(workers: int) -> None:
    with open_engine(LocalEngine(workers=workers)) as engine:
        assert list(engine.map(square, range(25))) == [number * number for number in range(25)]
        assert engine.workers == workers


def test_one_worker_and_one_task_start_no_process() -> None:
    with open_engine(LocalEngine(workers=1)) as engine:
        assert isinstance(engine, Inline)
        assert set(engine.map(process_id, range(3))) == {os.getpid()}
    with open_engine(LocalEngine(workers=2)) as engine:
        assert list(engine.map(process_id, [1])) == [os.getpid()]
        assert os.getpid() not in set(engine.map(process_id, range(3)))


def test_less_than_one_worker_is_refused() -> None:
    with (
        pytest.raises(InputError, match=r"engine\.workers: 0 workers can do nothing"),
        open_engine(LocalEngine.model_construct(kind="local", workers=0)),
    ):
        pass


def test_tasks_are_asked_for_only_when_there_is_room() -> None:
    taken: list[int] = []

    def tasks() -> Iterator[int]:
        for number in range(1, 101):
            taken.append(number)
            yield number

    with open_engine(LocalEngine(workers=2)) as engine:
        results = engine.map(square, tasks())
        assert next(results) == 1
        assert len(taken) <= 2 * AHEAD + 1


def test_what_an_operator_raises_is_raised_with_type_and_hint() -> None:
    with pytest.raises(InputError, match="the third is bad") as caught, open_engine(LocalEngine(workers=2)) as engine:
        list(engine.map(refuse, range(9)))
    assert caught.value.hint == "leave it out"


def test_a_worker_that_is_killed_is_a_clear_error() -> None:
    with pytest.raises(WorkspaceError, match="a worker process ended before its task was done"), open_engine(LocalEngine(workers=2)) as engine:
        list(engine.map(die, range(4)))


def test_workers_end_at_once_when_the_block_ends_with_an_exception(tmp_path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(KeyboardInterrupt), open_engine(LocalEngine(workers=2)) as engine:
        list(engine.map(partial(wait_noting_process, tmp_path), _interrupted(tmp_path)))
    assert time.monotonic() - begun < 30
    assert all(_ends(int(path.name)) for path in tmp_path.iterdir())


def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys; from functools import partial; from pathlib import Path; from adapt.engine.pool import Pool;"
        "from tests.engine.operators import wait_noting_process;"
        "list(Pool(2).map(partial(wait_noting_process, Path(sys.argv[1])), range(2)))"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    parent = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], env=environment)
    while len(list(tmp_path.iterdir())) < 2:
        assert parent.poll() is None
        time.sleep(0.02)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert all(_ends(int(path.name)) for path in tmp_path.iterdir())


def test_a_partial_is_an_operator() -> None:
    with open_engine(LocalEngine(workers=2)) as engine:
        assert list(engine.map(partial(pow, 2), range(5))) == [1, 2, 4, 8, 16]


def _interrupted(folder: Path) -> Iterator[int]:
    """Two tasks, then Ctrl-C as soon as both are under way."""
    yield from range(2)
    while len(list(folder.iterdir())) < 2:
        time.sleep(0.02)
    raise KeyboardInterrupt


def _ends(pid: int) -> bool:
    for _ in range(500):
        if not lives(pid):
            return True
        time.sleep(0.02)
    return False
