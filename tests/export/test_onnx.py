"""The ONNX form: onnxruntime-genai answers from it as torch answers from the merged model."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import adapt
import adapt.export.onnx as room
from adapt.artifact.digest import digest_files
from adapt.artifact.progress import QuietProgress
from adapt.errors import InputError, WorkspaceError
from adapt.export.forms import ExportInputs
from adapt.spec.export import OnnxExport, Parity
from tests.export.conftest import run

GATES = Parity(min_top1_agreement=0.3, max_mean_kl=0.1)
QUESTION = "What is a bond? 什么是债券？"


def test_fp32_answers_as_torch_does(onnx_fp32: Path, merged: Path) -> None:
    import numpy as np
    import onnxruntime_genai as genai

    tokenizer = AutoTokenizer.from_pretrained(onnx_fp32)
    ids = tokenizer.apply_chat_template([{"role": "user", "content": QUESTION}], add_generation_prompt=True).input_ids
    model = genai.Model(str(onnx_fp32))
    assert [int(token) for token in genai.Tokenizer(model).encode(tokenizer.decode(ids))] == ids
    parameters = genai.GeneratorParams(model)
    parameters.set_search_options(max_length=len(ids) + 24, do_sample=False)
    generator = genai.Generator(model, parameters)
    generator.append_tokens(np.array(ids, dtype=np.int32))
    while not generator.is_done():
        generator.generate_next_token()
    own = AutoModelForCausalLM.from_pretrained(merged).generate(torch.tensor([ids]), max_new_tokens=24, do_sample=False)[0].tolist()
    assert [int(token) for token in generator.get_sequence(0)] == own
    assert len(own) > len(ids)


def test_same_inputs_give_the_same_bytes(onnx_fp32: Path, inputs: ExportInputs, tmp_path: Path) -> None:
    copies = {name: Path(shutil.copytree(getattr(inputs, name), tmp_path / name)) for name in ("adapter", "dataset", "base")}
    run(OnnxExport(format="onnx", precision="fp32"), ExportInputs(**copies), tmp_path / "again")
    assert digest_files(onnx_fp32) == digest_files(tmp_path / "again")


def test_int4_of_untied_embeddings_carries_the_adapter(untied: ExportInputs, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    before = (list(sys.path), os.environ.get("HF_HUB_OFFLINE"), set(sys.modules) & {"builder", "builders", "quantization"})
    report = run(OnnxExport(format="onnx", precision="int4", parity=GATES), untied, tmp_path / "out")
    assert report.parity.effect == pytest.approx(1, abs=0.1)
    assert "MatMulNBits" in (tmp_path / "out" / "model.onnx").read_bytes().decode("latin-1")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("README.md", "model.onnx", "model.onnx.data", "genai_config.json"),
        *("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"),
        *("export.json", "parity.json", "manifest.json"),
    }
    assert json.loads((tmp_path / "out" / "export.json").read_text())["precision"] == "int4"
    assert before == (list(sys.path), os.environ.get("HF_HUB_OFFLINE"), set(sys.modules) & {"builder", "builders", "quantization"})
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(("precision", "mean_kl"), [("fp16", 1e-4), ("int8", 0.01)])
def test_half_precision_and_int8_answer_on_a_cpu(precision: Literal["fp16", "int8"], mean_kl: float, inputs: ExportInputs, tmp_path: Path) -> None:
    report = run(OnnxExport(format="onnx", precision=precision, parity=GATES), inputs, tmp_path / "out")
    assert report.tokens_per_second > 0, "it generates, and not only scores"
    assert report.parity.mean_kl < mean_kl
    config = json.loads((tmp_path / "out" / "genai_config.json").read_text())
    assert config["model"]["decoder"]["session_options"]["provider_options"] == []


@pytest.fixture
def fake_builder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Puts a program in the place of onnxruntime-genai's model builder."""

    def write(program: str) -> None:
        package = tmp_path / "fakes" / "onnxruntime_genai" / "models"
        package.mkdir(parents=True)
        for folder in (package, package.parent):
            (folder / "__init__.py").touch()
        (package / "builder.py").write_text(program)
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(package.parents[1]), str(Path(adapt.__file__).parents[1]))))

    return write


def build(folder: Path) -> None:
    room.build_onnx(folder / "merged", folder / "out", precision="int4", cache=folder / "cache", progress=QuietProgress())


def test_builder_is_offline_and_told_what_to_build(fake_builder: Callable[[str], None], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fake_builder(
        "import json, os, sys\n"
        f"seen = {{'arguments': sys.argv[1:], 'offline': os.environ['HF_HUB_OFFLINE']}}\n"
        f"open({str(tmp_path / 'seen.json')!r}, 'w').write(json.dumps(seen))\n"
        "print('noise'); print('noise', file=sys.stderr)\n"
    )
    build(tmp_path)
    seen = json.loads((tmp_path / "seen.json").read_text())
    assert seen["offline"] == "1"
    assert {"hf_remote=false", "hf_token=false", "int4", "cpu", "algo_config=k_quant", str(tmp_path / "merged")} <= set(seen["arguments"])
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


def test_unknown_architecture_is_a_users_error(fake_builder: Callable[[str], None], tmp_path: Path) -> None:
    fake_builder("raise NotImplementedError('The merged model is not currently supported.')")
    with pytest.raises(InputError, match="cannot build a model of this architecture") as caught:
        build(tmp_path)
    assert caught.value.hint == "export it as merged or quantized"


def test_failure_of_the_builder_shows_its_last_lines(fake_builder: Callable[[str], None], tmp_path: Path) -> None:
    fake_builder("print('Reading layer 0')\nraise SystemExit('no weights')")
    with pytest.raises(RuntimeError, match=r"model builder ended with 1:\nReading layer 0\nno weights"):
        build(tmp_path)


@pytest.mark.parametrize("body", ["raise MemoryError", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"])
def test_lack_of_memory_is_said(fake_builder: Callable[[str], None], tmp_path: Path, body: str) -> None:
    fake_builder(body)
    with pytest.raises(WorkspaceError, match="model builder ran out of memory"):
        build(tmp_path)


def test_builder_dies_with_the_stage_that_started_it(fake_builder: Callable[[str], None], tmp_path: Path) -> None:
    fake_builder("import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(60)")
    stage = "import subprocess, sys; subprocess.run([sys.executable, '-m', 'adapt.export.builder'])"
    with subprocess.Popen([sys.executable, "-c", stage], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.kill()
    deadline = time.monotonic() + 10
    while _runs(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(pid)


def _runs(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def test_other_token_ids_of_genai_are_told(onnx_fp32: Path, inputs: ExportInputs, caplog: pytest.LogCaptureFixture) -> None:
    from adapt.adapter.load import load_adapter
    from adapt.export.golden import choose_goldens

    prompt = load_adapter(inputs.adapter, inputs.base, device="cpu").prompt
    goldens = choose_goldens(inputs.dataset / "test.jsonl", prompt, count=4, context=512)
    room.warn_of_other_ids(onnx_fp32, goldens)
    assert caplog.text == ""
    room.warn_of_other_ids(onnx_fp32, [replace(goldens[0], prompt_ids=(1, 2, 3)), *goldens[1:]])
    assert f"other ids than transformers' for 1 of 4 golden prompts (records {goldens[0].record[:12]})" in caplog.text
