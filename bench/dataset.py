"""Times what turns raw rows into a clean set without duplicates, side by side with data-juicer, datatrove and text-dedup on the same files.

    make bench-env && python bench/dataset.py --data DIR [--quick] [--json FILE] [--growth]

DIR has MedQuAD, Huatuo and GSM8K as `../shared/data` does. Every side reads one file of JSON lines, in which copies stand that this program made,
exact ones of 5% of the rows and near ones of 20% of the longer rows, so that it is known what must go; repairs Unicode and white space, masks e-mail
and IP addresses, removes exact and near duplicates, and writes what is left. Ours is the corpus and the dataset stage as a build runs them: beside
that work they identify languages, measure quality, count tokens, split, prove that nothing leaks, and write ledgers, verdicts and
card. text-dedup finds near duplicates only. Measured: CPU seconds (user and system) of a fresh process and its children, start-up included, and
peak memory; medians of `--repeats` turns. `--growth` measures ours at 100,000 and 1,000,000 made-up records of 500 characters instead.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

HERE = Path(__file__).parent
PEERS = HERE.parent / ".venv-peers"
SETS = ("huatuo", "gsm8k", "medquad")
LANGUAGES = {"huatuo": "zh", "gsm8k": "en", "medquad": "en"}
Row = dict[str, str]
SETTINGS = {"lengths": {"max_record_tokens": 1 << 20, "min_output_words": 1}, "decontamination": {"test_split": False}}
"""Every length stays, and no record goes because it quotes a test record: the peers do neither."""


class Cost(NamedTuple):
    """What one run cost, and which rows it kept."""

    cpu_seconds: float
    peak_mib: int
    kept: set[str]


class Planted(NamedTuple):
    """What was written: ids of each copy with its original, and of the rows without copies."""

    copies: list[tuple[str, str]]
    others: set[str]


def main() -> None:
    """Measure, print tables and ratios, and write the figures to a file when asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, help="folder with medquad/, huatuo/ and gsm8k/")
    parser.add_argument("--peers", type=Path, default=PEERS, help="folder with an environment for each peer")
    parser.add_argument("--quick", action="store_true", help="1,500 rows of each set, one turn")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--growth", action="store_true", help="ours alone, at 100,000 and 1,000,000 records")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--ours", nargs=2, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ours:
        run_ours(*options.ours)
        return
    if not options.growth and options.data is None:
        parser.error("--data is required, unless --growth")
    with tempfile.TemporaryDirectory(prefix="adapt-bench-") as folder:
        figures = grow(Path(folder), quick=options.quick) if options.growth else compare(Path(folder), options)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def compare(folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Every side on every set."""
    sides = ["ours", *(peer for peer in ("datajuicer", "datatrove", "textdedup") if (options.peers / peer).is_dir())]
    if len(sides) == 1:
        raise SystemExit(f"no peer's environment is in {options.peers}: run make bench-env")
    figures: dict[str, Any] = {}
    print("| set | side | rows | CPU seconds | records/CPU s | peak MiB | copies found | others removed |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name in SETS:
        source = folder / name / "rows.jsonl"
        planted = write_rows(source, rows_of(name, options.data, 1500 if options.quick else None), LANGUAGES[name])
        costs: dict[str, list[Cost]] = {side: [] for side in sides}
        for turn in range(1 if options.quick else options.repeats):
            for side in sides:
                costs[side].append(measure(side, source, folder / name / f"{side}-{turn}", LANGUAGES[name], options.peers))
        figures[name] = {side: summary(found, planted) for side, found in costs.items()}
        for side, figure in figures[name].items():
            print(
                f"| {name} | {side} | {figure['rows']} | {figure['cpu_seconds']:.2f} | {figure['records_per_cpu_second']:.0f} | {figure['peak_mib']} "
                f"| {figure['copies_found']:.1%} | {figure['others_removed']:.1%} |"
            )
    for name, by_side in figures.items():
        for side in sides[1:]:
            print(f"ratio {name}-{side} {by_side[side]['cpu_seconds'] / by_side['ours']['cpu_seconds']:.1f}")
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


def rows_of(name: str, data: Path, limit: int | None) -> Iterator[Row]:
    """Questions and answers of a public set."""
    readers = {"huatuo": _huatuo, "gsm8k": _gsm8k, "medquad": _medquad}
    for number, row in enumerate(readers[name](data / name)):
        if limit is not None and number == limit:
            return
        yield row


def json_lines(path: Path) -> Iterator[Row]:
    """Objects of a file, cut at line feeds alone: texts may hold other marks that end lines."""
    with path.open(encoding="utf-8", newline="\n") as file:
        yield from map(json.loads, file)


def _huatuo(folder: Path) -> Iterator[Row]:
    for row in json_lines(folder / "llama_data.json"):
        yield {"instruction": row["instruction"], "output": row["output"]}


def _gsm8k(folder: Path) -> Iterator[Row]:
    for row in json_lines(folder / "train.jsonl"):
        yield {"instruction": row["question"], "output": row["answer"]}


def _medquad(folder: Path) -> Iterator[Row]:
    for archive in sorted(folder.glob("*.tar.gz")):
        with tarfile.open(archive) as members:
            for member in members:
                file = members.extractfile(member) if member.name.endswith(".xml") else None
                for pair in ElementTree.parse(file).iter("QAPair") if file else ():
                    question, answer = (pair.findtext(part) or "" for part in ("Question", "Answer"))
                    if question.strip() and answer.strip():
                        yield {"instruction": question.strip(), "output": " ".join(answer.split())}


def write_rows(path: Path, rows: Iterator[Row], language: str) -> Planted:
    """Write the rows with copies strewn among them; near copies are made of rows that are long enough to bear a change."""
    rng = random.Random(7)
    kept = list(rows)
    lines = [(f"o{number}", row) for number, row in enumerate(kept)]
    long = [number for number, row in enumerate(kept) if len(row["output"]) >= (60 if language == "zh" else 250)]
    exact = rng.sample(range(len(kept)), len(kept) // 20)
    near = rng.sample(long, len(long) // 5)
    lines += [(f"c{number}", kept[number]) for number in exact]
    lines += [(f"n{number}", {**kept[number], "output": edited(kept[number]["output"], language, rng)}) for number in near]
    rng.shuffle(lines)
    path.parent.mkdir(parents=True)
    with path.open("w", encoding="utf-8") as file:
        for id, row in lines:
            file.write(json.dumps({"id": id, **row, "text": f"{row['instruction']}\n{row['output']}"}, ensure_ascii=False) + "\n")
    copies = [(f"o{id[1:]}", id) for id, _ in lines if id[0] != "o"]
    return Planted(copies, {id for id, _ in lines} - {id for pair in copies for id in pair})


def edited(text: str, language: str, rng: random.Random) -> str:
    """The text with 3% of its words (characters) replaced, one at least."""
    units = list(text) if language == "zh" else text.split(" ")
    for place in rng.sample(range(len(units)), max(1, len(units) * 3 // 100)):
        units[place] = chr(rng.randrange(0x4E00, 0x9000)) if language == "zh" else f"other{rng.randrange(1000)}"
    return ("" if language == "zh" else " ").join(units)


def measure(side: str, source: Path, out: Path, language: str, peers: Path) -> Cost:
    """Run one side in a process of its own."""
    out.mkdir(parents=True)
    python = str(peers.resolve() / side / "bin" / "python")
    commands = {
        "ours": [sys.executable, str(HERE / "dataset.py"), "--ours", str(source), str(out)],
        "datajuicer": [str(peers.resolve() / side / "bin" / "dj-process"), "--config", str(_datajuicer_recipe(source, out, language))],
        "datatrove": [python, str(HERE / "peers" / "datatrove_run.py"), str(source), str(out), language],
        "textdedup": [
            python, "-m", "text_dedup.minhash", "--path", "json", "--data_files", str(source), "--split", "train", "--column", "text", "--ngram", "3",
            "--num_perm", "256", "--threshold", "0.7", "--hash_func", "xxh3", "--num_proc", "1", "--output", str(out / "kept"),
            "--cache_dir", str(out / "cache"),
        ],
    }  # fmt: skip
    log = out / "log.txt"
    with log.open("wb") as sink:
        process = subprocess.Popen(commands[side], stdout=sink, stderr=sink, cwd=out, env=_environment(out))
        _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"{side} failed on {source}:\n{log.read_text(encoding='utf-8', errors='replace')[-3000:]}")
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024, kept_ids(side, out, peers))


def _environment(out: Path) -> dict[str, str]:
    """One thread each, nothing from a hub, caches that are empty."""
    quiet = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "1", "ADAPT_PROGRESS": "0"}
    return {**os.environ, **quiet, "HF_HOME": str(out / "hf"), "DATA_JUICER_CACHE_HOME": str(out / "dj-cache")}


def _datajuicer_recipe(source: Path, out: Path, language: str) -> Path:
    tokenization = "character" if language == "zh" else "space"
    recipe = {
        "project_name": "bench", "dataset_path": str(source), "export_path": str(out / "kept.jsonl"), "text_keys": "text", "np": 1,
        "use_cache": False, "open_tracer": False,
        "process": [
            {"fix_unicode_mapper": {}}, {"whitespace_normalization_mapper": {}}, {"clean_email_mapper": {}}, {"clean_ip_mapper": {}},
            {"document_deduplicator": {}},
            {"document_minhash_deduplicator": {"tokenization": tokenization, "window_size": 3, "jaccard_threshold": 0.7}},
        ],
    }  # fmt: skip
    path = out / "recipe.yaml"
    path.write_text(json.dumps(recipe), encoding="utf-8")  # YAML reads JSON
    return path


def kept_ids(side: str, out: Path, peers: Path) -> set[str]:
    """Ids of the rows that a side kept."""
    if side == "textdedup":
        code = f"import datasets, json; print(json.dumps(datasets.load_from_disk({str(out / 'kept')!r})['id'][:]))"
        found = subprocess.run([str(peers.resolve() / side / "bin" / "python"), "-c", code], check=True, stdout=subprocess.PIPE, text=True).stdout
        return set(json.loads(found.splitlines()[-1]))
    if side == "ours":
        ids = json.loads((out / "ids.json").read_text(encoding="utf-8"))
        return {ids[place] for place in json.loads((out / "kept.json").read_text(encoding="utf-8"))}
    files = [out / "kept.jsonl"] if side == "datajuicer" else sorted((out / "kept").glob("*.jsonl"))
    return {row["id"] for file in files for row in json_lines(file)}


def run_ours(source: Path, out: Path) -> None:
    """Both stages, as a build runs them, on one file; what is only for the comparison is written by the caller's standards: ids of kept lines."""
    from adapt.artifact.progress import QuietProgress
    from adapt.corpus.build import build as build_corpus
    from adapt.dataset.build import build as build_dataset
    from adapt.spec.base import BundledBase, PinnedBase
    from adapt.spec.corpus import CorpusSpec
    from adapt.spec.dataset import DatasetSpec
    from adapt.spec.resolved.corpus import CorpusSection
    from adapt.spec.resolved.dataset import DatasetSection

    corpus = CorpusSection(code="0" * 64, libraries={}, corpus=CorpusSpec.model_validate({"pii": {"ip": "mask"}}))
    dataset = DatasetSection(
        code="0" * 64, libraries={}, dataset=DatasetSpec.model_validate(SETTINGS),
        base=PinnedBase(source=BundledBase(), digest="0" * 64), seed=0,
    )  # fmt: skip
    raw = source.parent / "raw"
    raw.mkdir(exist_ok=True)
    if not (raw / source.name).exists():
        (raw / source.name).hardlink_to(source)
    quiet = QuietProgress()
    build_corpus(corpus, inputs=raw, out=out / "corpus", progress=quiet)
    build_dataset(dataset, inputs=out / "corpus", tokenizer=_tokenizer(out / "tokenizer"), out=out / "dataset", progress=quiet)
    _write_kept(source, out)


def _write_kept(source: Path, out: Path) -> None:
    """For the comparison: id of each line, and the lines kept."""
    import pyarrow.parquet as pq

    verdicts = pq.read_table(out / "dataset" / "verdicts.parquet", columns=["locator", "outcome"]).to_pylist()
    (out / "kept.json").write_text(json.dumps([row["locator"] for row in verdicts if row["outcome"] != "dropped"]), encoding="utf-8")
    with source.open(encoding="utf-8") as lines:
        (out / "ids.json").write_text(
            json.dumps({f"line {number}": json.loads(line)["id"] for number, line in enumerate(lines, 1)}), encoding="utf-8"
        )


def _tokenizer(folder: Path) -> Path:
    """A tokenizer of one token for each word or mark."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    folder.mkdir(parents=True)
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def grow(folder: Path, *, quick: bool) -> dict[str, Any]:
    """Ours on made-up Chinese records of 500 characters, ten times as many the second time."""
    figures: dict[str, Any] = {}
    sizes = (10_000, 100_000) if quick else (100_000, 1_000_000)
    print("| records | CPU seconds | records/CPU s | peak MiB | copies found | others removed |\n| ---: | ---: | ---: | ---: | ---: | ---: |")
    for size in sizes:
        source = folder / str(size) / "rows.jsonl"
        planted = write_rows(source, made_up(int(size / 1.25)), "zh")
        cost = measure("ours", source, folder / str(size) / "out", "zh", PEERS)
        figure = figures[str(size)] = summary([cost], planted)
        print(
            f"| {figure['rows']:,} | {figure['cpu_seconds']:.1f} | {figure['records_per_cpu_second']:.0f} | {figure['peak_mib']} "
            f"| {figure['copies_found']:.2%} | {figure['others_removed']:.2%} |"
        )
    small, large = (figures[str(size)]["cpu_seconds"] for size in sizes)
    print(f"ratio growth {large / small:.1f}")
    return figures


def made_up(count: int) -> Iterator[Row]:
    """Records of 2,000 different phrases in an order of their own, 500 characters long."""
    rng = random.Random(3)
    phrases = ["".join(chr(rng.randrange(0x4E00, 0x9000)) for _ in range(rng.randrange(4, 12))) for _ in range(2000)]
    for number in range(count):
        body = "，".join(rng.choices(phrases, k=54)) + "。"
        yield {"instruction": f"请说明第{number}号{rng.choice(phrases)}的情况。", "output": body[:480]}


if __name__ == "__main__":
    main()
