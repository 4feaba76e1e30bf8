"""Facts that take seconds to find and follow from content alone, kept between processes so that looking again is quick.

Enters: a key that stands for all that a fact follows from, and how to find it. Leaves: the fact, from memory where it is known. What a file of
code says is kept by its bytes, never by its name or time, so that no edit goes unseen; a memory that is
damaged, or was written by other code or another Python, is made anew.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from adapt.artifact.digest import digest_value

_MOST = 4096
"""Facts that a file holds at most, some ten versions of the code; then those that nobody asked for go."""
_facts: dict[str, Any] = {}
_asked: set[str] = set()


def recall(key: str, find: Callable[[], Any]) -> Any:
    """The JSON-like fact of `key`; `find` is called when it is not known."""
    _asked.add(key)
    if key not in _facts:
        _facts[key] = find()
    return _facts[key]


@contextmanager
def kept(path: Path, *, made_by: str) -> Iterator[None]:
    """Know what `path` holds in the body, and write there what was found in it. `made_by` stands for the code that finds facts.

    Several processes may use one file: it is replaced in one step, and what one of them does not see it finds itself.
    """
    stored = _read(path, made_by)
    _facts.update(stored)
    yield
    if not _asked <= stored.keys():
        facts = stored | _facts
        _write(path, made_by, {key: facts[key] for key in (facts if len(facts) <= _MOST else _asked)})


def _read(path: Path, made_by: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
        facts: dict[str, Any] = content["facts"]
        return facts if content["made_by"] == made_by and content["digest"] == digest_value(facts) else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _write(path: Path, made_by: str, facts: dict[str, Any]) -> None:
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    with suppress(OSError):  # a workspace that may only be read is looked at all the same
        path.parent.mkdir(exist_ok=True)
        aside.write_text(json.dumps({"made_by": made_by, "digest": digest_value(facts), "facts": facts}), encoding="utf-8")
        aside.replace(path)
