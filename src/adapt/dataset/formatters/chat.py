"""A conversation becomes one record per answer, with the turns before it as history.

Messages of one speaker in a row are one turn. A system message holds from where it stands to the end. An answer that
nobody asked for (a greeting that opens the conversation) has no place in Alpaca's pairs and is dropped, and so is a question left unanswered.
"""

from itertools import groupby
from typing import Literal

from adapt.dataset.formatters.result import Candidate, Formatted, drop_part, make_candidate
from adapt.records import Document, LedgerRow


def format_chat(document: Document, chat_turns: Literal["every", "last"]) -> Formatted:
    """Records of a document of kind `chat`: of every answer, or of the last alone."""
    candidates: list[Candidate] = []
    dropped: list[LedgerRow] = []
    system, asked = "", ""
    history: list[tuple[str, str]] = []
    turn = 0
    for role, text in _turns(document):
        if role == "system":
            system = _joined(system, text)
        elif role == "user":
            asked = _joined(asked, text)
        elif not asked:
            dropped.append(drop_part(document, "no_question", "An answer without a question before it.", part=f"turn {turn + 1}"))
        else:
            turn += 1
            candidates.append(make_candidate(document, instruction=asked, output=text, system=system, history=history, part=f"turn {turn}"))
            history.append((asked, text))
            asked = ""
    if asked:
        dropped.append(drop_part(document, "no_answer", "A question without an answer after it.", part=f"turn {turn + 1}"))
    if not candidates and not dropped:
        dropped.append(drop_part(document, "no_answer", "A conversation without a question and an answer."))
    return Formatted(candidates if chat_turns == "every" else candidates[-1:], dropped)


def _turns(document: Document) -> list[tuple[str, str]]:
    """Role and text of each turn; messages without text count for nothing."""
    said = [(message.role, message.content.strip()) for message in document.messages if message.content.strip()]
    return [(role, "\n\n".join(text for _, text in messages)) for role, messages in groupby(said, key=lambda message: message[0])]


def _joined(before: str, text: str) -> str:
    return f"{before}\n\n{text}" if before else text
