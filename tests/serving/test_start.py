"""What a start makes of names whose newest build is not there: the version that served last goes on
serving."""

import json
from pathlib import Path

import pytest

from adapt.errors import InputError
from adapt.serving.deploy import retire, rollback
from adapt.serving.journal import NameState
from adapt.serving.plugin.aliases import Aliases
from adapt.serving.start import prepare
from tests.serving.adapters import adapter_config, lora_tensors
from tests.serving.plugin.published import lead
from tests.serving.test_deploy import Stage
from tests.serving.test_render import started


@pytest.fixture
def server(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


MISSED = "newest build finance@0123456789ab missed its gate: rouge_l: found 0.1, minimum 0.3"


def miss_the_gate(server: Stage) -> None:
    """The newest build, which is another one, does not pass."""
    server.published.scene.add("finance", tensors=lora_tensors(b=0.7), passed=False)
    (server.published.scene.gates / "finance" / "passed.json").unlink(missing_ok=True)
    server.published.scene.render(base_folder=server.published.scene.root / "base")


def test_version_stays_when_the_newest_build_misses_its_gate(server: Stage) -> None:
    miss_the_gate(server)
    prepare(server.live, server.published.keys, [], left_out={"finance": MISSED}, say=server.said.append)
    assert server.shares() == {server.first: 1.0}
    assert server.said == [f"finance: serving version {server.first}; {MISSED}"]
    assert server.live.reason_against(server.first) is None, "the new configuration loads it"


def test_incumbent_of_a_larger_rank_than_the_new_configuration_gets_room(server: Stage) -> None:
    wide = server.published.rebuilt(tensors=lora_tensors(20), config=adapter_config(20), rank=20)
    lead(server.live, "finance", {wide: 1.0})
    assert server.live.reason_against(wide) == "its rank is 20, and the server's slots hold 8"
    miss_the_gate(server)
    prepare(server.live, server.published.keys, [], left_out={"finance": MISSED}, say=server.said.append)
    assert server.live.reason_against(wide) is None
    scene = server.published.scene
    echo = scene.root / "python"
    echo.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    echo.chmod(0o755)
    done = started(scene, ADAPT_LIVE=str(server.live.folder), VLLM_PYTHON=str(echo))
    arguments = done.stdout.split()
    values = [arguments[arguments.index(option) + 1] for option in ("--max-lora-rank", "--max-loras")]
    assert values == ["32", "2"]
    prepare(server.live, server.published.keys, [server.rebuild(0.3)], say=server.said.append)
    assert not server.live.places.slots.exists()


def test_only_a_disabled_name_is_taken_away_and_a_roll_back_brings_it_back(server: Stage) -> None:
    prepare(server.live, server.published.keys, [], say=server.said.append)
    assert server.shares() == {server.first: 1.0}
    assert server.said[-1].endswith("no spec builds it any more; `adapt retire finance` takes the name away")
    prepare(server.live, server.published.keys, [], disabled=["finance"], say=server.said.append)
    assert server.live.aliases() == {}
    assert server.said[-1] == "finance is not served any more: serving.enabled is false in its spec"
    rollback("finance", [server.target], say=server.said.append)
    assert server.shares() == {server.first: 1.0}


def test_name_is_retired_by_hand(server: Stage) -> None:
    retire("finance", [server.target], say=server.said.append)
    assert server.live.aliases() == {}
    with pytest.raises(InputError, match="'finance' is not live"):
        retire("finance", [server.target], say=server.said.append)


def test_start_gives_no_name_to_a_version_that_failed(server: Stage) -> None:
    version = server.release.version

    def fail(state: NameState) -> NameState:
        return state.retire().begin(version, "x").fail("x", "it broke")

    server.live.journal.change("finance", fail, action="test")
    prepare(server.live, server.published.keys, [server.release], say=server.said.append)
    assert server.live.aliases() == {}
    failed = f"{version} was built and failed before (it broke)"
    assert server.said == [f"finance is not served; {failed}: `adapt deploy finance` tries it again"]


def test_start_after_a_kill_serves_the_last_good_version(server: Stage) -> None:
    lead(server.live, "finance", {server.first: 0.4, server.release.version: 0.6})
    started_with = Aliases(server.live.places.aliases, server.live.places.rollouts)
    assert started_with.shares() == {"finance": {server.first: 1.0}}
    prepare(server.live, server.published.keys, [server.release], say=server.said.append)
    assert server.shares() == {server.first: 1.0}
    interrupted = f"the roll-out of {server.release.version} was interrupted"
    assert server.said[0] == f"finance: {interrupted}; {server.first} serves"


def test_replacement_that_was_cut_off_leaves_the_version_in_its_place(server: Stage) -> None:
    place = server.published.adapters / server.first
    (server.published.adapters / ".replaced").mkdir()
    place.rename(server.published.adapters / ".replaced" / server.first)
    (server.published.adapters / ".incoming-1").mkdir()
    (server.published.adapters / ".forgotten-1").mkdir()
    prepare(server.live, server.published.keys, [server.release], say=server.said.append)
    assert server.live.reason_against(server.first) is None
    assert [path.name for path in server.published.adapters.iterdir()] == [server.first]


def test_models_file_without_disabled_names_is_one_of_an_older_build(server: Stage) -> None:
    models = json.loads((server.published.scene.out / "models.json").read_bytes())
    assert models["disabled"] == []
