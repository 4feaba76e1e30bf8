"""What `adapt validate` sees of a corpus before anything is built."""

from pathlib import Path
from typing import Any

import pytest

from adapt.corpus.validation import corpus_problems
from adapt.spec.corpus import CorpusSpec

FILES = {
    "faq.csv": "query,reply\nWhat is a bond?,A loan.\n",
    "web/a.html": "<p>text</p>",
    "web/b.html": "<p>text</p>",
    "notes/one.md": "# One",
    "rows.jsonl": '{"q": {"text": "What?"}, "output": "That."}\n',
}


def problems(tmp_path: Path, sources: list[dict[str, Any]] | None = None, files: dict[str, str] = FILES, **corpus: Any) -> list[str]:
    raw = tmp_path / "data" / "raw" / "faq"
    for name, text in files.items():
        (raw / name).parent.mkdir(parents=True, exist_ok=True)
        (raw / name).write_text(text, encoding="utf-8")
    spec = CorpusSpec.model_validate({**corpus, **({"sources": sources} if sources else {})})
    return corpus_problems(spec, raw, shown="data/raw/faq", workspace=tmp_path)


def test_a_corpus_that_is_there_has_no_problems(tmp_path: Path) -> None:
    sources = [{"glob": "faq.csv", "fields": {"output": "reply"}}, {"glob": "web/*"}, {"glob": "**/*.md"}]
    assert problems(tmp_path, sources) == []
    assert problems(tmp_path) == []


@pytest.mark.parametrize(
    ("glob", "hint"),
    [
        ("fqa.csv", "did you mean 'faq.csv'?"),
        ("wbe/*.html", "did you mean 'web/*.html'?"),
        ("notes/*.markdown", "did you mean 'notes/*.md'?"),
        ("zzzz", "there are 2 .html, 1 .csv, 1 .md, 1 .jsonl"),
    ],
)
def test_a_glob_that_matches_nothing_is_told_what_there_is(tmp_path: Path, glob: str, hint: str) -> None:
    message, told = problems(tmp_path, [{"glob": "web/*"}, {"glob": glob}])[0].split("\nhint: ")
    assert message == f"corpus.sources.1.glob: no file of data/raw/faq matches '{glob}'"
    assert set(told.replace("there are ", "").split(", ")) == set(hint.replace("there are ", "").split(", "))


def test_a_glob_into_an_archive_is_not_opened(tmp_path: Path) -> None:
    assert problems(tmp_path, [{"glob": "a.zip/*.md"}], {"a.zip": "no archive at all"}) == []


def test_a_missing_folder_is_told_what_lies_beside_it_or_that_dvc_has_it(tmp_path: Path) -> None:
    (tmp_path / "data" / "raw" / "faqs").mkdir(parents=True)
    [problem] = problems(tmp_path, files={})
    assert problem.startswith("corpus.path: the folder data/raw/faq does not exist\nhint: set corpus.path to data/raw/faqs")
    (tmp_path / "data" / "raw" / "faq.dvc").write_text("outs: []", encoding="utf-8")
    [problem] = problems(tmp_path, files={})
    assert problem.endswith("hint: DVC tracks it: fetch it with `dvc pull data/raw/faq`")


def test_unknown_columns_are_named_with_those_that_the_file_has(tmp_path: Path) -> None:
    found = problems(tmp_path, [{"glob": "*.csv"}, {"glob": "web/*"}, {"glob": "*.jsonl", "fields": {"instruction": "q.txt"}}])
    assert found == [
        "corpus.sources.0.fields: faq.csv has no answer under a usual name; it has: query, reply\n"
        "hint: say where it stands, as in fields: {output: reply}; usual names are output, answer, response, completion; "
        "if that is a row of data, name the columns, as in corpus.sources.0.columns: [question, answer]",
        "corpus.sources.2.fields.instruction: the first records of rows.jsonl have nothing at 'q.txt'\nhint: there is: q.text, output",
    ]
    [problem] = problems(tmp_path, [{"glob": "*.csv", "fields": {"instruction": "querry", "output": "reply"}}])
    assert problem.endswith("faq.csv has no column 'querry'\nhint: its columns are query, reply; did you mean 'query'?")


def test_a_source_with_one_usable_file_is_no_problem(tmp_path: Path) -> None:
    assert problems(tmp_path, [{"glob": "*.csv"}], {**FILES, "more.csv": "question,answer\nWhat?,That.\n"}) == []


def test_environment_variables_that_are_not_set_are_problems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = [{"glob": "web/*"}, {"kind": "sql", "url": "pg://me:${NC_PASSWORD}@h/d", "query": "select 1"}]
    monkeypatch.delenv("NC_PASSWORD", raising=False)
    monkeypatch.delenv("NC_KEY", raising=False)
    found = problems(tmp_path, sources, pii={"email": "pseudonym", "pseudonym_key": "NC_KEY"})
    assert [problem.partition(":")[0] for problem in found] == ["corpus.pii.pseudonym_key", "corpus.sources.1.url"]
    monkeypatch.setenv("NC_PASSWORD", "x")
    monkeypatch.setenv("NC_KEY", "long enough for a key")
    assert problems(tmp_path, sources, pii={"email": "pseudonym", "pseudonym_key": "NC_KEY"}) == []
