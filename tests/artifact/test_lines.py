import os
import subprocess
import sys
from pathlib import Path

from adapt.artifact.digest import digest_folder, digest_text, digest_value
from adapt.artifact.lines import read_lines, write_ledger, write_lines
from adapt.records import AlpacaRecord, LedgerRow
from tests.artifact.written import read_ledger

ROW = LedgerRow(record="r", source="a.csv", locator="line 3", action="dropped", rule="too_short", reason="3 words", score=3.0, threshold=8.0)
RECORD = AlpacaRecord(
    id="1",
    instruction="什么是债券?",
    output="一种债务\u2028凭证。\nSecond line.",
    history=(("a", "b"),),
    language="zh",
    source="a",
    locator="",
    document="d",
)


def test_records_survive_the_file(tmp_path: Path) -> None:
    assert write_lines(tmp_path / "r.jsonl", [RECORD, RECORD]) == 2
    assert list(read_lines(tmp_path / "r.jsonl", AlpacaRecord)) == [RECORD, RECORD]
    assert "什么是债券" in (tmp_path / "r.jsonl").read_text(encoding="utf-8"), "text stays readable"


def test_ledger_survives_the_file_and_has_stable_bytes(tmp_path: Path) -> None:
    rows = [ROW, ROW.model_copy(update={"winner": "w", "score": None})]
    assert write_ledger(tmp_path / "a.parquet", rows) == 2
    write_ledger(tmp_path / "b.parquet", iter(rows))
    assert list(read_ledger(tmp_path / "a.parquet")) == rows
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert write_ledger(tmp_path / "empty.parquet", []) == 0
    assert list(read_ledger(tmp_path / "empty.parquet")) == []


def test_digests_tell_contents_apart(tmp_path: Path) -> None:
    assert digest_text("ab", "c") != digest_text("a", "bc")
    assert digest_value({"a": 1, "b": 2}) == digest_value({"b": 2, "a": 1})
    (tmp_path / "a").write_text("1", encoding="utf-8")
    before = digest_folder(tmp_path)
    (tmp_path / ".gitignore").write_text("x", encoding="utf-8")
    assert digest_folder(tmp_path) == before
    (tmp_path / "a").rename(tmp_path / "b")
    assert digest_folder(tmp_path) != before


def test_a_foreign_manifest_hides_no_change(tmp_path: Path) -> None:
    """A raw corpus may hold a file of that name; only our own manifests stand for their folder."""
    (tmp_path / "manifest.json").write_text('{"name": "a web app"}', encoding="utf-8")
    before = digest_folder(tmp_path)
    (tmp_path / "page.html").write_text("new", encoding="utf-8")
    assert digest_folder(tmp_path) != before


def test_a_ledger_longer_than_a_batch_loses_no_row(tmp_path: Path) -> None:
    count = 20_001
    assert write_ledger(tmp_path / "long.parquet", (ROW.model_copy(update={"record": str(number)}) for number in range(count))) == count
    assert [row.record for row in read_ledger(tmp_path / "long.parquet")] == [str(number) for number in range(count)]


def test_text_is_utf8_whatever_the_locale(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from adapt.artifact.lines import read_lines, write_lines\n"
        "from adapt.records import Message\n"
        "path = Path(sys.argv[1]); write_lines(path, [Message(role='user', content='\\u8d28')])\n"
        "assert [each.content for each in read_lines(path, Message)] == ['\\u8d28']"
    )
    # without site: in this locale Python 3.11 does not start where the path of an editable install is not ASCII
    plain = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-S", "-c", code, str(tmp_path / "a.jsonl")], check=True, env=plain)
    assert "质".encode() in (tmp_path / "a.jsonl").read_bytes()
