"""What every form has in common: inputs that cannot be used, gates that refuse, files, equal bytes."""

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import adapt.export.export as room
from adapt.artifact.digest import digest_files
from adapt.artifact.manifest import read_provenance, verify
from adapt.errors import GateError, InputError
from adapt.export.forms import ExportInputs
from adapt.spec.export import ExportSpec, MergedExport, OnnxExport, Parity, QuantizedExport
from tests.export.conftest import LOOSE, make_adapter, make_dataset, run

MERGED = MergedExport(format="merged", dtype="float32")


def without_adapter(loaded: Any) -> Any:
    """A merge that forgets the adapter."""
    return loaded.model.unload()


def with_half_the_scaling(loaded: Any) -> Any:
    for name, weight in loaded.model.named_parameters():
        if "lora_B" in name:
            weight.data *= 0.5
    return loaded.model.merge_and_unload()


COARSE = Parity(min_top1_agreement=0, max_mean_kl=1, max_worst_kl=10, max_perplexity_increase=10)


@pytest.mark.parametrize(
    ("spec", "broken"),
    [
        (MergedExport(format="merged"), without_adapter),
        (MergedExport(format="merged", parity=COARSE), with_half_the_scaling),
        (QuantizedExport(format="quantized", scheme="nf4", parity=COARSE), without_adapter),
        (QuantizedExport(format="quantized", scheme="int8", parity=COARSE), with_half_the_scaling),
    ],
    ids=["merged, no adapter", "merged, half the scaling", "nf4, no adapter", "int8, half the scaling"],
)
def test_broken_export_is_refused_and_leaves_nothing(
    spec: ExportSpec, broken: Callable[[Any], Any], inputs: ExportInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "merge", broken)
    with pytest.raises(GateError, match="the export differs from its adapter over 69 positions of 4 golden prompts"):
        run(spec, inputs, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == [".out.lock"]


def test_failed_gate_keeps_the_older_export(inputs: ExportInputs, tmp_path: Path) -> None:
    run(MERGED, inputs, tmp_path / "out")
    before = digest_files(tmp_path / "out")
    with pytest.raises(GateError, match=r"mean KL is .* nats, at most 0\.0 is allowed"):
        run(MergedExport(format="merged", parity=Parity(min_top1_agreement=0, max_mean_kl=0)), inputs, tmp_path / "out")
    assert digest_files(tmp_path / "out") == before


def test_files_tell_form_size_and_figures_but_no_times(merged: Path, inputs: ExportInputs, tmp_path: Path) -> None:
    report = run(MERGED, inputs, tmp_path / "out")
    about, parity = json.loads((merged / "export.json").read_text()), json.loads((merged / "parity.json").read_text())
    own = {"export.json", "parity.json", "manifest.json"}
    size = sum(path.stat().st_size for path in merged.iterdir() if path.name not in own)
    assert about == {"format": "merged", "dtype": "float32", "onto": "full", "parameters": 131392, "base_digest": "0" * 64, "bytes": size}
    assert report.bytes == size
    assert report.load_seconds > 0
    assert report.tokens_per_second > 0
    assert parity["top1_agreement"] == 1.0
    assert parity["effect"] == 1.0
    assert parity["mean_kl"] == 0.0
    assert parity["positions"] == sum(prompt["positions"] for prompt in parity["prompts"]) == 69
    assert parity["gates"] == Parity().gates("float32")._asdict()
    assert not {key for key in {**about, **parity} if "second" in key}


@pytest.mark.parametrize(
    "spec", [MergedExport(format="merged", parity=LOOSE), QuantizedExport(format="quantized", parity=LOOSE)], ids=lambda spec: spec.format
)
def test_same_inputs_give_the_same_bytes(spec: ExportSpec, inputs: ExportInputs, tmp_path: Path) -> None:
    run(spec, inputs, tmp_path / "one")
    elsewhere = tmp_path / "elsewhere"
    copies = {name: Path(shutil.copytree(getattr(inputs, name), elsewhere / name)) for name in ("adapter", "dataset", "base")}
    run(spec, ExportInputs(**copies), elsewhere / "another" / "two")
    assert digest_files(tmp_path / "one") == digest_files(elsewhere / "another" / "two")


def test_no_file_names_a_folder_of_this_machine(merged: Path, nf4: Path, onnx_fp32: Path) -> None:
    for folder in (merged, nf4, onnx_fp32):
        for path in folder.iterdir():
            assert str(folder.parents[1]).encode() not in path.read_bytes(), path


def test_output_is_complete_and_has_no_pickles(merged: Path, nf4: Path, onnx_fp32: Path) -> None:
    for folder in (merged, nf4, onnx_fp32):
        verify(folder)
        assert set(read_provenance(folder).inputs) == {"adapter", "test", "train"}
        names = {path.name for path in folder.iterdir()}
        assert not [name for name in names if name.startswith(".") or name.endswith((".bin", ".pt", ".pth", ".pkl", ".py"))]
        assert {"tokenizer.json", "chat_template.jinja", "export.json", "parity.json"} <= names


def test_state_of_the_process_is_left_alone(inputs: ExportInputs, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    before = (torch.get_num_threads(), torch.get_rng_state().tolist(), torch.is_grad_enabled(), list(sys.path), dict(os.environ), Path.cwd())
    run(QuantizedExport(format="quantized", scheme="int8", parity=LOOSE), inputs, tmp_path / "out")
    after = (torch.get_num_threads(), torch.get_rng_state().tolist(), torch.is_grad_enabled(), list(sys.path), dict(os.environ), Path.cwd())
    assert before == after
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("spec", [MERGED, QuantizedExport(format="quantized"), OnnxExport(format="onnx")], ids=lambda spec: spec.format)
def test_empty_test_split_is_an_error(spec: ExportSpec, inputs: ExportInputs, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"test\.jsonl has no records to compare an export on"):
        run(spec, replace(inputs, dataset=make_dataset(tmp_path / "dataset", [])), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_missing_test_split_is_an_error(inputs: ExportInputs, tmp_path: Path) -> None:
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "train.jsonl").touch()
    with pytest.raises(InputError, match=r"test\.jsonl does not exist"):
        run(MERGED, replace(inputs, dataset=tmp_path / "dataset"), tmp_path / "out")


@pytest.mark.parametrize(("content", "reason"), [(b'{"id": 1}\n', "test.jsonl cannot be read"), (b"\xff\xfe\n", "not UTF-8")])
def test_unreadable_test_split_is_an_error(content: bytes, reason: str, inputs: ExportInputs, tmp_path: Path) -> None:
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "train.jsonl").touch()
    (tmp_path / "dataset" / "test.jsonl").write_bytes(content)
    with pytest.raises(InputError, match=reason):
        run(MERGED, replace(inputs, dataset=tmp_path / "dataset"), tmp_path / "out")


def test_missing_folders_are_named(inputs: ExportInputs, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"adapter: .*nowhere does not exist"):
        run(MERGED, replace(inputs, adapter=tmp_path / "nowhere"), tmp_path / "out")
    with pytest.raises(InputError, match=r"base: .*nowhere is not a folder"):
        run(MERGED, replace(inputs, base=tmp_path / "nowhere"), tmp_path / "out")


def test_adapter_that_was_changed_by_hand_is_refused(inputs: ExportInputs, tmp_path: Path) -> None:
    adapter = Path(shutil.copytree(inputs.adapter, tmp_path / "adapter"))
    (adapter / "adapter_config.json").write_text("{}")
    with pytest.raises(InputError, match=r"differs from its manifest: adapter_config\.json"):
        run(MERGED, replace(inputs, adapter=adapter), tmp_path / "out")


def test_padded_embeddings_are_fine_and_missing_ones_are_not(inputs: ExportInputs, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM

    for rows in (576, 500):
        base = Path(shutil.copytree(inputs.base, tmp_path / f"base-{rows}"))
        model = AutoModelForCausalLM.from_pretrained(base)
        model.resize_token_embeddings(rows)
        model.save_pretrained(base)
        changed = ExportInputs(adapter=make_adapter(tmp_path / f"adapter-{rows}", base), dataset=inputs.dataset, base=base)
        if rows > 512:
            assert run(MERGED, changed, tmp_path / "padded").parity.effect == 1.0
            continue
        with pytest.raises(InputError, match="the base model has 500 embeddings, and its tokenizer gives ids up to 511"):
            run(MERGED, changed, tmp_path / "short")
