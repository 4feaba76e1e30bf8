"""server.json and adapter.json: what the server offers, and what an adapter was made for. The plugin holds the second against the first.

Enters: the section, the base's folder, and the adapters that passed their checks. Leaves: plain values without times or absolute paths.
"""

from pathlib import Path
from typing import Any

from adapt.artifact.digest import digest_file
from adapt.serving.candidate import TEMPLATE, Candidate
from adapt.serving.options import BASE_NAME
from adapt.serving.plugin.facts import base_files
from adapt.serving.weights import BaseWeights
from adapt.spec.base import BaseSpec, HubBase, PathBase, PinnedBase
from adapt.spec.resolved.serving import ServingSection

TOKENIZER = "tokenizer.json"


def served_model(source: BaseSpec, *, folder: Path | None, root: Path) -> str:
    """The base as vLLM is told, from dist/vllm in the workspace `root`: an id on the hub, an absolute folder as the spec names it, or a relative one.

    Relative where it can be, so that the rendered bytes do not depend on where the workspace lies. `folder` is None for a hub model.
    """
    if isinstance(source, HubBase):
        return source.model
    if isinstance(source, PathBase) and Path(source.path).is_absolute():
        return source.path
    if folder is None:
        raise AssertionError("only a hub model has no folder")
    return f"../../{folder.relative_to(root).as_posix()}"


def server_facts(
    section: ServingSection,
    *,
    model: str,
    base: Path | None,
    weights: BaseWeights | None,
    slots: int,
    rank: int,
    folder: Path,
) -> dict[str, Any]:
    """Contents of server.json.

    `model` is the base as vLLM is told, `base` its folder if it is at hand, `folder` where the chat
    template lies; `slots` of `rank` each are those that serve.yaml asks for.
    """
    files = base_files(base) if base is not None else {}
    modules = {module: weights.shape_of(module) for module in weights.linear_modules()} if weights is not None else None
    template = folder / TEMPLATE
    return {
        "base": {
            "name": BASE_NAME,
            "model": model,
            **_identity(section.base),
            "files": {name: digest_file(path) for name, path in files.items()},
        },
        "tokenizer": _tokenizer(base),
        "template": digest_file(template) if template.is_file() else None,
        "dtype": section.server.dtype,
        "base_dtype": weights.dtype if weights is not None else None,
        "max_loras": slots,
        "max_lora_rank": rank,
        "max_body_bytes": section.server.max_body_mib << 20,
        "max_choices": section.server.max_choices,
        "modules": modules,
    }


def adapter_facts(candidate: Candidate, *, base: Path | None) -> dict[str, Any]:
    """Contents of adapter.json: the content's digest, what it was trained on, and from which settings and data."""
    return {
        "schema": 1,
        "name": candidate.name,
        "digest": candidate.digest,
        "base": _identity(candidate.member.base),
        "tokenizer": _tokenizer(base),
        "template": digest_file(candidate.folder / TEMPLATE),
        "rank": candidate.rank,
        "numbers": candidate.numbers,
        "method": candidate.method,
        "settings": candidate.training.get("settings"),
        "data": candidate.training.get("data"),
    }


def _identity(base: PinnedBase) -> dict[str, str | None]:
    return {"digest": base.digest, "revision": base.source.revision if isinstance(base.source, HubBase) else None}


def _tokenizer(base: Path | None) -> str | None:
    """Digest of the tokenizer; None where the base's files are not at hand, and its commit stands for them."""
    path = base / TOKENIZER if base is not None else None
    return digest_file(path) if path is not None and path.is_file() else None
