"""Conversations that are written down as text: each turn begins with its speaker (`User:`, `### Assistant:`, `[User]`, `问：`).

Only words for roles that are known, or that the spec gives, are speakers, and of them only those with which the conversation begins: an answer may
have a line that begins with `Note:` or `Answer:`.
"""

import re

from adapt.corpus.readers.roles import ASSISTANT, REASONING, SYSTEM, TOOL, USER, role_of, shown
from adapt.corpus.readers.turns import BrokenChatError, Roles, Turn, needs_tools

_NAME = r"[^\W\d_][\w'.-]{0,23}(?: [\w'.-]{1,23}){0,2}"
_MARK = re.compile(
    rf"(?:^|\n|(?=###))[ \t]*(?:\#{{1,4}}[ \t]*)?(?:\*\*)?"
    rf"(?:[\[【<]\|?({_NAME})\|?[\]】>](?:\*\*)?[ \t]*[:：]?|({_NAME})(?:\*\*)?[ \t]*[:：])(?:\*\*)?[ \t]*"
)
_ROLES = (SYSTEM, USER, ASSISTANT)


def read_transcript(text: str, roles: Roles | None = None) -> tuple[Turn, ...]:
    """Turns of a text that begins with a speaker and has a user and an assistant; none for any other text.

    A last speaker who has not said anything yet is left out. Where a blank line stands before the second turn, one stands before all. Raises
    BrokenChatError for an empty turn, and for turns of tools.
    """
    text = text.strip()
    marks = [(found, name, role_of(name, roles)) for found in _MARK.finditer(text) if (name := found[1] or found[2])]
    if not marks or marks[0][0].start() or marks[0][2] not in _ROLES:
        return ()
    speakers = _speakers(marks)
    if not {USER, ASSISTANT} <= set(speakers.values()):
        return ()
    if any(role == TOOL for _, _, role in marks):
        raise needs_tools("The transcript")
    second = next(found for found, name, _ in marks[1:] if name in speakers and speakers[name] != marks[0][2])
    apart = _is_apart(text, second)
    cuts = [(found, speakers[name]) for found, name, _ in marks if name in speakers and (not apart or _is_apart(text, found))]
    ends = [found.start() for found, _ in cuts[1:]] + [len(text)]
    turns = [(role, text[found.end() : end].strip()) for (found, role), end in zip(cuts, ends, strict=True)]
    if not turns[-1][1]:
        turns.pop()
    if any(not said for _, said in turns):
        raise BrokenChatError("A turn of the transcript is empty.")
    return tuple(turns)


def read_marked(lines: list[str], roles: Roles | None = None) -> tuple[Turn, ...] | None:
    """Turns of texts that each begin with their speaker; None where they do not. Raises BrokenChatError for speakers that are not known."""
    marks = [_MARK.match(line.strip()) for line in lines]
    if not all(marks):
        return None
    names = [found[1] or found[2] for found in marks if found]
    known = {name: role_of(name, roles) for name in names}
    if len(known) > max(1, len(names) // 2) + 1 or not any(role in _ROLES for role in known.values()):
        return None  # they begin with what is no speaker, as any text may
    turns = []
    for number, (line, found, name) in enumerate(zip(lines, marks, names, strict=True), 1):
        role, said = known[name], line.strip()[found.end() :].strip() if found else ""
        if role in (TOOL, REASONING):
            raise needs_tools(f"Turn {number} of the chat")
        if role is None:
            hint = "say whose it is, as in fields: {roles: {NAME: assistant}}"
            raise BrokenChatError(f"Turn {number} of the chat is of no known role: {shown(name)}; {hint}.", "unknown_role")
        if not said:
            raise BrokenChatError(f"Turn {number} of the chat is empty.")
        turns.append((role, said))
    return tuple(turns)


def _speakers(marks: list[tuple[re.Match[str], str, str | None]]) -> dict[str, str]:
    """The names with which the conversation begins, one for each role."""
    speakers: dict[str, str] = {}
    for _, name, role in marks:
        if role in _ROLES and role not in speakers.values():
            speakers[name] = role
        if {USER, ASSISTANT} <= set(speakers.values()):
            break
    return speakers


def _is_apart(text: str, mark: re.Match[str]) -> bool:
    """Whether a blank line stands before a mark, or nothing at all."""
    return not mark.start() or (mark[0].startswith("\n") and not text[: mark.start()].rpartition("\n")[2].strip())
