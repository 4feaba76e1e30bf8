"""Times what turns raw rows into a clean set without duplicates, side by side with data-juicer, datatrove and text-dedup on the same files.

    make bench-env && python bench/dataset.py --data DIR [--quick] [--json FILE] [--growth]

DIR has MedQuAD, Huatuo and GSM8K as `../shared/data` does. Every side reads one file of JSON lines, in which copies stand that this program made,
exact ones of 5% of the rows and near ones of 20% of the longer rows, so that it is known what must go; repairs Unicode and white space, masks e-mail
and IP addresses, removes exact and near duplicates, and writes what is left. Ours is the corpus and the dataset stage as a build runs them: beside
that work they identify languages, measure quality, count tokens, split, prove that nothing leaks, and write ledgers, verdicts and card. A second row
of ours is without languages and quality, which settings can leave out; a third runs our operators at the peers' work and nothing else. text-dedup
has no step that cleans, so its side cleans with `datasets` and ftfy. Peers look for near duplicates with the shingles, threshold and permutations of
ours; a second row of each has the peer's own defaults instead. Measured: CPU seconds (user and system) of a fresh process and its children, and peak
memory; medians of `--repeats` turns. Start-up is what the same side takes for the first 100 rows of the file, in a process of its own, and stands
apart: ratios come with it and without. `--growth` measures every side at 100,000 made-up records of 500 characters, and ours at 1,000,000.
"""

import argparse
import compileall
import json
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import adapt
from dataset_rows import Planted, Row, made_up, rows_of, write_first, write_rows
from dataset_sides import DEFAULTS, OURS, OURS_ALONE, OURS_UNMEASURED, PEERS, Cost, measure

ENVIRONMENTS = Path(__file__).parent.parent / ".venv-peers"
LANGUAGES = {"huatuo": "zh", "gsm8k": "en", "medquad": "en"}
START_ROWS = 100
COLUMNS = ("set", "side", "rows", "CPU seconds", "start-up", "without it", "rows/CPU s without it", "peak MiB", "copies found", "others removed")


def main() -> None:
    """Measure, print tables and ratios, and write the figures to a file when asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, help="folder with medquad/, huatuo/ and gsm8k/")
    parser.add_argument("--peers", type=Path, default=ENVIRONMENTS, help="folder with an environment for each peer")
    parser.add_argument("--quick", action="store_true", help="1,500 rows of each set, one turn")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--growth", action="store_true", help="100,000 made-up records, and 1,000,000 for ours")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    if not options.growth and options.data is None:
        parser.error("--data is required, unless --growth")
    compileall.compile_dir(str(Path(adapt.__file__).parent), quiet=1)  # as pip did with the peers when it installed them
    with tempfile.TemporaryDirectory(prefix="adapt-bench-") as folder:
        figures = grow(Path(folder), options) if options.growth else compare(Path(folder), options)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def compare(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Every side on every set."""
    sides = all_sides(options.peers)
    figures: dict[str, Any] = {}
    print_heading()
    for name, language in LANGUAGES.items():
        rows = rows_of(name, options.data, 1500 if options.quick else None)
        figures[name] = take_turns(folder / name, name, rows, language, sides, 1 if options.quick else options.repeats, options.peers)
    for name, by_side in figures.items():
        print_ratios(name, by_side)
    return figures


