"""The conversation of `adapt chat`: what is asked, and what is a command."""

from typing import Any

import pytest

from adapt.cli import chat


def converse(monkeypatch: pytest.MonkeyPatch, *lines: str) -> list[list[str]]:
    """The turns that each answer was asked with, when `lines` are typed and then Ctrl-D."""
    typed = iter(lines)
    asked: list[list[str]] = []

    def prompt(*args: object, **options: object) -> str:
        try:
            return next(typed)
        except StopIteration:
            raise EOFError from None

    def answer(loaded: Any, turns: list[Any], *args: object) -> str:
        asked.append([turn.content for turn in turns])
        return "Yes."

    monkeypatch.setattr("click.prompt", prompt)
    monkeypatch.setattr(chat, "_answer", answer)
    chat._converse(None, "faq", False, 8)  # type: ignore[arg-type]
    return asked


@pytest.mark.parametrize("leave", ["/quit", "/exit", " /quit "])
def test_leaving_is_not_asked_as_a_question(monkeypatch: pytest.MonkeyPatch, leave: str) -> None:
    assert converse(monkeypatch, "Who?", leave, "never asked") == [["Who?"]]


def test_unknown_commands_are_named_and_help_lists_them(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert converse(monkeypatch, "/qiut", "/help", "/etc/hosts is what?", " ") == [["/etc/hosts is what?"]]
    err = capsys.readouterr().err
    assert "/qiut is no command; /reset forgets" in err
    assert err.count("/quit or /exit (or Ctrl-D) leaves") == 2


def test_reset_forgets_the_turns_before(monkeypatch: pytest.MonkeyPatch) -> None:
    assert converse(monkeypatch, "One?", "Two?", "/reset", "Three?") == [["One?"], ["One?", "Yes.", "Two?"], ["Three?"]]
