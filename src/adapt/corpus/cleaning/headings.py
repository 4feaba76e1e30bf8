"""Brings the headings of plain text and Markdown to one form: lines that begin with `#`."""

import re
from collections.abc import Callable
from itertools import groupby

from adapt.corpus.cleaning.fences import in_fences

_UNDERLINE = re.compile(r"(={3,}|-{3,})[ \t]*")
_NOT_A_HEADING = re.compile(r"\s*(#{1,6}\s|[-*+•]\s|\d+[.)]\s|[|>])|.*\S {3,}\S")
_QUESTION = re.compile(r"\S.{0,118}[?？]")
_SENTENCE_END = re.compile(r".*[.。!！;；,，:：]")
_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*\s*")


def underlined_to_atx(text: str) -> str:
    """Headings underlined with `===` or `---` become `#` and `##` lines; the heading must stand alone above its underline."""
    return _outside_fences(text, _underlined)


def plain_to_markdown(text: str) -> str:
    """Headings of a plain text note become `#` lines.

    Headings are underlined lines, and short lines that end in a question mark and open a paragraph or stand alone before one.
    A note has at most one `#` heading, its title: where several lines are
    underlined with `===` they are sections, and a first line that stands alone above a heading is the title.
    """
    return "\n".join(_titled(_questions(_underlined(text.split("\n")))))


def title_of(text: str) -> str:
    """The first `#` heading of level 1, or nothing."""
    found: list[str] = []

    def look(lines: list[str]) -> list[str]:
        found.extend(match[2] for line in lines if (match := _HEADING.fullmatch(line)) and match[1] == "#")
        return lines

    _outside_fences(text, look)
    return found[0] if found else ""


def has_prose(text: str) -> bool:
    """Whether anything but headings is left."""
    return any(line.strip() and not _HEADING.fullmatch(line) for line in text.split("\n"))


def _outside_fences(text: str, change: Callable[[list[str]], list[str]]) -> str:
    """Apply `change` to every run of lines outside fenced code."""
    lines = text.split("\n")
    runs = groupby(zip(lines, in_fences(lines), strict=True), key=lambda entry: entry[1])
    return "\n".join(line for code, run in runs for line in _changed([line for line, _ in run], None if code else change))


def _changed(lines: list[str], change: Callable[[list[str]], list[str]] | None) -> list[str]:
    return lines if change is None else change(lines)


def _underlined(lines: list[str]) -> list[str]:
    done: list[str] = []
    for at, line in enumerate(lines):
        alone = bool(done and done[-1].strip()) and (len(done) == 1 or not done[-2].strip() or _HEADING.fullmatch(done[-2]) is not None)
        if alone and _UNDERLINE.fullmatch(line) and not _NOT_A_HEADING.match(done[-1]) and lines[at - 1] == done[-1]:
            done[-1] = f"{'#' if line[0] == '=' else '##'} {done[-1].strip()}"
            done += [""] * (at + 1 < len(lines) and lines[at + 1].strip() != "")
        else:
            done.append(line)
    return done


def _questions(lines: list[str]) -> list[str]:
    done: list[str] = []
    for at, line in enumerate(lines):
        opens = not done or not done[-1].strip()
        if opens and _is_question(line) and not _NOT_A_HEADING.match(line) and _leads_to_prose(lines, at + 1):
            direct = bool(lines[at + 1].strip())
            done += [f"## {line.strip()}", *([""] if direct else [])]
        else:
            done.append(line)
    return done


def _leads_to_prose(lines: list[str], at: int) -> bool:
    """Whether a paragraph begins at this line or after empty ones; a lower-case letter right below continues the line above."""
    direct = at < len(lines) and bool(lines[at].strip())
    while at < len(lines) and not lines[at].strip():
        at += 1
    following = lines[at] if at < len(lines) else ""
    return bool(following) and not _HEADING.fullmatch(following) and not _is_question(following) and not (direct and following[0].islower())


def _is_question(line: str) -> bool:
    return _QUESTION.fullmatch(line.strip()) is not None


def _titled(lines: list[str]) -> list[str]:
    places = [at for at, line in enumerate(lines) if line.strip()]
    if not any(_HEADING.fullmatch(line) for line in lines):
        return lines
    first, second = lines[places[0]], lines[places[1]] if len(places) > 1 else ""
    if _HEADING.fullmatch(second) and not _HEADING.fullmatch(first) and len(first) <= 80 and not _SENTENCE_END.fullmatch(first.rstrip()):
        lines = [*lines[: places[0]], f"# {first.strip()}", *lines[places[0] + 1 :]]
    level_one = [at for at in places if lines[at].startswith("# ")]
    if len(level_one) < 2:
        return lines
    title = level_one[0] if level_one[0] == places[0] and _HEADING.fullmatch(second) else -1
    return [f"#{line}" if at in level_one and at != title else line for at, line in enumerate(lines)]
