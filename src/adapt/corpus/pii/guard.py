"""What becomes of personal data: masked, replaced by a pseudonym, left, or the whole draft refused.

A draft enters and leaves with tags in its texts and an edit for each text and kind; edits and reasons say kinds, counts and places, never values.
"""

import os
from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from importlib import import_module

from adapt.corpus.draft import Draft, Edit, Rejected, Span
from adapt.corpus.pii.kinds import NAMES, TAGS, Finding
from adapt.corpus.pii.mail import is_spelt_out
from adapt.corpus.pii.rules import find, worth_a_look
from adapt.corpus.pii.sieve import suspicious
from adapt.errors import InputError
from adapt.spec.pii import Pii, PiiKind, PiiPolicy
from adapt.text.letters import count_letters

_NAMES_MODULE = "adapt.corpus.pii.names"
"""Imported by name, so that the code of those who look for no names does not reach it."""


class Guard:
    """Applies section `corpus.pii`. Can be pickled; holds the key of the pseudonyms, so a pickle must not be kept."""

    def __init__(self, pii: Pii) -> None:
        """Raises InputError when the key of the pseudonyms, or what finds names, is missing."""
        self._policies: dict[PiiKind, PiiPolicy] = {kind: policy for kind, policy in pii.policies().items() if policy != "allow"}
        self._names = pii.names if {"person", "address"} & self._policies.keys() else None
        self._worth_a_look = worth_a_look(tuple(self._policies))
        self._key = _key(pii.pseudonym_key) if pii.pseudonym_key and "pseudonym" in self._policies.values() else b""
        if self._names:
            import_module(_NAMES_MODULE).open_engine(self._names)

    def protect_all(self, drafts: Sequence[Draft]) -> list[Draft | Rejected]:
        """What `protect` makes of each draft."""
        if self._names:
            return [self.protect(draft) for draft in drafts]
        suspects = suspicious(["\n".join(draft.fields().values()) for draft in drafts]).tolist()
        return [self.protect(draft) if suspect else draft for draft, suspect in zip(drafts, suspects, strict=True)]

    def protect(self, draft: Draft) -> Draft | Rejected:
        """The draft without what its policies forbid, or why it cannot be used."""
        found = {name: findings for name, text in draft.fields().items() if (findings := self._found(text))}
        if not found:
            return draft
        refused = Counter(finding.kind for findings in found.values() for finding in findings if self._policies[finding.kind] == "drop")
        if refused:
            return Rejected(draft.locator, "personal_data", f"Holds {_counted(refused)}.", draft.letters() + draft.unused)
        texts = draft.fields()
        changed: dict[str, str] = {}
        edits: list[Edit] = []
        for name, findings in found.items():
            changed[name], spans, gone = self._replaced(texts[name], findings)
            edits += [self._edit(name, kind, spans[kind], gone[kind]) for kind in self._policies if kind in spans]
        return draft.edited(changed, edits)

    def _found(self, text: str) -> list[Finding]:
        """What stands in the text and may not stay. What is allowed is looked for too: it is nothing of another kind."""
        if self._names:
            found = find(text, import_module(_NAMES_MODULE).find_names(text, self._names))
        elif self._worth_a_look.search(text) or ("email" in self._policies and is_spelt_out(text)):
            found = find(text)
        else:
            return []
        return [finding for finding in found if finding.kind in self._policies]

    def _replaced(self, text: str, findings: list[Finding]) -> tuple[str, dict[PiiKind, list[Span]], Counter[PiiKind]]:
        """The text with tags, and by kind where the tags stand and how many letters and digits went for them."""
        parts: list[str] = []
        spans: dict[PiiKind, list[Span]] = {}
        gone: Counter[PiiKind] = Counter()
        done = length = 0
        for finding in findings:
            tag = self._tag(finding)
            begin = length + finding.begin - done
            parts += [text[done : finding.begin], tag]
            done, length = finding.end, begin + len(tag)
            spans.setdefault(finding.kind, []).append((begin, length))
            gone[finding.kind] += count_letters(text[finding.begin : finding.end]) - count_letters(tag)
        return "".join([*parts, text[done:]]), spans, gone

    def _tag(self, finding: Finding) -> str:
        """`[EMAIL]`, or `[EMAIL_7f3a9c2e]`: keyed BLAKE2b (RFC 7693) of kind and value, so that only who has the key can try values."""
        tag = TAGS[finding.kind]
        if self._policies[finding.kind] == "mask":
            return tag
        code = blake2b(f"{finding.kind}\n{finding.value}".encode("utf-8", "surrogatepass"), key=self._key, digest_size=4).hexdigest()
        return f"{tag[:-1]}_{code}]"

    def _edit(self, field: str, kind: PiiKind, spans: list[Span], gone: int) -> Edit:
        count = len(spans)
        masked = self._policies[kind] == "mask"
        where = field if field.startswith("turn ") else f"the {field}"
        reason = (
            f"{count} {NAMES[kind][count != 1]} in {where} {'was' if count == 1 else 'were'} replaced by {TAGS[kind] if masked else 'pseudonyms'}."
        )
        return Edit(f"{'mask' if masked else 'pseudonymise'}_{kind}", reason, count, field, tuple(spans), gone)


def _counted(kinds: Counter[PiiKind]) -> str:
    return ", ".join(f"{count} {NAMES[kind][count != 1]}" for kind, count in sorted(kinds.items()))


def _key(variable: str) -> bytes:
    value = os.environ.get(variable, "")
    if len(value) < 16:
        problem = "is not set" if not value else f"has {len(value)} characters, fewer than 16"
        raise InputError(
            f"the key of the pseudonyms, environment variable {variable}, {problem}", hint=f"set {variable} to a long random text and keep it"
        )
    return blake2b(value.encode("utf-8", "surrogateescape")).digest()
