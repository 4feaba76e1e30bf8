"""Times the corpus stage when all, 1% and nothing of a corpus is new, for pages, archived XML and lines of JSON.

    python bench/corpus.py [--data DIR] [--quick] [--json FILE]

DIR has MedQuAD and Huatuo as `../shared/data` does; without it, or where a set lacks, texts are made up. Three corpora: web pages with menus and
footers around MedQuAD's answers, its XML files in five tar.gz, and 100,000 lines of JSON (Huatuo's rows with a number each). A turn builds each
from nothing, again with nothing changed, with 1% of the documents changed at one place, and with another 1% strewn over all of them (of the pages and
the archives' members every hundredth, so every archive is new). Measured: CPU seconds (user and system) of the stage in a fresh process, cache and
output folder included; a first build of one document, which loads libraries and models, is shown apart as start-up. Medians of `--repeats` turns.
Every incremental output is compared with one from nothing; the program fails when a byte differs.
"""

import argparse
import filecmp
import html
import io
import json
import random
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import process_time
from typing import Any

STEPS = ("full", "nothing", "together", "strewn")
TITLES = {"full": "full", "nothing": "nothing changed", "together": "1% changed at one place", "strewn": "1% changed, strewn"}
SPECS: dict[str, dict[str, Any]] = {
    "pages": {},
    "archives": {"sources": [{"glob": "*.tar.gz/**/*.xml", "fields": {"records": ".//QAPair", "instruction": "Question", "output": "Answer"}}]},
    "lines": {},
}
GARBLED = "The cafÃ© is “openâ€\x9d. "
"""Wrongly decoded, so that the library which repairs such texts is loaded as part of the start-up."""
Texts = dict[str, str]
"""Text of each document by its name."""


def main() -> None:
    """Measure, print tables and ratios, and write the figures to a file when asked."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, help="folder with medquad/ and huatuo/; unset: made-up texts")
    parser.add_argument("--quick", action="store_true", help="a tenth of each corpus, one turn")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--ours", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ours:
        name, *paths = options.ours
        run_ours(name, *map(Path, paths))
        return
    with tempfile.TemporaryDirectory(prefix="adapt-bench-") as folder:
        figures = {name: measure(name, Path(folder) / name, options) for name in SPECS}
    report(figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def measure(name: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """CPU seconds of every step on one corpus: medians of all turns."""
    texts = corpus_of(name, options.data, 0.1 if options.quick else 1.0)
    costs: dict[str, list[float]] = {step: [] for step in (*STEPS, "start-up")}
    counts: dict[str, int] = {}
    warm = folder / "warm"
    first = next(iter(texts))
    write(name, {first: edited(texts[first], GARBLED)}, warm)
    for turn in range(1 if options.quick else options.repeats):
        shutil.rmtree(folder / "cache", ignore_errors=True)
        now = texts
        for step in STEPS:
            if step in ("together", "strewn"):
                now = changed(now, step, turn)
            if step != "nothing":
                write(name, now, folder / "raw")
            told = run(name, warm, folder / "raw", folder / "out", folder / "cache")
            costs[step].append(told["seconds"])
            costs["start-up"].append(told["start_up"])
            counts = {"documents": told["documents"]}
            if turn == 0 and step != "full":
                run(name, warm, folder / "raw", folder / "anew", folder / "no-cache")
                check_equal(folder / "out", folder / "anew")
                shutil.rmtree(folder / "no-cache")
    return counts | {step: statistics.median(found) for step, found in costs.items()}


def check_equal(one: Path, other: Path) -> None:
    """Fails unless two folders hold the same files with the same bytes."""
    names = sorted(str(path.relative_to(one)) for path in one.rglob("*") if path.is_file())
    others = sorted(str(path.relative_to(other)) for path in other.rglob("*") if path.is_file())
    differing = names != others or filecmp.cmpfiles(one, other, names, shallow=False)[1:] != ([], [])
    if differing:
        raise SystemExit(f"{one} differs from a build from nothing, so the comparison would be void")


def run(name: str, warm: Path, raw: Path, out: Path, cache: Path) -> dict[str, Any]:
    """One build in a process of its own."""
    command = [sys.executable, __file__, "--ours", name, *map(str, (warm, raw, out, cache))]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()[-1])
    return found


def run_ours(name: str, warm: Path, raw: Path, out: Path, cache: Path) -> None:
    """Build a corpus of one document, then the one that counts; prints what both cost."""
    from adapt.artifact.progress import QuietProgress
    from adapt.corpus.build import build
    from adapt.spec.corpus import CorpusSpec
    from adapt.spec.resolved.corpus import CorpusSection

    section = CorpusSection(code="0" * 64, libraries={}, corpus=CorpusSpec.model_validate(SPECS[name]))
    quiet = QuietProgress()
    with tempfile.TemporaryDirectory(prefix="adapt-bench-") as folder:
        build(section, inputs=warm, out=Path(folder) / "out", progress=quiet, cache=Path(folder) / "cache")
    begun = process_time()
    found = build(section, inputs=raw, out=out, progress=quiet, cache=cache)
    seconds = process_time() - begun
    print(json.dumps({"seconds": seconds, "start_up": begun, "documents": sum(sum(kinds.values()) for kinds in found.documents.values())}))


def changed(texts: Texts, step: str, turn: int) -> Texts:
    """The texts with 1% of them changed, of a stretch or strewn; each by a sentence, with no line more or less."""
    names = list(texts)
    each = max(1, len(names) // 100)
    start = (turn + 1) * len(names) // 5
    places = range(start, start + each) if step == "together" else range(turn, len(names), 100)
    said = f"This was looked at in turn {turn} of the measurement. "
    return texts | {names[place]: edited(texts[names[place]], said) for place in places}


def edited(text: str, said: str) -> str:
    """The text of a document with a sentence more."""
    mark = next(mark for mark in ("<Answer>", '"output": "', "<p>", "</h1>", ">") if mark in text)
    return text.replace(mark, mark + said, 1)


def corpus_of(name: str, data: Path | None, share: float) -> Texts:
    """The documents of a corpus."""
    makers: dict[str, Callable[[Path | None, float], Texts]] = {"pages": _pages, "archives": _xml_files, "lines": _lines}
    return makers[name](data, share)


def _xml_files(data: Path | None, share: float) -> Texts:
    """MedQuAD's files by `archive/member`, or as many made-up ones."""
    found = dict(_medquad(data / "medquad")) if data else {}
    if not found:
        rng = random.Random(5)
        found = {f"{number % 5}/{number:05d}.xml": _made_up_xml(rng, number) for number in range(4107)}
    names = sorted(found)
    return {name: found[name] for name in names[: max(100, int(len(names) * share))]}


