"""What stands beside a record's texts and says what they are: whether the answer is a good one, images, tools, reasoning.

None of it is passed over: an answer that is called bad becomes the worse of a pair without a better one, a record that cannot be understood without
its image is refused, and reasoning beside an answer is left out with a note.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from adapt.corpus.draft import Draft, Rejected
from adapt.corpus.readers.history import parsed
from adapt.corpus.readers.media import Column, is_empty, media_columns, needed
from adapt.corpus.readers.roles import ASSISTANT, USER
from adapt.corpus.readers.texts import as_text
from adapt.corpus.readers.turns import REASONING_KEYS, is_off, needs, needs_tools, reasoning_left_out
from adapt.records import UNLEARNED

_TOOLS = ("tools", "functions")
_REASONING = (*REASONING_KEYS, "think", "cot", "complex_cot")
_VERDICTS = ("kto_tag", "label")
_WHOLE_NUMBERS = frozenset({"prompt", "completion"})
"""The names of TRL's unpaired preferences, beside which a label of 0 or 1 is a verdict; beside others it may be any class."""
_TREE = frozenset({"message_id", "parent_id", "role"})


@dataclass(frozen=True, slots=True)
class Asides:
    """The fields, among those of records with one set of keys, that say something about the others."""

    media: tuple[Column, ...] = ()
    tools: tuple[str, ...] = ()
    reasoning: tuple[str, ...] = ()
    verdict: str = ""
    numbered: bool = False
    """Whether 0 and 1 are verdicts too."""
    lone: bool = False
    """Whether each record is one turn of a conversation that is spread over several."""

    def __bool__(self) -> bool:
        return bool(self.media or self.tools or self.reasoning or self.verdict or self.lone)

    def judged(self, draft: Draft, record: dict[str, Any]) -> Draft | Rejected:
        """The draft as its record says it is, or the reason for which it is none."""
        if self.lone:
            hint = "join them to conversations first, one record each with a list of messages"
            return Rejected(draft.locator, "lone_turn", f"The record is one turn of a conversation that is spread over several records; {hint}.")
        kind = needed(self.media, record, draft.fields().values(), running=draft.kind == "text") if self.media else None
        refused = needs(kind, "The record") if kind else None
        if draft.kind != "text" and any(_are_tools(record[key]) for key in self.tools):
            refused = needs_tools("The record")
        if refused:
            return Rejected(draft.locator, refused.rule, str(refused))
        if draft.kind != "text" and any(as_text(record[key]) for key in self.reasoning):
            draft = replace(draft, edits=(*draft.edits, *reasoning_left_out(1)))
        if draft.kind in ("question", "chat") and self.verdict and self._is_bad(record[self.verdict]):
            return _as_worse(draft)
        return draft

    def _is_bad(self, verdict: Any) -> bool:
        return is_off(verdict) if self.numbered else verdict is False or as_text(verdict).casefold() == "false"


def find_asides(keys: tuple[str, ...], placed: Collection[str]) -> Asides:
    """What the keys of a record tell; fields that the spec has `placed` are what it says they are."""
    free = {key.casefold().strip(): key for key in keys if isinstance(key, str) and key not in placed}
    verdict = next((free[name] for name in _VERDICTS if name in free), "")
    return Asides(
        media=media_columns(free.values()),
        tools=tuple(free[name] for name in _TOOLS if name in free),
        reasoning=tuple(free[name] for name in _REASONING if name in free),
        verdict=verdict,
        numbered=free.keys() >= _WHOLE_NUMBERS or verdict.casefold() == "kto_tag",
        lone=free.keys() >= _TREE and not free.keys() & {"messages", "conversations", "prompt"},
    )


def _are_tools(value: Any) -> bool:
    """Whether it is a list of definitions of tools, or such a list as text."""
    value = parsed(value)
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list | tuple) or is_empty(value):
        return False
    items = map(parsed, value)
    return any(isinstance(item, dict) and ("function" in item or "name" in item or item.get("type") == "function") for item in items)


def _as_worse(draft: Draft) -> Draft | Rejected:
    """The same with its last answer as the worse of a pair that has no better."""
    if draft.kind == "question":
        return replace(draft, kind="preference", output="", rejected=draft.output)
    *before, (asker, question), (answerer, answer) = draft.messages if len(draft.messages) > 1 else (("", ""), ("", ""))
    if asker != USER or answerer not in (ASSISTANT, UNLEARNED):
        return Rejected(draft.locator, "missing_field", "The record is called bad, and does not end with a question and an answer.")
    return replace(draft, kind="preference", instruction=question, rejected=answer, messages=tuple(before))
