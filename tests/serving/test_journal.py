"""Roll-outs through kills: whatever ends a command at whatever point, the last good version is known and
serves."""

import atexit
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from adapt.errors import GateError, InputError, WorkspaceError
from adapt.serving import atomic, journal, start
from adapt.serving.deploy import Release, Target, deploy, recover, rollback
from adapt.serving.journal import Attempt, Journal, NameState
from adapt.serving.live import Live
from adapt.serving.plugin.aliases import Aliases
from adapt.serving.plugin.places import Places
from adapt.serving.start import prepare
from tests.serving.test_deploy import QUICK, FakeReplica, Stage, traffic


def version(number: int) -> str:
    return f"finance@{number:012x}"


class KilledError(BaseException):
    """The command is killed: no handler of it runs, so everything it tries from now on ends the same way."""


class Power:
    """Cuts a command off after a number of steps that reach the disk or the server."""

    def __init__(self) -> None:
        self.left: int | None = None

    def step(self) -> None:
        if self.left is not None:
            if self.left <= 0:
                raise KilledError
            self.left -= 1

    @contextmanager
    def cut_after(self, steps: int | None) -> Iterator[None]:
        self.left = steps
        try:
            yield
        except KilledError:
            pass
        finally:
            self.left = None


class KillableReplica(FakeReplica):
    """A server whose version fails where it is told to."""

    power: Power
    outcome = "good"

    def ask(self, model: str, messages: Any, *, max_tokens: int) -> Any:
        self.power.step()
        self.otherwise = "plain" if self.outcome == "probe" else "special answer"
        return super().ask(model, messages, max_tokens=max_tokens)

    def unload(self, version: str) -> None:
        self.power.step()

    def metrics(self) -> dict[tuple[str, str, str], float]:
        self.power.step()
        state = self.live.journal.state("finance")
        served = state.attempt is not None and state.attempt.share > 0
        failed = 5.0 if served and self.outcome == "watch" else 0.0
        return traffic(state.attempt.version, own=failed) if state.attempt else {}


def cut_by(power: Power, act: Callable[..., Any]) -> Callable[..., Any]:
    """`act`, which may be killed before it and after it."""

    def cut(*arguments: Any, **options: Any) -> Any:
        power.step()
        value = act(*arguments, **options)
        power.step()
        return value

    return cut


