"""The sides of bench/dataset.py: how each is started on a file of rows, what it cost, and which rows it kept."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataset_rows import json_lines

HERE = Path(__file__).parent
OURS, OURS_UNMEASURED, OURS_ALONE = "ours", "ours, languages and quality left out", "ours, the peers' work alone"
PEERS = ("datajuicer", "datatrove", "textdedup")
DEFAULTS = ", its defaults"
"""What a peer's side is called that finds near duplicates as the peer does by itself, instead of as ours does."""


class Cost(NamedTuple):
    """What one run cost, and which rows it kept."""

    cpu_seconds: float
    peak_mib: int
    kept: set[str]


def measure(side: str, source: Path, out: Path, language: str, peers: Path) -> Cost:
    """Run one side in a process of its own."""
    out.mkdir(parents=True)
    log = out / "log.txt"
    with log.open("wb") as sink:
        process = subprocess.Popen(_command(side, source, out, language, peers), stdout=sink, stderr=sink, cwd=out, env=_environment(out))
        _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"{side} failed on {source}:\n{log.read_text(encoding='utf-8', errors='replace')[-3000:]}")
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss // 1024, _kept_ids(side, source, out))


def _command(side: str, source: Path, out: Path, language: str, peers: Path) -> list[str]:
    if side == OURS_ALONE:
        return [sys.executable, str(HERE / "peers" / "dataset_steps.py"), str(source), str(out), language]
    if side in (OURS, OURS_UNMEASURED):
        mode = "all" if side == OURS else "unmeasured"
        return [sys.executable, str(HERE / "peers" / "dataset_ours.py"), str(source), str(out), language, mode]
    peer, defaults = side.removesuffix(DEFAULTS), side.endswith(DEFAULTS)
    programs = peers.resolve() / peer / "bin"
    if peer == "datajuicer":
        return [str(programs / "dj-process"), "--config", str(_datajuicer_recipe(source, out, language, defaults=defaults))]
    mode = "defaults" if defaults else "alike"
    return [str(programs / "python"), str(HERE / "peers" / f"{peer}_run.py"), str(source), str(out), language, mode]


def _environment(out: Path) -> dict[str, str]:
    """One thread each, nothing from a hub, caches that are empty."""
    quiet = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "RAYON_NUM_THREADS": "1", "ADAPT_PROGRESS": "0"}
    return {**os.environ, **quiet, "HF_HOME": str(out / "hf"), "DATA_JUICER_CACHE_HOME": str(out / "dj-cache")}


def _datajuicer_recipe(source: Path, out: Path, language: str, *, defaults: bool) -> Path:
    tokenization = "character" if language == "zh" else "space"
    alike = {"tokenization": tokenization, "window_size": 3, "jaccard_threshold": 0.7}
    recipe = {
        "project_name": "bench", "dataset_path": str(source), "export_path": str(out / "kept.jsonl"), "text_keys": "text", "np": 1,
        "use_cache": False, "open_tracer": False,
        "process": [
            {"fix_unicode_mapper": {}}, {"whitespace_normalization_mapper": {}}, {"clean_email_mapper": {}}, {"clean_ip_mapper": {}},
            {"document_deduplicator": {}},
            {"document_minhash_deduplicator": {} if defaults else alike},
        ],
    }  # fmt: skip
    path = out / "recipe.yaml"
    path.write_text(json.dumps(recipe), encoding="utf-8")  # YAML reads JSON
    return path


def _kept_ids(side: str, source: Path, out: Path) -> set[str]:
    """Ids of the rows that a side kept."""
    if side in (OURS, OURS_UNMEASURED, OURS_ALONE):
        kept = _kept_lines(out) if side == OURS_ALONE else _kept_records(out)
        return {row["id"] for number, row in enumerate(json_lines(source), 1) if f"line {number}" in kept}
    files = sorted((out / "kept").glob("*.jsonl")) if side.startswith("datatrove") else [out / "kept.jsonl"]
    return {row["id"] for file in files for row in json_lines(file)}


def _kept_lines(out: Path) -> set[str]:
    return {row["locator"] for row in json_lines(out / "kept.jsonl")}


def _kept_records(out: Path) -> set[str]:
    verdicts = pq.read_table(out / "dataset" / "verdicts.parquet", columns=["locator", "outcome"])
    return set(verdicts.filter(pc.not_equal(verdicts["outcome"], "dropped"))["locator"].to_pylist())
