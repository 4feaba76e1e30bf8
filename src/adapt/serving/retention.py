"""Which versions of an adapter stay on a server, and the removal of the others.

Enters: a server's folder with its journal. Leaves: the folder with what serves, what a roll-back would lead
to next, and what other adapters have. Removing a version touches no answer: the engine reads private
copies, and nothing that has a share of the requests is removed.
"""

import os
import shutil

from adapt.serving.live import FORGOTTEN, Live
from adapt.serving.plugin.store import VERSION


def forget_versions(name: str, live: Live, *, keep: int) -> list[str]:
    """Remove the versions of adapter `name` but those that serve and the last `keep` good ones; what was
    removed, sorted.

    The folder must be locked. Raises OSError when one cannot be removed; it may be called again.
    """
    state = live.journal.state(name)
    good = [*state.earlier, *([state.good] if state.good is not None else [])]
    reachable = list(dict.fromkeys(reversed(good)))[:keep]
    kept = {*reachable, *state.shares, *(version for shares in live.aliases().values() for version in shares)}
    if state.attempt is not None:
        kept.add(state.attempt.version)
    folders = live.places.adapters.iterdir() if live.places.adapters.is_dir() else ()
    parts = [VERSION.fullmatch(path.name) for path in folders]
    ours = {part.string for part in parts if part is not None and part["adapter"] == name}
    gone = sorted(ours - kept)
    for version in gone:
        aside = live.places.adapters / f"{FORGOTTEN}-{os.getpid()}"
        (live.places.adapters / version).rename(aside)  # a server never sees a part of it
        shutil.rmtree(aside)
    return gone
