import re
from pathlib import Path

import pytest
import yaml

from adapt.corpus.readers.fields import compiled
from adapt.corpus.readers.mapping import Mapping
from adapt.spec.corpus import CorpusSpec

PAGE = Path(__file__).parents[3] / "docs/how-to/read-your-data.md"
EXAMPLES = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_of_the_how_to_are_specs(example: str) -> None:
    for source in CorpusSpec.model_validate(yaml.safe_load(example)["corpus"]).sources:
        xml = source.fields.records is not None and "/" in source.fields.records
        Mapping(source.fields, licence="", place="", columns=xml or source.kind == "sql")


def test_paths_of_the_how_to_are_paths() -> None:
    (table,) = re.findall(r"\| path \| leads to \|\n(.*?)\n\n", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    paths = [path for row in table.split("\n")[1:] for path in re.findall(r"`([^`]+)`", row.split("|")[1])]
    assert len(paths) == 7
    for path in paths:
        compiled(path, "")
