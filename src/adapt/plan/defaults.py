"""Defaults of params.yaml that were changed and change nothing for some spec, since it sets the field itself or does not read it.

Enters: a workspace whose params.yaml differs from the committed one, as under `dvc exp run -S lora.r=32`; without a commit, from
the one that the last build resolved. Leaves: a sentence for each such default. What has an effect is not guessed: each changed
field is set back on its own, and a spec that comes out equal does not follow it.
"""

import subprocess
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from adapt.errors import AdaptError, SpecError
from adapt.plan.repro import read_lock_file
from adapt.plan.status import is_same_number
from adapt.plan.workspace import Workspace
from adapt.spec.adapter import AdapterSpec
from adapt.spec.load import PARAMS, load_over, load_specs, read_params
from adapt.spec.yaml import parse_yaml, read_yaml

FieldPath = tuple[str, ...]
"""Parts of the path of a field."""


def idle_defaults(workspace: Workspace, names: Iterable[str]) -> list[str]:
    """A sentence for each changed default that has no effect on some of the specs `names`, or on all of them."""
    before = _params_before(workspace)
    if before is None:
        return []
    now, names = read_params(workspace.root), list(names)
    paths = {name: workspace.spec(name) for name in names}
    specs = load_specs(workspace.root, paths.values())
    said = []
    for path, value in _changed(before, now):
        if path[0] not in AdapterSpec.model_fields:
            continue  # the server's, the engine's: no spec's to follow
        try:
            without = load_over(workspace.root, paths.values(), _with(now, path, _value_at(before, path)))
        except SpecError:
            continue  # it goes together with another change
        idle = [name for name in names if without[name] == specs[name]]
        if idle:
            said.append(_sentence(workspace, path, value, idle, [name for name in names if name not in idle]))
    return said


def _sentence(workspace: Workspace, path: FieldPath, value: Any, idle: list[str], following: list[str]) -> str:
    field = ".".join(path)
    reasons = []
    for name in idle:
        shown = workspace.shown(workspace.spec(name))
        own = _value_at(read_yaml(workspace.spec(name), shown=shown), path)
        reasons.append(f"{shown} does not read it" if own is _ABSENT else f"{shown} sets {field}: {_plain(own)}")
    others = f"; it holds for {', '.join(following)}" if following else ""
    shown_value = "its removal" if value is _ABSENT else f"{field}={_plain(value)}"
    return f"{PARAMS} {shown_value} has no effect on {', '.join(idle)}: {'; '.join(reasons)}{others}"


class _Absent:
    def __repr__(self) -> str:
        return "absent"


_ABSENT = _Absent()
"""Stands for a field that a file does not have; null is a value."""


def _plain(value: Any) -> str:
    """A value as YAML and `-S` write it."""
    return {None: "null", True: "true", False: "false"}[value] if value is None or isinstance(value, bool) else str(value)


def _params_before(workspace: Workspace) -> Mapping[str, Any] | None:
    """The committed params.yaml, else the one that was last resolved here; None where there is neither."""
    try:
        command = ["git", "show", f"HEAD:./{PARAMS}"]
        committed = subprocess.run(command, cwd=workspace.root, capture_output=True, check=False)
        if committed.returncode == 0:
            return parse_yaml(committed.stdout, shown=f"{PARAMS} of HEAD")
    except (OSError, SpecError):
        pass
    try:
        params = read_lock_file(workspace).get("resolve", {}).get("params", {})
    except AdaptError:
        return None
    recorded = params.get(PARAMS) if isinstance(params, dict) else None
    return recorded if isinstance(recorded, dict) else None


def _changed(before: Any, now: Any, path: FieldPath = ()) -> Iterator[tuple[FieldPath, Any]]:
    """Paths of fields that differ, with what stands there now; a mapping that came or went whole counts by its fields."""
    if isinstance(now, Mapping) and isinstance(before, Mapping | _Absent):
        old = before if isinstance(before, Mapping) else {}
        for key in dict.fromkeys((*old, *now)):
            yield from _changed(old.get(key, _ABSENT), now.get(key, _ABSENT), (*path, key))
    elif before != now and not is_same_number(before, now):
        yield path, now


def _value_at(tree: Any, path: FieldPath) -> Any:
    for part in path:
        if not isinstance(tree, Mapping) or part not in tree:
            return _ABSENT
        tree = tree[part]
    return tree


def _with(tree: Mapping[str, Any], path: FieldPath, value: Any) -> dict[str, Any]:
    """A copy of `tree` with another value at `path`, or without the field where the value is absent."""
    first, *rest = path
    copy = dict(tree)
    if rest:
        inner = copy.get(first)
        copy[first] = _with(inner if isinstance(inner, Mapping) else {}, tuple(rest), value)
    elif value is _ABSENT:
        copy.pop(first, None)
    else:
        copy[first] = value
    return copy
