"""Times the main job: a build of the finance adapter from nothing, the same again, and a rebuild after one setting changed.

The first is measured stage by stage (seconds, peak memory); the others as ratios to it, in the same run on the same machine.
The peer is the job without a ledger: everything is run again whenever anything changed.

    python bench/build.py [--quick] [--json FILE] [--data DIR]

`--data` is a corpus folder to build from in place of the shipped one; `--quick` trains a quarter of an epoch.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ADAPT = str(Path(sys.executable).parent / "adapt")


def main() -> None:
    """Measure, print a table and the ratios, and write them to a file when asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, help="corpus folder to build from")
    parser.add_argument("--quick", action="store_true", help="train a quarter of an epoch")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="adapt-bench-") as folder:
        figures = measure(Path(folder) / "workspace", options.data, quick=options.quick)
    report(figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def measure(workspace: Path, data: Path | None, *, quick: bool) -> dict[str, Any]:
    """Seconds of the first build by stage, of one that has nothing to do, and of one after the rank changed and back."""
    run(["init", str(workspace)], cwd=workspace.parent)
    if data is not None:
        shutil.rmtree(workspace / "data" / "raw" / "finance")
        shutil.copytree(data, workspace / "data" / "raw" / "finance")
    if quick:
        setting(workspace, "epochs: 2", "epochs: 0.25")
    first = timed_build(workspace)
    again = timed_build(workspace)
    if any(stage["outcome"] != "unchanged" for stage in again["stages"]):
        raise SystemExit("the second build was not a no-op, so the comparison would be void")
    setting(workspace, "r: 16", "r: 8", "specs/finance.yaml")
    retrained = timed_build(workspace)
    setting(workspace, "r: 8", "r: 16", "specs/finance.yaml")
    restored = timed_build(workspace)
    if any(stage["outcome"] == "ran" for stage in restored["stages"]):
        raise SystemExit("going back trained again, so the comparison would be void")
    return {"first": first, "again": again, "retrained": retrained, "restored": restored}


def setting(workspace: Path, old: str, new: str, file: str = "params.yaml") -> None:
    """Replace a setting; fail when it is not there."""
    path = workspace / file
    text = path.read_text(encoding="utf-8")
    if old not in text:
        raise SystemExit(f"{file} does not say {old!r} any more")
    path.write_text(text.replace(old, new), encoding="utf-8")


def timed_build(workspace: Path) -> dict[str, Any]:
    """One `adapt build`: its wall-clock seconds and its stages."""
    begun = time.monotonic()
    output = run(["build", "finance", "--json"], cwd=workspace)
    return {"seconds": round(time.monotonic() - begun, 1), "stages": json.loads(output)["stages"]}


def run(arguments: list[str], cwd: Path) -> str:
    """Run `adapt`; its standard error is shown."""
    return subprocess.run([ADAPT, *arguments], cwd=cwd, check=True, stdout=subprocess.PIPE, text=True).stdout


def report(figures: dict[str, Any]) -> None:
    """Print the stages of the first build and the ratios."""
    print("| stage | seconds | peak MiB |\n| --- | ---: | ---: |")
    for stage in figures["first"]["stages"]:
        print(f"| {stage['stage']} | {stage['seconds']} | {stage['peak_mib']} |")
    print(f"| whole build | {figures['first']['seconds']} | |")
    for name in ("again", "retrained", "restored"):
        print(f"{name}: {figures[name]['seconds']} s")
    for name in ("again", "retrained", "restored"):
        print(f"ratio {name} {figures['first']['seconds'] / figures[name]['seconds']:.1f}")


if __name__ == "__main__":
    main()
