"""Inputs that the tests of this room share: documents, a corpus folder, a section, and a tokenizer made in code."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from adapt.artifact.digest import digest_text
from adapt.artifact.documents import FILE
from adapt.artifact.lines import read_lines
from adapt.artifact.progress import QuietProgress
from adapt.dataset.build import build
from adapt.dataset.report import DatasetReport
from adapt.dataset.synthesis.teacher import Teacher
from adapt.dataset.verdicts import Verdict, read_verdicts
from adapt.engine.engine import Engine
from adapt.records import AlpacaRecord, Document, Language, LedgerRow, Turn
from adapt.spec.base import BundledBase, PinnedBase
from adapt.spec.dataset import DatasetSpec
from adapt.spec.resolved.dataset import DatasetSection
from tests.artifact.written import read_ledger, write_documents
from tests.dataset.texts import han, prose


def section(seed: int = 0, **dataset: Any) -> DatasetSection:
    return DatasetSection(
        code="0" * 64,
        libraries={},
        dataset=DatasetSpec(**{"min_records": 3, **dataset}),
        base=PinnedBase(source=BundledBase(), digest="0" * 64),
        seed=seed,
    )


def question(
    asked: str, answer: str, *, source: str = "faq.csv", line: int = 1, language: Language = "en", given: str = "", **facts: Any
) -> Document:
    return Document(
        **facts,
        id=digest_text(source, str(line), asked, given, answer),
        source=source,
        locator=f"line {line}",
        kind="question",
        language=language,
        instruction=asked,
        input=given,
        output=answer,
    )


def text(body: str, *, title: str = "", source: str = "guide.md", language: Language = "en", **facts: Any) -> Document:
    key = digest_text(source, title, body)
    return Document(id=key, source=source, locator="", kind="text", language=language, title=title, text=body, **facts)


def chat(*messages: tuple[str, str], source: str = "chat.jsonl", line: int = 1) -> Document:
    turns = tuple(Turn.model_validate({"role": role, "content": content}) for role, content in messages)
    key = [part for message in messages for part in message]
    return Document(id=digest_text(source, str(line), *key), source=source, locator=f"line {line}", kind="chat", language="en", messages=turns)


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
    write_documents(folder / FILE, documents)
    return folder


class Built:
    """A built dataset and what is in it."""

    def __init__(
        self,
        tmp_path: Path,
        documents: Iterable[Document],
        name: str = "dataset",
        seed: int = 0,
        *,
        engine: Engine | None = None,
        teacher: Teacher | None = None,
        cache: Path | None = None,
        **dataset: Any,
    ) -> None:
        dataset |= {"teacher": {"kind": "base"}} if teacher else {}
        self.out = tmp_path / name
        self.report: DatasetReport = build(
            section(seed, **dataset),
            inputs=write_corpus(tmp_path / f"corpus of {name}", documents),
            tokenizer=write_tokenizer(tmp_path / "tokenizer"),
            out=self.out,
            progress=QuietProgress(),
            engine=engine,
            root=tmp_path,
            teacher=teacher,
            cache=cache,
        )
        self.splits = {name: list(read_lines(self.out / f"{name}.jsonl", AlpacaRecord)) for name in ("train", "validation", "test")}
        self.records = [record for records in self.splits.values() for record in records]
        self.ledger: list[LedgerRow] = list(read_ledger(self.out / "ledger.parquet"))
        self.verdicts: list[Verdict] = list(read_verdicts(self.out))

    def split_of(self, source: str) -> set[str]:
        """The splits that hold records of a source."""
        return {name for name, records in self.splits.items() for record in records if record.source == source}

    def dropped(self, rule: str) -> list[LedgerRow]:
        return [row for row in self.ledger if row.rule == rule]
