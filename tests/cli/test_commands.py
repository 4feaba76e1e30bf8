"""Commands that need no build, through the real command line in this process."""

import json
from pathlib import Path

import pytest
import yaml

from adapt.cli.main import main
from adapt.plan.workspace import Workspace
from tests.workspace import ROOT


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "specs").mkdir()
    (tmp_path / "params.yaml").write_text("", encoding="utf-8")
    (tmp_path / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def spec(workspace: Path, name: str, text: str = "") -> None:
    (workspace / "specs" / f"{name}.yaml").write_text(text, encoding="utf-8")


def adapt(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main(list(arguments))
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    return int(stopped.value.code or 0), captured.out, captured.err


def test_help_lists_the_commands_and_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = adapt(capsys, "--help")
    assert code == 0
    for word in ("build", "chat", "init", "prune", "schema", "show", "stage", "status", "sync", "validate", "Exit codes: 0"):
        assert word in out


def test_wrong_use_exits_with_2(capsys: pytest.CaptureFixture[str], workspace: Path) -> None:
    code, _, err = adapt(capsys, "biuld")
    assert (code, "Did you mean 'build'?" in err) == (2, True)
    assert adapt(capsys, "build", "a", "--all")[0] == 2
    assert adapt(capsys, "stage", "train")[0] == 2
    assert adapt(capsys, "stage", "resolve", "x")[0] == 2


def test_outside_a_workspace_the_error_says_how_to_make_one(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = adapt(capsys, "status")
    assert code == 1
    assert "is not in a workspace" in err
    assert "hint: make one with `adapt init DIR`" in err


def test_sync_writes_the_index_and_check_notices_a_new_spec(capsys: pytest.CaptureFixture[str], workspace: Path) -> None:
    spec(workspace, "a", "export: {m: {format: merged}}\ncorpus: {path: data/raw/shared}")
    assert adapt(capsys, "sync")[:2] == (0, "updated _index.yaml (+ a, + export a-m), _schema.json, _params_schema.json\n")
    assert adapt(capsys, "sync")[1] == "already in sync\n"
    assert "a-m:\n    adapter: a\n    export: m" in (workspace / "specs" / "_index.yaml").read_text(encoding="utf-8")
    assert "raw: data/raw/shared" in (workspace / "specs" / "_index.yaml").read_text(encoding="utf-8")
    spec(workspace, "b")
    code, _, err = adapt(capsys, "sync", "--check")
    assert code == 1
    assert "specs/_index.yaml is out of date: adapters lacks 'b'" in err
    assert "hint: run `adapt sync`" in err


def test_resolve_refuses_a_spec_that_is_not_in_the_index(capsys: pytest.CaptureFixture[str], workspace: Path) -> None:
    adapt(capsys, "sync")
    spec(workspace, "a")
    code, _, err = adapt(capsys, "stage", "resolve")
    assert (code, "run `adapt sync`" in err) == (1, True)
    assert not (workspace / "build").exists()


def test_commands_that_read_the_index_bring_it_up_to_date_and_say_so(capsys: pytest.CaptureFixture[str], workspace: Path) -> None:
    spec(workspace, "a", "export: {m: {format: merged}}")
    code, out, err = adapt(capsys, "status", "--json")
    assert (code, err) == (0, "specs/_index.yaml was written anew: + a, + export a-m\n")
    assert json.loads(out)[0]["stage"] == "corpus@a"
    spec(workspace, "a", "corpus: {path: elsewhere}")
    spec(workspace, "support")
    assert adapt(capsys, "plan")[2].startswith("specs/_index.yaml was written anew: + support, ~ a, - export a-m\n")
    index = yaml.safe_load((workspace / "specs" / "_index.yaml").read_text(encoding="utf-8"))
    assert (sorted(index["adapters"]), index["adapters"]["a"]["raw"], index["exports"]) == (["a", "support"], "elsewhere", {})
    assert "was written anew" not in adapt(capsys, "status")[2]
    (workspace / "specs" / "_index.yaml").write_text("<<<<<<< HEAD\n", encoding="utf-8")
    assert "specs/_index.yaml was written anew: it could not be read" in adapt(capsys, "prune", "--dry-run")[2]
    assert sorted(path.name for path in (workspace / "specs").iterdir()) == ["_index.yaml", "a.yaml", "support.yaml"]


def test_a_build_without_names_builds_every_spec_and_one_without_specs_is_an_error(
    capsys: pytest.CaptureFixture[str], workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, err = adapt(capsys, "build")
    assert (code, "error: there is no spec to build\nhint: write specs/NAME.yaml" in err) == (1, True)
    spec(workspace, "a")
    spec(workspace, "b")
    chosen: list[list[str]] = []

    def build(workspace: Workspace, specs: dict[str, object], **options: object) -> list[object]:
        chosen.append(list(specs))
        return []

    monkeypatch.setattr("adapt.cli.build.build", build)
    for names in ([], ["--all"], ["b"]):
        assert adapt(capsys, "build", "--to", "dataset", *names)[0] == 0
    assert chosen == [["a", "b"], ["a", "b"], ["b"]]


def test_json_on_an_error_is_one_object_that_names_every_problem(capsys: pytest.CaptureFixture[str], workspace: Path) -> None:
    spec(workspace, "a", "lora: {rank: 8}\nbase: {kind: hub, model: a/b, revision: main}\ntrain: {method: lorra}")
    code, out, err = adapt(capsys, "validate", "--json")
    told = json.loads(out)
    assert (code, told["hint"], err) == (1, None, f"error: {told['error']}\n")
    by_field = {problem["field"]: problem for problem in told["problems"]}
    assert sorted(by_field) == ["base.revision", "lora.rank", "train.method"]
    assert {problem["file"] for problem in by_field.values()} == {"specs/a.yaml"}
    assert (by_field["base.revision"]["found"], by_field["train.method"]["hint"]) == ("'main'", "did you mean 'lora'?")
    assert (by_field["train.method"]["allowed"][:2], by_field["lora.rank"]["allowed"][-2:]) == (["lora", "rslora"], ["target_modules", "use_rslora"])
    for arguments in (["status", "nobody", "--json"], ["show", "--json"], ["data", "funnel", "nobody", "--json"]):
        code, out, _ = adapt(capsys, *arguments)
        assert (code > 0, sorted(json.loads(out))[:2]) == (True, ["error", "hint"])


def test_validate_names_what_is_valid(capsys: pytest.CaptureFixture[str], workspace: Path) -> None:
    spec(workspace, "a")
    spec(workspace, "b")
    assert adapt(capsys, "validate")[1] == "2 valid: a, b\n"
    assert json.loads(adapt(capsys, "validate", "specs/a.yaml", "--json")[1]) == {"valid": ["a"]}


def test_unknown_spec_gets_a_suggestion(capsys: pytest.CaptureFixture[str], workspace: Path) -> None:
    spec(workspace, "finance")
    adapt(capsys, "sync")
    code, _, err = adapt(capsys, "build", "finanse")
    assert code == 1
    assert "no spec is called 'finanse'; there are: finance" in err
    assert "hint: did you mean 'finance'?" in err
    assert "is not a spec of this workspace" in adapt(capsys, "build", "elsewhere/finance.yaml")[2]


def test_build_needs_a_dvc_repository(capsys: pytest.CaptureFixture[str], workspace: Path) -> None:
    spec(workspace, "a")
    adapt(capsys, "sync")
    code, _, err = adapt(capsys, "build", "a")
    assert (code, "is not a DVC repository" in err) == (1, True)


def test_schema_and_completion_print(capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(adapt(capsys, "schema")[1])["title"] == "AdapterSpec"
    assert json.loads(adapt(capsys, "schema", "--params")[1])["title"] == "Params"
    assert adapt(capsys, "schema", "--markdown")[1].startswith("# Spec reference")
    for shell in ("bash", "zsh", "fish"):
        assert "_ADAPT_COMPLETE" in adapt(capsys, "completion", shell)[1]


def test_completion_offers_spec_names(workspace: Path) -> None:
    from adapt.cli.context import complete_names

    spec(workspace, "finance")
    spec(workspace, "legal")
    assert complete_names(None, None, "fi") == ["finance"]  # type: ignore[arg-type]


def test_init_copies_the_project_and_refuses_a_taken_folder(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    target = tmp_path / "with space" / "ws"
    code, out, _ = adapt(capsys, "init", str(target))
    assert code == 0
    assert "adapt build specs/finance.yaml" in out
    assert (target / "specs" / "finance.yaml").read_bytes() == (ROOT / "specs" / "finance.yaml").read_bytes()
    assert (target / "data" / "raw" / "finance" / "faq.csv").is_file()
    assert (target / ".git").is_dir()
    assert (target / ".dvc" / "config").is_file()
    code, _, err = adapt(capsys, "init", str(target))
    assert (code, "already holds dvc.yaml" in err, "hint: choose an empty folder" in err) == (1, True, True)


def test_bare_init_is_in_sync(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adapt(capsys, "init", "--bare", str(tmp_path / "ws"))
    monkeypatch.chdir(tmp_path / "ws")
    assert adapt(capsys, "sync", "--check")[1] == "in sync\n"
    assert not (tmp_path / "ws" / "data" / "raw").exists()


def test_init_inside_a_repository_uses_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    import subprocess

    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    adapt(capsys, "init", "--bare", str(tmp_path / "sub"))
    assert not (tmp_path / "sub" / ".git").exists()
    assert (tmp_path / "sub" / ".dvc").is_dir()


def test_a_spec_that_would_not_be_read_is_named(capsys: pytest.CaptureFixture[str], workspace: Path) -> None:
    (workspace / "specs" / "legal.yml").write_text("", encoding="utf-8")
    code, _, err = adapt(capsys, "sync")
    assert (code, "specs/legal.yml is not read" in err, "rename it to legal.yaml" in err) == (1, True, True)


def test_errors_of_the_system_are_sentences(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    code, _, err = adapt(capsys, "init", str(tmp_path / "file" / "below"))
    assert (code, err.startswith("error: ")) == (1, True)


def test_traceback_flag_shows_where_an_error_came_from(capsys: pytest.CaptureFixture[str], workspace: Path) -> None:
    from adapt.errors import AdaptError

    with pytest.raises(AdaptError):
        main(["build", "nothing", "--traceback"])
