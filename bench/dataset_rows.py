"""The rows that bench/dataset.py measures on: those of three public sets and made-up ones, with copies planted among them."""

import json
import random
import re
import tarfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

Row = dict[str, str]
_PLAIN = {"en": re.compile("[a-z]{5,}"), "zh": re.compile("[\u4e00-\u9fff]")}
"""Words and characters that a copy may have others of."""


class Planted(NamedTuple):
    """What was written: ids of each copy with its original, and of the rows without copies."""

    copies: list[tuple[str, str]]
    others: set[str]


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


def write_first(source: Path, path: Path, count: int) -> None:
    """Write the first rows of a file of rows, on which a side does little more than start."""
    path.parent.mkdir(parents=True)
    with source.open(encoding="utf-8", newline="\n") as file:
        path.write_text("".join(islice(file, count)), encoding="utf-8", newline="\n")


def edited(text: str, language: str, rng: random.Random) -> str:
    """The text with 3% of its words (characters) replaced, one at least. Plain words alone: another number, name or "not" makes no copy."""
    units = list(text) if language == "zh" else text.split(" ")
    plain = [token for token in units if _PLAIN[language].fullmatch(token)]
    places = [place for place, unit in enumerate(units) if unit in set(plain)]
    for place in rng.sample(places, min(len(places), max(1, len(units) * 3 // 100))):
        units[place] = rng.choice(plain)
    return ("" if language == "zh" else " ").join(units)


def made_up(count: int) -> Iterator[Row]:
    """Records of 2,000 different phrases in an order of their own, 500 characters long."""
    rng = random.Random(3)
    phrases = ["".join(chr(rng.randrange(0x4E00, 0x9000)) for _ in range(rng.randrange(4, 12))) for _ in range(2000)]
    for number in range(count):
        body = "，".join(rng.choices(phrases, k=54)) + "。"
        yield {"instruction": f"请说明第{number}号{rng.choice(phrases)}的情况。", "output": body[:480]}
