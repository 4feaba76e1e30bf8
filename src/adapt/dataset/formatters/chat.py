"""A conversation becomes one record per answer, with the turns before it as history.

Messages of one speaker in a row are one turn. A system message holds from where it stands to the end. What has no place in
Alpaca's pairs is dropped with a row: an answer that nobody asked for (a greeting that opens the conversation), a question left unanswered,
and an answer after more than a record may hold.
Earlier turns stay as turns, or become a transcript in the input, for trainers that know no history.
"""

from collections.abc import Sequence
from itertools import accumulate, groupby
from typing import Literal, NamedTuple

from adapt.dataset.formatters.estimates import least_tokens
from adapt.dataset.formatters.result import Candidate, Formatted, drop_part, known_by, make_candidate
from adapt.records import UNLEARNED, Document, Language, LedgerRow


class History(NamedTuple):
    """What was said before a question, and what becomes of it."""

    system: str
    turns: Sequence[tuple[str, str]]
    how: Literal["keep", "flatten"]


class _Speakers(NamedTuple):
    opening: str
    user: str
    assistant: str


_CHINESE = _Speakers("此前的对话：", "用户：", "助手：")
_OTHER = _Speakers("The conversation so far:", "User: ", "Assistant: ")


class _Exchange(NamedTuple):
    """A question with its answer."""

    systems: int
    """How many system messages came before the answer."""
    asked: str
    answer: str
    learned: bool
    """Whether the data let it be learned; what is not is context for later answers."""


def format_chat(
    document: Document, chat_turns: Literal["every", "last"], chat_history: Literal["keep", "flatten"] = "keep", *, max_tokens: int
) -> Formatted:
    """Records of a document of kind `chat`: of every answer, or of the last alone.

    An answer with more before it than `max_tokens` surely hold is no record, since a record of each would hold the whole of a long chat again.
    """
    exchanges, systems, dropped = _read_exchanges(document)
    tokens_of_systems = [0.0, *accumulate(map(least_tokens, systems))]
    history: list[tuple[str, str]] = []
    candidates: list[Candidate] = []
    before = 0.0
    last = max((turn for turn, exchange in enumerate(exchanges, 1) if exchange.learned), default=0)
    for turn, (told, asked, answer, learned) in enumerate(exchanges, 1):
        part = f"turn {turn}"
        if not learned:
            reason = "The data mark the answer as not to be learned; later answers follow on it."
            dropped.append(drop_part(document, "unlearned_answer", reason, part=part, texts=[asked, answer]))
        elif chat_turns == "last" and turn < last:
            dropped.append(
                drop_part(
                    document, "earlier_answer", "An answer before the last, which dataset.chat_turns leaves out.", part=part, texts=[asked, answer]
                )
            )
        elif before + tokens_of_systems[told] > max_tokens:
            dropped.append(
                drop_part(document, "too_long", f"What was said before has more than {max_tokens} tokens.", part=part, texts=[asked, answer])
            )
        else:
            said = History("\n\n".join(systems[:told]), history, chat_history)
            candidates.append(with_history(document, said, instruction=asked, output=answer, part=part))
        history.append((asked, answer))
        before += least_tokens(asked) + least_tokens(answer)
    return Formatted(candidates, dropped)


def _read_exchanges(document: Document) -> tuple[list[_Exchange], list[str], list[LedgerRow]]:
    """The questions with an answer, the system messages, and rows for what has no counterpart."""
    exchanges: list[_Exchange] = []
    systems: list[str] = []
    dropped: list[LedgerRow] = []
    asked = ""
    for role, text in read_turns(document):
        part = f"turn {len(exchanges) + 1}"
        if role == "system":
            systems.append(text)
        elif role == "user":
            asked = _joined(asked, text)
        elif not asked:
            dropped.append(drop_part(document, "no_question", "An answer without a question before it.", part=part, texts=[text]))
        else:
            exchanges.append(_Exchange(len(systems), asked, text, role != UNLEARNED))
            asked = ""
    if asked:
        dropped.append(drop_part(document, "no_answer", "A question without an answer after it.", part=f"turn {len(exchanges) + 1}", texts=[asked]))
    if not exchanges and not dropped:
        dropped.append(drop_part(document, "no_answer", "A conversation without a question and an answer."))
    return exchanges, systems, dropped


def with_history(
    document: Document, before: History, *, instruction: str, output: str, input: str = "", rejected: str = "", part: str = ""
) -> Candidate:
    """A record with the turns before it, kept or flattened. Duplicates are known without them either way."""
    keep = before.how == "keep" or not before.turns
    candidate = make_candidate(
        document,
        instruction=instruction,
        input=input if keep else _joined(input, transcript(before.turns, document.language)),
        output=output,
        system=before.system,
        history=before.turns if keep else (),
        rejected=rejected,
        part=part,
    )
    return candidate._replace(content=known_by(instruction, input, output, rejected))


def transcript(turns: Sequence[tuple[str, str]], language: Language) -> str:
    """Earlier turns as one text, its speakers named in Chinese or English."""
    words = _CHINESE if language == "zh" else _OTHER
    said = [line for user, assistant in turns for line in (words.user + user, words.assistant + assistant)]
    return "\n".join((words.opening, *said))


def read_turns(document: Document) -> list[tuple[str, str]]:
    """Role and text of each turn; messages without text count for nothing."""
    said = [(message.role, message.content.strip()) for message in document.messages if message.content.strip()]
    return [(role, "\n\n".join(text for _, text in messages)) for role, messages in groupby(said, key=lambda message: message[0])]


def _joined(before: str, text: str) -> str:
    return f"{before}\n\n{text}" if before else text
