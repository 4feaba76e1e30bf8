"""The forms that llm-compressor makes in an environment of its own: what it is told, what is refused, and the real thing where it is there."""

import json
import os
import shlex
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from adapt.adapter.prompt import Prompt
from adapt.artifact.progress import QuietProgress
from adapt.base.load import load_tokenizer
from adapt.errors import InputError, WorkspaceError
from adapt.export import compressor
from adapt.export.compressed import TOKENS, CompressedRunner, calibration, compress
from adapt.export.forms import ExportInputs
from adapt.export.golden import Golden
from adapt.spec.export import Parity, QuantizedExport
from tests.export.conftest import make_dataset, make_record, run
from tests.tiny import CHAT_TEMPLATE

GPTQ = QuantizedExport(format="quantized", scheme="gptq")
GOLDEN = Golden(record="r", text="", prompt_ids=(1, 2), ids=(1, 2, 3), positions=1)


def interpreter(folder: Path, program: str) -> Path:
    """An executable in the place of the environment's Python, which gets the job's file as its last argument."""
    path, lines = folder / "python", folder / "program.py"
    lines.write_text(f"import json, os, sys\njob = json.load(open(sys.argv[-1]))\nhome = os.path.dirname(sys.argv[-1])\n{program}")
    # The kernel takes a first line apart at spaces, so that this Python cannot stand there.
    path.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(lines))} "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def compressed(folder: Path, python: Path) -> Any:
    (folder / "out").mkdir()
    return compress(folder, folder / "out", scheme="gptq", samples=[[1, 2]], python=python, work=folder, progress=QuietProgress())


def without_base(inputs: ExportInputs, python: Path) -> ExportInputs:
    """Inputs with which any step of the work would fail."""
    return replace(inputs, base=python.with_name("no-base"), quantize_python=python)


def test_missing_environment_is_said_at_once_and_how_to_make_it(inputs: ExportInputs, tmp_path: Path) -> None:
    for scheme in ("gptq", "awq", "w8a8", "fp8"):
        with pytest.raises(InputError, match="llm-compressor makes this form, and its environment is not there") as caught:
            run(QuantizedExport(format="quantized", scheme=scheme), without_base(inputs, tmp_path / "nowhere"), tmp_path / "out")
        assert "adapt env quantize" in (caught.value.hint or "")
        assert not (tmp_path / "out").exists()


