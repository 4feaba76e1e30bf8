"""What runs against what was built and signed.

Enters: a running server, its folder, the rendered configuration. Leaves: one finding for each thing that differs; none when all agrees.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapt.errors import InputError
from adapt.serving.deploy import Target
from adapt.serving.options import BASE_NAME
from adapt.serving.plugin.facts import Server
from adapt.serving.plugin.listing import package_digest
from adapt.serving.plugin.store import VERSION


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be."""

    replica: str
    what: str
    expected: str
    found: str


def drift(target: Target, newest: Mapping[str, str] | None = None) -> list[Finding]:
    """Findings on one server; `newest` says of adapters whose newest build was left out, why.

    Raises WorkspaceError when the server does not answer.
    """
    state, models = target.replica.state(), target.replica.models()
    server = Server.read(target.live.configuration, slots=target.live.places.slots)
    serving = [*_configuration(state, server), *_versions(state, target), *_loaded(models, state)]
    findings = [*serving, *_built(target, newest or {})]
    return [Finding(target.replica.name, *finding) for finding in findings]


def deployments(target: Target) -> list[dict[str, Any]]:
    """What is live on one server: version, share, since when, and the digests of the settings and data that it was made from."""
    rows = []
    for name, state in sorted(target.live.journal.states().items()):
        for version, share in state.shares.items():
            about = _about(target.live.places.adapters / version / "adapter.json")
            rows.append(
                {
                    "replica": target.replica.name,
                    "adapter": name,
                    "version": version,
                    "share": share,
                    "since": state.since.get(version),
                    "good": version == state.good,
                    "spec": f"specs/{name}.yaml",
                    "settings": about.get("settings"),
                    "data": about.get("data"),
                    "method": about.get("method"),
                }
            )
    return rows


def _configuration(state: dict[str, Any], server: Server) -> list[tuple[str, str, str]]:
    expected = {
        "base": {key: server.facts["base"][key] for key in ("digest", "revision")},
        "tokenizer": server.facts["tokenizer"],
        "template": server.facts["template"],
        "max_lora_rank": server.facts["max_lora_rank"],
        "code": package_digest(server.folder / "plugin" / "adapt_serving"),
    }
    return [(what, _shown(value), _shown(state.get(what))) for what, value in expected.items() if state.get(what) != value]


def _versions(state: dict[str, Any], target: Target) -> list[tuple[str, str, str]]:
    """Aliases as the server reads them, and live versions that it refuses."""
    ours, theirs = target.live.aliases(), state["aliases"]
    found = [("aliases", _shown(ours), _shown(theirs))] if ours != theirs else []
    for name, shares in ours.items():
        for version in shares:
            reason = state["versions"].get(version, "it is not in the server's folder")
            if reason is not None:
                found.append((f"{name}: {version}", "served", reason))
    return found


def _loaded(models: list[dict[str, Any]], state: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What vLLM has loaded beside the base and versions of ours."""
    return [
        (f"loaded {model['id']}", "a version in the server's folder", _shown(model.get("root")))
        for model in models
        if model["id"] != BASE_NAME and not (VERSION.fullmatch(model["id"]) and model["id"] in state.get("stored", ()))
    ]


def _built(target: Target, newest: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """Versions that were built and do not serve, or not alone; names whose newest build was left out."""
    models, aliases = read_models(target.live.configuration), target.live.aliases()
    findings = []
    for name, about in models["adapters"].items():
        if aliases.get(name) != {about["served_name"]: 1.0}:
            findings.append((f"{name}: built", about["served_name"], _shown(aliases.get(name))))
    for name, shares in aliases.items():
        if name not in models["adapters"]:
            serves = f"{', '.join(shares)} serves on"
            findings.append((f"{name}: built", newest.get(name, "a built adapter"), serves))
    return findings


def read_models(configuration: Path) -> dict[str, Any]:
    """models.json of a rendered configuration. Raises InputError when nothing is rendered."""
    try:
        value: dict[str, Any] = json.loads((configuration / "models.json").read_bytes())
    except (FileNotFoundError, ValueError):
        raise InputError(f"{configuration} holds no configuration of a server", hint="run `adapt build`") from None
    return value


def _about(path: Path) -> dict[str, Any]:
    try:
        value: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return value


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