def grow(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Every side on made-up Chinese records of 500 characters, then ours on ten times as many."""
    small, large = (10_000, 100_000) if options.quick else (100_000, 1_000_000)
    print_heading()
    figures: dict[str, Any] = {}
    for size, sides in ((small, all_sides(options.peers)), (large, [OURS])):
        figures[str(size)] = take_turns(folder / str(size), f"{size:,}", made_up(int(size / 1.25)), "zh", sides, 1, options.peers)
    print_ratios(str(small), figures[str(small)])
    print(f"ratio growth {figures[str(large)][OURS]['cpu_seconds'] / figures[str(small)][OURS]['cpu_seconds']:.1f}")
    return figures


def all_sides(environments: Path) -> list[str]:
    """Ours in three rows, and every peer that is installed in two."""
    peers = [peer for peer in PEERS if (environments / peer).is_dir()]
    if not peers:
        raise SystemExit(f"no peer's environment is in {environments}: run make bench-env")
    return [OURS, OURS_UNMEASURED, OURS_ALONE, *(f"{peer}{kind}" for peer in peers for kind in ("", DEFAULTS))]


def take_turns(folder: Path, name: str, rows: Iterator[Row], language: str, sides: list[str], turns: int, peers: Path) -> dict[str, Any]:
    """Run the sides one after the other, each on the first rows and on all, and print what came of it."""
    source, first = folder / "all" / "rows.jsonl", folder / "first" / "rows.jsonl"
    planted = write_rows(source, rows, language)
    write_first(source, first, START_ROWS)
    costs: dict[str, list[Cost]] = {side: [] for side in sides}
    starts: dict[str, list[Cost]] = {side: [] for side in sides}
    for turn in range(turns):
        for number, side in enumerate(sides):
            starts[side].append(measure(side, first, folder / f"first-{number}-{turn}", language, peers))
            costs[side].append(measure(side, source, folder / f"{number}-{turn}", language, peers))
    figures = {side: summary(costs[side], starts[side], planted) for side in sides}
    for side, figure in figures.items():
        print_row(
            name, side, f"{figure['rows']:,}", f"{figure['cpu_seconds']:.2f}", f"{figure['start_seconds']:.2f}", f"{figure['work_seconds']:.2f}",
            f"{figure['rows_per_work_second']:,.0f}", f"{figure['peak_mib']:,}", f"{figure['copies_found']:.1%}", f"{figure['others_removed']:.1%}",
        )  # fmt: skip
    return figures


def print_heading() -> None:
    """The first two lines of a table."""
    print_row(*COLUMNS)
    print_row(*("---" if column in ("set", "side") else "---:" for column in COLUMNS))


def print_row(*cells: str) -> None:
    """A line of a table, at once."""
    print(f"| {' | '.join(cells)} |", flush=True)


def print_ratios(name: str, by_side: dict[str, Any]) -> None:
    """Costs of every peer against ours, with start-up and without: our whole stages, and our work alone."""
    for side, figure in by_side.items():
        if side in (OURS, OURS_UNMEASURED, OURS_ALONE):
            continue
        label = f"{name}-{side.replace(DEFAULTS, '-defaults')}"
        for ours, kind in ((OURS, ""), (OURS_ALONE, "-alone")):
            for field, part in (("cpu_seconds", ""), ("work_seconds", "-without-start")):
                print(f"ratio {label}{kind}{part} {figure[field] / by_side[ours][field]:.1f}")


def summary(costs: list[Cost], starts: list[Cost], planted: Planted) -> dict[str, Any]:
    """Medians, and how right the outcome was; fails when a side lost what it should have read.

    A copy is found when it and the row that it was made from are not both kept. `others_removed`: rows without a copy, a set's own duplicates.
    """
    kept = costs[0].kept
    everything = planted.others | {id for pair in planted.copies for id in pair}
    if unknown := kept - everything:
        raise SystemExit(f"a side returned {len(unknown)} rows that were not in its input, so the comparison would be void")
    if len(kept) < 0.2 * len(everything):
        raise SystemExit(f"a side kept {len(kept)} of {len(everything)} rows, so the comparison would be void")
    seconds, start = (statistics.median(cost.cpu_seconds for cost in some) for some in (costs, starts))
    if seconds <= start:
        raise SystemExit(f"a side took {seconds:.2f} CPU seconds and {start:.2f} to start: too few rows to tell its work from its start")
    return {
        "rows": len(everything),
        "cpu_seconds": seconds,
        "start_seconds": start,
        "work_seconds": seconds - start,
        "rows_per_work_second": len(everything) / (seconds - start),
        "peak_mib": max(cost.peak_mib for cost in costs),
        "copies_found": sum(not {original, copy} <= kept for original, copy in planted.copies) / len(planted.copies),
        "others_removed": len(planted.others - kept) / len(planted.others),
    }


if __name__ == "__main__":
    main()
