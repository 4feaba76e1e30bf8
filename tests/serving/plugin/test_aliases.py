"""From stable names to versions."""

import json
from pathlib import Path

import pytest

from adapt.serving.plugin.aliases import Aliases, parse_aliases

A, B = "finance@aaaaaaaaaaaa", "finance@bbbbbbbbbbbb"


def aliases(path: Path, shares: dict[str, dict[str, float]]) -> Aliases:
    path.write_text(json.dumps(shares))
    return Aliases(path)


def test_a_name_leads_to_its_version_and_unknown_names_nowhere(tmp_path: Path) -> None:
    found = aliases(tmp_path / "a.json", {"finance": {A: 1}})
    assert (found.choose("finance", None), found.choose("legal", None), found.versions()) == (A, None, {A})


def test_a_replaced_file_is_seen_by_the_next_request(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    found = aliases(path, {"finance": {A: 1}})
    assert found.choose("finance", None) == A
    other = tmp_path / "b.json"
    other.write_text(json.dumps({"finance": {B: 1}}))
    other.replace(path)
    assert found.choose("finance", None) == B


def test_shares_are_kept_by_many_users(tmp_path: Path) -> None:
    found = aliases(tmp_path / "a.json", {"finance": {A: 0.9, B: 0.1}})
    chosen = [found.choose("finance", f"user {number}") for number in range(4000)]
    assert 0.08 < chosen.count(B) / len(chosen) < 0.12
    assert 0.07 < [found.choose("finance", None) for _ in range(4000)].count(B) / 4000 < 0.13


def test_a_user_keeps_the_version_and_a_growing_share_takes_nobody_away(tmp_path: Path) -> None:
    users = [f"user {number}" for number in range(500)]
    small = aliases(tmp_path / "a.json", {"finance": {A: 0.9, B: 0.1}})
    large = aliases(tmp_path / "b.json", {"finance": {A: 0.5, B: 0.5}})
    with_b = {user for user in users if small.choose("finance", user) == B}
    assert with_b == {user for user in users if small.choose("finance", user) == B}
    assert with_b < {user for user in users if large.choose("finance", user) == B}


def test_a_file_that_could_not_be_read_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = aliases(tmp_path / "a.json", {"finance": {A: 1}})

    def fails(path: Path) -> bytes:
        raise OSError(5, "input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(Path, "read_bytes", fails)
        assert found.choose("finance", None) is None
    assert found.choose("finance", None) == A


def test_no_share_means_no_request(tmp_path: Path) -> None:
    found = aliases(tmp_path / "a.json", {"finance": {A: 0.0, B: 1.0}})
    assert {found.choose("finance", f"user {number}") for number in range(200)} == {B}


def test_a_broken_file_changes_nothing_and_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.json"
    found = aliases(path, {"finance": {A: 1}})
    assert found.choose("finance", None) == A
    path.write_text("{")
    assert [found.choose("finance", None) for _ in range(3)] == [A] * 3
    assert len(caplog.records) == 1
    path.unlink()
    assert found.choose("finance", None) == A


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[]", "it is not a JSON object"),
        ("[" * 100_000, "it is nested too deeply"),
        ('{"finance": {}}', "'finance' has no versions"),
        ('{"finance": {"legal@aaaaaaaaaaaa": 1}}', "'legal@aaaaaaaaaaaa' is no version of 'finance'"),
        ('{"finance": {"../x": 1}}', "'../x' is no version of 'finance'"),
        ('{"finance": {"finance@aaaaaaaaaaaa": -1}}', "the share of 'finance@aaaaaaaaaaaa' is -1"),
        ('{"finance": {"finance@aaaaaaaaaaaa": true}}', "the share of 'finance@aaaaaaaaaaaa' is True"),
        ('{"finance": {"finance@aaaaaaaaaaaa": NaN}}', "is nan"),
        ('{"finance": {"finance@aaaaaaaaaaaa": 0}}', "the shares of 'finance' are all zero"),
    ],
)
def test_unusable_files_are_refused(text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected.replace("[", r"\[")):
        parse_aliases(text.encode())


def journal(path: Path, **states: str | None) -> Path:
    """A journal in which each name has a good version, and a roll-out of B that was killed."""
    attempt = {"version": B, "id": "x", "share": 0.1}
    path.write_text(json.dumps({name: {"good": good, "attempt": attempt, "earlier": []} for name, good in states.items()}))
    return path


def test_server_that_starts_answers_with_the_last_good_version_until_the_file_is_replaced(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.json"
    others = {"legal": {"legal@cccccccccccc": 1}, "new": {"new@cccccccccccc": 1}}
    path.write_text(json.dumps({"finance": {A: 0.9, B: 0.1}, **others}))
    started = Aliases(path, journal(tmp_path / "r.json", finance=A, new=None))
    assert started.shares() == {"finance": {A: 1.0}, "legal": {"legal@cccccccccccc": 1}}
    assert Aliases(path).shares()["finance"] == {A: 0.9, B: 0.1}, "a server that runs sees the canary"
    other = tmp_path / "b.json"
    other.write_text(json.dumps({"finance": {A: 0.5, B: 0.5}}))
    other.replace(path)
    assert started.shares() == {"finance": {A: 0.5, B: 0.5}}


@pytest.mark.parametrize("aliases", [None, "{", "[]"])
def test_server_that_starts_without_a_usable_alias_file_goes_by_the_journal(
    tmp_path: Path,
    aliases: str | None,
) -> None:
    if aliases is not None:
        (tmp_path / "a.json").write_text(aliases)
    started = Aliases(tmp_path / "a.json", journal(tmp_path / "r.json", finance=A))
    assert started.shares() == {"finance": {A: 1.0}}


@pytest.mark.parametrize("text", ["{", "[]", '{"finance": {}}', '{"finance": {"good": "../x"}}'])
def test_unusable_journal_is_left_aside(tmp_path: Path, text: str) -> None:
    (tmp_path / "r.json").write_text(text)
    (tmp_path / "a.json").write_text(json.dumps({"finance": {A: 1}}))
    assert Aliases(tmp_path / "a.json", tmp_path / "r.json").shares() == {"finance": {A: 1}}
