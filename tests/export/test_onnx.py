"""The ONNX form: onnxruntime-genai answers from it as torch answers from the merged model."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import adapt.export.onnx as room
from adapt.artifact.digest import digest_files
from adapt.artifact.progress import QuietProgress
from adapt.errors import InputError
from adapt.export.export import ExportInputs
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
    before = (list(sys.path), dict(os.environ), set(sys.modules) & {"builder", "builders", "quantization"})
    report = run(OnnxExport(format="onnx", precision="int4", parity=GATES), untied, tmp_path / "out")
    assert report.parity.effect == pytest.approx(1, abs=0.1)
    assert "MatMulNBits" in (tmp_path / "out" / "model.onnx").read_bytes().decode("latin-1")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("model.onnx", "model.onnx.data", "genai_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"),
        *("export.json", "parity.json", "manifest.json"),
    }
    assert json.loads((tmp_path / "out" / "export.json").read_text())["precision"] == "int4"
    assert before == (list(sys.path), dict(os.environ), set(sys.modules) & {"builder", "builders", "quantization"})
    assert capfd.readouterr().out == ""


def test_unknown_architecture_is_a_users_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_run_builder", lambda *_, **__: (1, ["NotImplementedError: The m model is not currently supported."]))
    with pytest.raises(InputError, match="cannot build a model of this architecture") as caught:
        room.build_onnx(tmp_path, tmp_path / "out", precision="fp32", cache=tmp_path / "cache", progress=QuietProgress())
    assert caught.value.hint == "export it as merged or quantized"


def test_failure_of_the_builder_shows_its_last_lines(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"model builder ended with 1:\n(.*\n)*.*nowhere"):
        room.build_onnx(tmp_path / "nowhere", tmp_path / "out", precision="fp32", cache=tmp_path / "cache", progress=QuietProgress())


def test_builder_dies_with_the_stage_that_started_it(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text("import time\nprint('started', flush=True)\ntime.sleep(60)\n")
    child = "import runpy; runpy.run_module = lambda *_, **__: runpy.run_path('slow.py'); import adapt.export.builder as builder; "
    child += "from adapt.artifact.process import die_with_parent; die_with_parent(); runpy.run_module()"
    parent = f"import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', {child!r}]); print(p.pid, flush=True); p.wait()"
    with subprocess.Popen([sys.executable, "-c", parent], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        assert process.stdout.readline() == "started\n"
        process.send_signal(signal.SIGKILL)
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
