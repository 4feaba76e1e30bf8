"""Section `prompt`: the template that turns a conversation into the text that the model sees."""

import datetime
from typing import Annotated, Literal

from pydantic import Field

from adapt.spec.section import Section


class TemplateRules(Section):
    """What a template leaves open, whichever it is."""

    date: datetime.date | None = None
    """Day that a template writes which asks for the date; unset: 2025-01-01, never the day of the build."""
    system_without_place: Literal["refuse", "merge", "drop"] = "refuse"
    """What becomes of a system message where the template has no place for one: an error, a first paragraph of the user's turn, or nothing."""


class ModelPrompt(TemplateRules):
    """The chat template that the base model's tokenizer carries."""

    kind: Literal["model"] = "model"
    """Which template."""
    system: str | None = None
    """System message for records that bring none."""


class AlpacaPrompt(TemplateRules):
    """The template of Stanford Alpaca: `### Instruction:` and `### Response:`."""

    kind: Literal["alpaca"]
    """Which template."""
    system: str | None = None
    """System message for records that bring none; unset: Alpaca's own first paragraph."""


class FilePrompt(TemplateRules):
    """A Jinja chat template of your own."""

    kind: Literal["file"]
    """Which template."""
    path: str = Field(min_length=1)
    """The template, relative to the workspace; it reads `messages` and `add_generation_prompt` as Hugging Face chat templates do."""
    system: str | None = None
    """System message for records that bring none."""


PromptSpec = Annotated[ModelPrompt | AlpacaPrompt | FilePrompt, Field(discriminator="kind")]


class PinnedPrompt(TemplateRules):
    """A prompt template by content, as stages receive it."""

    kind: Literal["model", "alpaca", "file"]
    """Which template."""
    system: str | None = None
    """System message for records that bring none."""
    template: str | None = None
    """The Jinja text; unset for `model`, whose text comes with the base."""
