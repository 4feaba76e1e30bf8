"""Finds personal data and secrets in a text.

Kinds are looked for from the most to the least specific, and what one kind has taken, no later kind may take: a valid identity number
is no telephone number, also where the spec does not mask identity numbers.
"""

import re
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from adapt.corpus.pii.kinds import Finding
from adapt.corpus.pii.network import addresses, emails
from adapt.corpus.pii.numbers import accounts, cards, identity_numbers, social_security_numbers
from adapt.corpus.pii.passports import passports
from adapt.corpus.pii.phones import phones
from adapt.corpus.pii.secrets import secrets
from adapt.spec.pii import PiiKind

_NUMBERS: tuple[PiiKind, ...] = ("phone", "cn_id", "bank_card", "us_ssn")
_SIGNS: tuple[tuple[str, str, tuple[PiiKind, ...]], ...] = (
    ("0-9", r"(?:[ .()（）/\-\u2010-\u2013]{0,3}+[0-9]){8}", _NUMBERS),
    ("0-9", "[0-9]{6}[MFX<][0-9]{7}", ("passport",)),
    ("+", r"[ (]{0,2}+[0-9](?:[ .()（）/\-\u2010-\u2013]{0,3}+[0-9]){6}", ("phone",)),
    ("0-9", r"(?<=[A-Za-z]{2}[0-9])[0-9](?:[ \-]?[0-9A-Za-z]){8}", ("iban",)),
    ("0-9", r"[0-9]{0,2}+(?:\.[0-9]{1,3}){3}", ("ip",)),
    ("0-9", r"(?<=ya2)9\.", ("secret",)),
    ("@", "", ("email", "secret")),
    ("Pp", r"assport|ASSPORT", ("passport",)),
    ("Pp", r"ass(?:wd|word|phrase|code)|ASS(?:WD|WORD|PHRASE|CODE)|wd|WD|(?<=[_\-].)(?:ass|ASS)[\"']?\s{0,2}[:=：]", ("secret",)),
    ("护密口令", r"(?<=护)照", ("passport",)),
    ("护密口令", r"(?<=密)[码钥]|(?<=口)令|(?<=令)牌", ("secret",)),
    (":=：", r"(?:(?<=[yntdlsYNTDLS\"'`*_].)|(?<=[yntdlsYNTDLS\"'`] .))>?[ \"'`*]{0,4}[0-9A-Za-z_+/=.~\-]{16}", ("secret",)),
    (":=：", r"(?<=n:) ?Bearer|AA[0-9A-Za-z_\-]{33}", ("secret",)),
    (":=：", r"(?<=[0-9A-Fa-f]:)[0-9A-Fa-f]{0,4}:[0-9A-Fa-f]", ("ip",)),
    (r"_\-", r"(?<=gh[pousr].)|(?<=_pat.)|(?<=[sr]k.)|(?<=npm.)|(?<=hf.)|(?<=whsec.)|(?<=xox[a-z].)|(?<=gl[a-z]{2}.)|(?<=gl[a-z]{3}.)", ("secret",)),
    (r"_\-", r"(?<=pypi.)|(?<=xapp.)|----BEGIN", ("secret",)),
    ("KkzJGSL", r"(?<=AK)I[AD]|(?<=AIz)a|(?<=eyJ)|(?<=G)OCSPX|(?<=AS)IA|(?<=S)G\.|(?<=L)TAI|(?<=hook)s\.slack", ("secret",)),
    ("KkzJGSL", r"(?<=[Kk])e[yn] (?:is|was) ", ("secret",)),
)
"""A class of characters, what must follow or precede one of them, and the kinds that no text holds without it."""


def worth_a_look(kinds: Iterable[PiiKind]) -> re.Pattern[str]:
    """One search that passes over texts without any of the kinds. A class of characters stands in front, since a class is searched for
    some ten times as fast as alternatives."""
    wanted = set(kinds)
    groups: dict[str, list[str]] = {}
    for first, sign, holders in _SIGNS:
        if wanted.intersection(holders):
            groups.setdefault(first, []).append(sign)
    if not groups:
        return re.compile("(?!)")
    alternatives = "|".join(f"(?<=[{first}])(?:{'|'.join(signs)})" for first, signs in groups.items())
    return re.compile(f"[{''.join(groups)}](?:{alternatives})")


_FINDERS: tuple[tuple[re.Pattern[str], tuple[Callable[[str], Iterator[Finding]], ...]], ...] = (
    (worth_a_look(("secret",)), (secrets,)),
    (worth_a_look(("email",)), (emails,)),
    (worth_a_look(("passport",)), (passports,)),
    (worth_a_look(("iban",)), (accounts,)),
    (worth_a_look(("cn_id", "bank_card", "us_ssn")), (identity_numbers, cards, social_security_numbers)),
    (worth_a_look(("ip",)), (addresses,)),
    (worth_a_look(("phone",)), (phones,)),
)


def find(text: str, more: Iterable[Finding] = ()) -> list[Finding]:
    """Personal data in the order of the text; no two findings overlap. `more` are findings from elsewhere, which come last."""
    finders = (finder for sign, group in _FINDERS if sign.search(text) for finder in group)
    taken: list[Finding] = []
    for finding in chain(*(finder(text) for finder in finders), more):
        at = bisect(taken, finding)
        if (at == 0 or taken[at - 1].end <= finding.begin) and (at == len(taken) or finding.end <= taken[at].begin):
            taken.insert(at, finding)
    return taken
