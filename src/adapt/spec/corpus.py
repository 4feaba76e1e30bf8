"""Section `corpus`: which raw data are read, and how they are cleaned."""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from adapt.spec.encodings import codecs_of
from adapt.spec.patterns import COMMIT, LANGUAGE, MODULE
from adapt.spec.pii import Pii
from adapt.spec.section import Section

FileReader = Literal["html", "pdf", "docx", "markdown", "text", "csv", "json", "jsonl", "parquet", "xml"]


class Join(Section):
    """Several fields as one text."""

    join: tuple[str, ...] = Field(min_length=1)
    """Paths; those that are empty in a record are left out."""
    separator: str = "\n\n"
    """What stands between them."""


class Constant(Section):
    """The same text in every record."""

    constant: str
    """The text."""


FieldSource = str | Join | Constant
"""A path, several joined, or a constant."""


class Fields(Section):
    """Where a record's texts stand; unset ones are recognised by their usual names (see docs/how-to/read-your-data.md)."""

    records: str | None = None
    """Path to the records of a JSON or XML file, such as `data[*].questions[*]` or `.//QAPair`; unset: the items of a top-level list."""
    instruction: FieldSource | None = None
    """The question or instruction."""
    input: FieldSource | None = None
    """The material that the instruction works on."""
    output: FieldSource | None = None
    """The answer; of a preference pair, the chosen one."""
    rejected: FieldSource | None = None
    """The worse answer of a preference pair."""
    text: FieldSource | None = None
    """Running text, in place of a question and its answer."""
    title: FieldSource | None = None
    """Title of running text."""
    messages: str | None = None
    """List of turns (ShareGPT `conversations`, OpenAI `messages`), or a transcript."""
    roles: dict[str, Literal["system", "user", "assistant"]] | None = None
    """Whose turns they are, by the data's own words for roles, such as `{Client: user, Lawyer: assistant}`; common words are known."""
    licence: FieldSource | None = None
    """Licence of the record, in place of its source's."""
    date: FieldSource | None = None
    """Date of the record (ISO 8601), for splits by time and for preferring the newer duplicate."""
    group: FieldSource | None = None
    """What the record belongs to, such as a patient or a case; splits can keep it whole."""
    label: FieldSource | None = None
    """Class of the record, for stratified splits and balancing."""


class CommonSource(Section):
    """What every kind of source has."""

    fields: Fields = Fields()
    """Where a record's texts stand, for readers of records (csv, json, jsonl, parquet, xml, sql, hub)."""
    licence: str = ""
    """Licence of all that the source holds, best as an SPDX identifier; it follows every record."""


class FileSource(CommonSource):
    """Files of the corpus folder, or below any URL that fsspec opens (`s3://`, `gs://`, `https://`, `file://`)."""

    kind: Literal["files"] = "files"
    """What kind of source it is."""
    glob: str = Field(min_length=1)
    """Files, relative to the corpus folder, or a URL; `**` crosses folders. Members of zip and tar archives are matched as `archive.zip/member`."""
    reader: Literal["auto", FileReader] = "auto"
    """How to read them; `auto` goes by the file's ending, that of a compressed file being the one before `.gz`, `.zst`, `.bz2` or `.xz`."""
    columns: tuple[str, ...] = ()
    """Names of the columns of tables (csv) that have no header, in their order, such as `[question, answer]`."""
    tracked_changes: Literal["final", "original"] = "final"
    """Of Word files with tracked changes: as if all were accepted, or none."""
    encoding: str | None = Field(default=None, min_length=1)
    """Encoding of the files that hold text, such as `koi8-r` or `shift_jis`, as browsers read that name; unset: each file's is found."""
    as_of: str = ""
    """For URLs: any text; DVC cannot see changes behind a URL, so change this to read it again."""

    @field_validator("encoding")
    @classmethod
    def _is_an_encoding(cls, value: str | None) -> str | None:
        if value is not None and not codecs_of(value):
            known = "utf-8, gb18030, big5, shift_jis, euc-kr, windows-1251, koi8-r or latin2"
            raise ValueError(f"'{value}' is no encoding of text that is known; name it as in {known}")
        return value


