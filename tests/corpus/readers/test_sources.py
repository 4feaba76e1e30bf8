import sqlite3
import sys
from pathlib import Path
from typing import Any

import pytest

from adapt.corpus.draft import Draft, Rejected
from adapt.errors import InputError
from tests.corpus.readers.reads import asked, read_source


@pytest.fixture
def base(tmp_path: Path) -> Path:
    with sqlite3.connect(tmp_path / "desk.db") as connection:
        connection.execute("create table tickets (id integer, subject text, reply text, closed text)")
        connection.executemany("insert into tickets values (?, ?, ?, ?)", [(1, "问？", "答。", "2024-01-02"), (2, "Open?", None, None)])
    return tmp_path


SQL: dict[str, Any] = {
    "kind": "sql", "url": "sqlite:///desk.db", "query": "select * from tickets order by id",
    "fields": {"instruction": "subject", "output": "reply", "date": "closed"},
}  # fmt: skip


def test_rows_of_a_query_are_read_with_a_path_relative_to_the_workspace(base: Path) -> None:
    first, second = read_source(base, **SQL, licence="MIT")
    assert asked(first) == ("问？", "", "答。")
    assert isinstance(first, Draft)
    assert (first.source, first.locator, first.date, first.licence) == ("sql:made", "row 1", "2024-01-02", "MIT")
    assert second == Rejected("row 2", "missing_field", "There is no answer at 'reply'.")


