"""Rows of a database query: one row, one record. Nothing of a URL's password or of a failing query's values reaches a message."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from adapt.corpus.draft import Draft, Rejected
from adapt.corpus.readers.mapping import Mapping
from adapt.errors import InputError
from adapt.spec.corpus import SqlSource

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_ROWS = 1000
"""Rows that are fetched at once."""


def read_sql(source: SqlSource, name: str, mapping: Mapping, root: Path | None, place: str) -> Iterator[Draft | Rejected]:
    """Yields a draft or a rejection for every row, streamed in the order of the query.

    `root` is where the path of a SQLite file begins, `place` the source's in the spec. Raises InputError when a variable is not set, a driver is
    missing, the database does not answer or the query fails.
    """
    import sqlalchemy
    from sqlalchemy.exc import SQLAlchemyError

    try:
        url = _local(sqlalchemy.make_url(_filled(source.url, place)), root, place)
        engine = sqlalchemy.create_engine(url)
    except ModuleNotFoundError as error:
        raise InputError(f"{place}.url: the driver '{error.name}' is not installed", hint=f"pip install {error.name}") from None
    except (SQLAlchemyError, ValueError, TypeError) as error:
        raise InputError(
            f"{place}.url is no SQLAlchemy URL ({type(error).__name__})", hint="such as postgresql+psycopg://user:${PASSWORD}@host/base"
        ) from None
    count = 0
    try:
        with engine.connect().execution_options(stream_results=True, max_row_buffer=_ROWS) as connection:
            result = connection.execute(sqlalchemy.text(source.query))
            if not result.returns_rows:
                raise InputError(f"{place}.query gives no rows", hint="write a SELECT")
            columns = list(result.keys())
            mapping.require(columns, name)
            for count, row in enumerate(result.yield_per(_ROWS), 1):
                yield mapping.draft(dict(zip(columns, row, strict=True)), name, f"row {count}")
    except (SQLAlchemyError, UnicodeDecodeError) as error:
        where = f"after row {count}" if count else "before its first row"
        raise InputError(f"{place}: the query failed {where}: {_cause(error, url)}", hint="see sources.url and sources.query in the spec") from None
    finally:
        engine.dispose()
    if not count:
        yield Rejected("", "empty_file", "The query gives no rows.")


def _filled(url: str, place: str) -> str:
    """The URL with its variables filled in from the environment, quoted as a URL needs it."""
    from urllib.parse import quote

    def value(match: re.Match[str]) -> str:
        found = os.environ.get(match[1])
        if found is None:
            raise InputError(f"{place}.url: the environment variable {match[1]} is not set", hint="export it before the build")
        return found if match.start() == 0 else quote(found, safe="")

    return _VARIABLE.sub(value, url)


def _local(url: Any, root: Path | None, place: str) -> Any:
    """A SQLite URL with an absolute path, opened read-only; other URLs as they are."""
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:") or str(url.database).startswith("file:"):
        return url
    path = (root or Path()) / url.database
    if not path.is_file():
        raise InputError(f"{place}.url: there is no SQLite file {url.database}", hint="its path is relative to the workspace")
    return url.set(database=f"file:{path.resolve()}", query={**url.query, "mode": "ro", "uri": "true"})


def _cause(error: Exception, url: Any) -> str:
    """What the database said, in one line, without the password and without the values that SQLAlchemy adds."""
    said = str(getattr(error, "orig", None) or type(error).__name__).strip().split("\n")[0][:200]
    return said.replace(url.password, "***") if url.password else said
