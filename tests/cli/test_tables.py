"""Tables on a terminal and elsewhere."""

import os

import pytest

from adapt.cli.context import print_table

ROWS = [
    ("train@alpha", "stale", "12.5", "lora.r: 4 -> 8; lora.lora_alpha: 8 -> 16; " + "its input changed; " * 4),
    ("serving", "waiting", "-", "after gate@alpha"),
]
HEADERS = ("stage", "state", "seconds", "why")


def test_elsewhere_a_row_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(HEADERS, ROWS)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert max(map(len, lines)) > 100


@pytest.mark.parametrize("columns", [60, 80, 100])
def test_on_a_terminal_no_line_is_wider_and_no_word_is_lost(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("shutil.get_terminal_size", lambda *_, **__: os.terminal_size((columns, 24)))
    print_table(HEADERS, ROWS)
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= columns
    assert sorted(out.split()) == sorted(" ".join((*HEADERS, *(cell for row in ROWS for cell in row))).split())


def test_a_table_without_rows_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("server", "version"), [])
    assert capsys.readouterr().out == "server  version\n(none)\n"
