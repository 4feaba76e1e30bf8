"""Cleans the texts of one draft: mojibake undone, left-over markup unwrapped, characters normalised, white space tidied."""

from adapt.corpus.cleaning.characters import is_settled, normalize_unicode, repair_mojibake, tidy_whitespace
from adapt.corpus.cleaning.markup import strip_markup
from adapt.corpus.draft import Draft, Edit, QuarantineRule, Rejected
from adapt.text.letters import count_letters


def clean(draft: Draft) -> Draft | Rejected:
    """The draft with each of its texts cleaned; the same object when there was nothing to do.

    A text of nothing but invisible characters or empty markup is none: the draft is then rejected. White space is tidied without an edit,
    since that changes nothing that is said.
    """
    changed: dict[str, str] = {}
    edits: list[Edit] = []
    for name, text in draft.fields().items():
        if is_settled(text):
            continue
        tidy = _cleaned(draft, name, text, edits)
        if not tidy and name not in ("title", "input"):
            rule: QuarantineRule = "no_content" if draft.kind == "text" else "missing_field"
            return Rejected(draft.locator, rule, f"The {name} holds no visible character.", draft.letters() + draft.unused)
        if tidy != text:
            changed[name] = tidy
    return draft.edited(changed, edits)


def _cleaned(draft: Draft, name: str, text: str, edits: list[Edit]) -> str:
    """The clean text; what was done to it is added to `edits`."""
    mended, lines = repair_mojibake(text)
    if lines:
        reason = "Text that had been decoded with the wrong encoding was put right."
        edits.append(Edit("repair_encoding", reason, lines, name, characters=_lost(text, mended)))
    ordinary, characters = normalize_unicode(mended)
    gone = _lost(mended, ordinary) if characters else 0
    text, marks = strip_markup(ordinary, draft)
    if marks:
        reason = "Left-over HTML tags or character references were turned into plain text."
        edits.append(Edit("strip_markup", reason, marks, name, characters=_lost(ordinary, text)))
        ordinary, referred = normalize_unicode(text)
        gone += _lost(text, ordinary) if referred else 0
        text, characters = ordinary, characters + referred
    if characters:
        reason = "Invisible characters, full-width letters and digits or split accents were brought to their ordinary form."
        edits.append(Edit("normalize_unicode", reason, characters, name, characters=gone))
    tidy = tidy_whitespace(text)
    return tidy if name == "text" and draft.kind == "text" else tidy.strip()


def _lost(before: str, after: str) -> int:
    return count_letters(before) - count_letters(after)
