"""The commands about servers, as a person types them."""

import json
from pathlib import Path
from typing import Any

import pytest

from adapt.cli.main import main
from tests.serving.adapters import Scene, base_folder


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """A workspace whose serving stage has run, with no server."""
    scene = Scene(tmp_path)
    (tmp_path / "params.yaml").write_text("base: {kind: path, path: base}\nserver: {port: 1}\n")
    (tmp_path / "dvc.yaml").touch()
    base_folder(tmp_path / "base")
    scene.add("finance")
    scene.add("legal", passed=False)
    scene.render(base_folder=tmp_path / "base")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VLLM_PYTHON", raising=False)
    return scene


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error."""
    with pytest.raises(SystemExit) as caught:
        main(list(arguments))
    said = capsys.readouterr()
    return int(caught.value.code or 0), said.out, said.err


def test_serve_prepare_signs_and_names_every_adapter(workspace: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, said = run(capsys, "serve", "--prepare")
    assert (status, "ready for start.sh" in said) == (0, True)
    (version,) = json.loads((workspace.root / ".adapt" / "serving" / "aliases.json").read_bytes())["finance"]
    assert (workspace.root / ".adapt" / "serving" / "adapters" / version / "model.sig").is_file()
    keys = workspace.root / ".adapt" / "keys"
    assert [path.stat().st_mode & 0o777 for path in (keys, keys / "signing.pem", keys / "admin.token")] == [0o700, 0o600, 0o600]


def test_serve_says_that_the_environment_is_missing(workspace: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, said = run(capsys, "serve")
    assert status == 1
    assert "the serving environment is not there" in said
    assert "make serving-env" in said
    assert "--engine transformers" in said


def test_serve_on_a_network_wants_an_api_key(workspace: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    (workspace.root / "params.yaml").write_text("base: {kind: path, path: base}\nserver: {port: 1, host: 0.0.0.0}\n")
    status, _, said = run(capsys, "serve")
    assert (status, "there is no API key" in said) == (1, True)
    status, key, _ = run(capsys, "keys", "client", "mobile")
    assert (status, len(key.strip()) > 30) == (0, True)
    assert "the serving environment is not there" in run(capsys, "serve")[2]


def test_keys_that_others_can_read_are_not_used(workspace: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "keys", "make")[0] == 0
    key = workspace.root / ".adapt" / "keys" / "signing.pem"
    key.chmod(0o644)
    status, _, said = run(capsys, "serve", "--prepare")
    assert (status, f"{key} can be read by others" in said) == (1, True)
    assert "BEGIN" not in said


def test_keys_are_made_once_and_clients_can_be_taken_away(workspace: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    assert "made" in run(capsys, "keys", "make")[1]
    assert "already there" in run(capsys, "keys", "make")[1]
    run(capsys, "keys", "client", "mobile")
    assert run(capsys, "keys", "client", "mobile", "--remove")[0] == 0
    assert "no client is called 'mobile'; there are: none" in run(capsys, "keys", "client", "mobile", "--remove")[2]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("legal", "'legal' is left out of serving: its gates have not passed"), ("none", "no adapter is called 'none'; there are: finance")],
)
def test_deploy_says_why_there_is_nothing_to_deploy(workspace: Scene, capsys: pytest.CaptureFixture[str], name: str, expected: str) -> None:
    run(capsys, "keys", "make")
    status, _, said = run(capsys, "deploy", name)
    assert (status, expected in said) == (1, True)


def test_deploy_says_that_no_server_answers(workspace: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "keys", "make")
    status, _, said = run(capsys, "deploy", "finance")
    assert (status, "server: no server answers at http://127.0.0.1:1" in said, "adapt serve" in said) == (1, True, True)


@pytest.mark.parametrize("share", ["0%", "100%", "x", "-1"])
def test_canary_is_a_share(workspace: Scene, capsys: pytest.CaptureFixture[str], share: str) -> None:
    status, _, said = run(capsys, "deploy", "finance", f"--canary={share}")
    assert (status, "is not a share of the requests, such as 10% or 0.1" in said) == (2, True)


def test_deployments_are_listed_for_scripts(workspace: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, "serve", "--prepare")
    rows: list[dict[str, Any]] = json.loads(run(capsys, "deployments", "--json")[1])
    assert [(row["adapter"], row["share"], row["spec"]) for row in rows] == [("finance", 1.0, "specs/finance.yaml")]
    assert run(capsys, "rollback", "finance")[2].startswith("error: server: there is no version of 'finance' to go back to")


def test_verdicts_are_shown_for_each_engine(workspace: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    status, table, said = run(capsys, "verdicts")
    assert status == 0
    serving = {tuple(line.split()[1:3]) for line in table.splitlines() if line.startswith("finance")}
    assert {("vllm", "yes"), ("transformers", "yes")} <= serving
    assert "its gates have not passed" in table
    assert "vLLM itself was not asked" in said
