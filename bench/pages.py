"""How much of a page's main text is kept, and how much else: ours beside three libraries, on the same pages in one run.

    python bench/pages.py [--articles DIR] [--snippets DIR] [--resiliparse PYTHON] [--readability PYTHON] [--json FILE]

--articles is a copy of the article extraction benchmark (github.com/scrapinghub/article-extraction-benchmark:
`ground-truth.json` and `html/*.html.gz`): precision and recall of runs of four words, their means over the
pages, and F1 of the means. --snippets is a folder with `pages.tar.xz` and `expected.jsonl`, whose lines give
for a page texts that its main text holds (`with`) and does not (`without`). Structure (headings, items of
lists, rows of tables, lines of code) is measured on the labelled pages of bench/pages_labelled.py, with no
options needed. trafilatura is measured here, the others with the Python of an environment that has them.
Seconds are of the processor, without start-up.
"""

import argparse
import gzip
import json
import re
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from statistics import mean
from typing import Any

from pages_labelled import PAGES

PEERS = Path(__file__).with_name("peers")
RUN_OF_WORDS = 4


def main() -> None:
    """Run every tool over every set, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--articles", type=Path, help="folder of the article extraction benchmark")
    parser.add_argument("--snippets", type=Path, help="folder with pages.tar.xz and expected.jsonl")
    parser.add_argument("--resiliparse", help="python of an environment with resiliparse")
    parser.add_argument("--readability", help="python of an environment with readability-lxml")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    commands = {"ours": [sys.executable, str(PEERS / "pages_ours.py")]}
    peers = {
        "trafilatura": sys.executable,
        "trafilatura markdown": sys.executable,
        "resiliparse": options.resiliparse,
        "readability": options.readability,
    }
    commands |= {name: [python, str(PEERS / "pages_peer.py"), name] for name, python in peers.items() if python}
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="adapt-bench-") as folder:
        if options.articles:
            expected = read_articles(options.articles, Path(folder) / "articles")
            figures["articles"] = {name: score_articles(run(command, Path(folder) / "articles"), expected) for name, command in commands.items()}
        if options.snippets:
            snippets = read_snippets(options.snippets, Path(folder) / "snippets")
            figures["snippets"] = {name: score_snippets(run(command, Path(folder) / "snippets"), snippets) for name, command in commands.items()}
        labelled = Path(folder) / "labelled"
        labelled.mkdir()
        for page in PAGES:
            (labelled / f"{page.name}.html").write_text(page.html, encoding="utf-8")
        figures["structure"] = {name: score_structure(run(commands[name], labelled)["texts"]) for name in ("ours", "trafilatura markdown")}
    for name, table in figures.items():
        print_table(name, table)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def run(command: list[str], folder: Path) -> dict[str, Any]:
    """What a tool says of the pages in `folder`."""
    done = subprocess.run([*command, str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def read_articles(source: Path, folder: Path) -> dict[str, str]:
    """Unpack the pages into `folder`; their articles by file name."""
    folder.mkdir()
    truth = json.loads((source / "ground-truth.json").read_bytes())
    for name in truth:
        (folder / f"{name}.html").write_bytes(gzip.decompress((source / "html" / f"{name}.html.gz").read_bytes()))
    return {f"{name}.html": entry["articleBody"] for name, entry in truth.items()}


def read_snippets(source: Path, folder: Path) -> dict[str, dict[str, list[str]]]:
    """Unpack the pages; by file name the texts that belong to it and those that do not."""
    folder.mkdir()
    with tarfile.open(source / "pages.tar.xz") as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is not None:
                (folder / Path(member.name).name).write_bytes(content.read())
    lines = (source / "expected.jsonl").read_text(encoding="utf-8").splitlines()
    entries = [json.loads(line) for line in lines]
    return {entry["file"]: {kind: entry.get(kind) or [] for kind in ("with", "without")} for entry in entries}


def score_articles(found: Mapping[str, Any], expected: Mapping[str, str]) -> dict[str, float]:
    """Means over the pages of precision and recall of runs of words, each page's counts weighing alike, and F1 of the means."""
    precisions, recalls = [], []
    for name, article in expected.items():
        wanted, got = count_runs(article), count_runs(found["texts"].get(name, ""))
        both = sum((wanted & got).values())
        if got:
            precisions.append(both / got.total())
        if wanted:
            recalls.append(both / wanted.total())
    precision, recall = mean(precisions), mean(recalls)
    return {"F1": 2 * precision * recall / (precision + recall), "precision": precision, "recall": recall, "seconds": found["seconds"]}


def count_runs(text: str) -> Counter[tuple[str, ...]]:
    """Runs of four words; of a shorter text, all its words."""
    words = re.findall(r"\w+", text)
    size = min(RUN_OF_WORDS, len(words)) or 1
    return Counter(tuple(words[place : place + size]) for place in range(len(words) - size + 1))


def score_snippets(found: Mapping[str, Any], expected: Mapping[str, Mapping[str, list[str]]]) -> dict[str, float]:
    """Of the texts that belong to pages, the share that is kept (recall); of all that is kept, the share that belongs (precision); and F1."""
    kept = {
        kind: sum(plain(text) in plain(found["texts"].get(name, "")) for name, entry in expected.items() for text in entry[kind])
        for kind in ("with", "without")
    }
    recall = kept["with"] / sum(len(entry["with"]) for entry in expected.values())
    precision = kept["with"] / (kept["with"] + kept["without"])
    return {"F1": 2 * precision * recall / (precision + recall), "precision": precision, "recall": recall, "seconds": found["seconds"]}


def plain(text: str) -> str:
    """Letters and digits alone, so that Markdown's marks and line breaks do not count."""
    return "".join(re.findall(r"\w", text))


def score_structure(texts: Mapping[str, str]) -> dict[str, float]:
    """Share of the labelled parts that stand in the Markdown as what they are, by kind, and of unwanted texts that are kept."""
    found: Counter[str] = Counter()
    wanted: Counter[str] = Counter()
    for page in PAGES:
        text = texts.get(f"{page.name}.html", "")
        for kind, parts in page.parts().items():
            wanted[kind] += len(parts)
            found[kind] += sum(part in text if kind in ("code", "unwanted") else part in text.splitlines() for part in parts)
    return {kind: found[kind] / count for kind, count in wanted.items()}


def print_table(name: str, table: Mapping[str, Mapping[str, float]]) -> None:
    """Markdown, a line a tool, seconds as ratio to trafilatura's too."""
    columns = list(next(iter(table.values())))
    print(f"\n{name}\n\n| | {' | '.join(columns)} |\n| --- |{' ---: |' * len(columns)}")
    for tool, row in table.items():
        cells = [f"{value:.1f}" if column == "seconds" else f"{value:.3f}" for column, value in row.items()]
        print(f"| {tool} | {' | '.join(cells)} |")
    if "seconds" in columns:
        print(f"ratio {name} seconds, ours to trafilatura markdown: {table['ours']['seconds'] / table['trafilatura markdown']['seconds']:.2f}")


if __name__ == "__main__":
    main()
