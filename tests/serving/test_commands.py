"""The commands about servers, as a person types them."""

import hashlib
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from adapt.artifact.digest import digest_folder
from adapt.cli.main import main
from adapt.evaluate.metrics import Metrics, write_metrics
from adapt.serving.keys import read_access, remove_client
from adapt.serving.live import Live
from tests.serving.adapters import Scene, base_folder, lora_tensors
from tests.serving.plugin.published import lead


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
    assert "adapt env serving" in said
    assert "--engine onnxruntime" in said


def test_serve_on_a_network_wants_an_api_key(workspace: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    (workspace.root / "params.yaml").write_text("base: {kind: path, path: base}\nserver: {port: 1, host: 0.0.0.0}\n")
    status, _, said = run(capsys, "serve")
    assert (status, "there is no API key" in said) == (1, True)
    status, key, _ = run(capsys, "keys", "client", "mobile")
    assert (status, len(key.strip()) > 30) == (0, True)
    assert "the serving environment is not there" in run(capsys, "serve")[2]


def test_address_beside_the_spec_wants_an_api_key_too(workspace: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (("--host", "0.0.0.0"), ("--host=::",)):
        status, _, said = run(capsys, "serve", *arguments)
        assert (status, "--host is " in said, "there is no API key" in said) == (1, True, True)
    assert "the serving environment is not there" in run(capsys, "serve", "--host", "127.0.0.2")[2]


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("--middleware=os.system", "--middleware cannot be passed on"),
        ("--midd", "--midd cannot be passed on: --middleware is the middleware"),
        ("--lora_modules", "--lora-modules cannot be passed on"),
        ("--config", "--config cannot be passed on"),
        ("--hos=0.0.0.0", "--hos cannot be passed on: --host is an option of `adapt serve`"),
        ("--ssl-keyfile=a", "put a proxy with TLS in front"),
    ],
)
def test_arguments_that_go_around_the_door_are_refused(workspace: Scene, capsys: pytest.CaptureFixture[str], argument: str, expected: str) -> None:
    status, _, said = run(capsys, "serve", argument, "a")
    assert (status, expected in said) == (1, True)
    assert not (workspace.root / ".adapt" / "serving").exists()


def test_prepare_reaches_every_replica_and_a_key_is_taken_from_each_that_has_it(workspace: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    replicas = "".join(f"    - {{name: {name}, url: 'http://127.0.0.1:1', folder: live-{name}}}\n" for name in ("a", "b"))
    (workspace.root / "params.yaml").write_text(f"base: {{kind: path, path: base}}\nrollout:\n  replicas:\n{replicas}")
    assert run(capsys, "serve", "--prepare")[0] == 0
    folders = [workspace.root / f"live-{name}" for name in ("a", "b")]
    assert [list(Live(folder, workspace.out).aliases()) for folder in folders] == [["finance"]] * 2
    run(capsys, "keys", "client", "mobile")
    remove_client(folders[0], "mobile")
    assert run(capsys, "keys", "client", "mobile", "--remove")[0] == 0
    assert [read_access(folder)["clients"] for folder in folders] == [{}, {}]
    with Live(folders[0], workspace.out).locked():
        assert "is being changed by another command" in run(capsys, "keys", "client", "mobile")[2]


def test_sigterm_interrupts_a_deployment(workspace: Scene, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(*arguments: Any, **options: Any) -> None:
        signal.raise_signal(signal.SIGTERM)

    run(capsys, "keys", "make")
    monkeypatch.setattr("adapt.serving.deploy.deploy", ended)
    usual = signal.getsignal(signal.SIGTERM)
    status, _, said = run(capsys, "deploy", "finance")
    assert (status, said.strip()) == (1, "aborted")
    assert signal.getsignal(signal.SIGTERM) is usual


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


def test_commands_say_which_version_serves_and_by_what_figures_the_newest_missed(
    workspace: Scene,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(capsys, "serve", "--prepare")
    (good,) = Live(workspace.root / ".adapt" / "serving", workspace.out).aliases()["finance"]
    newest = workspace.add("finance", tensors=lora_tensors(b=0.75), passed=False)
    (workspace.gates / "finance" / "passed.json").unlink()
    workspace.render(base_folder=workspace.root / "base")
    gate = {"code": "0" * 64, "libraries": {}, "gates": [{"metric": "perplexity", "beats_base": True}]}
    (workspace.root / "build" / "resolved").mkdir()
    (workspace.root / "build" / "resolved" / "finance.yaml").write_text(json.dumps({"gate": gate}))
    (workspace.root / "evaluation" / "finance").mkdir(parents=True)
    figures = Metrics(base={"perplexity": 11.5}, adapter={"perplexity": 12.25}, records=9, tokens=99)
    write_metrics(workspace.root / "evaluation" / "finance", figures)
    build = f"finance@{digest_folder(newest)[:12]}"
    missed = "perplexity: found 12.25, must be below the base, which has 11.5"
    for command in (("serve", "--prepare"), ("deployments",)):
        status, _, said = run(capsys, *command)
        assert status == 0
        assert f"finance: serving version {good}; newest build {build} missed its gate: {missed}" in said
    assert list(Live(workspace.root / ".adapt" / "serving", workspace.out).aliases()["finance"]) == [good]


def test_retire_takes_a_name_away_that_no_spec_builds(
    workspace: Scene,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(capsys, "serve", "--prepare")
    assert run(capsys, "retire", "finance")[2] == "server: finance is not served any more\n"
    assert json.loads(run(capsys, "deployments", "--json")[1]) == []
    assert run(capsys, "retire", "finance")[2].startswith("error: 'finance' is not live")


def test_interrupted_roll_out_is_ended_by_the_next_command(
    workspace: Scene,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run(capsys, "serve", "--prepare")
    live = Live(workspace.root / ".adapt" / "serving", workspace.out)
    (good,) = live.aliases()["finance"]
    lead(live, "finance", {good: 0.9, "finance@000000000009": 0.1})
    rows = json.loads(run(capsys, "deployments", "--json")[1])
    assert [(row["version"], row["share"]) for row in rows] == [(good, 1.0)]
    assert live.aliases() == {"finance": {good: 1.0}}


def test_a_second_key_of_a_client_needs_replace(workspace: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    folder = workspace.root / ".adapt" / "serving"
    run(capsys, "keys", "make")
    first = run(capsys, "keys", "client", "mobile")[1].strip()
    digest = hashlib.sha256(first.encode()).hexdigest()
    status, out, error = run(capsys, "keys", "client", "mobile")
    assert (status, out) == (1, "")
    assert "has a key already" in error
    assert "--replace" in error
    assert json.loads((folder / "access.json").read_bytes())["clients"] == {"mobile": digest}
    second = run(capsys, "keys", "client", "mobile", "--replace")[1].strip()
    replaced = {"mobile": hashlib.sha256(second.encode()).hexdigest()}
    assert json.loads((folder / "access.json").read_bytes())["clients"] == replaced != {"mobile": digest}


@pytest.mark.parametrize("name", ["", "../x", "a/b", " ", "x\n", ".x", "a b", "x" * 65, "\u202ex"])
def test_client_names_follow_a_rule(workspace: Scene, capsys: pytest.CaptureFixture[str], name: str) -> None:
    status, out, error = run(capsys, "keys", "client", "--", name)
    assert (status, out) == (1, "")
    assert repr(name) in error
    assert "is expected" in error
    assert "hint:" in error
    assert not (workspace.root / ".adapt" / "serving" / "access.json").exists()
