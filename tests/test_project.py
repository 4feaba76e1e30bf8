"""What the project's own files promise: extras that can be installed together, and slow tests of which none is skipped."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]


def test_the_extra_all_has_every_extra() -> None:
    (everything,) = (Requirement(line) for line in EXTRAS["all"])
    assert everything.name == PROJECT["name"]
    assert everything.extras == EXTRAS.keys() - {"all", "dev"}


def test_the_lock_pins_every_dependency_within_its_bounds() -> None:
    lines = (ROOT / "requirements" / "lock.txt").read_text(encoding="utf-8").splitlines()
    pins = {canonicalize_name(line.partition("==")[0]): line.partition("==")[2] for line in lines if "==" in line}
    wanted = [Requirement(line) for group in (PROJECT["dependencies"], *EXTRAS.values()) for line in group]
    for requirement in wanted:
        if requirement.name != PROJECT["name"]:
            assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), requirement


def test_slow_tests_install_every_extra_and_skip_nothing() -> None:
    commands = subprocess.run(
        ["make", "--dry-run", "--always-make", "test-slow"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert "-c requirements/lock.txt -e '.[dev,all]'" in commands
    assert "adapt env quantize" in commands
    assert "-m pytest -m slow --no-skips" in commands


SKIPS = """
import pytest

@pytest.mark.skip(reason="by a mark")
def test_mark(): ...

def test_import():
    pytest.importorskip("no_such_module", reason="by an import")

@pytest.fixture
def thing():
    pytest.skip("by a fixture")

def test_fixture(thing): ...

@pytest.mark.xfail(reason="known")
def test_expected(): raise ValueError

def test_passes(): ...
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere some extras do not install")
def test_a_skip_fails_where_none_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(SKIPS)
    (tmp_path / "test_whole.py").write_text("import pytest\npytest.skip('by a module', allow_module_level=True)\n")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "tests.conftest",
        "--rootdir",
        str(tmp_path),
        "-c",
        "/dev/null",
        str(tmp_path),
        "-q",
        "-ra",
    ]
    allowed = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert allowed.stdout.splitlines()[-1].startswith("1 passed, 4 skipped, 1 xfailed")
    strict = subprocess.run(
        [*command, "--no-skips", "--continue-on-collection-errors"],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert strict.returncode == 1
    ending = strict.stdout.splitlines()[-1]
    assert ending.startswith("1 failed, 1 passed, 1 xfailed, 3 errors"), ending
    for reason in ("by a mark", "by an import", "by a fixture", "by a module"):
        assert reason in strict.stdout, reason
