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
    commands = subprocess.run(["make", "--dry-run", "--always-make", "test-slow"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert "-c requirements/lock.txt -e '.[dev,all]'" in commands
    assert "scripts/quantize-env.sh" in commands
    assert "-m pytest -m slow --no-skips" in commands


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere some extras do not install")
@pytest.mark.parametrize(
    ("content", "failed", "others"),
    [
        ("@pytest.mark.skip(reason='why not')\ndef test_it() -> None: ...", 1, "0 passed"),
        ("def test_it() -> None:\n    pytest.importorskip('no_such_module', reason='why not')", 1, "0 passed"),
        ("@pytest.fixture\ndef thing() -> None:\n    pytest.skip('why not')\ndef test_it(thing: None) -> None: ...", 1, "0 passed"),
        ("pytest.skip('why not', allow_module_level=True)", 1, "0 passed"),
        ("@pytest.mark.xfail(reason='why not')\ndef test_it() -> None:\n    raise ValueError", 0, "1 xfailed"),
    ],
)
def test_a_skip_fails_where_none_is_allowed(content: str, failed: int, others: str, tmp_path: Path) -> None:
    (tmp_path / "test_skips.py").write_text(f"import pytest\n{content}\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.conftest", "--rootdir", str(tmp_path), "-c", "/dev/null", str(tmp_path), "-q"]
    allowed = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    strict = subprocess.run([*command, "--no-skips"], cwd=ROOT, check=False, capture_output=True, text=True)
    assert "why not" in allowed.stdout + content
    assert ("1 skipped" if failed else others) in allowed.stdout
    assert (strict.returncode == 0) == (failed == 0)
    assert ("1 failed" in strict.stdout or "1 error" in strict.stdout) == bool(failed)
    if failed:
        assert "why not" in strict.stdout
