from pathlib import Path

import pytest

from tests.dataset.made import Built, chat, question, questions
from tests.dataset.texts import prose


def test_records_too_short_or_too_long_are_ledgered(tmp_path: Path) -> None:
    documents = [*questions(20), question("Is it?", "Yes.", source="s.csv"), question("Why?", prose("long", 200), source="l.csv")]
    built = Built(tmp_path, documents, lengths={"max_record_tokens": 100})
    assert [(row.source, row.score, row.threshold) for row in built.dropped("too_short")] == [("s.csv", 1, 8)]
    assert [(row.source, row.score, row.threshold) for row in built.dropped("too_long")] == [("l.csv", 202, 100)]


def test_history_counts_towards_the_length(tmp_path: Path) -> None:
    turns = chat(("user", prose("a", 10)), ("assistant", prose("b", 40)), ("user", prose("c", 10)), ("assistant", prose("d", 40)))
    built = Built(tmp_path, [*questions(20), turns], lengths={"max_record_tokens": 60})
    assert [(row.locator, row.score) for row in built.dropped("too_long")] == [("line 1, turn 2", 100)]


def test_token_counts_are_kept_and_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Built(tmp_path, questions(30), "first", cache=tmp_path / "cache")
    assert [path.name[:9] for path in (tmp_path / "cache").iterdir()] == ["tokens-2-"]

    def counting(*_: object) -> list[int]:
        raise AssertionError("counted again")

    monkeypatch.setattr("adapt.dataset.tokens.count_tokens", counting)
    second = Built(tmp_path, questions(30), "second", cache=tmp_path / "cache", lengths={"min_output_words": 9})
    assert first.splits == second.splits
    assert first.report.tokens == second.report.tokens


@pytest.mark.parametrize("broken", [b"", b"\x93NUMPY\x01\x00", b"something else"])
def test_a_broken_cache_of_counts_is_ignored(tmp_path: Path, broken: bytes) -> None:
    first = Built(tmp_path, questions(20), "first", cache=tmp_path / "cache")
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_bytes(broken)
    assert Built(tmp_path, questions(20), "second", cache=tmp_path / "cache").report == first.report


def test_control_tokens_count_as_the_words_that_they_are_trained_as() -> None:
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

    from adapt.dataset.tokens import count_tokens
    from tests.adapter.trainings import record

    tokenizer = Tokenizer(models.WordLevel({"<": 0, "end>": 1, "a": 2, "?": 3, "<end>": 4}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.add_special_tokens([AddedToken("<end>", special=True)])
    assert count_tokens(tokenizer, [record("a", "a <end> a"), record("a", "a a a")]) == [5, 4]
