"""Records of stage runs: seconds, peak memory, figures. For people and benchmarks; never an input, never hashed."""

import json
import resource
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from adapt.errors import AdaptError, naming_file
from adapt.plan.workspace import Workspace


@contextmanager
def recorded(workspace: Workspace, stage: str) -> Iterator[dict[str, Any]]:
    """Time the body and write the record of `stage`; figures put into the yielded dict go with it."""
    figures: dict[str, Any] = {}
    record: dict[str, Any] = {"stage": stage, "figures": figures}
    path = workspace.runs / f"{stage}.json"
    path.unlink(missing_ok=True)  # a stage that is killed must not be known by an older run
    begun = time.monotonic()
    try:
        yield figures
    except AdaptError as error:
        record["error"] = str(error)
        raise
    finally:
        record |= {"seconds": round(time.monotonic() - begun, 2), "peak_mib": peak_mib()}
        workspace.runs.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(".new")
        with naming_file(aside):
            aside.write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        aside.replace(path)


def peak_mib() -> int:
    """Largest resident memory of this process so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "linux" else peak // (1 << 20)


def read_run(workspace: Workspace, stage: str) -> Mapping[str, Any]:
    """The last record of `stage`; empty when it never ran here."""
    try:
        record = json.loads((workspace.runs / f"{stage}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
