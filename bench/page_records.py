"""What becomes of the articles of real pages in a data set: records that are junk, and pages whose article is lost.

    python bench/page_records.py --articles DIR [--spec FILE] [--pages] [--json FILE]

DIR is a copy of the article extraction benchmark (github.com/scrapinghub/article-extraction-benchmark: `ground-truth.json` and
`html/*.html.gz`). A data set is built of its pages with the defaults, or with the `corpus` and `dataset` of a spec. A record is junk when
less than a fifth of its answer's runs of four words stand in the labelled article. A page is lost when less than half of its article's runs
stand in answers of its records. --pages names each lost page with the rules that took its records.
"""

import argparse
import gzip
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

ADAPT = str(Path(sys.executable).parent / "adapt")
RUN_OF_WORDS = 4
JUNK, LOST = 0.2, 0.5
SPEC = "corpus:\n  path: data/raw/pages\n  sources:\n    - {glob: '*.html'}\n"


def main() -> None:
    """Build, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--articles", type=Path, required=True, help="folder of the article extraction benchmark")
    parser.add_argument("--spec", type=Path, help="a spec instead of the defaults; its corpus.path is data/raw/pages")
    parser.add_argument("--pages", action="store_true", help="name the pages that are lost")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    articles = {name: entry["articleBody"] for name, entry in json.loads((options.articles / "ground-truth.json").read_bytes()).items()}
    with tempfile.TemporaryDirectory(prefix="adapt-bench-") as folder:
        dataset = build(Path(folder), options.articles, articles, options.spec)
        figures = measure(dataset, articles)
    for name, value in figures.items():
        if name != "lost" or options.pages:
            print(f"{name}: {json.dumps(value, ensure_ascii=False, indent=2) if isinstance(value, dict) else value}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def build(folder: Path, articles: Path, names: dict[str, str], spec: Path | None) -> Path:
    """A workspace with the pages and their data set; returns the folder of the latter."""
    workspace = folder / "workspace"
    run(["init", "--bare", str(workspace)], cwd=folder)
    raw = workspace / "data" / "raw" / "pages"
    raw.mkdir(parents=True)
    for name in names:
        (raw / f"{name}.html").write_bytes(gzip.decompress((articles / "html" / f"{name}.html.gz").read_bytes()))
    (workspace / "specs" / "pages.yaml").write_text(spec.read_text(encoding="utf-8") if spec else SPEC, encoding="utf-8")
    run(["build", "pages", "--to", "dataset"], cwd=workspace)
    return workspace / "data" / "dataset" / "pages"


def measure(dataset: Path, articles: dict[str, str]) -> dict[str, Any]:
    """Shares of junk and of lost pages."""
    answers: defaultdict[str, list[str]] = defaultdict(list)
    for split in ("train", "validation", "test"):
        with (dataset / f"{split}.jsonl").open(encoding="utf-8") as lines:
            for record in map(json.loads, lines):
                answers[Path(record["source"]).stem].append(record["output"])
    rules: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for path in (dataset / "verdicts.parquet", dataset / "ledger.parquet", dataset.parents[1] / "corpus" / "pages" / "ledger.parquet"):
        for row in pq.read_table(path, columns=["source", "rule"]).to_pylist():
            if row["rule"]:
                rules[Path(row["source"]).stem][row["rule"]] += 1
    whole = {name: runs(text) for name, text in articles.items()}
    shares = [share(runs(answer), whole[name]) for name, found in answers.items() for answer in found]
    kept = {name: share(text, set().union(*map(runs, answers.get(name, [])))) for name, text in whole.items()}
    lost = {
        name: {"kept": round(part, 3), "rules": dict(rules[name])} for name, part in sorted(kept.items(), key=lambda item: item[1]) if part < LOST
    }
    dropped = Counter(row["rule"] for row in pq.read_table(dataset / "verdicts.parquet", columns=["rule"]).to_pylist() if row["rule"])
    return {
        "pages": len(articles),
        "records kept": len(shares),
        "records dropped": dict(dropped),
        "junk records": sum(part < JUNK for part in shares),
        "junk share": round(sum(part < JUNK for part in shares) / max(1, len(shares)), 4),
        "lost pages": len(lost),
        "lost share": round(len(lost) / len(articles), 4),
        "article text kept, mean": round(sum(kept.values()) / len(kept), 4),
        "lost": lost,
    }


def runs(text: str) -> set[tuple[str, ...]]:
    """All runs of four words of a text; a shorter text is one run."""
    words = re.findall(r"\w+", text.casefold())
    return {tuple(words[place : place + RUN_OF_WORDS]) for place in range(max(1, len(words) - RUN_OF_WORDS + 1))} if words else set()


def share(part: set[tuple[str, ...]], whole: set[tuple[str, ...]]) -> float:
    """How much of `part` stands in `whole`."""
    return len(part & whole) / len(part) if part else 1.0


def run(arguments: list[str], cwd: Path) -> None:
    """Run a command of ours; what it said is shown when it fails."""
    done = subprocess.run([ADAPT, *arguments], cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr or done.stdout)


if __name__ == "__main__":
    main()
