"""Measures clean drafts: the language of all texts of each, and the quality signals of its body."""

from collections.abc import Sequence

from adapt.corpus.draft import Draft
from adapt.corpus.quality.language import SAMPLE, identify
from adapt.corpus.quality.plain import is_plain, measure_plain
from adapt.corpus.quality.signals import Measured, signals_of
from adapt.records import Language


def measure(drafts: Sequence[Draft]) -> list[tuple[Language, Measured]]:
    """ISO 639-1 code of each draft's language, and the signals of what would be learned from it.

    The language is told from the beginning of each text in equal parts, so that a long question does not hide its answer. The body is the
    running text, the answer, the better answer of a pair, or the answers of a chat.
    """
    told = [identify(_sample(draft)) for draft in drafts]
    bodies = [body_of(draft) for draft in drafts]
    plain = [at for at, body in enumerate(bodies) if is_plain(body)]
    found = dict(zip(plain, measure_plain([bodies[at] for at in plain], [told[at][1] for at in plain]), strict=True))
    return [
        (language, found[at] if at in found else signals_of(body, confidence))
        for at, ((language, confidence), body) in enumerate(zip(told, bodies, strict=True))
    ]


def _sample(draft: Draft) -> str:
    texts = draft.fields().values()
    part = SAMPLE // max(1, len(texts))
    return "\n".join([text[:part] for text in texts])


def body_of(draft: Draft) -> str:
    """The text of a draft that its signals are measured of."""
    if draft.kind == "chat":
        return "\n\n".join(content for role, content in draft.messages if role == "assistant")
    return draft.text if draft.kind == "text" else draft.output
