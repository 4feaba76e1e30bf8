"""Section `dataset`: how documents become Alpaca records, and which records stay."""

from typing import Literal, Self

from pydantic import Field, model_validator

from adapt.spec.section import Section


class Headings(Section):
    """Instructions made from the headings of running text; a heading that is a question stands as it is."""

    en: str = Field(default="Explain {heading} ({title}).", pattern=r"\{heading\}")
    """Instruction of an English section; `{heading}` and `{title}` are filled in."""
    zh: str = Field(default="请说明“{heading}”（{title}）。", pattern=r"\{heading\}")
    """Instruction of a Chinese section."""


class Lengths(Section):
    """Bounds on a record's size."""

    min_output_words: int = Field(default=8, ge=1)
    """Shortest answer kept, in words; text without spaces counts two characters as a word."""
    max_record_tokens: int = Field(default=1024, ge=16)
    """Longest record kept, in tokens of the base model."""


class NearDuplicates(Section):
    """MinHash-LSH candidates, each verified by the true Jaccard similarity of their shingles."""

    threshold: float = Field(default=0.7, gt=0, le=1)
    """Jaccard similarity from which two records are duplicates."""
    shingle_words: int = Field(default=2, ge=1)
    """Words in a shingle of spaced text."""
    shingle_characters: int = Field(default=3, ge=1)
    """Characters in a shingle of text without spaces."""
    permutations: int = Field(default=256, ge=16, le=1024)
    """Hash functions of a signature; with more, fewer unlike pairs need be measured, and each record takes longer."""


class Split(Section):
    """Shares of the records held out. Documents and duplicate clusters stay whole."""

    validation: float = Field(default=0.1, gt=0, lt=0.5)
    """Share of the records for early stopping."""
    test: float = Field(default=0.1, gt=0, lt=0.5)
    """Share of the records for evaluation."""

    @model_validator(mode="after")
    def _leaves_something_to_train_on(self) -> Self:
        if self.validation + self.test > 0.6 + 1e-9:
            raise ValueError("validation and test together leave less than 0.4 for training")
        return self


class DatasetSpec(Section):
    """Clean documents to Alpaca records."""

    headings: Headings = Headings()
    """Instructions for sections of running text."""
    chat_turns: Literal["every", "last"] = "every"
    """Which answers of a conversation become records; earlier turns are kept as history."""
    lengths: Lengths = Lengths()
    """Bounds on a record's size."""
    near_duplicates: NearDuplicates | None = NearDuplicates()
    """Removal of near-duplicates; null keeps them. Exact duplicates always go."""
    split: Split = Split()
    """Shares held out."""
    min_records: int = Field(default=16, ge=3)
    """Fewer usable records than this fail the stage."""
