"""Which versions of an adapter stay on a server, and the removal of the others.

Enters: a server's folder with its history. Leaves: the folder with what serves, what a roll-back would lead to next, and what other adapters have.
Removing a version touches no answer: the engine reads private copies, and nothing that has a share of the requests is removed.
"""

import os
import shutil
from typing import Any

from adapt.serving.live import Live
from adapt.serving.plugin.store import VERSION


def led_to(history: list[dict[str, Any]]) -> list[str]:
    """Versions that a name led to in full, as a stack: a roll-back takes away what it left, and so does a roll-out that failed after it shifted."""
    line: list[str] = []
    shifted = False
    for entry in history:
        action, shares = entry["action"], entry["shares"]
        if action == "failed":
            while line and (line[-1] not in shares if shares else shifted):
                line.pop()
                shifted = False
        elif len(shares) == 1:
            (version,) = shares
            if action == "rollback" and version in line:
                del line[len(line) - line[::-1].index(version) :]
            elif line[-1:] != [version]:
                line.append(version)
        shifted = action == "deploy" and len(shares) == 1
    return line


def forget_versions(name: str, live: Live, *, keep: int) -> list[str]:
    """Remove the versions of adapter `name` but those that serve and the `keep` that it led to last; what was removed, sorted.

    The folder must be locked. Raises OSError when one cannot be removed; it may be called again.
    """
    reachable = list(dict.fromkeys(reversed(led_to(live.history(name)))))[:keep]
    kept = {*reachable, *(version for shares in live.aliases().values() for version in shares)}
    folders = live.places.adapters.iterdir() if live.places.adapters.is_dir() else ()
    gone = sorted(path.name for path in folders if (found := VERSION.fullmatch(path.name)) and found["adapter"] == name and path.name not in kept)
    for version in gone:
        aside = live.places.adapters / f".forgotten-{os.getpid()}"
        (live.places.adapters / version).rename(aside)  # a server never sees a part of it
        shutil.rmtree(aside)
    return gone
