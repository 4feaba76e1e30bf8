"""What re-runs when something changes: exactly what depends on it. Stages are counted on a tiny model."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from adapt.errors import WorkspaceError
from adapt.plan.repro import read_lock_file, reproduce
from adapt.plan.workspace import Workspace
from tests.workspace import PARAMS, add_spec, questions, run, tree

AFTER_TRAIN = ("train@{0}", "evaluate@{0}", "gate@{0}", "export@{0}-merged")
WHOLE = ("corpus@{0}", "dataset@{0}", *AFTER_TRAIN)


PATCHED = """\
import importlib.metadata
version = importlib.metadata.version
importlib.metadata.version = lambda name: "99.0.1" if name == "ftfy" else version(name)
"""
"""A patch release of a library that reading uses, as far as anybody can see from outside."""


def build(root: Path, *arguments: str, code: int = 0) -> dict[str, str]:
    """`adapt build`, as outcome by stage."""
    done = run(root, "adapt", "build", *arguments, "--json", check=False)
    assert done.returncode == code, done.stderr
    return {stage["stage"]: stage["outcome"] for stage in json.loads(done.stdout)["stages"]}


def ran(outcomes: dict[str, str], outcome: str = "ran") -> set[str]:
    return {stage for stage, found in outcomes.items() if found == outcome}


def names(template: tuple[str, ...], adapter: str) -> set[str]:
    return {stage.format(adapter) for stage in template}


def write_spec(root: Path, name: str, extra: str) -> None:
    path = root / "specs" / f"{name}.yaml"
    path.write_text(path.read_text(encoding="utf-8") + extra, encoding="utf-8")


def test_a_built_workspace_is_up_to_date(workspace: Path) -> None:
    before = tree(workspace)
    assert run(workspace, "adapt", "build", "--all").stdout == "all up to date\n"
    assert set(build(workspace, "alpha").values()) == {"unchanged"}
    assert run(workspace, "adapt", "status").stdout.endswith("all up to date\n")
    assert tree(workspace) == before


def test_one_adapters_rank_rebuilds_that_adapter_and_reverting_trains_nothing(workspace: Path) -> None:
    before, spec = tree(workspace), (workspace / "specs" / "alpha.yaml").read_text(encoding="utf-8")
    write_spec(workspace, "alpha", "lora: {r: 8}\n")
    [train] = [row for row in status(workspace) if row["stage"] == "train@alpha"]
    assert (train["state"], train["reasons"]) == ("stale", ["lora.lora_alpha: 8 -> 16", "lora.r: 4 -> 8"])
    assert ran(build(workspace, "--all")) == names(AFTER_TRAIN, "alpha") | {"serving"}
    assert json.loads((workspace / "adapters" / "alpha" / "adapter_config.json").read_text())["r"] == 8
    (workspace / "specs" / "alpha.yaml").write_text(spec, encoding="utf-8")
    outcomes = build(workspace, "--all")
    assert ran(outcomes) == set()
    assert ran(outcomes, "restored") == names(AFTER_TRAIN, "alpha") | {"serving"}
    assert tree(workspace) == before


@pytest.mark.slow
def test_a_default_rebuilds_only_adapters_that_do_not_override_it(workspace: Path) -> None:
    write_spec(workspace, "alpha", "lora: {r: 4}\n")
    (workspace / "params.yaml").write_text(PARAMS.replace("lora: {r: 4}", "lora: {r: 2}"), encoding="utf-8")
    stale = {row["stage"] for row in status(workspace) if row["state"] != "up to date"}
    assert stale == names(AFTER_TRAIN, "beta") | {"serving"}
    assert ran(build(workspace, "--all", "--to", "train")) == {"train@beta"}


def test_comments_and_descriptions_rebuild_nothing(workspace: Path) -> None:
    write_spec(workspace, "alpha", "# a comment\n")
    (workspace / "params.yaml").write_text("# another\n" + PARAMS, encoding="utf-8")
    assert run(workspace, "adapt", "build", "--all").stdout == "all up to date\n"


@pytest.mark.slow
def test_a_changed_corpus_rebuilds_its_adapter(workspace: Path) -> None:
    (workspace / "data" / "raw" / "beta" / "more.jsonl").write_text(questions("more", 10), encoding="utf-8")
    [corpus] = [row for row in status(workspace) if row["stage"] == "corpus@beta"]
    assert corpus["reasons"] == ["its input data/raw/beta changed"]
    assert ran(build(workspace, "--all", "--to", "train")) == {"corpus@beta", "dataset@beta", "train@beta"}


def test_moving_a_bound_re_judges_only_and_building_one_adapter_leaves_the_others_as_they_stand(workspace: Path) -> None:
    write_spec(workspace, "alpha", "evaluate: {gates: [{metric: perplexity, maximum: 100000}]}\n")
    write_spec(workspace, "beta", "lora: {r: 8}\n")
    before = {path: content for path, content in tree(workspace).items() if "beta" in path and not path.startswith("dist")}
    assert ran(build(workspace, "specs/alpha.yaml")) == {"gate@alpha", "serving"}
    assert {path: content for path, content in tree(workspace).items() if "beta" in path and not path.startswith("dist")} == before
    assert {row["state"] for row in status(workspace) if row["stage"] == "train@beta"} == {"stale"}
    assert set(served(workspace)["adapters"]) == {"alpha", "beta"}


def test_a_file_that_no_reader_reads_and_a_patch_of_the_readers_library_retrain_nothing(workspace: Path, tmp_path: Path) -> None:
    """Records are byte-identical, and only what was made from them stands elsewhere."""
    before = tree(workspace)
    (workspace / "data" / "raw" / "alpha" / "notes.xyz").write_text("no reader reads this\n", encoding="utf-8")
    assert ran(build(workspace, "--all")) == {"corpus@alpha"}
    (tmp_path / "sitecustomize.py").write_text(PATCHED, encoding="utf-8")
    done = run(workspace, "adapt", "build", "--all", "--json", env={"PYTHONPATH": str(tmp_path)})
    assert {stage["stage"] for stage in json.loads(done.stdout)["stages"] if stage["outcome"] != "unchanged"} == {"corpus@alpha", "corpus@beta"}
    after = tree(workspace)
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    assert changed == {f"data/corpus/{name}.provenance.json" for name in ("alpha", "beta")} | {
        "data/corpus/alpha/report.json", "data/corpus/alpha/manifest.json",  # they count the file
    }  # fmt: skip


def test_an_adapter_that_is_not_there_is_said_to_be_left_out_and_comes_back(workspace: Path) -> None:
    run(workspace, "rm", "-r", "adapters/beta", "adapters/beta.provenance.json")
    [serving] = [row for row in status(workspace) if row["stage"] == "serving"]
    assert (serving["state"], serving["reasons"][0]) == ("stale", "its input adapters changed")
    done = run(workspace, "adapt", "build", "alpha")
    assert "beta passed its gates and is not served: its folder does not exist" in done.stderr
    assert set(served(workspace)["adapters"]) == {"alpha"}
    assert ran(build(workspace, "beta")) == set()
    assert set(served(workspace)["adapters"]) == {"alpha", "beta"}


def test_a_new_spec_needs_sync_under_dvc_and_builds_alone(workspace: Path) -> None:
    add_spec(workspace, "gamma")
    done = run(workspace, "dvc", "repro", check=False)
    assert done.returncode != 0
    assert "adapters lacks 'gamma'" in done.stderr
    assert "hint: run `adapt sync`" in done.stderr
    assert {row["stage"] for row in status(workspace) if row["state"] != "up to date"} == names(WHOLE, "gamma") | {"serving"}
    assert ran(build(workspace, "--all", "--to", "dataset")) == {"corpus@gamma", "dataset@gamma"}


def test_a_removed_spec_leaves_nothing_behind(workspace: Path) -> None:
    (workspace / "specs" / "beta.yaml").unlink()
    assert "`adapt prune` removes them" in run(workspace, "adapt", "sync").stderr
    assert "would remove adapters/beta" in run(workspace, "adapt", "prune", "--dry-run").stdout
    assert (workspace / "adapters" / "beta").is_dir()
    run(workspace, "adapt", "prune")
    assert [path for path in tree(workspace) if "beta" in path] == []
    assert "@beta" not in (workspace / "dvc.lock").read_text(encoding="utf-8")
    assert set(served(workspace)["adapters"]) == {"alpha"}
    assert run(workspace, "adapt", "build", "--all").stdout == "all up to date\n"
    assert run(workspace, "adapt", "prune").stdout == "nothing to prune\n"


def test_a_failed_gate_fails_the_build_keeps_the_adapter_and_does_not_serve_it(workspace: Path) -> None:
    write_spec(workspace, "alpha", "evaluate: {gates: [{metric: perplexity, maximum: 0.5}]}\n")
    done = run(workspace, "adapt", "build", "--all", check=False)
    assert done.returncode == 1
    assert "perplexity" in done.stderr
    assert "0.5" in done.stderr
    assert "stages failed: gate@alpha" in done.stderr.splitlines()[-2]
    assert done.stderr.splitlines()[-1].startswith("hint: ")
    assert (workspace / "adapters" / "alpha" / "adapter_model.safetensors").is_file()
    assert set(served(workspace)["adapters"]) == {"beta"}
    [gate] = [row for row in status(workspace) if row["stage"] == "gate@alpha"]
    assert gate["state"] == "failed"
    again = build(workspace, "--all", code=1)
    assert ran(again) == set(), "a failed gate measures nothing again"
    assert ran(again, "failed") == {"gate@alpha"}


@pytest.mark.slow
def test_two_failed_gates_are_both_named(workspace: Path) -> None:
    for name in ("alpha", "beta"):
        write_spec(workspace, name, "evaluate: {gates: [{metric: perplexity, maximum: 0.5}]}\n")
    outcomes = build(workspace, "--all", code=1)
    assert ran(outcomes, "failed") == {"gate@alpha", "gate@beta"}
    assert outcomes["serving"] == "ran"
    assert served(workspace)["adapters"] == {}


def test_what_dvc_itself_complains_of_is_passed_on(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(workspace, "rm", "-r", "data/raw/alpha")
    assert reproduce(Workspace(workspace), ["corpus@alpha"], keep_going=True)["corpus@alpha"] == "failed"
    assert "data/raw/alpha" in capsys.readouterr().err
    done = run(workspace, "adapt", "build", "alpha", check=False)  # which looks before DVC is asked
    assert done.returncode == 1
    assert "error: specs/alpha.yaml: corpus.path: the folder data/raw/alpha does not exist" in done.stderr


def test_status_sees_outputs_that_were_edited(workspace: Path) -> None:
    (workspace / "data" / "dataset" / "alpha" / "train.jsonl").write_text("", encoding="utf-8")
    [dataset] = [row for row in status(workspace) if row["stage"] == "dataset@alpha"]
    assert (dataset["state"], dataset["reasons"]) == ("stale", ["its output was changed by hand"])


def test_deleted_outputs_come_back_from_the_cache(workspace: Path) -> None:
    before = tree(workspace)
    for path in ("adapters/alpha", "data/dataset/alpha"):
        run(workspace, "rm", "-r", path)
    [train] = [row for row in status(workspace) if row["stage"] == "train@alpha"]
    assert train["state"] == "missing"
    assert ran(build(workspace, "--all")) == set()
    assert tree(workspace) == before


def test_a_truncated_lock_file_costs_no_training(workspace: Path) -> None:
    lock = workspace / "dvc.lock"
    lock.write_text(lock.read_text(encoding="utf-8")[:700], encoding="utf-8")
    done = run(workspace, "adapt", "build", "--all", "--json")
    assert "dvc.lock was cut off" in done.stderr
    assert {stage["outcome"] for stage in json.loads(done.stdout)["stages"]} == {"restored"}


def test_every_cut_of_the_lock_file_is_survived(workspace: Path) -> None:
    """A cut-off file can still be YAML, and then only its shape gives it away."""
    text = (workspace / "dvc.lock").read_text(encoding="utf-8")
    for cut in (text.index("cmd:") + 4, text.index("deps:") + 5, text.index("size:") + 5, text.index("params:") + 7, 3):
        (workspace / "dvc.lock").write_text(text[:cut], encoding="utf-8")
        with pytest.raises(WorkspaceError, match=r"dvc\.lock cannot be read"):
            read_lock_file(Workspace(workspace))
    (workspace / "dvc.lock").write_text(text, encoding="utf-8")
    assert set(read_lock_file(Workspace(workspace))) >= {"train@alpha", "serving"}


def test_a_merge_conflict_in_the_lock_file_is_not_thrown_away(workspace: Path) -> None:
    lock = workspace / "dvc.lock"
    lock.write_text("<<<<<<< HEAD\n" + lock.read_text(encoding="utf-8"), encoding="utf-8")
    before = lock.read_bytes()
    done = run(workspace, "adapt", "build", "--all", check=False)
    assert (done.returncode, "dvc.lock holds a merge conflict" in done.stderr) == (1, True)
    assert lock.read_bytes() == before


def test_show_tells_the_whole_story(workspace: Path) -> None:
    text = run(workspace, "adapt", "show", "alpha").stdout
    for part in ("the alpha adapter", "40 records (32 train", "lora, ", "perplexity", "merged float32", "top-1 agreement", "alpha@"):
        assert part in text, text
    account = json.loads(run(workspace, "adapt", "show", "alpha", "--json").stdout)
    assert account["metrics"]["adapter"]["perplexity"] < account["metrics"]["base"]["perplexity"]


def test_chat_answers_one_question(workspace: Path) -> None:
    answer = json.loads(run(workspace, "adapt", "chat", "alpha", "--prompt", "What happens?", "--json", "--max-new-tokens", "8").stdout)
    assert answer["adapter"] == "alpha"
    missing = run(workspace, "adapt", "chat", "gamma", "--prompt", "x", check=False)
    assert (missing.returncode, "no spec is called 'gamma'" in missing.stderr) == (1, True)


@pytest.mark.slow
def test_chat_lets_the_base_answer_what_comes_from_a_pipe(workspace: Path) -> None:
    assert run(workspace, "adapt", "chat", "alpha", "--prompt", "-", "--base", "--max-new-tokens", "2").returncode == 0


@pytest.mark.slow
def test_dvc_experiments_change_the_adapters_that_do_not_override(workspace: Path) -> None:
    write_spec(workspace, "alpha", "lora: {r: 4}\n")
    run(workspace, "sh", "-c", "rm -rf .dvc/config && printf '[core]\\n    analytics = false\\n' > .dvc/config")
    (workspace / ".gitignore").write_text(
        "/.adapt\n/adapters\n/build\n/data/corpus\n/data/dataset\n/dist\n/evaluation\n/exports\n/training\n", encoding="utf-8"
    )
    git(workspace, "init", "-q")
    git(workspace, "add", "-A")
    git(workspace, "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-qm", "start")
    run(
        workspace,
        "dvc",
        "exp",
        "run",
        "-S",
        "lora.r=32",
        "evaluate@alpha",
        "evaluate@beta",
        env={"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b.c", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b.c"},
    )
    ranks = {name: json.loads((workspace / "adapters" / name / "adapter_config.json").read_text())["r"] for name in ("alpha", "beta")}
    assert ranks == {"alpha": 4, "beta": 32}
    shown = json.loads(run(workspace, "dvc", "exp", "show", "--json").stdout)
    text = json.dumps(shown)
    assert "metrics/alpha.json" in text
    assert "metrics/beta.json" in text
    assert "perplexity" in text


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True)


def status(root: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(run(root, "adapt", "status", "--json").stdout)
    return rows


def served(root: Path) -> dict[str, Any]:
    models: dict[str, Any] = json.loads((root / "dist" / "vllm" / "models.json").read_text(encoding="utf-8"))
    return models
