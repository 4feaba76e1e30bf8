"""How well near-duplicates are found, and at what cost: ours and peers' on the same labelled texts, English and Chinese.

Originals are real texts of which no two share much. To them come copies that are edited by seeded code (2 to 15% of the words or characters
changed, sentences moved, inserted or left out, the end cut off), and hard negatives: texts of one template with other facts. A tool gets
all of them shuffled, originals before copies, and says which it keeps. An original has one copy at most, and whichever of the two a tool keeps is
right. Recall is the share of the pairs of which one goes, by kind of edit; precision the share of that among all that goes.

    python bench/duplicates.py --data DIR [--quick] [--json FILE] [--textdedup PYTHON] [--datatrove PYTHON]

DIR holds medquad, gsm8k and huatuo as in docs/benchmarks.md. datasketch is measured when it is installed here, the others in the environments
that are named. Processor seconds include the start of the process. Every tool runs in a process of its own.
"""

import argparse
import json
import os
import random
import re
import resource
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

PEERS = Path(__file__).with_name("peers")
EDITS = {"2% changed": 0.02, "5% changed": 0.05, "8% changed": 0.08, "15% changed": 0.15, "sentences moved": 0, "sentence added": 0, "cut by 10%": 0}
SHORTEST, LONGEST = {"en": 300, "zh": 80}, 3000


