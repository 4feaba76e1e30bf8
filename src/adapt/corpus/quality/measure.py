"""Measures clean drafts: the language of all texts of each, and the quality signals of its body."""

from collections.abc import Sequence

from adapt.corpus.draft import Draft
from adapt.corpus.quality.language import SAMPLE, identify
from adapt.corpus.quality.signals import Columns, measure_signals, rounded
from adapt.records import Language
from adapt.spec.corpus import CorpusSpec


def measure(drafts: Sequence[Draft], corpus: CorpusSpec) -> tuple[list[Language], Columns]:
    """ISO 639-1 code of each draft's language, and the signals of what would be learned from it, as far as the spec asks for them.

    The language is told from the beginning of each text in equal parts, so that a long question does not hide its answer; one that the spec names is
    certain. The body is the running text, the answer, the better answer of a pair, or the answers of a chat.
    """
    import numpy as np

    told = [identify(_sample(draft)) for draft in drafts] if corpus.language == "identify" else [(corpus.language, 1.0)] * len(drafts)
    columns = {"language_confidence": rounded(np.array([confidence for _, confidence in told], np.float64))}
    if corpus.measure_quality:
        columns |= measure_signals([body_of(draft) for draft in drafts])
    return [language for language, _ in told], columns


def _sample(draft: Draft) -> str:
    texts = draft.fields().values()
    part = SAMPLE // max(1, len(texts))
    return "\n".join([text[:part] for text in texts])


def body_of(draft: Draft) -> str:
    """The text of a draft that its signals are measured of."""
    if draft.kind == "chat":
        return "\n\n".join(content for role, content in draft.messages if role == "assistant")
    return draft.text if draft.kind == "text" else draft.output