def _medquad(folder: Path) -> Iterator[tuple[str, str]]:
    for archive in sorted(folder.glob("*.tar.gz")):
        with tarfile.open(archive) as members:
            for member in members:
                if member.name.endswith(".xml") and (file := members.extractfile(member)):
                    yield f"{archive.name[:-7]}/{member.name}", file.read().decode()


def _made_up_xml(rng: random.Random, number: int) -> str:
    asked = "<QAPair><Question>What is said of case {} in part {}?</Question><Answer>{}</Answer></QAPair>"
    pairs = "".join(asked.format(number, part, _sentences(rng, 12)) for part in range(4))
    return f"<Document><Focus>Case {number}</Focus><QAPairs>{pairs}</QAPairs></Document>"


def _sentences(rng: random.Random, count: int) -> str:
    words = ("patients", "often", "the", "doctor", "treatment", "with", "symptoms", "may", "of", "a", "disease", "help", "early", "and", "care", "is")
    return " ".join(" ".join(rng.choices(words, k=rng.randrange(8, 16))).capitalize() + "." for _ in range(count))


def _pages(data: Path | None, share: float) -> Texts:
    """A web page for every XML file: its text as headings and paragraphs between a menu, adverts and a footer."""
    menu = "".join(f'<li><a href="/{number}.html">Section {number}</a></li>' for number in range(20))
    pages: Texts = {}
    for name, text in _xml_files(data, share).items():
        pairs = [part.partition("</Question>") for part in text.split("<Question")[1:]]
        body = "".join(
            f"<h2>{question.partition('>')[2]}</h2>"
            + "".join(f"<p>{part}</p>" for part in answer.partition("<Answer>")[2].partition("</Answer>")[0].split("\n") if part.strip())
            for question, _, answer in pairs
        )
        pages[f"{name[:-4]}.html"] = (
            f"<html><head><title>{html.escape(name)}</title></head><body><nav><ul>{menu}</ul></nav><main><h1>{html.escape(name)}</h1>{body}</main>"
            f"<aside>Subscribe now and save</aside><footer><p>All rights are reserved by the desk.</p></footer></body></html>"
        )
    return pages


def _lines(data: Path | None, share: float) -> Texts:
    """100,000 lines: Huatuo's rows over and over, each with a number of its own, or made-up ones."""
    path = data / "huatuo" / "llama_data.json" if data else None
    count = int(100_000 * share)
    if path and path.is_file():
        with path.open(encoding="utf-8", newline="\n") as file:
            rows = [json.loads(line) for line in file]
    else:
        rng = random.Random(3)
        phrases = ["".join(chr(rng.randrange(0x4E00, 0x9000)) for _ in range(rng.randrange(4, 12))) for _ in range(2000)]
        rows = [{"instruction": f"请说明{rng.choice(phrases)}的情况。", "output": "，".join(rng.choices(phrases, k=14)) + "。"} for _ in range(8000)]
    made = ({**rows[number % len(rows)], "instruction": f"第{number}号：{rows[number % len(rows)]['instruction']}"} for number in range(count))
    return {str(number): json.dumps(row, ensure_ascii=False) + "\n" for number, row in enumerate(made)}


def write(name: str, texts: Texts, folder: Path) -> None:
    """The raw folder of a corpus. Archives carry no times, so that they change with their members alone."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if name == "lines":
        (folder / "rows.jsonl").write_text("".join(texts.values()), encoding="utf-8")
    elif name == "pages":
        for page, text in texts.items():
            path = folder / page
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    else:
        for archive in sorted({file.partition("/")[0] for file in texts}):
            with tarfile.open(folder / f"{archive}.tar.gz", "w:gz", compresslevel=6) as out:
                for file, text in texts.items():
                    if file.partition("/")[0] == archive:
                        member = tarfile.TarInfo(file.partition("/")[2])
                        content = text.encode()
                        member.size = len(content)
                        out.addfile(member, io.BytesIO(content))


def report(figures: dict[str, Any]) -> None:
    """Print a table, and what a full build costs as a multiple of each other one."""
    print(f"| corpus | documents | start-up | {' | '.join(TITLES[step] for step in STEPS)} |")
    print("| --- | ---: | ---: |" + " ---: |" * len(STEPS))
    for name, found in figures.items():
        steps = " | ".join(f"{found[step]:.2f} ({found[step] / found['full']:.1%})" for step in STEPS)
        print(f"| {name} | {found['documents']} | {found['start-up']:.2f} | {steps} |")
    for name, found in figures.items():
        for step in STEPS[1:]:
            print(f"ratio {name}-{step} {found['full'] / found[step]:.1f}")


if __name__ == "__main__":
    main()
