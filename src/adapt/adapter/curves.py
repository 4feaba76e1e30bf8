"""Loss curves by step as DVCLive writes them, and nothing else of what DVCLive does.

Left out on purpose: DVCLive would create a DVC repository where it finds a Git one, add its folder to Git inside `dvc exp run`, and send
the values to DVC Studio wherever a token for it is set.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from dvclive.live import Live

Point = tuple[int, str, float]
"""Step, name of the curve such as `train/loss`, value."""


class _LocalLive(Live):
    """DVCLive that knows of no repository and no server."""

    def _init_dvc(self) -> None:
        self._dvc_file = self._init_dvc_file()

    def _init_studio(self) -> None:
        self._studio_events_to_skip = {"start", "data", "done"}

    def post_data_to_studio(self) -> None:
        """Send nothing."""


def write_curves(folder: Path, points: Iterable[Point]) -> None:
    """Replace `folder` by one tsv file per curve and metrics.json with the last values, in one step."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    staging, replaced = (folder.with_name(f".{folder.name}.{name}-{os.getpid()}") for name in ("staging", "replaced"))
    shutil.rmtree(staging, ignore_errors=True)
    with _LocalLive(dir=str(staging), save_dvc_exp=False, dvcyaml=None, report=None, monitor_system=False) as live:
        for step, name, value in points:
            live.step = step
            live.log_metric(name, value)
    if folder.exists():
        folder.rename(replaced)
    staging.rename(folder)
    shutil.rmtree(replaced, ignore_errors=True)
