"""Times what turns raw rows into a clean set without duplicates, side by side with data-juicer, datatrove and text-dedup on the same files.

    make bench-env && python bench/dataset.py --data DIR [--quick] [--json FILE] [--growth]

DIR has MedQuAD, Huatuo and GSM8K as `../shared/data` does. Every side reads one file of JSON lines, in which copies stand that this program made,
exact ones of 5% of the rows and near ones of 20% of the longer rows, so that it is known what must go; repairs Unicode and white space, masks e-mail
and IP addresses, removes exact and near duplicates, and writes what is left. Ours is the corpus and the dataset stage as a build runs them: beside
that work they identify languages, measure quality, count tokens, split, prove that nothing leaks, and write ledgers, verdicts and card. A second row
of ours is without languages and quality, which settings can leave out; a third runs our operators at the peers' work and nothing else. text-dedup
has no step that cleans, so its side cleans with `datasets` and ftfy. Measured: CPU seconds (user and system) of a fresh process and its children,
start-up included, and peak memory; medians of `--repeats` turns. `--growth` measures ours at 100,000 and 1,000,000 made-up records of 500 characters
instead.
"""

import argparse
import compileall
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

import adapt
from dataset_rows import Planted, made_up, rows_of, write_rows
from dataset_sides import OURS, OURS_ALONE, OURS_UNMEASURED, PEERS, Cost, measure

ENVIRONMENTS = Path(__file__).parent.parent / ".venv-peers"
LANGUAGES = {"huatuo": "zh", "gsm8k": "en", "medquad": "en"}


def main() -> None:
    """Measure, print tables and ratios, and write the figures to a file when asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, help="folder with medquad/, huatuo/ and gsm8k/")
    parser.add_argument("--peers", type=Path, default=ENVIRONMENTS, help="folder with an environment for each peer")
    parser.add_argument("--quick", action="store_true", help="1,500 rows of each set, one turn")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--growth", action="store_true", help="ours alone, at 100,000 and 1,000,000 records")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    if not options.growth and options.data is None:
        parser.error("--data is required, unless --growth")
    compileall.compile_dir(str(Path(adapt.__file__).parent), quiet=1)  # as pip did with the peers when it installed them
    with tempfile.TemporaryDirectory(prefix="adapt-bench-") as folder:
        figures = grow(Path(folder), quick=options.quick) if options.growth else compare(Path(folder), options)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def compare(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Every side on every set."""
    peers = [peer for peer in PEERS if (options.peers / peer).is_dir()]
    if not peers:
        raise SystemExit(f"no peer's environment is in {options.peers}: run make bench-env")
    sides = [OURS, OURS_UNMEASURED, OURS_ALONE, *peers]
    figures: dict[str, Any] = {}
    print("| set | side | rows | CPU seconds | records/CPU s | peak MiB | copies found | others removed |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, language in LANGUAGES.items():
        source = folder / name / "rows.jsonl"
        planted = write_rows(source, rows_of(name, options.data, 1500 if options.quick else None), language)
        costs: dict[str, list[Cost]] = {side: [] for side in sides}
        for turn in range(1 if options.quick else options.repeats):
            for side in sides:
                costs[side].append(measure(side, source, folder / name / f"{sides.index(side)}-{turn}", language, options.peers))
        figures[name] = {side: summary(found, planted) for side, found in costs.items()}
        for side, figure in figures[name].items():
            print(
                f"| {name} | {side} | {figure['rows']} | {figure['cpu_seconds']:.2f} | {figure['records_per_cpu_second']:.0f} | {figure['peak_mib']} "
                f"| {figure['copies_found']:.1%} | {figure['others_removed']:.1%} |"
            )
    for name, by_side in figures.items():
        for peer in peers:
            whole, alone = (by_side[peer]["cpu_seconds"] / by_side[ours]["cpu_seconds"] for ours in (OURS, OURS_ALONE))
            print(f"ratio {name}-{peer} {whole:.1f}\nratio {name}-{peer}-alone {alone:.1f}")
    return figures


def summary(costs: list[Cost], planted: Planted) -> dict[str, Any]:
    """Medians, and how right the outcome was; fails when a side lost what it should have read.

    A copy is found when it and the row that it was made from are not both kept. `others_removed`: rows without a copy, a set's own duplicates.
    """
    kept = costs[0].kept
    everything = planted.others | {id for pair in planted.copies for id in pair}
    if unknown := kept - everything:
        raise SystemExit(f"a side returned {len(unknown)} rows that were not in its input, so the comparison would be void")
    if len(kept) < 0.2 * len(everything):
        raise SystemExit(f"a side kept {len(kept)} of {len(everything)} rows, so the comparison would be void")
    seconds = statistics.median(cost.cpu_seconds for cost in costs)
    return {
        "rows": len(everything),
        "cpu_seconds": seconds,
        "records_per_cpu_second": len(everything) / seconds,
        "peak_mib": max(cost.peak_mib for cost in costs),
        "copies_found": sum(not {original, copy} <= kept for original, copy in planted.copies) / len(planted.copies),
        "others_removed": len(planted.others - kept) / len(planted.others),
    }


def grow(folder: Path, *, quick: bool) -> dict[str, Any]:
    """Ours on made-up Chinese records of 500 characters, ten times as many the second time."""
    figures: dict[str, Any] = {}
    sizes = (10_000, 100_000) if quick else (100_000, 1_000_000)
    print("| records | CPU seconds | records/CPU s | peak MiB | copies found | others removed |\n| ---: | ---: | ---: | ---: | ---: | ---: |")
    for size in sizes:
        source = folder / str(size) / "rows.jsonl"
        planted = write_rows(source, made_up(int(size / 1.25)), "zh")
        cost = measure(OURS, source, folder / str(size) / "out", "zh", ENVIRONMENTS)
        figure = figures[str(size)] = summary([cost], planted)
        print(
            f"| {figure['rows']:,} | {figure['cpu_seconds']:.1f} | {figure['records_per_cpu_second']:.0f} | {figure['peak_mib']} "
            f"| {figure['copies_found']:.2%} | {figure['others_removed']:.2%} |"
        )
    small, large = (figures[str(size)]["cpu_seconds"] for size in sizes)
    print(f"ratio growth {large / small:.1f}")
    return figures


if __name__ == "__main__":
    main()
