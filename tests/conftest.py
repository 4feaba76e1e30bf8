"""How tests share a machine: one thread per process, and long files first, so that no process is left alone with one of them at the end.

With `--no-skips` a skipped test fails: `make test-slow` installs everything, so that a skip there hides a test that nobody runs.
"""

import os
import sys
from collections.abc import Generator

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


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="fail tests that are skipped; on Linux, where every extra installs")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn a skip into a failure under `--no-skips`; an expected failure is no skip."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and forbids_skips(item.config):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and --no-skips forbids that. {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a file that is skipped as a whole."""
    report = yield
    if report.skipped and forbids_skips(collector.config):
        report.outcome = "failed"
    return report


def forbids_skips(config: pytest.Config) -> bool:
    """Whether a skip is a failure: not on other systems, where some extras do not install and some tests cannot run."""
    return bool(config.getoption("--no-skips")) and sys.platform == "linux"
