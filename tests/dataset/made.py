"""Inputs that the tests of this room share: documents, a corpus folder, a section, and a tokenizer made in code."""

import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from adapt.artifact.digest import digest_text
from adapt.artifact.lines import read_ledger, read_lines, write_lines
from adapt.artifact.progress import QuietProgress
from adapt.dataset.build import build
from adapt.dataset.report import DatasetReport
from adapt.records import AlpacaRecord, Document, Language, LedgerRow, Message
from adapt.spec.base import BundledBase, PinnedBase
from adapt.spec.dataset import DatasetSpec
from adapt.spec.resolved.dataset import DatasetSection

_SYLLABLES = [first + vowel for first in "bcdfghjklmnprstvwz" for vowel in "aeiou"]


def section(seed: int = 0, **dataset: Any) -> DatasetSection:
    return DatasetSection(
        code="0" * 64,
        libraries={},
        dataset=DatasetSpec(**{"min_records": 3, **dataset}),
        base=PinnedBase(source=BundledBase(), digest="0" * 64),
        seed=seed,
    )


def question(asked: str, answer: str, *, source: str = "faq.csv", line: int = 1, language: Language = "en", given: str = "") -> Document:
    return Document(
        id=digest_text(source, str(line), asked, given, answer),
        source=source,
        locator=f"line {line}",
        kind="question",
        language=language,
        instruction=asked,
        input=given,
        output=answer,
    )


def text(body: str, *, title: str = "", source: str = "guide.md", language: Language = "en") -> Document:
    return Document(id=digest_text(source, title, body), source=source, locator="", kind="text", language=language, title=title, text=body)


def chat(*messages: tuple[str, str], source: str = "chat.jsonl", line: int = 1) -> Document:
    turns = tuple(Message.model_validate({"role": role, "content": content}) for role, content in messages)
    key = [part for message in messages for part in message]
    return Document(id=digest_text(source, str(line), *key), source=source, locator=f"line {line}", kind="chat", language="en", messages=turns)


def prose(seed: object, words: int = 30) -> str:
    """Words without meaning: two seeds have next to nothing in common."""
    rng = random.Random(repr(seed))
    return " ".join("".join(rng.choices(_SYLLABLES, k=3)) for _ in range(words))


def han(seed: object, characters: int = 80) -> str:
    """Han characters without meaning."""
    rng = random.Random(repr(seed))
    return "".join(chr(rng.randrange(0x4E00, 0x9000)) for _ in range(characters))


def reworded(text: str, every: int) -> str:
    """The text with one word in `every` replaced."""
    words = text.split()
    words[every // 2 :: every] = [f"other{place}" for place in range(len(words[every // 2 :: every]))]
    return " ".join(words)


def questions(count: int, *, source: str = "filler.csv", language: Language = "en") -> list[Document]:
    """Questions that are all usable and all different."""
    make = prose if language == "en" else han
    return [question(make((source, n, "q"), 9), make((source, n, "a")), source=source, line=n + 1, language=language) for n in range(count)]


def write_tokenizer(folder: Path) -> Path:
    """A tokenizer of one token per word or mark."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def write_corpus(folder: Path, documents: Iterable[Document]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    write_lines(folder / "documents.jsonl", documents)
    return folder


class Built:
    """A built dataset and what is in it."""

    def __init__(self, tmp_path: Path, documents: Iterable[Document], name: str = "dataset", seed: int = 0, **dataset: Any) -> None:
        self.out = tmp_path / name
        self.report: DatasetReport = build(
            section(seed, **dataset),
            inputs=write_corpus(tmp_path / f"corpus of {name}", documents),
            tokenizer=write_tokenizer(tmp_path / "tokenizer"),
            out=self.out,
            progress=QuietProgress(),
        )
        self.splits = {name: list(read_lines(self.out / f"{name}.jsonl", AlpacaRecord)) for name in ("train", "validation", "test")}
        self.records = [record for records in self.splits.values() for record in records]
        self.ledger: list[LedgerRow] = list(read_ledger(self.out / "ledger.parquet"))

    def split_of(self, source: str) -> set[str]:
        """The splits that hold records of a source."""
        return {name for name, records in self.splits.items() for record in records if record.source == source}

    def dropped(self, rule: str) -> list[LedgerRow]:
        return [row for row in self.ledger if row.rule == rule]
