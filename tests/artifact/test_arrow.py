import subprocess
import sys

CODE = """
import sys
from adapt.artifact import documents
documents.schema()
import pyarrow as pa
assert pa.array(["a", None]).null_count == 1
assert "pandas" not in sys.modules, "pandas was loaded"
assert pa.table({"a": [1, 2]}).to_pandas()["a"].sum() == 3
import pandas
assert pa.array(pandas.Series(["a"])).to_pylist() == ["a"]
"""


def test_pandas_is_loaded_only_by_what_needs_it() -> None:
    """In a process of its own, since other tests may have loaded it."""
    subprocess.run([sys.executable, "-c", CODE], check=True)
