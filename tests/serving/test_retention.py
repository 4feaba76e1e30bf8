"""What a server's disk keeps of an adapter: what serves, what a roll-back leads to, and no more."""

from pathlib import Path

import pytest

from adapt.serving.deploy import rollback
from adapt.serving.retention import forget_versions
from adapt.spec.serving import RolloutSpec
from tests.serving.plugin.published import lead
from tests.serving.test_deploy import Stage

KEEP_TWO = RolloutSpec(watch_seconds=0, drain_seconds=0, keep_versions=2)


@pytest.fixture
def server(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def stored(server: Stage) -> set[str]:
    return {path.name for path in server.live.places.adapters.iterdir()}


def deployed(server: Stage, count: int) -> list[str]:
    """Deploy so many builds after the first; every version, oldest first."""
    versions = [server.first]
    for number in range(count):
        server.release = server.rebuild(0.1 + number / 8)
        server.deploy(rollout=KEEP_TWO)
        versions.append(server.release.version)
    return versions


def test_deploy_keeps_what_serves_and_the_version_before(server: Stage) -> None:
    versions = deployed(server, 3)
    assert stored(server) == set(versions[-2:])
    assert [line for line in server.said if "is removed" in line] == [
        f"server: {version} is removed; the 2 versions that served last stay" for version in versions[:2]
    ]


def test_rollback_reaches_what_was_kept(server: Stage) -> None:
    versions = deployed(server, 3)
    rollback("finance", [server.target], say=server.said.append)
    assert server.shares() == {versions[-2]: 1.0}
    server.release = server.rebuild(0.9)
    server.deploy(rollout=KEEP_TWO)
    assert stored(server) == {versions[-2], server.release.version}, "what was rolled back is not reached again"


def test_versions_with_a_share_and_other_adapters_stay(server: Stage) -> None:
    first, second = deployed(server, 1)
    lead(server.live, "finance", {first: 0.5, second: 0.5})
    others = {"finance-us@000000000001", "legal@000000000002", ".incoming-1", "notes"}
    for name in others:
        (server.live.places.adapters / name).mkdir()
    assert forget_versions("finance", server.live, keep=0) == []
    lead(server.live, "finance", {second: 1.0})
    assert forget_versions("finance", server.live, keep=0) == [first]
    assert stored(server) == {second, *others}


def test_deploy_holds_where_old_versions_cannot_be_removed(server: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("Permission denied")

    monkeypatch.setattr("adapt.serving.deploy.forget_versions", refuse)
    (_, second) = deployed(server, 1)
    assert server.shares() == {second: 1.0}
    assert "server: old versions could not be removed: Permission denied" in server.said
