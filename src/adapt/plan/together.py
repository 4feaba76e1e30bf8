"""Lets the stale adapters of a build be trained together, before DVC asks for them one by one.

DVC alone knows which trainings must run and which it can restore. So a first pass builds what comes before them, and every training that DVC really
starts notes its name and gives up at once; those are trained together in one process. The next pass finds them finished, and notes those that start
from them.
"""

import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from adapt.plan.repro import Outcome, environment, reproduce
from adapt.plan.stages import TRAINING
from adapt.plan.workspace import Workspace

DEFER = "ADAPT_DEFER"
"""Environment variable: a file in which trainings note their stage instead of running; one that stands there runs."""
DEFERRED = 75
"""Exit code of a training that did (EX_TEMPFAIL)."""


def reproduce_together(
    workspace: Workspace, stages: Sequence[str], adapters: Mapping[str, str], *, at_once: int, forgotten: Collection[Path] = ()
) -> dict[str, Outcome]:
    """As `reproduce` with `keep_going`, the trainings that must run done together, `at_once` at a time.

    `adapters`: which adapter each stage builds.
    """
    listing = workspace.private / "deferred"
    listing.write_text("", encoding="utf-8")
    outcomes: dict[str, Outcome] = {}
    tried: list[str] = []
    wanted: list[str] = []
    unannounced = tuple(f"{kind}@" for kind in TRAINING)
    while True:
        found = reproduce(
            workspace,
            stages,
            keep_going=True,
            further={DEFER: str(listing)},
            unannounced=() if tried else unannounced,
            forgotten=() if tried else forgotten,
        )
        outcomes = _merged(outcomes, found, wanted)
        wanted = [name for name in dict.fromkeys(listing.read_text(encoding="utf-8").split()) if name not in tried]
        if not wanted:
            listing.unlink()
            return outcomes
        if len(wanted) > 1:
            print(f"training {len(wanted)} adapters together: {', '.join(wanted)}", file=sys.stderr)
            command = [sys.executable, "-P", "-m", "adapt.cli", "cotrain", *wanted, "--at-once", str(at_once)]
            subprocess.run(command, cwd=workspace.root, env=environment(), check=False)  # what failed is tried by its own stage, which says why
        tried += wanted
        lost = {adapters[name] for name, outcome in found.items() if outcome == "failed" and name not in wanted}
        stages = [name for name in stages if adapters.get(name) not in lost]


def _merged(first: Mapping[str, Outcome], second: Mapping[str, Outcome], deferred: Sequence[str]) -> dict[str, Outcome]:
    """What became of each stage over both passes: what ran in the first did not change in the second. The first says nothing yet of those that it
    `deferred`."""
    settled = {name: outcome for name, outcome in first.items() if name not in deferred and outcome != "skipped"}
    return {**first, **second, **{name: outcome for name, outcome in settled.items() if second.get(name, "unchanged") == "unchanged"}}
