"""One process of a training that `launch` started: a folder with the job in, and its report or its error there out."""

from __future__ import annotations

import json
import logging
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from adapt.artifact.process import die_with_parent
from adapt.artifact.progress import QuietProgress, progress_for_terminal
from adapt.errors import AdaptError


def main(folder: Path) -> int:
    """Train as one of several; the exit code is 1 for an error that a user can mend."""
    die_with_parent()
    from adapt.adapter.distributed.launch import JOB, read_job
    from adapt.adapter.train import train_together

    rank = int(os.environ["RANK"])
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING if rank == 0 else logging.ERROR)
    training, base = read_job(folder / JOB)
    told: dict[str, Any]
    try:
        told = {"report": asdict(train_together([training], base=base, progress=progress_for_terminal() if rank == 0 else QuietProgress())[0])}
    except AdaptError as error:
        told = {"error": {"message": error.message, "hint": error.hint}}
    (folder / f"{rank}.json").write_text(json.dumps(told), encoding="utf-8")
    return int("error" in told)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
