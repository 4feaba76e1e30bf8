"""Puts the workspace template into wheels: the checkout's own pipeline, defaults, example specs, corpora and how-tos, and what `adapt env` installs.

Editable installs read the checkout itself, so they get no copy that could fall behind.
"""

import ast
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class TemplateHook(BuildHookInterface):
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version != "editable":
            build_data["force_include"].update({part: f"adapt/workspace/{part}" for part in _parts(Path(self.root))})


def _parts(root: Path) -> list[str]:
    """`PARTS` and `ENVIRONMENTS` of adapt.plan.scaffold, read without importing adapt, whose dependencies are not there while it is built."""
    tree = ast.parse((root / "src/adapt/plan/scaffold.py").read_text(encoding="utf-8"))
    assigned = [node for node in tree.body if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)]
    values = {node.targets[0].id: node.value for node in assigned if isinstance(node.targets[0], ast.Name)}
    return [part for name in ("PARTS", "ENVIRONMENTS") for part in ast.literal_eval(values[name])]
