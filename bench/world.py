"""Builds data sets of the world from specs alone, and prints what became of every row.

    python bench/world.py --data DIR [--sets medquad,huatuo] [--json FILE]

DIR holds a folder for each set: `medquad`, `huatuo`, `gsm8k`, `tatqa` as published, and `pages`, an archive of web pages. The specs of the first four
are those that docs/how-to/read-your-data.md shows. A near-duplicate is counted as one of another question when its question is not that of the
record that was kept in its place, letter case, spaces and punctuation aside: computed here from the documents, not by the code that drops.
"""

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

ADAPT = str(Path(sys.executable).parent / "adapt")
GUIDE = Path(__file__).parents[1] / "docs" / "how-to" / "read-your-data.md"
SETS = ("medquad", "huatuo", "gsm8k", "tatqa", "pages")
PAGES = "corpus:\n  path: data/raw/pages\n  sources:\n    - {glob: '*.tar.xz'}\n"


@dataclass(frozen=True)
class Row:
    """What became of one set."""

    name: str
    read: int
    documents: int
    quarantined: dict[str, int]
    made: int
    dropped: dict[str, int]
    kept: int
    other_questions: int
    """Near-duplicates whose question is not that of the record kept in their place."""
    cpu_seconds: float
    losses: list[str]
    """Sources that lost a quarter or more to one rule."""


def main() -> None:
    """Build, print the table, and write the figures to a file when asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder with a folder for each set")
    parser.add_argument("--sets", default=",".join(SETS), help="which, separated by commas")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    names = options.sets.split(",")
    if unknown := sorted(set(names) - set(SETS)):
        parser.error(f"unknown sets: {', '.join(unknown)}; there are: {', '.join(SETS)}")
    with tempfile.TemporaryDirectory(prefix="adapt-world-") as folder:
        workspace = Path(folder) / "workspace"
        run(["init", "--bare", str(workspace)], cwd=Path(folder))
        rows = [measure(workspace, name, options.data / name) for name in names]
    print_table(rows)
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n", encoding="utf-8")


def measure(workspace: Path, name: str, data: Path) -> Row:
    """Build the data set of one set."""
    shutil.copytree(data, workspace / "data" / "raw" / name)
    (workspace / "specs" / f"{name}.yaml").write_text(spec_of(name), encoding="utf-8")
    before = cpu_seconds()
    run(["build", name, "--to", "dataset"], cwd=workspace)
    spent = cpu_seconds() - before
    corpus = json.loads((workspace / "data" / "corpus" / name / "report.json").read_bytes())
    report = json.loads((workspace / "data" / "dataset" / name / "report.json").read_bytes())
    return Row(
        name=name,
        read=corpus["pieces"],
        documents=report["documents"],
        quarantined=corpus["ledger"].get("quarantined", {}),
        made=report["candidates"],
        dropped={rule: count for rule, count in report["dropped"].items() if count},
        kept=report["records"],
        other_questions=count_other_questions(workspace, name),
        cpu_seconds=round(spent, 1),
        losses=[f"{loss['source']}: {loss['count']} of {loss['rows']} as {loss['rule']}" for one in (corpus, report) for loss in one["losses"]],
    )


def spec_of(name: str) -> str:
    """The spec that the guide shows for a set."""
    if name == "pages":
        return PAGES
    blocks = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    return next(block for block in blocks if f"path: data/raw/{name}\n" in block)


def count_other_questions(workspace: Path, name: str) -> int:
    """Near-duplicates whose question differs from the winner's by more than case, spaces and punctuation."""
    documents = pq.read_table(workspace / "data" / "corpus" / name / "documents.parquet", columns=["source", "locator", "instruction"])
    asked = {(row["source"], row["locator"]): row["instruction"] for row in documents.to_pylist()}
    verdicts = pq.read_table(workspace / "data" / "dataset" / name / "verdicts.parquet").to_pylist()
    pairs = [
        (asked.get((row["source"], row["locator"]), ""), asked.get((row["winner_source"], row["winner_locator"]), ""))
        for row in verdicts
        if row["rule"] == "near_duplicate"
    ]
    return sum(plain(first) != plain(second) for first, second in pairs)


def plain(text: str) -> str:
    return "".join(re.findall(r"\w", text.casefold()))


def print_table(rows: list[Row]) -> None:
    """One line a set, then what stands out of each."""
    head = ("set", "read", "documents", "quarantined", "records made", "kept", "near-dup.", "other question", "CPU s")
    table = [
        (
            row.name,
            f"{row.read:,}",
            f"{row.documents:,}",
            f"{sum(row.quarantined.values()):,}",
            f"{row.made:,}",
            f"{row.kept:,}",
            f"{row.dropped.get('near_duplicate', 0):,}",
            f"{row.other_questions:,}",
            f"{row.cpu_seconds:.1f}",
        )
        for row in rows
    ]
    print("| " + " | ".join(head) + " |\n| --- |" + " ---: |" * (len(head) - 1))
    for cells in table:
        print("| " + " | ".join(cells) + " |")
    for row in rows:
        lost = {**row.quarantined, **row.dropped}
        print(
            f"\n{row.name}: " + (", ".join(f"{count:,} {rule}" for rule, count in sorted(lost.items(), key=lambda item: -item[1])) or "nothing lost")
        )
        for loss in row.losses:
            print(f"  {loss}")


def cpu_seconds() -> float:
    """Of all processes that were started and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(arguments: list[str], *, cwd: Path) -> None:
    done: Any = subprocess.run([ADAPT, *arguments], cwd=cwd, capture_output=True, text=True, check=False, env={**os.environ, "CI": ""})
    if done.returncode:
        sys.exit(f"adapt {' '.join(arguments)} failed:\n{done.stdout}\n{done.stderr}")


if __name__ == "__main__":
    main()
