"""Keeps pyarrow from loading pandas, which nothing here uses.

At its first conversion of a Python object pyarrow imports pandas, where that is installed, to know pandas' own objects when it meets them:
0.4 seconds and 60 MB of every stage and worker. If pandas is not found then, pyarrow goes without; what needs pandas, such as `Table.to_pandas`,
imports it later.
"""

import sys
from collections.abc import Sequence
from functools import cache
from importlib.machinery import ModuleSpec


class _Hidden:
    """A finder of modules that finds none, and lets no other find pandas."""

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: object = None) -> ModuleSpec | None:
        if name == "pandas":
            raise ModuleNotFoundError("pandas is left out", name=name)
        return None


@cache
def leave_pandas_out() -> None:
    """Have pyarrow look for pandas now, and not find it. Does nothing where pandas is loaded already."""
    if "pandas" in sys.modules:
        return
    import pyarrow as pa

    hidden = _Hidden()
    sys.meta_path.insert(0, hidden)
    try:
        pa.array([None])
    finally:
        sys.meta_path.remove(hidden)
