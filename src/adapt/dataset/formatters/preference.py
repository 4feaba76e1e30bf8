"""A question with a better and a worse answer becomes one record.

Turns that came before the question stand in the document's `messages`. A data set of instructions takes the better answer alone: it is
what the question deserves. A pair whose answers are the same prefers nothing and is dropped, and so is
an answer that the data call bad where no better stands beside it.
"""

from typing import Literal

from adapt.dataset.formatters.chat import History, read_turns, with_history
from adapt.dataset.formatters.result import Formatted, drop_part
from adapt.records import UNLEARNED, Document


def format_preference(document: Document, chat_history: Literal["keep", "flatten"], *, paired: bool) -> Formatted:
    """The one record of a document of kind `preference`, with the worse answer when `paired`."""
    asked, given, better, worse = (text.strip() for text in (document.instruction, document.input, document.output, document.rejected))
    if asked and worse and not better:
        reason = "The data call the answer a bad one, and there is no better beside it."
        return Formatted([], [drop_part(document, "bad_answer", reason, texts=[asked, given, worse])])
    if not (asked and better):
        return Formatted(
            [], [drop_part(document, "no_answer", "A pair without a question or without a better answer.", texts=[asked, given, better, worse])]
        )
    if paired and (not worse or better == worse):
        reason = "Both answers are the same." if worse else "The worse answer is empty."
        return Formatted([], [drop_part(document, "no_pair", reason, texts=[asked, given, better, worse])])
    system, history = _before(document)
    before = History(system, history, chat_history)
    rejected = worse if paired else ""
    return Formatted([with_history(document, before, instruction=asked, input=given, output=better, rejected=rejected)], [])


def _before(document: Document) -> tuple[str, list[tuple[str, str]]]:
    """System message and turns before the question; a question that was left unanswered, and an answer that nobody asked for, are left out."""
    system = "\n\n".join(text for role, text in read_turns(document) if role == "system")
    history: list[tuple[str, str]] = []
    asked = ""
    for role, text in read_turns(document):
        if role == "user":
            asked = text
        elif role in ("assistant", UNLEARNED) and asked:
            history.append((asked, text))
            asked = ""
    return system, history
