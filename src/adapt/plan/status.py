"""Which stages are up to date, which are not, and why: settings, code, libraries or inputs, each named.

Reads manifests, dvc.lock and the specs; runs nothing. Compares contents, so that it tells the truth after outputs were
deleted, edited or restored by hand.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from adapt.artifact.digest import digest_folder
from adapt.artifact.manifest import Manifest, read_manifest, section_digest, verify
from adapt.errors import InputError
from adapt.plan.repro import read_lock_file
from adapt.plan.resolve import plain
from adapt.plan.runs import read_run
from adapt.plan.stages import SERVING, Stage, stages_of
from adapt.plan.workspace import Workspace
from adapt.spec.adapter import AdapterSpec
from adapt.spec.resolved.adapter import ResolvedAdapter
from adapt.spec.resolved.corpus import CorpusSection
from adapt.spec.resolved.serving import ServingSection
from adapt.spec.resolved.stage import StageSection

State = Literal["up to date", "stale", "missing", "failed", "waiting"]
_MAX_CHANGES = 6


@dataclass(frozen=True)
class StageStatus:
    """One stage's state, with the reasons when it is not up to date."""

    stage: str
    state: State
    reasons: tuple[str, ...] = ()


def status(
    workspace: Workspace, specs: Mapping[str, AdapterSpec], resolved: Mapping[str, ResolvedAdapter], serving: ServingSection
) -> Iterator[StageStatus]:
    """The state of every stage of `specs` and of the serving stage, in build order.

    A stage is `waiting` when its own settings and code are as they were but a stage before it must run first.
    """
    recorded = read_lock_file(workspace)
    unsettled: set[str] = set()
    for name, spec in specs.items():
        for stage in stages_of(name, spec):
            found = _stage_status(workspace, stage, section_of(resolved[name], stage), recorded.get(stage.name, {}), unsettled)
            if found.state != "up to date":
                unsettled.add(stage.name)
            yield found
    gates = {f"gate@{name}" for name in specs}
    yield _stage_status(workspace, SERVING, serving, recorded.get(SERVING.name, {}), unsettled & gates)


def section_of(resolved: ResolvedAdapter, stage: Stage) -> StageSection:
    """The section that `stage` reads."""
    if stage.export:
        return resolved.export[stage.export]
    if stage.step:
        return resolved.steps[stage.step]
    section = getattr(resolved, stage.kind)
    if not isinstance(section, StageSection):
        raise AssertionError(stage.kind)
    return section


def _stage_status(workspace: Workspace, stage: Stage, section: StageSection, recorded: Mapping[str, Any], unsettled: set[str]) -> StageStatus:
    before = sorted(unsettled if stage.kind == "serving" else unsettled & {up.name for up in stage.upstream()})
    out = stage.out(workspace)
    try:
        manifest = read_manifest(out)
    except InputError:
        return _not_built(workspace, stage, before)
    reasons = []
    try:
        verify(out)
    except InputError:
        reasons.append("its output was changed by hand")
    if manifest.section != section_digest(section):
        reasons += _changes(stage, section, recorded)
    reasons += _changed_inputs(workspace, stage, section, manifest)
    if reasons:
        return StageStatus(stage.name, "stale", tuple(reasons))
    if before:
        return StageStatus(stage.name, "waiting", (f"after {', '.join(before)}",))
    return StageStatus(stage.name, "up to date")


def _not_built(workspace: Workspace, stage: Stage, before: list[str]) -> StageStatus:
    error = read_run(workspace, stage.name).get("error")
    if error and not before:
        return StageStatus(stage.name, "failed", (str(error).splitlines()[0],))
    return StageStatus(stage.name, "missing", (f"after {', '.join(before)}",) if before else ())


def _changes(stage: Stage, section: StageSection, recorded: Mapping[str, Any]) -> list[str]:
    params = recorded.get("params", {})
    old: Any = next((content for path, content in params.items() if path.startswith("build/resolved/")), {}) if isinstance(params, dict) else {}
    old = old.get(".".join(stage.section)) if isinstance(old, dict) else None
    if not isinstance(old, dict):
        return ["its settings, code or libraries changed"]
    changes = [_worded(*change) for change in _differences(old, plain(section))]
    if len(changes) > _MAX_CHANGES:
        changes = [*changes[: _MAX_CHANGES - 1], f"and {len(changes) - _MAX_CHANGES + 1} more changes"]
    return changes or ["its settings, code or libraries changed"]


def _differences(old: Any, new: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from _differences(old.get(key), new.get(key), (*path, key))
    elif old != new and not is_same_number(old, new):
        yield path, old, new


def is_same_number(old: Any, new: Any) -> bool:
    """dvc.lock writes 0.00001 as `1e-05`, which YAML 1.1 reads as text."""
    try:
        return isinstance(old, str) and isinstance(new, float) and float(old) == new
    except ValueError:
        return False


def _worded(path: tuple[str, ...], old: Any, new: Any) -> str:
    if path == ("code",):
        return "the code of the stage changed"
    if path[:1] == ("libraries",):
        return f"library {path[1]}: {old or 'absent'} -> {new or 'absent'}"
    if path[-1] == "digest" and path[:1] == ("base",):
        return "the base model changed"
    return f"{'.'.join(path)}: {_short(old)} -> {_short(new)}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else text[:39] + "…"


def _changed_inputs(workspace: Workspace, stage: Stage, section: StageSection, manifest: Manifest) -> list[str]:
    """Inputs whose present content is not what the output was made from."""
    folders = [upstream.out(workspace) for upstream in stage.upstream() if upstream.kind != "gate"]  # a gate only lets exports pass
    if isinstance(section, CorpusSection):
        folders.append(workspace.raw(stage.adapter, section.corpus.path))
    changed = [folder for folder in folders if folder.is_dir() and digest_folder(folder) not in manifest.inputs.values()]
    reasons = [f"its input {workspace.shown(folder)} changed" for folder in changed]
    if stage.kind == "serving" and workspace.gates.is_dir() and digest_folder(workspace.gates) not in manifest.inputs.values():
        reasons.append("other adapters passed their gates")
    return reasons
