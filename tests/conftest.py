"""How tests share a machine: one thread per process, and long files first, so that no process is left alone with one of them at the end."""

import os

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # OpenMP threads that wait for a core slow each other down

_LONG = ("/e2e/test_rebuilds.py", "/e2e/", "/sweep/", "/export/", "/adapter/", "/advice/", "/cli/", "/evaluate/", "/dataset/")
"""Files that take longest, in this order."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files for `pytest --dist loadfile --no-loadscope-reorder`; the tests of a file stay as they are."""
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> tuple[int, str]:
    path = item.nodeid.partition("::")[0]
    return next((turn for turn, part in enumerate(_LONG) if part in path), len(_LONG)), path
