"""Sources of which one rule took much, counted again from plain lists."""

from collections import Counter

import pytest

from adapt.artifact.losses import Losses


def found(sources: dict[str, tuple[int, dict[str, int]]], *, whole_from: int = 20) -> list[str]:
    losses = Losses(whole_from=whole_from)
    for source, (rows, lost) in sources.items():
        losses.add(source, rows, lost)
    return [loss.sentence for loss in losses.find()]


@pytest.mark.parametrize(
    ("rows", "lost", "expected"),
    [
        (100, {"a": 24}, []),
        (100, {"a": 25}, ["x.jsonl: 25 of 100 rows (25%) went as a"]),
        (100, {"a": 15, "b": 15}, []),  # a rule each, and none a quarter
        (100, {"a": 30, "b": 60}, ["x.jsonl: 60 of 100 rows (60%) went as b", "x.jsonl: 30 of 100 rows (30%) went as a"]),
        (100, {"a": 100}, ["x.jsonl: all 100 rows went as a"]),
        (100, {}, []),
        (6, {"a": 6}, ["x.jsonl: all 6 rows went as a"]),
        (6, {"a": 4, "b": 2}, ["x.jsonl: 4 of 6 rows (67%) went as a", "x.jsonl: 2 of 6 rows (33%) went as b"]),
        (6, {"a": 5}, []),  # a small source that gave something
        (1, {"a": 1}, []),
    ],
)
def test_a_source_is_named_from_a_quarter_on(rows: int, lost: dict[str, int], expected: list[str]) -> None:
    assert found({"x.jsonl": (rows, lost)}, whole_from=2) == expected


def test_small_sources_are_counted_by_folder_and_ending() -> None:
    pages = {f"web/{number}.html": (1, {"no_content": 1} if number % 3 == 0 else {}) for number in range(60)}
    notes = {f"web/{number}.md": (1, {}) for number in range(60)}
    few = {f"few/{number}.html": (1, {"no_content": 1}) for number in range(19)}
    assert found({**pages, **notes, **few}) == ["web/*.html: 20 of 60 rows (33%) went as no_content"]
    assert Counter(bool(lost) for _, lost in pages.values())[True] == 20


def test_a_small_source_that_was_lost_whole_is_named_where_asked() -> None:
    sources = {"turns.json": (6, {"missing_field": 6}), "ok.jsonl": (6, {})}
    assert found(sources, whole_from=2) == ["turns.json: all 6 rows went as missing_field"]
    assert found(sources) == []
