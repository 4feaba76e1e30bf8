"""Roll-out and roll-back on servers that tell what they were asked, with real folders and signatures."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from adapt.errors import GateError, InputError, WorkspaceError
from adapt.serving.client import Answer
from adapt.serving.deploy import Release, Target, deploy, rollback
from adapt.serving.drift import deployments, drift
from adapt.serving.live import Live
from adapt.serving.plugin.listing import package_digest
from adapt.serving.start import prepare
from adapt.spec.serving import RolloutSpec
from tests.serving.adapters import adapter_config, lora_tensors
from tests.serving.plugin.published import Published, lead, publish

GOLDEN = ({"messages": [{"role": "user", "content": "q"}], "base": "plain", "adapter": "special answer"},)
QUICK = RolloutSpec(watch_seconds=0, drain_seconds=0)


class FakeReplica:
    """A server by its shape: answers from a table, and writes down what it was told."""

    def __init__(self, live: Live, name: str = "server") -> None:
        self.name, self.url, self.live = name, "http://server", live
        self.answers: dict[str, str] = {"base": "plain"}
        self.otherwise = "special answer"
        self.samples: list[dict[tuple[str, str, str], float]] = [{}]
        self.told: list[tuple[str, str]] = []
        self.seen: list[dict[str, float] | None] = []
        self.down = False
        self.cut = False
        self.overrides: dict[str, Any] = {}

    def is_ready(self) -> bool:
        return not self.down

    def state(self, *, check: Sequence[str] = ()) -> dict[str, Any]:
        if self.down:
            raise WorkspaceError("no server answers")
        facts = json.loads((self.live.configuration / "server.json").read_bytes())
        base = {key: facts["base"][key] for key in ("digest", "revision")}
        return {
            "aliases": self.live.aliases(),
            "versions": {
                **{version: None for shares in self.live.aliases().values() for version in shares},
                **{version: self.live.reason_against(version) for version in check},
            },
            "attributes_faults": True,
            "stored": self.live.store().names(),
            "base": base,
            **{key: facts[key] for key in ("tokenizer", "template", "max_lora_rank")},
            "code": package_digest(self.live.configuration / "plugin" / "adapt_serving"),
        } | self.overrides

    def models(self) -> list[dict[str, Any]]:
        return [{"id": "base"}]

    def ask(self, model: str, messages: Any, *, max_tokens: int) -> Answer:
        if self.down:
            raise WorkspaceError("no server answers")
        self.told.append(("ask", model))
        return Answer(self.answers.get(model, self.otherwise), cut=self.cut)

    def unload(self, version: str) -> None:
        self.told.append(("unload", version))

    def metrics(self) -> dict[tuple[str, str, str], float]:
        self.seen.append(self.live.aliases().get("finance"))
        return self.samples.pop(0) if len(self.samples) > 1 else self.samples[0]


def traffic(
    version: str,
    *,
    answered: float = 0,
    own: float = 0,
    requests: float = 0,
) -> dict[tuple[str, str, str], float]:
    """Metrics of requests to a version: answered, failed by itself, and failed because of what was asked."""
    return {
        ("adapt_requests_total", version, "200"): answered,
        ("adapt_requests_total", version, "500"): own + requests,
        ("adapt_faults_total", version, "version"): own,
        ("adapt_faults_total", version, "request"): requests,
    }


def times(version: str, seconds: float, count: float) -> dict[tuple[str, str, str], float]:
    """Metrics of `count` answers that took between half of `seconds` and `seconds`."""
    buckets = {seconds / 2: 0.0, seconds: count, float("inf"): count}
    return {("adapt_request_seconds_bucket", version, str(bound)): many for bound, many in buckets.items()}


class Stage:
    """A server that answers with the first build of finance, and a second build that waits."""

    def __init__(self, root: Path) -> None:
        self.published: Published = publish(root, "finance")
        self.live, self.first = self.published.live, self.published.versions["finance"]
        self.replica = FakeReplica(self.live)
        self.said: list[str] = []
        self.release = self.rebuild(0.25)

    def rebuild(self, b: float) -> Release:
        scene = self.published.scene
        scene.add("finance", tensors=lora_tensors(b=b))
        (offer,) = scene.render(base_folder=scene.root / "base").served
        return Release("finance", scene.out / offer.path, GOLDEN)

    def rebuild_kept(self, b: float) -> Release:
        """As `rebuild`, in a folder that the next build leaves alone."""
        release = self.rebuild(b)
        aside = self.published.scene.root / "kept" / release.version
        shutil.copytree(release.source, aside)
        return Release(release.name, aside, release.golden)

    @property
    def target(self) -> Target:
        return Target(self.replica, self.live)  # type: ignore[arg-type]

    def deploy(self, *, rollout: RolloutSpec = QUICK, canary: float | None = None, targets: list[Target] | None = None) -> list[dict[str, Any]]:
        return deploy(self.release, targets or [self.target], keys=self.published.keys, rollout=rollout, canary=canary, say=self.said.append)

    def shares(self) -> dict[str, float]:
        return self.live.aliases()["finance"]


@pytest.fixture
def server(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_deploy_loads_and_probes_before_it_shifts_and_unloads_last(server: Stage) -> None:
    version = server.release.version
    done = server.deploy()
    assert server.shares() == {version: 1.0}
    assert server.replica.told == [("ask", version), ("ask", "base"), ("unload", server.first)]
    assert done[0]["agreement"] == 1.0
    assert server.live.store().check(version) is None
    assert server.live.golden(version) == list(GOLDEN)


def test_canary_comes_before_the_rest(server: Stage) -> None:
    version = server.release.version
    server.deploy(canary=0.1)
    assert {server.first: 0.9, version: 0.1} in server.replica.seen
    assert server.shares() == {version: 1.0}
    assert "server: " + version + " answers 10% of the requests" in server.said


def test_version_without_effect_is_not_shifted_to(server: Stage) -> None:
    server.replica.otherwise = "plain"
    with pytest.raises(GateError, match="answers every golden prompt as the base does, so it is not in effect"):
        server.deploy()
    assert server.shares() == {server.first: 1.0}
    assert server.replica.told[-1] == ("unload", server.release.version)


def test_version_that_answers_otherwise_than_measured_is_not_shifted_to(server: Stage) -> None:
    server.replica.otherwise = "nothing alike"
    with pytest.raises(GateError, match="brings back 0% of the expected answers, and 50% are needed"):
        server.deploy()
    assert server.shares() == {server.first: 1.0}


def test_failures_of_its_own_roll_a_version_back(server: Stage) -> None:
    version = server.release.version
    server.replica.samples = [{}, {}, traffic(version, answered=3, own=3)]
    with pytest.raises(GateError, match=r"3 of 6 requests to .* failed, with a share of 1%"):
        server.deploy(canary=0.2)
    assert server.shares() == {server.first: 1.0}
    assert server.live.journal.history("finance")[-1]["action"] == "failed"


@pytest.mark.parametrize(("requests", "allowed"), [(19, True), (20, False)])
def test_slow_answers_roll_back_once_there_are_enough_to_judge(server: Stage, requests: float, allowed: bool) -> None:
    first, version = server.first, server.release.version
    usual = times(first, 0.5, 40)
    server.replica.samples = [usual, usual, usual | times(version, 2.0, requests)]
    if allowed:
        server.deploy()
        assert server.shares() == {version: 1.0}
        return
    with pytest.raises(GateError, match=r"takes 4\.0 times as long as the version before"):
        server.deploy()
    assert server.shares() == {first: 1.0}


def test_interruption_rolls_back(server: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("adapt.serving.watch.Window.watch", interrupted)
    with pytest.raises(KeyboardInterrupt):
        server.deploy()
    assert server.shares() == {server.first: 1.0}
    assert server.live.journal.history("finance")[-1]["reason"] == "KeyboardInterrupt"


def test_silent_server_is_left_alone(server: Stage) -> None:
    server.replica.down = True
    with pytest.raises(WorkspaceError, match="no server answers"):
        server.deploy()
    assert server.live.store().names() == [server.first]
    assert len(server.live.journal.history("finance")) == 1


def test_first_failure_halts_the_replicas_after_it(server: Stage, tmp_path: Path) -> None:
    others = [Live(tmp_path / name, server.live.configuration) for name in ("two", "three")]
    for live in others:
        prepare(live, server.published.keys, [], say=server.said.append)
    replicas = [server.replica, FakeReplica(others[0], "two"), FakeReplica(others[1], "three")]
    replicas[1].otherwise = "plain"
    targets = [Target(replica, replica.live) for replica in replicas]  # type: ignore[arg-type]
    with pytest.raises(GateError, match=r"two: .*\nhint: .*; server already serve it: `adapt rollback finance` takes it back"):
        server.deploy(targets=targets)
    assert [live.aliases().get("finance") for live in (server.live, *others)] == [{server.release.version: 1.0}, None, None]
    assert replicas[2].told == []


def test_deploying_what_is_live_changes_nothing(server: Stage) -> None:
    server.deploy()
    told = list(server.replica.told)
    assert server.deploy() == [{"replica": "server", "version": server.release.version, "changed": False}]
    assert server.replica.told == told


def test_version_without_golden_prompts_is_not_deployed_until_it_has_some(server: Stage) -> None:
    built = server.release
    server.release = Release("finance", built.source, ())
    with pytest.raises(InputError, match=r"has no golden prompts.*\nhint: set evaluate.generate_records"):
        server.deploy()
    server.release = built
    assert server.deploy()[0]["changed"] is True
    assert server.live.golden(built.version) == list(GOLDEN)


@pytest.mark.parametrize(("answer", "cut", "allowed"), [("special", True, True), ("special", False, False), ("special \ufffd", True, True)])
def test_answers_are_compared_no_further_than_the_tokens_reached(server: Stage, answer: str, cut: bool, allowed: bool) -> None:
    server.replica.otherwise, server.replica.cut = answer, cut
    if allowed:
        assert server.deploy(rollout=QUICK.model_copy(update={"min_agreement": 0.9}))[0]["agreement"] == 1.0
        return
    with pytest.raises(GateError, match="brings back 50% of the expected answers"):
        server.deploy(rollout=QUICK.model_copy(update={"min_agreement": 0.9}))


def test_new_server_is_opened_to_its_administrator_before_it_is_asked(server: Stage, tmp_path: Path) -> None:
    live = Live(tmp_path / "new", server.live.configuration)
    replica = FakeReplica(live, "new")
    opened: list[bool] = []
    replica.state = lambda: {"known": opened.append((live.folder / "access.json").is_file())}  # type: ignore[method-assign]
    server.deploy(targets=[Target(replica, live)])  # type: ignore[arg-type]
    assert opened == [True]


def test_server_that_dies_while_the_old_version_drains_keeps_the_new_one(server: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(version: str) -> None:
        raise WorkspaceError("server: no server answers")

    monkeypatch.setattr(server.replica, "unload", gone)
    assert server.deploy()[0]["changed"] is True
    assert server.shares() == {server.release.version: 1.0}
    assert server.said[-1] == f"server: {server.first} may still be loaded: server: no server answers"


def test_rollback_goes_back_one_version_at_a_time(server: Stage) -> None:
    server.deploy()
    second = server.release.version
    server.release = server.rebuild(0.75)
    server.deploy()
    for expected in (second, server.first):
        done = rollback("finance", [server.target], say=server.said.append)
        assert (server.shares(), done[0]["version"]) == ({expected: 1.0}, expected)
    with pytest.raises(InputError, match="there is no version of 'finance' to go back to"):
        rollback("finance", [server.target], say=server.said.append)


def test_rollback_passes_over_versions_that_would_not_be_served(server: Stage) -> None:
    server.deploy()
    (server.published.adapters / server.first / "model.sig").unlink()
    with pytest.raises(InputError, match=rf"to go back to \({server.first}: it is not signed\)"):
        rollback("finance", [server.target], say=server.said.append)
    assert server.shares() == {server.release.version: 1.0}
    with pytest.raises(InputError, match="'legal' is not live; there are: finance"):
        rollback("legal", [server.target], say=server.said.append)


@pytest.mark.parametrize("down", [False, True])
def test_rollback_goes_by_the_server_that_runs_and_not_by_the_newest_build(server: Stage, down: bool) -> None:
    """The newest build is for another base and has smaller slots; the server that runs loads what it
    always did."""
    base = {"digest": "e" * 64, "revision": None}
    wide = server.published.rebuilt(tensors=lora_tensors(32), config=adapter_config(32), base=base)
    lead(server.live, "finance", {wide: 1.0})
    lead(server.live, "finance", {server.release.version: 1.0})
    assert server.live.reason_against(wide) == "it was trained on another base model than the one served"
    server.replica.down, server.replica.overrides = down, {"versions": {wide: None}}
    done = rollback("finance", [server.target], say=server.said.append)
    assert (server.shares(), done[0]["answers"]) == ({wide: 1.0}, not down)


def test_rollback_passes_over_what_the_server_that_runs_refuses(server: Stage) -> None:
    server.deploy()
    second = server.release.version
    server.release = server.rebuild(0.75)
    server.deploy()
    server.replica.overrides = {"versions": {second: "its rank is too large", server.first: None}}
    rollback("finance", [server.target], say=server.said.append)
    assert server.shares() == {server.first: 1.0}


@pytest.mark.parametrize("canary", [None, 0.2])
def test_rollback_ends_a_deployment_that_watches(server: Stage, canary: float | None) -> None:
    """Another command rolls back while the first request of the watch is counted."""
    version, metrics = server.release.version, server.replica.metrics

    def rolled_back() -> Any:
        if server.shares().get(version):
            rollback("finance", [server.target], say=server.said.append)
        return metrics()

    server.replica.metrics = rolled_back  # type: ignore[method-assign]
    expected = f"the roll-out of {version} was taken back by another command; {server.first} serves"
    with pytest.raises(WorkspaceError, match=expected):
        server.deploy(rollout=QUICK.model_copy(update={"watch_seconds": 60}), canary=canary)
    assert server.shares() == {server.first: 1.0}
    assert server.replica.told[-1] == ("unload", version)
    assert server.live.journal.state("finance").failed == {version: "it was rolled back"}


def test_rollback_after_a_killed_canary_leads_to_the_version_that_was_good(server: Stage) -> None:
    server.deploy()
    good, broken = server.release.version, server.rebuild(0.75)
    lead(server.live, "finance", {good: 0.9, broken.version: 0.1})
    rollback("finance", [server.target], say=server.said.append)
    assert server.shares() == {good: 1.0}


def test_failure_after_a_killed_canary_leaves_the_failed_version_nothing(server: Stage) -> None:
    version = server.release.version
    lead(server.live, "finance", {server.first: 0.9, version: 0.1})
    server.replica.samples = [{}, {}, traffic(version, own=5)]
    with pytest.raises(GateError, match="5 of 5 requests"):
        server.deploy()
    assert server.shares() == {server.first: 1.0}
    with pytest.raises(InputError, match="no version of 'finance' to go back to"):
        rollback("finance", [server.target], say=server.said.append)
    assert server.shares() == {server.first: 1.0}


def test_rollback_leaves_servers_alone_that_the_roll_out_did_not_reach(server: Stage, tmp_path: Path) -> None:
    server.deploy()
    good = server.release.version
    other = tmp_path / "two"
    shutil.copytree(server.live.folder, other)
    replica = FakeReplica(Live(other, server.live.configuration), "two")
    targets = [server.target, Target(replica, replica.live)]  # type: ignore[arg-type]
    server.release = server.rebuild(0.75)
    server.deploy(targets=targets[:1])
    done = rollback("finance", targets, say=server.said.append)
    assert [target.live.aliases()["finance"] for target in targets] == [{good: 1.0}] * 2
    assert [entry["version"] for entry in done] == [good, good]
    rollback("finance", targets, say=server.said.append)
    assert [target.live.aliases()["finance"] for target in targets] == [{server.first: 1.0}] * 2


def test_rollback_needs_no_hold_on_the_folder(server: Stage) -> None:
    server.deploy()
    with server.live.locked():
        rollback("finance", [server.target], say=server.said.append)
    assert server.shares() == {server.first: 1.0}


def test_rollback_never_leads_to_a_version_that_failed(server: Stage) -> None:
    server.deploy()
    second = server.release.version
    server.release = server.rebuild(0.75)
    third = server.release.version
    server.replica.samples = [{}, {}, traffic(third, own=5)]
    with pytest.raises(GateError, match="failed"):
        server.deploy()
    assert [entry["action"] for entry in server.live.journal.history("finance")] == [
        "start", "begin", "shift", "promote", "begin", "shift", "failed",
    ]  # fmt: skip
    assert server.shares() == {second: 1.0}
    rollback("finance", [server.target], say=server.said.append)
    assert server.shares() == {server.first: 1.0}


def test_rollback_after_a_first_deployment_that_failed_finds_nothing(server: Stage, tmp_path: Path) -> None:
    live = Live(tmp_path / "new", server.live.configuration)
    target = Target(FakeReplica(live, "new"), live)  # type: ignore[arg-type]
    target.replica.samples = [{}, {}, traffic(server.release.version, own=5)]  # type: ignore[attr-defined]
    with pytest.raises(GateError, match="failed"):
        server.deploy(targets=[target])
    later = server.rebuild(0.75)
    target.replica.samples = [{}]  # type: ignore[attr-defined]
    server.release = later
    server.deploy(targets=[target])
    with pytest.raises(InputError, match="there is no version of 'finance' to go back to"):
        rollback("finance", [target], say=server.said.append)


def test_torn_line_of_the_history_is_passed_over(server: Stage) -> None:
    with (server.live.folder / "history.jsonl").open("a") as file:
        file.write('{"at": "2026')
    assert [entry["action"] for entry in server.live.journal.history("finance")] == ["start"]


def test_deployments_say_what_is_live_since_when_and_from_what(server: Stage) -> None:
    server.deploy()
    (row,) = deployments(server.target)
    assert (row["version"], row["share"], row["spec"]) == (server.release.version, 1.0, "specs/finance.yaml")
    shifted = [entry for entry in server.live.journal.history("finance") if entry["action"] == "shift"]
    assert row["since"] == shifted[-1]["at"]
    assert len(row["settings"]) == 64


def test_drift_is_nothing_where_all_agrees_and_names_what_differs(server: Stage) -> None:
    server.deploy()
    assert drift(server.target) == []
    server.replica.overrides = {"template": "e" * 64, "versions": {}}
    server.release = server.rebuild(0.9)
    found = {finding.what: (finding.expected, finding.found) for finding in drift(server.target)}
    (live,) = server.shares()
    assert found["template"][1] == "e" * 64
    assert found[f"finance: {live}"] == ("served", "it is not in the server's folder")
    assert found["finance: built"][0] == server.release.version


def test_prepare_never_replaces_what_serves(server: Stage) -> None:
    prepare(server.live, server.published.keys, [server.release], say=server.said.append)
    assert server.shares() == {server.first: 1.0}
    assert server.said == [f"finance is served as {server.first}; built is {server.release.version}: `adapt deploy finance`"]


def test_prepare_replaces_what_this_configuration_would_refuse(server: Stage) -> None:
    wide = server.published.rebuilt(tensors=lora_tensors(32), config=adapter_config(32))
    lead(server.live, "finance", {wide: 1.0})
    prepare(server.live, server.published.keys, [server.release], say=server.said.append)
    assert server.shares() == {server.release.version: 1.0}
    reason = "its rank is 32, and the server's slots hold 8"
    assert server.said == [f"finance is served as {server.release.version}, since this configuration would refuse {wide}: {reason}"]
    (server.release.source / "adapter_config.json").write_text("{}")
    lead(server.live, "finance", {wide: 1.0})
    (server.published.adapters / server.release.version / "model.sig").unlink()
    with pytest.raises(InputError, match=rf"{server.release.version} would not be served"):
        prepare(server.live, server.published.keys, [server.release], say=server.said.append)
    assert server.shares() == {wide: 1.0}


def test_refused_build_leaves_what_is_in_place(server: Stage) -> None:
    server.deploy()
    place = server.published.adapters / server.release.version
    (server.release.source / "adapter_config.json").write_text("{}")
    (place / "model.sig").write_bytes(b"{}")
    with pytest.raises(InputError, match="would not be served"):
        server.live.publish(server.release.source, key=server.published.keys.signing, golden=GOLDEN)
    assert (place / "adapter_model.safetensors").is_file()
