"""The last steps from a draft to a document: repeated lines go, wrapped lines are joined, personal data is masked."""

import re

from adapt.corpus.boilerplate import drop_lines
from adapt.corpus.clean import tidy_whitespace
from adapt.corpus.draft import Draft, Edit, Rejected
from adapt.corpus.headings import has_prose
from adapt.corpus.language import language_of
from adapt.corpus.pii import NAMES, TAGS, mask
from adapt.corpus.wrapping import unwrap
from adapt.records import Document, LedgerRow
from adapt.spec.corpus import CorpusSpec, PiiKind

_TAG = re.compile("|".join(map(re.escape, TAGS.values())))


def finish(draft: Draft, spec: CorpusSpec, repeated: set[bytes]) -> tuple[Document | None, list[LedgerRow]]:
    """The document and the ledger rows of all that was done to it; no document when only headings are left."""
    if draft.kind == "text":
        draft = _without_repeated(draft, repeated)
        if not has_prose(draft.text):
            rejected = Rejected(draft.locator, "no_content", "Nothing but headings is left.")
            return None, [*_rows(draft, f"{draft.source}:{draft.locator}"), rejected.row(draft.source)]
    if draft.wrapped:
        draft = draft.edited({"text": unwrap(draft.text)}, [])
    draft = _masked(draft, spec.mask)
    document = draft.document(language_of(_TAG.sub("", "\n".join(draft.fields().values()))))
    return document, _rows(draft, document.id)


def _without_repeated(draft: Draft, repeated: set[bytes]) -> Draft:
    text, lines = drop_lines(draft.text, repeated)
    if not lines:
        return draft
    reason = f"{lines} {'line' if lines == 1 else 'lines'} found in many files of the folder {'was' if lines == 1 else 'were'} removed."
    return draft.edited({"text": tidy_whitespace(text)}, [Edit(rule="drop_boilerplate", reason=reason, score=lines)])


def _masked(draft: Draft, kinds: tuple[PiiKind, ...]) -> Draft:
    changed: dict[str, str] = {}
    edits: list[Edit] = []
    for name, text in draft.fields().items():
        masked, counts = mask(text, kinds)
        if counts:
            changed[name] = masked
        for kind, count in sorted(counts.items()):
            what = NAMES[kind][0 if count == 1 else 1]
            reason = f"{count} {what} in the {name} {'was' if count == 1 else 'were'} replaced by {TAGS[kind]}."
            edits.append(Edit(rule=f"mask_{kind}", reason=reason, score=count))
    return draft.edited(changed, edits)


def _rows(draft: Draft, record: str) -> list[LedgerRow]:
    return [
        LedgerRow(record=record, source=draft.source, locator=draft.locator, action="edited", rule=edit.rule, reason=edit.reason, score=edit.score)
        for edit in draft.edits
    ]