class SqlSource(CommonSource):
    """Rows of a database query."""

    kind: Literal["sql"]
    """What kind of source it is."""
    url: str = Field(min_length=1)
    """SQLAlchemy URL; `${NAME}` stands for an environment variable, and a password must be one. A SQLite file is relative to the workspace."""
    query: str = Field(min_length=1)
    """The query; give it an ORDER BY, so that equal tables give equal bytes."""
    as_of: str = ""
    """Any text; DVC cannot see into a database, so change this to run the query again."""

    @model_validator(mode="after")
    def _has_no_password(self) -> Self:
        _, _, rest = self.url.partition("://")
        user, at, _ = rest.partition("@")
        _, colon, password = user.partition(":")
        if at and colon and not (password.startswith("${") and password.endswith("}")):
            raise ValueError("a password stands in sources.url; put it into an environment variable and write ${NAME}")
        return self


class HubSource(CommonSource):
    """A data set of the Hugging Face hub, or a folder that the `datasets` library can load."""

    kind: Literal["hub"]
    """What kind of source it is."""
    dataset: str = Field(min_length=1)
    """Name on the hub, or path of a folder relative to the workspace."""
    revision: str | None = Field(default=None, pattern=COMMIT)
    """Commit on the hub; required for a name on the hub, so that the build can be repeated."""
    config: str | None = None
    """Configuration of the data set."""
    split: str = "train"
    """Split of the data set."""


class PythonDocsSource(CommonSource):
    """Docstrings and signatures of an installed package, for an assistant that knows an internal API. The package is not imported."""

    kind: Literal["python_docs"]
    """What kind of source it is."""
    package: str = Field(pattern=MODULE)
    """Import name of the package; its installed version belongs to the stage's inputs."""
    private: bool = False
    """Also read names that begin with an underscore."""


def _kind(value: Any) -> str:
    kind = value.get("kind", "files") if isinstance(value, dict) else getattr(value, "kind", "files")
    return str(kind)


Source = Annotated[
    Annotated[FileSource, Tag("files")]
    | Annotated[SqlSource, Tag("sql")]
    | Annotated[HubSource, Tag("hub")]
    | Annotated[PythonDocsSource, Tag("python_docs")],
    Discriminator(_kind),
]


class Boilerplate(Section):
    """Lines that repeat from file to file and so belong to the site, not to the page."""

    min_files: int = Field(default=3, ge=2)
    """A line found in this many files is boilerplate ..."""
    min_share: float = Field(default=0.3, gt=0, le=1)
    """... when that is also this share of the files of its folder."""


class Limits(Section):
    """What one input may cost; beyond it the input is refused, and the ledger says so."""

    max_file_mib: int = Field(default=4096, ge=1)
    """Largest file, after decompression, in MiB."""
    max_record_mib: int = Field(default=16, ge=1)
    """Largest line, row or page, in MiB."""
    max_expansion: int = Field(default=200, ge=2)
    """Most bytes that one byte of a compressed file or archive may become."""
    max_members: int = Field(default=1_000_000, ge=1)
    """Most members of one archive."""


class CorpusSpec(Section):
    """Raw data to clean documents."""

    path: str | None = Field(default=None, min_length=1)
    """Folder of the raw files, relative to the workspace; unset: `data/raw/<name of the spec>`."""
    sources: tuple[Source, ...] = Field(default=(FileSource(glob="**/*"),), min_length=1)
    """What is read; a file belongs to the first entry that matches it. Files that none matches are not read, and are counted."""
    pii: Pii = Pii()
    """What becomes of personal data and secrets."""
    boilerplate: Boilerplate | None = Boilerplate()
    """Removal of lines repeated across files; null keeps them."""
    adverts: Literal["drop", "keep"] = "drop"
    """What becomes of advert and sponsor blocks in pages."""
    language: str = Field(default="identify", pattern=LANGUAGE)
    """`identify` tells the language of each document; an ISO 639-1 code is taken for that of all, which costs nothing."""
    measure_quality: bool = True
    """Whether the signals are measured that `dataset.quality` bounds and `dataset.prefer: [quality]` compares; false is for specs without either."""
    limits: Limits = Limits()
    """What one input may cost."""
