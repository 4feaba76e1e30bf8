"""Has DVC build stages, and says what became of each.

Enters: exact stage names. Leaves: an outcome per stage, in the order DVC took them. DVC runs in a process of its own, which
dies with this one; its standard output is read for the outcomes, the stages' own standard error is passed on as it comes.
"""

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Literal

import yaml
from filelock import FileLock, Timeout

from adapt.artifact.process import BUILDER, lives
from adapt.artifact.progress import FORCED, SILENCE_SECONDS, Heartbeat
from adapt.errors import WorkspaceError, naming_file
from adapt.plan.dvc_process import FORGOTTEN
from adapt.plan.workspace import Workspace

Outcome = Literal["ran", "restored", "unchanged", "failed", "skipped"]

_MESSAGES: tuple[tuple[re.Pattern[str], Outcome], ...] = (
    (re.compile(r"^Running stage '(?P<stage>[^']+)'"), "ran"),
    (re.compile(r"^Stage '(?P<stage>[^']+)' is cached - skipping run"), "restored"),
    (re.compile(r"^Stage '(?P<stage>[^']+)' didn't change, skipping"), "unchanged"),
)
_STARTED = {"ran": "running", "restored": "restoring"}
RESOLVE = "resolve"
"""The stage that always runs; it writes what all others read."""
_FAILED = re.compile(r"failed to reproduce (?:stages: )?(?P<stages>'.+')")
_STAGE_SAID_WHY = re.compile(r"^failed to run: adapt stage ")
_SKIPPED = re.compile(r"Stages? (?P<stages>'.+') will be skipped")
_SILENCE_SECONDS = SILENCE_SECONDS + 3
"""A stage that is at work says so before this has passed."""
_DVC_LOG = (b"ERROR: ", b"WARNING: ")


