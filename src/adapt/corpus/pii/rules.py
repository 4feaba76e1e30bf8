"""Finds personal data and secrets in a text.

Kinds are looked for from the most to the least specific, and what one kind has taken, no later kind may take: a valid identity number
is no telephone number, also where the spec does not mask identity numbers.
"""

import re
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from adapt.corpus.pii.folding import BETWEEN, DIGITS, fold
from adapt.corpus.pii.identity import hong_kong_numbers, identity_numbers, macau_numbers, taiwan_numbers
from adapt.corpus.pii.kinds import Finding
from adapt.corpus.pii.mail import emails, is_spelt_out
from adapt.corpus.pii.national import national_numbers
from adapt.corpus.pii.network import addresses
from adapt.corpus.pii.numbers import accounts, cards, social_security_numbers
from adapt.corpus.pii.passports import passports
from adapt.corpus.pii.permits import permits
from adapt.corpus.pii.phones import phones
from adapt.corpus.pii.plates import PROVINCES, plates
from adapt.corpus.pii.postal import ROAD_SIGNS, postal_addresses
from adapt.corpus.pii.secrets import secrets
from adapt.spec.pii import PiiKind

_NUMBERS: tuple[PiiKind, ...] = ("phone", "cn_id", "bank_card", "us_ssn", "national_id")
_GAP, _LETTER = f"[{BETWEEN}]", "[A-Za-z\uff21-\uff3a\uff41-\uff5a]"
_ACCOUNT = rf"(?:{_GAP}{{0,3}}{_LETTER}){{0,4}}+(?:{_GAP}{{0,3}}[{DIGITS}]){{3}}"
_SIGNS: tuple[tuple[str, str, tuple[PiiKind, ...]], ...] = (
    (DIGITS, rf"(?:[{DIGITS}]{{6}}(?:[{DIGITS}]|{_LETTER})|(?:{_GAP}{{0,4}}+[{DIGITS}]){{8}})", (*_NUMBERS, "travel_permit")),
    (
        DIGITS,
        rf"(?<={_LETTER}.)(?:(?:{_GAP}{{0,2}}[{DIGITS}]){{5}}"
        rf"|[{DIGITS}](?<={_LETTER}{{2}}..)(?<!{_LETTER}....)(?<![{DIGITS}]....){_ACCOUNT}"
        r"|[0-9](?:[A-Z](?<=[A-Z]{6}...)|[0-9]{4}[A-Z](?<=[A-Z]{4}.{7})|[0-9]{2}(?<=[A-Z]{5}....)))",
        ("iban", "national_id", "travel_permit"),
    ),
    (DIGITS, rf"(?<={_LETTER}[ \u3000].)[{DIGITS}]{{5}}", ("national_id",)),
    ("话話机機真线線", rf"[^{DIGITS}\n]{{0,5}}[{DIGITS}]{{3,4}}{_GAP}{{0,2}}[{DIGITS}]{{4}}", ("phone",)),
    (
        DIGITS,
        rf"(?<={_LETTER}.)(?:{_GAP}{{0,2}}[{DIGITS}]){{5}}"
        rf"|(?<={_LETTER}{_GAP}.)(?:{_GAP}{{0,2}}[{DIGITS}]){{5}}",
        ("national_id", "travel_permit"),
    ),
    (DIGITS, "[0-9]{6}[MFX<][0-9]{7}", ("passport",)),
    ("+\uff0b", rf"[ (（]{{0,2}}+[{DIGITS}](?:{_GAP}{{0,4}}+[{DIGITS}]){{6}}", ("phone",)),
    (DIGITS, rf"[{DIGITS}]{{0,2}}+(?:[.\uff0e][{DIGITS}]{{1,3}}){{3}}", ("ip",)),
    (PROVINCES, rf"[\s·]?{_LETTER}{_GAP}{{0,3}}(?:[{DIGITS}]|{_LETTER}){{4}}", ("plate",)),
    ("证證号號", rf"[^{DIGITS}]{{0,12}}[{DIGITS}]{{4}}{_GAP}[{DIGITS}]{{4}}", ("travel_permit",)),
    ("牌号號", rf"[^{DIGITS}A-Za-z]{{0,6}}[{DIGITS}A-Z使]", ("plate",)),
    (ROAD_SIGNS, rf"[东東西南北中]?[ ,，\u3000]?[附A-Za-z{DIGITS}一二三四五六七八九十百甲乙丙丁]", ("postal_address",)),
    (DIGITS, r"(?<=ya2)9\.", ("secret",)),
    ("@\uff20", "", ("email", "secret")),
    ("%\uff05", "(?:25)*40", ("email",)),
    ("Pp", r"assport|ASSPORT|asseport|ASSEPORT|asaporte|(?<=eise.)ass|(?<=EISE.)ASS", ("passport",)),
    ("Pp", r"ass(?:wd|word|phrase|code)|ASS(?:WD|WORD|PHRASE|CODE)|wd|WD|(?<=[_\-].)(?:ass|ASS)[\"']?\s{0,2}[:=：]", ("secret",)),
    ("护護密口令", r"(?<=[护護])照", ("passport",)),
    ("パ여п", "スポ[ー-]ト|권|аспорт", ("passport",)),
    ("护護密口令", r"(?<=密)[码钥]|(?<=口)令|(?<=令)牌", ("secret",)),
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


_SECRET = worth_a_look(("secret",))
_NUMBER = worth_a_look(("travel_permit", "phone", "cn_id", "bank_card", "us_ssn", "national_id"))
_FINDERS: tuple[tuple[re.Pattern[str], tuple[Callable[[str], Iterator[Finding]], ...]], ...] = (
    (worth_a_look(("email",)), (emails,)),
    (worth_a_look(("passport",)), (passports,)),
    (worth_a_look(("iban",)), (accounts,)),
    (_NUMBER, (identity_numbers, permits, hong_kong_numbers, macau_numbers, taiwan_numbers, national_numbers, cards, social_security_numbers)),
    (worth_a_look(("ip",)), (addresses,)),
    (worth_a_look(("phone",)), (phones,)),
    (worth_a_look(("plate",)), (plates,)),
    (worth_a_look(("postal_address",)), (postal_addresses,)),
)


def find(text: str, more: Iterable[Finding] = ()) -> list[Finding]:
    """Personal data in the order of the text; no two findings overlap. `more` are findings from elsewhere, which come last."""
    folded = fold(text)
    taken: list[Finding] = []
    found = chain(secrets(text) if _SECRET.search(text) else (), emails(folded) if is_spelt_out(text) else ())
    finders = (finder for sign, group in _FINDERS if sign.search(folded) for finder in group)
    for finding in chain(found, *(finder(folded) for finder in finders), more):
        at = bisect(taken, finding)
        if (at == 0 or taken[at - 1].end <= finding.begin) and (at == len(taken) or finding.end <= taken[at].begin):
            taken.insert(at, finding)
    return taken
