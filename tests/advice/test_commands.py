"""`adapt advise`, `adapt plan` and the refusal of `adapt build`, in a workspace that nothing was built in, and in one with a made data set."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from adapt.advice import machine
from adapt.advice.forecast import training
from adapt.base import calibration
from adapt.base.calibration import Calibration, Rates, calibrate
from adapt.cli.context import all_specs
from adapt.cli.main import main
from adapt.plan.resolve import resolve
from adapt.plan.workspace import Workspace
from adapt.spec.load import load_params
from tests.adapter.trainings import record, records, write_dataset
from tests.tiny import tiny_base
from tests.workspace import PARAMS, ROOT

SPEC = """\
# the alpha adapter
train:
  method: qlora # tried once
  quantization_type: nf4

lora:
  r: 64 # too much
"""


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    tiny_base(tmp_path / "models" / "tiny")
    (tmp_path / "specs").mkdir()
    (tmp_path / "params.yaml").write_text(PARAMS, encoding="utf-8")
    (tmp_path / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "specs" / "alpha.yaml").write_text(SPEC, encoding="utf-8")
    (tmp_path / "specs" / "beta.yaml").write_text("", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(machine, "available_memory", lambda root=None: 8 << 30)
    adapt(capsys, "sync")
    return tmp_path


@pytest.fixture
def raw(workspace: Path) -> None:
    """Raw data for both adapters, without which no build begins."""
    for name in ("alpha", "beta"):
        (workspace / "data" / "raw" / name).mkdir(parents=True)
        (workspace / "data" / "raw" / name / "faq.jsonl").write_text('{"instruction": "What is it?", "output": "A thing."}\n')


def adapt(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main(list(arguments))
    captured = capsys.readouterr()
    return int(stopped.value.code or 0), captured.out, captured.err


def test_advice_names_reasons_sources_and_alternatives(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = adapt(capsys, "advise", "alpha", "--gpu", "24GiB", "--records", "3000")
    assert code == 0
    assert "alpha: 3000 records of 256 tokens, the longest 256; a base of 0 M parameters; GPU with 24.0 GiB" in out
    assert "train.method: lora\n" in out
    assert "is served beside 1 others on one base" in out
    assert "(arXiv:2106.09685)" in out
    assert "not qlora, loftq: saves memory that is there, and costs time" in out


def test_advice_on_a_cpu_rejects_quantization(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "not qlora, loftq: 4-bit products have no fast kernel on a CPU" in adapt(capsys, "advise", "alpha")[1]


def test_advice_is_shown_as_a_diff_and_written_only_when_asked(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = workspace / "specs" / "alpha.yaml"
    _, out, _ = adapt(capsys, "advise", "alpha", "--records", "3000")
    assert "-  method: qlora # tried once\n-  quantization_type: nf4\n" in out
    assert "+  method: lora  # tried once\n" in out
    assert spec.read_text(encoding="utf-8") == SPEC
    code, _, err = adapt(capsys, "advise", "alpha", "--records", "3000", "--write")
    assert (code, err) == (0, "changed specs/alpha.yaml\n")
    written = spec.read_text(encoding="utf-8")
    assert written.startswith("# the alpha adapter\n")
    assert "  r: 16 # too much\n" in written
    assert "quantization_type" not in written
    assert "specs/alpha.yaml says so already" in adapt(capsys, "advise", "alpha", "--records", "3000")[1]


def test_advice_rests_on_the_data_set_where_there_is_one(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_dataset(workspace / "data" / "dataset" / "alpha")
    found = json.loads(adapt(capsys, "advise", "alpha", "--json")[1])
    assert found["situation"]["records"] == 24
    assert 20 < found["situation"]["median_tokens"] <= found["situation"]["longest_tokens"] < 100
    assert any("24 records are few" in remark for remark in found["remarks"])
    assert {one["setting"]: one["value"] for one in found["recommendations"]}["lora.r"] == 8


def test_records_that_are_left_out_ask_for_a_larger_maximum(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workspace / "specs" / "alpha.yaml").write_text("train: {max_length_tokens: 32}\n", encoding="utf-8")
    write_dataset(workspace / "data" / "dataset" / "alpha")
    found = json.loads(adapt(capsys, "advise", "alpha", "--json")[1])
    longest = found["situation"]["longest_tokens"]
    assert longest > 32
    assert found["changes"]["train.max_length_tokens"] == longest
    assert adapt(capsys, "advise", "alpha", "--write")[0] == 0
    assert "train.max_length_tokens" not in json.loads(adapt(capsys, "advise", "alpha", "--json")[1])["changes"]


def test_long_records_ask_for_long_context(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    long = [record(f"Tell of bond {number}.", "a loan to the company " * 2000) for number in range(4)]
    write_dataset(workspace / "data" / "dataset" / "alpha", train=long)
    asked = ("advise", "alpha", "--gpu", "24GiB", "--json")
    short = json.loads(adapt(capsys, *asked)[1])
    assert "the base has positions for 512 tokens" in " ".join(short["remarks"])
    config = next(workspace.glob("models/*/config.json"))
    before = config.read_text()
    config.write_text(before.replace('"max_position_embeddings": 512', '"max_position_embeddings": 131072'))
    try:
        settings = {one["setting"]: one["value"] for one in json.loads(adapt(capsys, *asked)[1])["recommendations"]}
    finally:
        config.write_text(before)
    assert settings["train.method"] == "longlora"
    assert settings["train.max_length_tokens"] > 8192


def test_one_long_record_among_many_decides_nothing(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_dataset(workspace / "data" / "dataset" / "alpha", train=[*records(24), record("What is a bond?", "A loan. " * 2000)])
    found = json.loads(adapt(capsys, "advise", "alpha", "--json")[1])
    assert found["situation"]["longest_tokens"] < 100
    assert "train.max_length_tokens" not in found["changes"]
    assert "a few records are longer than train.max_length_tokens, 1024, and are left out" in found["remarks"]


def test_two_machines_at_once_are_wrong_use(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert adapt(capsys, "advise", "alpha", "--gpu", "24GiB", "--memory", "8GiB")[0] == 2


def test_plan_says_what_would_run_and_what_it_takes(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = {one["stage"]: one for one in json.loads(adapt(capsys, "plan", "beta", "--json")[1])}
    assert list(found) == ["corpus@beta", "dataset@beta", "train@beta", "evaluate@beta", "gate@beta", "serving"]
    assert found["corpus@beta"]["basis"] == "no past run"
    train = found["train@beta"]
    assert train["peak_mib"] > 500
    assert train["seconds"] is None
    assert train["fits"] is True
    assert "records are not made yet" in train["basis"]


def write_calibration(workspace: Path) -> Calibration:
    """Put a made-up calibration where the one of this machine would be: 10 GFLOP/s in float32, a twentieth of that in bfloat16."""
    fast, slow = Rates(10e9, 10e9, 10e9), Rates(0.5e9, 0.5e9, 1e9)
    made = Calibration("float32", "AVX2", 2, {"float32": fast, "bfloat16": slow}, 1e-6)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "_measure", lambda device: made)
        return calibrate("cpu", workspace / ".adapt" / "calibration")


def test_plan_forecasts_training_evaluation_and_exports_of_a_workspace_in_which_nothing_ran(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_calibration(workspace)
    spec = workspace / "specs" / "beta.yaml"
    raw = workspace / "data" / "raw" / "beta"
    raw.mkdir(parents=True)
    (raw / "faq.jsonl").write_text("x" * 600_000, encoding="utf-8")

    def planned(dtype: str) -> tuple[dict[str, dict[str, Any]], str]:
        spec.write_text(f"train: {{dtype: {dtype}}}\nexport: {{m: {{format: merged}}}}\n", encoding="utf-8")
        adapt(capsys, "sync")
        _, out, _ = adapt(capsys, "plan", "beta", "--json")
        return {one["stage"]: one for one in json.loads(out)}, adapt(capsys, "plan", "beta")[2]

    found, warned = planned("auto")
    assert {name for name, one in found.items() if one["seconds"] is not None} == {"train@beta", "evaluate@beta", "export@beta-m"}
    assert found["train@beta"]["basis"].endswith("float32 on cpu (AVX2, 2 threads)")
    assert "times as long" not in warned
    named, warned = planned("bfloat16")
    work = [one["train@beta"]["seconds"] - 20 for one in (found, named)]  # 20 seconds are for loading
    assert work[1] / work[0] == pytest.approx(20)
    assert "train@beta: train.dtype is bfloat16, whose products take 20.0 times as long here as those of float32" in warned
    assert named["evaluate@beta"]["seconds"] == found["evaluate@beta"]["seconds"]  # answers are computed in float32 either way


def test_plan_takes_time_and_memory_from_past_runs(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs = workspace / ".adapt" / "runs"
    runs.mkdir(parents=True)
    (runs / "corpus@alpha.json").write_text(json.dumps({"stage": "corpus@alpha", "figures": {}, "seconds": 8.0, "peak_mib": 220}), encoding="utf-8")
    for name, count in (("alpha", 100), ("beta", 300)):
        (workspace / "data" / "raw" / name).mkdir(parents=True)
        (workspace / "data" / "raw" / name / "faq.jsonl").write_text("x" * count, encoding="utf-8")
    corpus = json.loads(adapt(capsys, "plan", "beta", "--json")[1])[0]
    assert (corpus["seconds"], corpus["peak_mib"], corpus["basis"]) == (24.0, 420, "run of corpus@alpha")
    _, out, _ = adapt(capsys, "plan", "beta")
    assert "24 s" in out
    assert re.search(r"6 stages: \d+ s, 3 of unknown time", out)


@pytest.mark.usefixtures("raw")
def test_a_build_that_cannot_fit_is_refused_with_settings_that_would(
    workspace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace / "specs" / "beta.yaml").write_text("train: {batch_tokens: 400000}\n", encoding="utf-8")
    monkeypatch.setattr(machine, "available_memory", lambda root=None: 2 << 30)
    code, _, err = adapt(capsys, "build", "beta")
    assert code == 1
    assert "train@beta is forecast to need" in err
    assert "and there are 2.0 GiB of available memory" in err
    assert "one of these fits: train.batch_tokens: " in err
    assert "train.accumulate: " in err
    assert "`adapt build --force` builds all the same" in err
    assert not (workspace / "data" / "corpus").exists()
    _, out, err = adapt(capsys, "plan", "beta")
    assert "(does not fit)" in out
    assert "train@beta does not fit the memory that is there" in err


@pytest.mark.usefixtures("raw")
def test_a_build_of_several_that_fit_only_one_by_one_says_how_many(
    workspace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("alpha", "beta"):
        (workspace / "specs" / f"{name}.yaml").write_text("train: {method: full}\n", encoding="utf-8")
    adapters, _ = resolve(Workspace(workspace), all_specs(Workspace(workspace)), load_params(workspace))
    alone = training(Workspace(workspace), "beta", adapters["beta"].train, ["alpha", "beta"]).peak
    monkeypatch.setattr(machine, "available_memory", lambda root=None: int(1.001 * alone / machine.USABLE["cpu"]))
    code, _, err = adapt(capsys, "build", "--all")
    assert code == 1
    assert "train@alpha, train@beta train over one base, 2 at once, which is forecast to need " in err
    assert "`adapt build --at-once 1` fits; `adapt build --force` builds all the same" in err
    for arguments in (("--all", "--at-once", "1"), ("beta",)):
        assert "is not a DVC repository" in adapt(capsys, "build", *arguments)[2]  # it got as far as DVC


@pytest.mark.usefixtures("raw")
def test_a_build_that_nothing_helps_says_so(workspace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "available_memory", lambda root=None: 100 << 20)
    assert "no change of batch, rank, format or method makes it fit: a smaller base would" in adapt(capsys, "build", "beta")[2]


@pytest.mark.usefixtures("raw")
def test_force_and_stages_before_training_are_not_refused(
    workspace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "available_memory", lambda root=None: 100 << 20)
    for arguments in (("--force",), ("--to", "dataset")):
        code, _, err = adapt(capsys, "build", "beta", *arguments)
        assert code == 1
        assert "is not a DVC repository" in err  # it got as far as DVC