def reproduce(
    workspace: Workspace,
    stages: Sequence[str],
    *,
    keep_going: bool = False,
    alone: bool = False,
    force: bool = False,
    forgotten: Collection[Path] = (),
    further: Mapping[str, str] | None = None,
    unannounced: tuple[str, ...] = (),
) -> dict[str, Outcome]:
    """Bring `stages` and what they depend on up to date, and return what became of each; `alone` leaves what they depend on as it is.

    Stages go by exact names: DVC's globs would match `finance-us` for `finance`. `force` runs them even where DVC sees no
    change; of the paths `forgotten` and what lies below them DVC is to believe nothing. With `keep_going`, a failure stops only
    what depends on it. Stages get `further` environment variables; those whose name begins as one of `unannounced` start without a word.
    Raises WorkspaceError when DVC cannot work at all; a stage that failed is an outcome.
    """
    _require_repository(workspace)
    set_aside_broken_lock_file(workspace)
    _release_locks_of_the_dead(workspace)
    arguments = ["repro", *(["--keep-going"] if keep_going else []), *(["--single-item"] if alone else []), *(["--force"] if force else []), *stages]
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "adapt.plan.dvc_process", *arguments],
        cwd=workspace.root,
        env={**environment(), **_forgetting(workspace, forgotten), **(further or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    if process.stdout is None or process.stderr is None:
        raise AssertionError("both streams are pipes")
    complaints: list[str] = []
    heartbeat = Heartbeat(_say_that_dvc_works, every=_SILENCE_SECONDS)
    relay = threading.Thread(target=_pass_on, args=(process.stderr, complaints, heartbeat), daemon=True)
    relay.start()
    heartbeat.start()
    try:
        outcomes = _outcomes(process.stdout, unannounced, heartbeat)
        code = process.wait()
    except BaseException:  # an interrupt: DVC ignores it while a stage runs, and would go on to the next
        process.kill()
        process.wait()
        raise
    finally:
        heartbeat.stop()
    relay.join()
    ill = [_ill_outcomes(complaint) for complaint in complaints]
    for found in ill:
        outcomes.update(found)
    unsaid = [complaint for complaint, found in zip(complaints, ill, strict=True) if not found and not _STAGE_SAID_WHY.match(complaint)]
    if code != 0 and "failed" not in outcomes.values():
        raise WorkspaceError("DVC could not build: " + ("; ".join(unsaid) or f"it exited with {code}"), hint="try `dvc repro -v` for details")
    for complaint in unsaid if code != 0 else ():
        _write(f"error: {complaint}\n".encode())
    return outcomes


def _forgetting(workspace: Workspace, paths: Collection[Path]) -> dict[str, str]:
    """The environment in which DVC forgets `paths`."""
    if not paths:
        return {}
    listing = workspace.private / "forgotten.json"
    with naming_file(listing):
        listing.write_text(json.dumps(sorted(str(path) for path in paths)), encoding="utf-8")
    return {FORGOTTEN: str(listing)}


@contextmanager
def one_build_at_a_time(workspace: Workspace) -> Iterator[None]:
    """Hold the workspace's build lock. Raises WorkspaceError when another build holds it."""
    workspace.private.mkdir(exist_ok=True)
    lock = FileLock(workspace.private / "build.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise WorkspaceError("another build is running in this workspace", hint="wait for it to finish, then build again") from None
    try:
        yield
    finally:
        lock.release()


def read_lock_file(workspace: Workspace) -> dict[str, dict[str, object]]:
    """The stages of dvc.lock by name; empty when there is none."""
    try:
        text = (workspace.root / "dvc.lock").read_text(encoding="utf-8")
        content = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except FileNotFoundError:
        return {}
    except (yaml.YAMLError, UnicodeDecodeError):
        content = None
    if not _is_lock_file(content):
        raise WorkspaceError("dvc.lock cannot be read", hint="`adapt build` sets it aside; DVC's run cache still knows what was built")
    stages: dict[str, dict[str, object]] = content["stages"]
    return stages


def _is_lock_file(content: Any) -> bool:
    """Whether this is a whole dvc.lock: one that was cut off can still be YAML."""
    if not isinstance(content, dict) or "schema" not in content or not isinstance(content.get("stages"), dict):
        return False
    return all(_is_entry(entry) for entry in content["stages"].values())


def _is_entry(entry: Any) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("cmd"), (str, list)):
        return False
    items = [item for key in ("deps", "outs") if key in entry for item in (entry[key] if isinstance(entry[key], list) else [None])]
    sized = all(isinstance(item.get(name), int) for item in items if isinstance(item, dict) for name in ("size", "nfiles") if name in item)
    whole = all(isinstance(item, dict) and isinstance(item.get("path"), str) and isinstance(item.get("md5"), str) for item in items)
    params = entry.get("params", {})
    return whole and sized and isinstance(params, dict) and all(isinstance(value, dict) for value in params.values())


def _require_repository(workspace: Workspace) -> None:
    if not (workspace.root / ".dvc").is_dir():
        raise WorkspaceError(f"{workspace.root} is not a DVC repository", hint="run `dvc init` in it (`dvc init --no-scm` without git)")


def set_aside_broken_lock_file(workspace: Workspace) -> None:
    """DVC rewrites dvc.lock in place, so a kill can truncate it; the run cache then restores what it recorded.

    Raises WorkspaceError for a merge conflict, which is for a person to end.
    """
    path = workspace.root / "dvc.lock"
    try:
        read_lock_file(workspace)
    except WorkspaceError:
        if b"<<<<<<< " in path.read_bytes():
            raise WorkspaceError(
                "dvc.lock holds a merge conflict", hint="take either side (`git checkout --ours dvc.lock`) and build again"
            ) from None
        path.replace(path.with_name("dvc.lock.broken"))
        print("warning: dvc.lock was cut off by a killed build; it was renamed to dvc.lock.broken", file=sys.stderr)


def _release_locks_of_the_dead(workspace: Workspace) -> None:
    """Take killed builds out of DVC's lock list. DVC does so too, but holds a killed process for alive until somebody
    has waited for it, and in a container without an init process nobody does."""
    path = workspace.root / ".dvc" / "tmp" / "rwlock"
    try:
        locks = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        return
    except ValueError:  # cut off while it was written; fatal to DVC
        path.unlink(missing_ok=True)
        return
    try:
        readers = {name: [holder for holder in holders if lives(holder["pid"])] for name, holders in locks["read"].items()}
        writers = {name: holder for name, holder in locks["write"].items() if lives(holder["pid"])}
    except (KeyError, TypeError, AttributeError):
        return  # not as we know it: DVC will judge
    kept = {"read": {name: holders for name, holders in readers.items() if holders}, "write": writers}
    if kept != locks:
        aside = path.with_name("rwlock.new")
        aside.write_text(json.dumps(kept), encoding="utf-8")
        aside.replace(path)


def environment() -> dict[str, str]:
    """Environment variables of a build: the stages must find this very `adapt`, and draw bars when a person watches this process."""
    here = str(Path(sys.executable).parent)
    forced = os.environ.get(FORCED, "1" if sys.stderr.isatty() else "0")
    own = {FORCED: forced, BUILDER: str(os.getpid()), "DVC_NO_ANALYTICS": "1", "PYTHONUNBUFFERED": "1"}
    if Path("/bin/sh").exists():
        own["SHELL"] = "/bin/sh"  # DVC runs stages through it; some shells would stand between DVC and the stage, and outlive DVC
    return {**os.environ, "PATH": f"{here}{os.pathsep}{os.environ.get('PATH', '')}", **own}


def _say_that_dvc_works() -> None:
    """A sign of life where no stage gives one."""
    _write(b"DVC is comparing or storing files\n")


def _outcomes(stream: IO[bytes], unannounced: tuple[str, ...], heartbeat: Heartbeat) -> dict[str, Outcome]:
    outcomes: dict[str, Outcome] = {}
    for raw in stream:
        heartbeat.touch()
        line = raw.decode("utf-8", "replace").strip()
        for pattern, outcome in _MESSAGES:
            if found := pattern.match(line):
                outcomes[found["stage"]] = outcome
                if outcome != "unchanged" and found["stage"] != RESOLVE and not (outcome == "ran" and found["stage"].startswith(unannounced)):
                    _write(f"{_STARTED[outcome]} {found['stage']}\n".encode())
    return outcomes


def _ill_outcomes(complaint: str) -> dict[str, Outcome]:
    if found := _FAILED.search(complaint):
        return dict.fromkeys(re.findall(r"'([^']+)'", found["stages"]), "failed")
    if found := _SKIPPED.search(complaint):
        return dict.fromkeys(re.findall(r"'([^']+)'", found["stages"]), "skipped")
    return {}


def _pass_on(stream: IO[bytes], complaints: list[str], heartbeat: Heartbeat) -> None:
    """Copy the stages' standard error to ours as it comes, bars included; keep DVC's own lines back in `complaints`."""
    waiting = b""
    while chunk := os.read(stream.fileno(), 1 << 16):
        heartbeat.touch()
        *lines, waiting = (waiting + chunk).split(b"\n")
        for line in lines:
            if line.startswith(_DVC_LOG):
                complaints.append(line.decode("utf-8", "replace").partition(": ")[2])
            else:
                _write(line + b"\n")
        if not any(prefix.startswith(waiting[: len(prefix)]) for prefix in _DVC_LOG):
            _write(waiting)
            waiting = b""
    _write(waiting)


def _write(raw: bytes) -> None:
    with suppress(OSError):  # nobody reads any more; DVC's pipe must be emptied all the same
        sys.stderr.write(raw.decode("utf-8", "replace"))
        sys.stderr.flush()