def test_environment_without_the_library_is_said_at_once(inputs: ExportInputs, tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -S "$@"\n')
    with pytest.raises(InputError, match="python cannot be run: Permission denied"):
        run(GPTQ, without_base(inputs, bare), tmp_path / "out")
    bare.chmod(0o755)
    with pytest.raises(InputError, match="python has no llm-compressor"):
        run(GPTQ, without_base(inputs, bare), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_failure_shows_the_last_lines(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"llm-compressor ended with 1:\n[\s\S]*out of plums"):
        compressed(tmp_path, interpreter(tmp_path, "raise SystemExit('out of plums')"))


@pytest.mark.parametrize("body", ["raise MemoryError", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"])
def test_lack_of_memory_is_said(tmp_path: Path, body: str) -> None:
    with pytest.raises(WorkspaceError, match="llm-compressor ran out of memory"):
        compressed(tmp_path, interpreter(tmp_path, body))


def test_base_that_does_not_suit_the_scheme_is_a_users_error(tmp_path: Path) -> None:
    python = interpreter(tmp_path, "json.dump({'problem': 'no group divides 30'}, open(home + '/result.json', 'w'))")
    with pytest.raises(InputError, match="scheme gptq: no group divides 30"):
        compressed(tmp_path, python)


def test_job_holds_ids_and_no_texts_and_the_hub_is_shut(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    python = interpreter(
        tmp_path, "print('noise')\njson.dump({'job': job, 'offline': os.environ['HF_HUB_OFFLINE']}, open(home + '/result.json', 'w'))"
    )
    found = compressed(tmp_path, python)
    assert found["offline"] == "1"
    assert found["job"] == {"task": "compress", "model": str(tmp_path), "out": str(tmp_path / "out"), "scheme": "gptq", "samples": [[1, 2]]}
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


def test_rows_of_the_other_process_are_read(tmp_path: Path) -> None:
    rows = "import shutil; shutil.copyfile(home + '/../rows.safetensors', job['out'] + '/00000.safetensors')\n"
    from safetensors.torch import save_file

    save_file({"export": torch.tensor([[0.25, 0.75]]).log()}, tmp_path / "rows.safetensors")
    python = interpreter(tmp_path, rows + "json.dump({'load_seconds': 1.5, 'tokens_per_second': 20.0}, open(home + '/result.json', 'w'))")
    runner = CompressedRunner(tmp_path, [GOLDEN], python=python, work=tmp_path)
    assert runner.score(0, GOLDEN).exp().tolist() == [[0.25, 0.75]]
    assert (runner.load_seconds, runner.tokens_per_second(GOLDEN)) == (1.5, 20.0)


def test_calibration_is_on_the_train_records_with_the_smallest_ids(inputs: ExportInputs, tmp_path: Path) -> None:
    records = [make_record(f"What is bond {number}?", "A loan. " * (1 + 600 * (number == 3))) for number in range(6)]
    dataset = make_dataset(tmp_path / "dataset", records)
    prompt = Prompt(CHAT_TEMPLATE, load_tokenizer(inputs.base))
    samples = calibration(GPTQ.model_copy(update={"calibration_records": 4}), dataset, prompt)
    expected = [list(prompt.encode(record).ids[:TOKENS]) for record in sorted(records, key=lambda record: record.id)[:4]]
    assert samples == expected
    assert len(calibration(GPTQ, dataset, prompt)) == 6
    assert max(len(sample) for sample in calibration(GPTQ, dataset, prompt)) == TOKENS
    assert calibration(QuantizedExport(format="quantized", scheme="fp8"), tmp_path / "nowhere", prompt) == []


def test_nothing_to_calibrate_on_is_an_error(inputs: ExportInputs, tmp_path: Path) -> None:
    prompt = Prompt(CHAT_TEMPLATE, load_tokenizer(inputs.base))
    with pytest.raises(InputError, match=r"train\.jsonl has no records to calibrate on"):
        calibration(GPTQ, make_dataset(tmp_path / "dataset", []), prompt)
    with pytest.raises(InputError, match=r"train\.jsonl does not exist"):
        calibration(GPTQ, tmp_path / "nowhere", prompt)


def test_script_needs_nothing_of_this_environment() -> None:
    program = f"import sys; sys.path.clear(); exec(compile(open({compressor.__file__!r}).read(), 'c', 'exec'), {{'__name__': 'other'}})"
    imported = "import ctypes, importlib.metadata, json, os, pathlib, signal, time, typing; "
    subprocess.run([sys.executable, "-S", "-I", "-c", imported + program], check=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scheme", "form"), [("gptq", "pack-quantized"), ("awq", "pack-quantized"), ("w8a8", "int-quantized"), ("fp8", "float-quantized")]
)
def test_llm_compressor_makes_what_its_environment_loads(
    scheme: Literal["gptq", "awq", "w8a8", "fp8"], form: str, inputs: ExportInputs, tmp_path: Path
) -> None:
    python = Path(os.environ.get("QUANTIZE_PYTHON", ".venv-quantize/bin/python")).absolute()
    if not python.is_file():
        pytest.skip("the environment of `adapt env quantize` is not there")
    gates = Parity(min_top1_agreement=0.3, max_mean_kl=0.1)
    report = run(QuantizedExport(format="quantized", scheme=scheme, parity=gates), replace(inputs, quantize_python=python), tmp_path / "out")
    assert report.parity.effect == pytest.approx(1, abs=0.15)
    assert json.loads((tmp_path / "out" / "config.json").read_text())["quantization_config"]["format"] == form
    about = json.loads((tmp_path / "out" / "export.json").read_text())
    assert about["libraries"]["llmcompressor"]
    assert about["calibration_records"] == (0 if scheme == "fp8" else 4)
    assert {"tokenizer.json", "chat_template.jinja", "model.safetensors"} <= {path.name for path in (tmp_path / "out").iterdir()}
    assert not list((tmp_path / "out").glob("recipe*"))