def torn_write(power: Power) -> Callable[..., None]:
    """`write_whole`, which may be killed in the middle too: a half file beside the whole one."""

    def write(path: Path, content: bytes, **options: Any) -> None:
        power.step()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_name(f".{path.name}.torn").write_bytes(content[: len(content) // 2])
        power.step()
        atomic.write_whole(path, content, **options)
        power.step()

    return write


def torn_append(power: Power) -> Callable[[Path, str], None]:
    def append(path: Path, line: str) -> None:
        power.step()
        if power.left == 0:
            with path.open("a", encoding="utf-8") as file:
                file.write(line[: len(line) // 2])
        power.step()
        atomic.append_line(path, line)

    return append


def quiet(text: str) -> None:
    """Nobody reads it."""


@cache
def built() -> tuple[Stage, list[Release]]:
    """A server that answers with a first build, and four further builds; made once, and only read."""
    stage = Stage(Path(tempfile.mkdtemp()))
    atexit.register(shutil.rmtree, stage.published.scene.root, ignore_errors=True)
    return stage, [stage.rebuild_kept(0.1 + number / 8) for number in range(4)]


class RollOuts(RuleBasedStateMachine):
    """Deployments, roll-backs and starts that are killed anywhere, against a list of the versions that
    were good."""

    @initialize()
    def begin(self) -> None:
        stage, self.releases = built()
        self.root, self.keys = Path(tempfile.mkdtemp()), stage.published.keys
        shutil.copytree(stage.live.folder, self.root / "live")
        self.live = Live(self.root / "live", stage.live.configuration)
        self.good = [stage.first]
        self.bad: set[str] = set()
        self.power, self.patch = Power(), pytest.MonkeyPatch()
        self.patch.setattr(os, "fsync", lambda handle: None)  # a killed process leaves what it wrote
        for module in (journal, start):
            self.patch.setattr(module, "write_whole", torn_write(self.power))
        self.patch.setattr(journal, "append_line", torn_append(self.power))
        self.patch.setattr(Path, "rename", cut_by(self.power, Path.rename))
        self.patch.setattr(shutil, "rmtree", cut_by(self.power, shutil.rmtree))

    def teardown(self) -> None:
        if hasattr(self, "patch"):
            self.patch.undo()
            shutil.rmtree(self.root, ignore_errors=True)

    @rule(
        number=st.integers(0, 3),
        outcome=st.sampled_from(["good", "good", "probe", "watch"]),
        canary=st.sampled_from([None, 0.25]),
        kill=st.one_of(st.none(), st.integers(0, 60)),
    )
    def deploys(self, number: int, outcome: str, canary: float | None, kill: int | None) -> None:
        release, finished = self.releases[number], False
        with self.power.cut_after(kill):
            try:
                settings = {"keys": self.keys, "rollout": QUICK, "canary": canary, "say": quiet}
                self.command(lambda target: deploy(release, [target], **settings), outcome)
                finished = True
            except GateError:
                assert outcome != "good"
        after = [*self.good, release.version] if release.version != self.good[-1] else self.good
        served = release.version == self.good[-1]
        unfinished = [self.good, after] if outcome == "good" or served else [self.good]
        self.settle([after] if finished else unfinished)
        if self.good[-1] == release.version:
            self.bad.discard(release.version)
        elif outcome != "good":
            self.bad.add(release.version)

    @rule(kill=st.one_of(st.none(), st.integers(0, 14)))
    def rolls_back(self, kill: int | None) -> None:
        with self.power.cut_after(kill):
            try:
                self.command(lambda target: rollback("finance", [target], say=quiet))
            except InputError:
                assert len(set(self.good)) == 1
        shorter = self.good[:-1]
        while shorter and shorter[-1] == self.good[-1]:
            shorter = shorter[:-1]
        self.settle([self.good, shorter or self.good])

    @rule(number=st.integers(0, 3), kill=st.one_of(st.none(), st.integers(0, 20)))
    def starts(self, number: int, kill: int | None) -> None:
        release = self.releases[number]
        with self.power.cut_after(kill):
            prepare(self.live, self.keys, [release], say=quiet)
        self.settle([self.good])

    def command(self, act: Callable[[Any], Any], outcome: str = "good") -> None:
        replica = KillableReplica(self.live)
        replica.power, replica.outcome = self.power, outcome
        act(live_target(replica))

    def settle(self, possible: list[list[str]]) -> None:
        """Whatever a starting server and the next command make of what was left is one of what is
        possible, and the same."""
        places = self.live.places
        for shares in Aliases(places.aliases).shares().values():
            assert sum(shares.values()) == pytest.approx(1.0)
        started = Aliases(places.aliases, places.rollouts).shares()
        recover([live_target(FakeReplica(self.live))], say=quiet)
        state = self.live.journal.state("finance")
        assert [*state.earlier, state.good] in possible
        self.good = [*state.earlier, str(state.good)]
        assert started == {"finance": {self.good[-1]: 1.0}}, "a server that starts knows it too"

    @invariant()
    def last_good_version_serves_alone(self) -> None:
        if hasattr(self, "good"):
            assert self.live.aliases() == {"finance": {self.good[-1]: 1.0}}
            assert self.live.reason_against(self.good[-1]) is None
            assert self.good[-1] not in self.bad, "a version that failed never serves"


def live_target(replica: FakeReplica) -> Any:
    return Target(replica, replica.live)  # type: ignore[arg-type]


TestRollOuts = RollOuts.TestCase
TestRollOuts.settings = settings(
    max_examples=25,
    stateful_step_count=10,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)


def journal_in(folder: Path) -> Journal:
    return Journal(Places(folder, folder))


def test_states_survive_writing_and_reading(tmp_path: Path) -> None:
    states = journal_in(tmp_path)
    states.change("finance", lambda state: state.start(version(1)), action="start")
    states.change("finance", lambda state: state.begin(version(2), "a"), action="begin")
    after = states.change("finance", lambda state: state.shift("a", 0.25), action="shift")
    assert journal_in(tmp_path).state("finance") == after
    assert after.shares == {version(1): 0.75, version(2): 0.25}
    assert json.loads((tmp_path / "aliases.json").read_bytes()) == {"finance": after.shares}


def test_killed_canary_and_then_a_failure_leave_the_failed_version_nothing(tmp_path: Path) -> None:
    states = journal_in(tmp_path)
    states.change("finance", lambda state: state.start(version(1)), action="start")
    for identity, shares in (("killed", (0.1,)), ("failed", (0.2, 1.0))):
        states.recover()
        begin = partial(NameState.begin, version=version(2), identity=identity)
        states.change("finance", begin, action="begin")
        for share in shares:
            states.change("finance", partial(NameState.shift, identity=identity, share=share), action="shift")
    state = states.change("finance", lambda state: state.fail("failed", "it broke"), action="failed")
    assert (state.shares, state.earlier, state.failed[version(2)]) == ({version(1): 1.0}, (), "it broke")


def test_step_of_a_roll_out_that_was_taken_back_changes_nothing() -> None:
    state = NameState(good=version(1), attempt=Attempt(version(2), "mine", 0.5)).cancel("it was rolled back")
    for step in (lambda: state.shift("mine", 1.0), lambda: state.promote("mine")):
        with pytest.raises(WorkspaceError, match=f"taken back by another command; {version(1)} serves"):
            step()
    assert state.fail("mine", "late") is state


def test_second_roll_out_waits_for_the_first() -> None:
    with pytest.raises(WorkspaceError, match=f"{version(2)} is being rolled out"):
        NameState(good=version(1), attempt=Attempt(version(2), "first")).begin(version(3), "second")


def test_roll_back_reaches_each_version_once_and_a_retired_name_comes_back() -> None:
    state = NameState(good=version(3), earlier=(version(1), version(2)))
    assert state.roll_back(version(2)).roll_back(version(1)).earlier == ()
    assert state.roll_back(version(1)).failed == dict.fromkeys([version(2), version(3)], "it was rolled back")
    assert state.retire().shares == {}
    assert state.retire().roll_back(version(3)) == state


@pytest.mark.parametrize(
    ("aliases", "actions", "good", "earlier"),
    [
        ({1: 1.0}, [("start", {1: 1})], 1, []),
        ({1: 0.9, 2: 0.1}, [("start", {1: 1}), ("deploy", {1: 0.9, 2: 0.1})], 1, []),
        ({3: 1.0}, [("start", {1: 1}), ("deploy", {2: 1}), ("deploy", {3: 1})], 3, [1, 2]),
        ({2: 1.0}, [("start", {1: 1}), ("deploy", {2: 1}), ("deploy", {3: 1}), ("failed", {2: 1})], 2, [1]),
        ({1: 1.0}, [("start", {1: 1}), ("deploy", {2: 1}), ("rollback", {1: 1})], 1, []),
        ({1: 0.2, 2: 0.8}, [], 2, []),
    ],
)
def test_folder_from_before_the_journal_is_understood(
    tmp_path: Path,
    aliases: dict[int, float],
    actions: list[tuple[str, dict[int, float]]],
    good: int,
    earlier: list[int],
) -> None:
    def named(shares: dict[int, float]) -> dict[str, float]:
        return {version(number): share for number, share in shares.items()}

    (tmp_path / "aliases.json").write_text(json.dumps({"finance": named(aliases)}))
    entry = {"at": "", "adapter": "finance"}
    lines = [{**entry, "action": action, "shares": named(shares)} for action, shares in actions]
    (tmp_path / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    states = journal_in(tmp_path)
    assert states.recover() == []
    state = states.state("finance")
    assert (state.good, state.earlier) == (version(good), tuple(map(version, earlier)))
    assert json.loads((tmp_path / "aliases.json").read_bytes()) == {"finance": {version(good): 1.0}}


@pytest.mark.parametrize("broken", ["", "[]", "{}", '{"finance": {"finance@x": 1}}'])
def test_alias_file_that_somebody_broke_is_written_again(tmp_path: Path, broken: str) -> None:
    states = journal_in(tmp_path)
    states.change("finance", lambda state: state.start(version(1)), action="start")
    (tmp_path / "aliases.json").write_text(broken)
    states.recover()
    assert json.loads((tmp_path / "aliases.json").read_bytes()) == {"finance": {version(1): 1.0}}


@pytest.mark.parametrize("left", [None, "", "[]", '{"finance": {"finance@x": 1}}'])
def test_alias_file_without_a_journal_is_made_anew_from_the_history_with_every_name(tmp_path: Path, left: str | None) -> None:
    """As a folder of an earlier release is: what the broken file said of the others must not be lost with it."""
    lines = [
        {"at": "", "adapter": "finance", "action": "start", "shares": {version(1): 1.0}},
        {"at": "", "adapter": "legal", "action": "start", "shares": {"legal@0123456789ab": 1.0}},
        {"at": "", "adapter": "tax", "action": "start", "shares": {"tax@0123456789ab": 1.0}},
        {"at": "", "adapter": "tax", "action": "retire", "shares": {}},
        {"at": "", "adapter": "finance", "action": "deploy", "shares": {version(1): 0.9, version(2): 0.1}},
    ]
    (tmp_path / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if left is not None:
        (tmp_path / "aliases.json").write_text(left)
    states = journal_in(tmp_path)
    states.recover()
    assert json.loads((tmp_path / "aliases.json").read_bytes()) == {
        "finance": {version(1): 1.0},
        "legal": {"legal@0123456789ab": 1.0},
    }


def test_alias_file_with_nothing_beside_it_is_left_to_a_person(tmp_path: Path) -> None:
    (tmp_path / "aliases.json").write_text("[]")
    with pytest.raises(InputError, match=r"it is not a JSON object\nhint: put it right: there is no rollouts.json"):
        journal_in(tmp_path).recover()
    assert (tmp_path / "aliases.json").read_text() == "[]"


def test_broken_journal_says_how_to_mend_it(tmp_path: Path) -> None:
    (tmp_path / "rollouts.json").write_text('{"finance": 1}')
    expected = r"rollouts.json is broken: .*\nhint: delete it: it is made anew from aliases.json"
    with pytest.raises(InputError, match=expected):
        journal_in(tmp_path).states()


def test_line_after_a_torn_one_stays_whole(tmp_path: Path) -> None:
    states = journal_in(tmp_path)
    states.change("finance", lambda state: state.start(version(1)), action="start")
    with (tmp_path / "history.jsonl").open("a") as file:
        file.write('{"at": "2026')
    states.change("finance", lambda state: state.start(version(2)), action="start")
    assert [entry["action"] for entry in states.history("finance")] == ["start", "start"]
