"""Every command in every state that a newcomer meets: output, or an error with a hint, and never a traceback or silence."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from adapt.cli.main import adapt as program
from adapt.cli.main import main
from tests.workspace import run, tiny_workspace

COMMANDS = [
    "advise alpha", "advise nobody", "build nobody", "chat alpha --prompt hi", "chat nobody", "completion bash", "cotrain train@alpha",
    "cotrain train@nobody", "data why 123456", "data why x --spec alpha", "data funnel alpha", "data sample alpha --dropped-by x",
    "data diff HEAD", "data diff nowhere", "data diff workspace", "data diff . --spec alpha", "deploy alpha", "deployments", "drift",
    "env serving --kind tpu", "init --bare .", "keys make", "keys client x", "plan", "plan nobody", "plots", "plots nobody", "prune --dry-run",
    "retire alpha",
    "rollback alpha", "schema", "serve", "serve --prepare", "serve --engine transformers", "show alpha", "show nobody", "stage corpus nobody",
    "stage evaluate alpha", "stage export alpha-merged", "stage gate alpha", "stage resolve", "stage serving", "stage train alpha", "status",
    "status nobody", "sweep nobody -S lora.r=2", "sync", "sync --check", "validate", "validate nobody", "verdicts",
]  # fmt: skip
"""Arguments of each command. Builds and sweeps of what is there run for long, and are in tests/e2e."""
STATES = ("outside", "empty", "without git", "without a commit", "partly built")


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder for each state."""
    root = tmp_path_factory.mktemp("states")
    places = {state: root / state for state in STATES}
    places["outside"].mkdir()
    with pytest.raises(SystemExit):
        main(["init", "--bare", str(places["empty"])])
    tiny_workspace(places["without git"], ("alpha", "beta"))
    shutil.copytree(places["without git"], places["without a commit"])
    subprocess.run(["git", "init", "-q"], cwd=places["without a commit"], check=True)
    places["without a commit"].joinpath(".dvc", "config").write_text("[core]\n", encoding="utf-8")
    shutil.copytree(places["without git"], places["partly built"])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(places["partly built"])
        patch.setattr("adapt.cli.stage.die_with_parent", lambda: None)
        for stage in ("resolve", "corpus alpha", "dataset alpha"):
            with pytest.raises(SystemExit) as stopped:
                main(["stage", *stage.split()])
            assert stopped.value.code == 0
    return places


@pytest.fixture
def here(states: dict[str, Path], request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the state, which commands run in."""
    place = Path(shutil.copytree(states[request.param], tmp_path / "here"))
    monkeypatch.chdir(place)
    monkeypatch.setenv("COLUMNS", "80")
    for module in ("stage", "cotrain"):
        monkeypatch.setattr(f"adapt.cli.{module}.die_with_parent", lambda: None)
    monkeypatch.setattr("adapt.cli.serve._python", lambda workspace: pytest.fail("it would start a server"))
    return place


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[str]:
    """Names of all commands, groups opened."""
    if not isinstance(command, click.Group):
        yield " ".join(path)
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        yield from leaves(inner, (*path, name))


def test_the_table_names_every_command() -> None:
    for name in leaves(program):
        assert any(f"{line} ".startswith(f"{name} ") for line in COMMANDS) or name == "build", name


@pytest.mark.parametrize("here", STATES, indirect=True)
def test_every_command_says_something_and_every_error_has_a_hint(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for line in COMMANDS:
        arguments = line.split()
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        code, captured = int(stopped.value.code or 0), capsys.readouterr()
        where = f"{line}: {code}\n{captured.out[-500:]}\n{captured.err[-500:]}"
        assert "Traceback" not in captured.err, where
        if code == 0:
            assert captured.out.strip(), where
        elif line == "drift":
            assert captured.out.strip() or "hint: " in captured.err, where
        else:
            assert (code, "error: " in captured.err, "hint: " in captured.err) == (1, True, True), where


JSON = ["advise nobody", "build nobody", "chat nobody --prompt x", "data why 123456", "data funnel beta", "data sample beta --dropped-by x",
        "data diff nowhere", "deploy alpha", "deployments", "drift", "plan nobody", "plots", "rollback alpha", "show nobody", "status nobody",
        "sweep nobody -S lora.r=2", "validate nobody", "verdicts"]  # fmt: skip


@pytest.mark.parametrize("here", ["partly built"], indirect=True)
def test_json_is_one_document_whether_it_goes_well_or_not(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for line in JSON:
        with pytest.raises(SystemExit) as stopped:
            main([*line.split(), "--json"])
        told = json.loads(capsys.readouterr().out)
        if stopped.value.code:
            assert told["error"], line
            assert "hint" in told, line


def test_a_reader_that_goes_away_is_no_error_to_speak_of(states: dict[str, Path]) -> None:
    command = "adapt schema --markdown | head -n 1; adapt status >&-"
    done = run(states["without git"], "sh", "-c", command, check=False)
    assert (done.stdout, "Traceback" in done.stderr, "Exception" in done.stderr) == ("# Spec reference\n", False, False)
