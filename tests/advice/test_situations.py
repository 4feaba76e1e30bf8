"""Advice on made-up situations, held against files. `python -m tests.advice.test_situations` writes them anew; review what changes."""

from pathlib import Path

import pytest

from tests.advice.situations import SITUATIONS, advice_text

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("name", SITUATIONS)
def test_advice_is_as_reviewed(name: str) -> None:
    assert advice_text(SITUATIONS[name]) == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


def test_every_golden_file_belongs_to_a_situation() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(SITUATIONS)


if __name__ == "__main__":
    for situation, found in SITUATIONS.items():
        (GOLDEN / f"{situation}.txt").write_text(advice_text(found), encoding="utf-8")
