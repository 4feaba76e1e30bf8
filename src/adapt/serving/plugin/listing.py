"""What a server says of itself: the models for clients, its state for the administrator."""

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .aliases import Aliases
from .facts import Server
from .store import Store


def models_listing(server: Server, aliases: Aliases) -> dict[str, Any]:
    """/v1/models for clients: the base and the stable names; each names the versions behind it with their shares."""
    cards: list[dict[str, Any]] = [{"id": server.base_name, "object": "model", "created": 0, "owned_by": "adapt", "parent": None}]
    for name, shares in sorted(aliases.shares().items()):
        cards.append(
            {"id": name, "object": "model", "created": 0, "owned_by": "adapt", "parent": server.base_name, "versions": dict(sorted(shares.items()))}
        )
    return {"object": "list", "data": cards}


async def state(
    server: Server,
    aliases: Aliases,
    store: Store,
    asked: Sequence[str] = (),
    *,
    template: str | None,
    code: str,
) -> dict[str, Any]:
    """The administrator's view: versions that names lead to, with what speaks against each, and every version that is stored, unread.

    `asked` are versions to be judged beside those: what a roll-back could lead to.
    `template` and `code` are digests of the chat template and the plugin that lay there when the server started.
    """

    def reasons() -> dict[str, str | None]:
        return {name: store.reason(name) for name in sorted({*aliases.versions(), *asked})}

    base = server.facts["base"]
    return {
        "aliases": aliases.shares(),
        "versions": await asyncio.to_thread(reasons),
        "stored": store.names(),
        "base": {"digest": base["digest"], "revision": base["revision"]},
        "tokenizer": server.facts["tokenizer"],
        "template": template,
        "max_lora_rank": server.facts["max_lora_rank"],
        "code": code,
        "attributes_faults": True,
    }


def package_digest(folder: Path) -> str:
    """Digest of the plugin's source in `folder`, to see whether a server runs the code that it should."""
    sha = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        sha.update(f"{path.name}\0".encode() + path.read_bytes() + b"\0")
    return sha.hexdigest()
