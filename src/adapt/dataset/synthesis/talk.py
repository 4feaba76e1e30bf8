"""What is said to a teacher and what comes back."""

import re
from typing import NamedTuple

from adapt.artifact.digest import digest_text
from adapt.records import Message

_SURROGATE = re.compile("[\ud800-\udfff]")
Messages = tuple[Message, ...]
"""A conversation whose next turn is the teacher's."""


class Failure(NamedTuple):
    """In place of an answer: why there is none."""

    reason: str
    """For the ledger: holds nothing of the prompt."""
    words: str = ""
    """What the server said, for the person who builds; it may quote the prompt."""
    refused: bool = False
    """The prompt itself is refused, and would be again; without it, the next try may be answered."""


def say(text: str, before: Messages = ()) -> Messages:
    """The conversation with one more turn of the user's."""
    return (*before, Message.model_construct(role="user", content=text))


def hear(text: str, before: Messages) -> Messages:
    """The conversation with one more turn of the teacher's."""
    return (*before, Message.model_construct(role="assistant", content=text))


def mend(text: str) -> str:
    """A text without lone surrogates, which JSON can write and UTF-8 cannot."""
    return _SURROGATE.sub("\ufffd", text)


def digest_messages(messages: Messages) -> str:
    """Digest of a conversation."""
    return digest_text(*(part for message in messages for part in (message.role, message.content)))