def test_variables_of_a_url_come_from_the_environment(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"corpus\.sources\.0\.url: the environment variable DESK_DB is not set"):
        read_source(base, **SQL | {"url": "${DESK_DB}"})
    monkeypatch.setenv("DESK_DB", "sqlite:///desk.db")
    assert len(read_source(base, **SQL | {"url": "${DESK_DB}"})) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"query": "select absent from tickets"}, r"corpus\.sources\.0: the query failed before its first row: no such column: absent"),
        ({"query": "delete from tickets"}, r"corpus\.sources\.0: the query failed before its first row: attempt to write a readonly database"),
        ({"url": "sqlite:///none.db"}, r"corpus\.sources\.0\.url: there is no SQLite file none\.db"),
        ({"url": "no url"}, r"corpus\.sources\.0\.url is no SQLAlchemy URL"),
        ({"url": "postgresql+nodriver://host/base"}, r"corpus\.sources\.0\.url"),
        ({"fields": {"output": "answer"}}, r"corpus\.sources\.0\.fields\.output: sql:made has no column 'answer'\nhint: its columns are id, subject"),
    ],
)
def test_queries_that_cannot_run_are_input_errors(base: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_source(base, **SQL | change)


def test_errors_never_show_a_password(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESK_PASSWORD", "h/u@n:ter2")
    with pytest.raises(InputError) as raised:
        read_source(base, **SQL | {"url": "postgresql+psycopg2://me:${DESK_PASSWORD}@127.0.0.1:1/desk"})
    assert "ter2" not in str(raised.value)


def test_a_query_without_rows_is_rejected(base: Path) -> None:
    assert read_source(base, **SQL | {"query": "select * from tickets where id > 9"}) == [Rejected("", "empty_file", "The query gives no rows.")]


def test_a_folder_of_a_data_set_is_read_by_the_hub_reader(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train.jsonl").write_text('{"meta": {"q": "Q?"}, "a": ["x", "y"]}\n{"meta": {"q": "R?"}, "a": []}\n')
    source: dict[str, Any] = {"kind": "hub", "dataset": "set", "fields": {"instruction": "meta.q", "output": "a"}}
    first, second = read_source(tmp_path, **source)
    assert (first.locator, *asked(first)) == ("row 1", "Q?", "", "x, y")
    assert isinstance(second, Rejected)
    with pytest.raises(InputError, match=r"corpus\.sources\.0: set cannot be loaded: Bad split: test\. Available splits: \['train'\]"):
        read_source(tmp_path, **source, split="test")
    with pytest.raises(InputError, match=r"corpus\.sources\.0\.fields\.output: hub:made has no column 'b'"):
        read_source(tmp_path, kind="hub", dataset="set", fields={"output": "b"})


def test_a_name_on_the_hub_needs_a_revision(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"'team/set' is no folder of the workspace, and a data set of the hub needs a revision"):
        read_source(tmp_path, kind="hub", dataset="team/set")


def test_a_hub_that_does_not_answer_is_an_input_error_with_a_hint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    def unreachable(*_: Any, **__: Any) -> None:
        raise ConnectionError("Couldn't reach the Hub")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(InputError, match=r"team/set cannot be loaded \(ConnectionError\)\nhint: is the network there\?"):
        read_source(tmp_path, kind="hub", dataset="team/set", revision="0" * 40)


PACKAGE = {
    "__init__.py": '"""Keeps accounts."""\nfrom acme_books._ledger import post, Account\nfrom json import dumps\n',
    "_ledger.py": '''
def post(account: str, *, amount: int = 0, reference: str = "none given", counter_account: str | None = None) -> bool:
    """Book an amount; see :func:`acme_books.close` and ``Account``.

    Parameters
    ----------
    account : str
        Where.

    >>> post("cash")
    True
    """

def _hidden():
    """Not for users."""

class Account:
    """An account."""
    def __init__(self, name: str) -> None: ...
    async def close(self) -> None:
        """Close it.

        For good."""
    def bare(self): ...
''',
    "tools.py": '"""Tools."""\nraise RuntimeError("imported")\ndef sum_up(rows):\n    """Sum of rows."""\n',
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    folder = tmp_path / "acme_books"
    folder.mkdir()
    for name, code in PACKAGE.items():
        (folder / name).write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "acme_books"


def test_docs_of_a_package_come_under_public_names_without_importing_it(package: str) -> None:
    drafts = [piece for piece in read_source(kind="python_docs", package=package, licence="MIT") if isinstance(piece, Draft)]
    assert [(draft.locator, draft.label) for draft in drafts] == [
        ("acme_books", "module"),
        ("acme_books.Account", "class"),
        ("acme_books.Account.close", "function"),
        ("acme_books.post", "function"),
        ("acme_books.tools", "module"),
        ("acme_books.tools.sum_up", "function"),
    ]
    assert package not in sys.modules
    assert {(draft.source, draft.licence) for draft in drafts} == {("python_docs:made", "MIT")}


def test_docs_hold_signature_and_docstring_as_markdown(package: str) -> None:
    texts = {piece.locator: piece.text for piece in read_source(kind="python_docs", package=package) if isinstance(piece, Draft)}
    assert texts["acme_books.post"] == (
        "## What does `acme_books.post` do, and how is it called?\n\n"
        "```python\ndef post(\n    account: str,\n    *,\n    amount: int = 0,\n    reference: str = 'none given',\n"
        "    counter_account: str | None = None,\n) -> bool\n```\n\n"
        "Book an amount; see `acme_books.close` and `Account`.\n\n"
        '**Parameters**\n\naccount : str\n    Where.\n\n```python\n>>> post("cash")\nTrue\n```'
    )
    assert texts["acme_books.Account"] == (
        "## What is the class `acme_books.Account`, and how is it used?\n\n"
        "```python\nclass Account(name: str)\n```\n\nAn account.\n\n- `close`: Close it."
    )
    assert texts["acme_books.Account.close"].startswith(
        "## What does `acme_books.Account.close` do, and how is it called?\n\n```python\nasync def close() -> None\n```\n\nClose it.\n\nFor good."
    )


def test_private_names_are_read_when_the_spec_says_so(package: str) -> None:
    locators = {piece.locator for piece in read_source(kind="python_docs", package=package, private=True) if isinstance(piece, Draft)}
    assert "acme_books._ledger._hidden" in locators


@pytest.mark.parametrize("name", ["acme_no_such_package", "math"])
def test_a_package_without_sources_is_an_input_error(name: str) -> None:
    with pytest.raises(InputError, match=rf"corpus\.sources\.0\.package: the sources of '{name}' cannot be read"):
        read_source(kind="python_docs", package=name)