def main() -> None:
    """Make the texts, run every tool, print the tables and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder with medquad, gsm8k and huatuo")
    parser.add_argument("--quick", action="store_true", help="a tenth of the texts")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--textdedup", help="python of an environment with text-dedup")
    parser.add_argument("--datatrove", help="python of an environment with datatrove")
    options = parser.parse_args()
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="adapt-bench-") as folder:
        for language, read in (("en", read_english), ("zh", read_chinese)):
            rows = make_rows(language, read(options.data), 300 if options.quick else 3000)
            path = Path(folder) / f"{language}.jsonl"
            path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
            figures[language] = {"texts": len(rows)}
            for name, command in commands(options, language).items():
                figures[language][name] = score(rows, *run(command, path, Path(folder) / f"{language}-{name.replace(' ', '-')}"))
            report(language, figures[language])
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    for language, found in figures.items():
        for name in found:
            if name not in ("texts", "ours 0.7", "ours 0.8"):
                print(f"ratio {name.replace(' ', '_')}_{language} {found[name]['seconds'] / found['ours 0.7']['seconds']:.1f}")


def read_english(data: Path) -> Iterator[tuple[str, str]]:
    """Question and answer of every MedQuAD document."""
    for path in sorted((data / "medquad").glob("*.tar.gz")):
        with tarfile.open(path) as archive:
            files = {each.name: archive.extractfile(each) for each in archive if each.name.endswith(".xml")}
            documents = {name: ElementTree.fromstring(file.read()) for name, file in files.items() if file}
        for _, document in sorted(documents.items()):
            for pair in document.iter("QAPair"):
                yield pair.findtext("Question", "").strip(), re.sub(r"\s+", " ", pair.findtext("Answer", "")).strip()
    for line in (data / "gsm8k" / "train.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        yield row["question"], row["answer"]


def read_chinese(data: Path) -> Iterator[tuple[str, str]]:
    """Instruction and output of every Huatuo row."""
    for line in (data / "huatuo" / "llama_data.json").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        yield row["instruction"], row["output"]


def make_rows(language: str, pairs: Iterator[tuple[str, str]], count: int) -> list[dict[str, Any]]:
    """Rows of id, text and kind: `original`, a kind of edit, or `negative`, and of the family: an original and its copy."""
    rng = random.Random(7)
    pool = list(pairs)
    rng.shuffle(pool)
    originals = unlike(language, (f"{question}\n{answer}" for question, answer in pool), count)
    kinds = list(EDITS)
    edited = [(place, kinds[place % len(kinds)]) for place in range(len(originals))]
    copies = [(place, kind, edit(language, rng, originals[place], kind)) for place, kind in edited]
    copies = [copy for copy in copies if copy[2]]
    rng.shuffle(copies)
    negatives = hard_negatives(language, rng, originals, [question for question, _ in pool], count // 4)
    first = [(place, "original", text) for place, text in enumerate(originals)]
    first += [(len(originals) + place, "negative", text) for place, text in enumerate(negatives)]
    rng.shuffle(first)
    return [{"id": number, "family": family, "kind": kind, "text": text} for number, (family, kind, text) in enumerate([*first, *copies], 1)]


def unlike(language: str, texts: Iterator[str], count: int) -> list[str]:
    """The first texts that share less than a third of their words (or pairs of characters) with every one before."""
    kept: list[str] = []
    holders: dict[str, list[int]] = {}
    for text in texts:
        if not SHORTEST[language] <= len(text) <= LONGEST:
            continue
        units = text.split() if language == "en" else list(text)
        grams = {str(gram) for gram in (zip(units, units[1:], units[2:], strict=False) if language == "en" else pairwise(units))}
        shared: dict[int, int] = {}
        for gram in grams:
            for holder in holders.get(gram, ()):
                shared[holder] = shared.get(holder, 0) + 1
        if max(shared.values(), default=0) * 3 < len(grams):
            for gram in grams:
                holders.setdefault(gram, []).append(len(kept))
            kept.append(text)
        if len(kept) == count:
            break
    return kept


def edit(language: str, rng: random.Random, text: str, kind: str) -> str:
    """A copy; empty when the text has too few sentences for this kind."""
    sentences = re.findall(r"[^。！？]+[。！？]?" if language == "zh" else r".+?(?:[.!?](?=\s)\s*|$)", text, re.DOTALL)
    if kind in ("sentences moved", "sentence added"):
        if len(sentences) < 4:
            return ""
        at = rng.randrange(1, len(sentences) - 1)
        if kind == "sentence added":
            return "".join(
                [
                    *sentences[:at],
                    *("In short, that is all one has to know. ",) * (language == "en"),
                    *("以上就是全部内容。",) * (language == "zh"),
                    *sentences[at:],
                ]
            )
        return "".join([*sentences[:at], sentences[at + 1], sentences[at], *sentences[at + 2 :]])
    if kind == "cut by 10%":
        return text[: len(text) * 9 // 10]
    units = text.split(" ") if language == "en" else list(text)
    for place in rng.sample(range(len(units)), max(1, round(len(units) * EDITS[kind]))):
        units[place] = rng.choice(units) if rng.random() < 0.7 else ""
    return (" " if language == "en" else "").join(units)


def hard_negatives(language: str, rng: random.Random, originals: list[str], questions: list[str], count: int) -> list[str]:
    """Questions that differ in their subject alone, and texts in which a third of the words are other ones of the language."""
    asked = list(dict.fromkeys(question for question in questions if 10 < len(question) < 80))[:count]
    vocabulary = [unit for text in originals for unit in (text.split(" ") if language == "en" else text)]
    other = []
    for text in rng.sample(originals, count):
        units = text.split(" ") if language == "en" else list(text)
        for place in rng.sample(range(len(units)), len(units) // 3):
            units[place] = rng.choice(vocabulary)
        other.append((" " if language == "en" else "").join(units))
    return asked + other


def commands(options: argparse.Namespace, language: str) -> dict[str, list[str]]:
    """How each tool is started; the path of the texts and a folder to write to follow."""
    here = [sys.executable, str(PEERS / "duplicates_ours.py")]
    found = {f"ours {threshold}": [*here, str(threshold)] for threshold in (0.7, 0.8)}
    try:
        import datasketch  # noqa: F401
    except ImportError:
        pass
    else:
        found["datasketch"] = [sys.executable, str(PEERS / "duplicates_datasketch.py"), language]
    if options.textdedup:
        found["text-dedup"] = [options.textdedup, str(PEERS / "duplicates_textdedup.py")]
    if options.datatrove:
        found["datatrove"] = [options.datatrove, str(PEERS / "duplicates_datatrove.py"), language]
    return found


def run(command: list[str], path: Path, out: Path) -> tuple[set[int], float]:
    """The ids that a tool keeps, which it prints as one line of JSON at the end, and its processor seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([*command, str(path), str(out)], capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return set(json.loads(done.stdout.splitlines()[-1])), after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def score(rows: list[dict[str, Any]], kept: set[int], seconds: float) -> dict[str, Any]:
    """Precision, recall by kind of edit, and seconds."""
    copied = {row["family"]: row["kind"] for row in rows if row["kind"] in EDITS}
    gone = [row for row in rows if row["id"] not in kept]
    found = {row["family"] for row in gone if row["family"] in copied}
    wanted = list(copied.values())
    recall = {kind: sum(copied[family] == kind for family in found) / wanted.count(kind) for kind in EDITS if kind in wanted}
    negatives = sum(row["kind"] == "negative" for row in gone)
    return {
        "precision": len(found) / len(gone) if gone else 1.0,
        "recall": len(found) / len(copied),
        "originals lost": len(gone) - len(found) - negatives,
        "negatives lost": negatives,
        "seconds": seconds,
        "recall by edit": recall,
    }


def report(language: str, figures: dict[str, Any]) -> None:
    """Print a table."""
    names: list[Callable[[dict[str, Any]], str]] = [
        lambda found: f"{found['precision']:.3f}",
        lambda found: f"{found['recall']:.3f}",
        lambda found: f"{found['originals lost']}+{found['negatives lost']}",
        lambda found: f"{found['seconds']:.1f}",
    ]
    print(f"\n{language}: {figures['texts']} texts")
    print("| tool | precision | recall | others lost (originals + negatives) | CPU seconds | " + " | ".join(EDITS) + " |")
    print("| --- |" + " ---: |" * (len(names) + len(EDITS)))
    for name, found in figures.items():
        if name != "texts":
            recall = [f"{found['recall by edit'][kind]:.3f}" if kind in found["recall by edit"] else "" for kind in EDITS]
            print("| " + " | ".join([name, *(cell(found) for cell in names), *recall]) + " |")


if __name__ == "__main__":
    main()
