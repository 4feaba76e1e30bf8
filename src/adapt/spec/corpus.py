"""Section `corpus`: which raw files are read, and how they are cleaned."""

from typing import Literal

from pydantic import Field

from adapt.spec.section import Section

Reader = Literal["auto", "html", "markdown", "text", "csv", "jsonl"]
PiiKind = Literal["email", "phone", "cn_id", "bank_card"]


class FieldNames(Section):
    """The names that a table's columns or a JSON object's keys have; unset ones are recognised by their usual names."""

    instruction: str | None = None
    """Column of the question or instruction."""
    input: str | None = None
    """Column of the material that the instruction works on."""
    output: str | None = None
    """Column of the answer."""
    messages: str | None = None
    """Key of the list of turns (ShareGPT `conversations`, OpenAI `messages`)."""


class Source(Section):
    """Files of the corpus that are read the same way."""

    glob: str = Field(min_length=1)
    """Files, relative to the corpus folder; `**` crosses folders."""
    reader: Reader = "auto"
    """How to read them; `auto` goes by the file's ending."""
    fields: FieldNames = FieldNames()
    """Names of columns or keys, for `csv` and `jsonl`."""


class Boilerplate(Section):
    """Lines that repeat from file to file and so belong to the site, not to the page."""

    min_files: int = Field(default=3, ge=2)
    """A line found in this many files is boilerplate ..."""
    min_share: float = Field(default=0.3, gt=0, le=1)
    """... when that is also this share of the files of its folder."""


class CorpusSpec(Section):
    """Raw files to clean documents."""

    path: str | None = Field(default=None, min_length=1)
    """Folder of the raw files, relative to the workspace; unset: `data/raw/<name of the spec>`."""
    sources: tuple[Source, ...] = Field(default=(Source(glob="**/*"),), min_length=1)
    """What is read; a file belongs to the first entry that matches it. Files that none matches are not read, and are counted."""
    mask: tuple[PiiKind, ...] = ("email", "phone", "cn_id", "bank_card")
    """Kinds of personal data replaced by a tag such as `[EMAIL]`."""
    boilerplate: Boilerplate | None = Boilerplate()
    """Removal of lines repeated across files; null keeps them."""
    adverts: Literal["drop", "keep"] = "drop"
    """What becomes of advert and sponsor blocks in pages."""
