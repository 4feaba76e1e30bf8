"""How tests share a machine: one thread per process, long files first, and tests that share something costly in one process."""

import os

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # OpenMP threads that wait for a core slow each other down

_LONG = ("e2e", "sweep", "export", "adapter", "evaluate", "dataset")
"""Folders with the longest files, the longest first: none of them is then left to one process while the others have nothing to do."""
_COSTLY = "built"
"""Fixture of a session that takes long, so that its tests form one group over several files."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Group the tests of a file, for fixtures of modules, and order the files (`pytest --dist loadgroup --no-loadscope-reorder`)."""
    for item in items:
        shared = _COSTLY in getattr(item, "fixturenames", ())
        item.add_marker(pytest.mark.xdist_group(_COSTLY if shared else item.nodeid.partition("::")[0]))
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> tuple[int, bool, str]:
    """Where a test comes in the order; the tests of a file stay as they are."""
    path, shared = item.path, _COSTLY in getattr(item, "fixturenames", ())
    folder = path.relative_to(item.config.rootpath / "tests").parts[0] if path.is_relative_to(item.config.rootpath / "tests") else ""
    return (_LONG.index(folder) if folder in _LONG else len(_LONG), not shared, path.as_posix())
