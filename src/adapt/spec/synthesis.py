"""Section `dataset.synthesis`: questions and answers made from documents by a teacher model."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from adapt.spec.patterns import URL, VARIABLE
from adapt.spec.section import Section


class OpenAITeacher(Section):
    """Any OpenAI-compatible endpoint."""

    kind: Literal["openai"]
    """What kind of teacher."""
    url: str = Field(pattern=URL)
    """Base URL, such as `http://127.0.0.1:8000/v1`."""
    model: str = Field(min_length=1)
    """Name of the model there."""
    key_variable: str | None = Field(default=None, pattern=VARIABLE)
    """Environment variable that holds the API key; null: none is sent."""
    temperature: float = Field(default=0.0, ge=0, le=2)
    """Sampling temperature."""
    max_tokens: int = Field(default=1024, ge=1)
    """Most tokens of one answer."""
    requests_per_minute: float | None = Field(default=None, gt=0)
    """Rate limit; null: as fast as `concurrency` allows."""
    concurrency: int = Field(default=8, ge=1, le=256)
    """Requests under way at once."""
    timeout_seconds: float = Field(default=120, gt=0)
    """Time for a whole request, its answer included, after which it is tried again."""
    attempts: int = Field(default=4, ge=1, le=20)
    """Times that a request is tried, with growing pauses."""


class LocalTeacher(Section):
    """The spec's base model, on this machine; slow on a CPU, and of the quality of that model."""

    kind: Literal["base"]
    """What kind of teacher."""
    max_tokens: int = Field(default=256, ge=1)
    """Most tokens of one answer."""


TeacherSpec = Annotated[OpenAITeacher | LocalTeacher, Field(discriminator="kind")]


class Synthesis(Section):
    """Running text to questions with answers. Answers are kept by content, so a build that was stopped goes on, and an equal one asks nothing."""

    template: str | None = Field(default=None, min_length=1)
    """Jinja file of the prompt, relative to the workspace; it sees `passage`, `title`, `language` and `pairs`. Null: the built-in one."""
    passage_words: int = Field(default=300, ge=20)
    """Length of the passages that a document is divided into, in words."""
    pairs_per_passage: int = Field(default=3, ge=1, le=50)
    """Pairs asked for from each passage."""
    max_passages: int | None = Field(default=None, ge=1)
    """Most passages, chosen by seed; null: all."""
    min_grounding: float = Field(default=0.3, ge=0, le=1)
    """Least share of an answer's word pairs that stand in its passage; answers below are quarantined."""
    keep_sections: bool = True
    """Keep the records that headings make as well."""


Method = Literal["paraphrase", "back_translation", "reorder_sentences", "noise", "mask_words"]
TAUGHT: tuple[Method, ...] = ("paraphrase", "back_translation")
"""Methods that a teacher carries out."""


class Augmentation(Section):
    """Changed copies of training records; they never enter validation or test."""

    method: Method
    """`paraphrase` and `back_translation` need a teacher."""
    share: float = Field(default=0.1, gt=0, le=10)
    """Copies made, as a share of the training records; records are drawn one by one, so it is nearly met."""
    strength: float = Field(default=0.1, gt=0, le=1)
    """Share of a text's words (sentences, characters) that rules change; a teacher rewrites the whole, so it is not for `paraphrase` and
    `back_translation`."""
    parts: tuple[Literal["instruction", "input", "output"], ...] = Field(default=("instruction",), min_length=1)
    """Which texts are changed; `output` by a teacher only."""
    pivot: str = Field(default="French", min_length=1)
    """Language that `back_translation` goes through; for no other method."""

    @model_validator(mode="after")
    def _keeps_answers(self) -> Self:
        if not self.taught and "output" in self.parts:
            why = (
                "the order of an answer's sentences is part of the answer" if self.method == "reorder_sentences" else "it would teach broken answers"
            )
            raise ValueError(f"{self.method} cannot change the output: {why}")
        return self

    @model_validator(mode="after")
    def _sets_what_its_method_reads(self) -> Self:
        fields = type(self).model_fields
        if self.taught and self.strength != fields["strength"].default:
            raise ValueError(f"strength has no effect on {self.method}: leave it out")
        if self.method != "back_translation" and self.pivot != fields["pivot"].default:
            raise ValueError(f"pivot has no effect on {self.method}: leave it out")
        return self

    @property
    def taught(self) -> bool:
        """Whether a teacher makes the copies, and no rule."""
        return self.method in ("paraphrase", "back_translation")
