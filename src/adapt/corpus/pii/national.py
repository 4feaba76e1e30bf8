"""Finds identity, tax and social numbers of other countries; python-stdnum judges form and check digits.

Where one check digit alone proves a number, a telling word must stand before it.
"""

import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from typing import NamedTuple, Protocol, cast

from adapt.corpus.pii.kinds import APART, Finding, is_called_otherwise

_PART = rf"{APART}{{0,2}}"


def _spaced(form: str) -> str:
    """A pattern from signs: 0 is a digit, A a letter, # either, all else itself; what divides groups may stand between any two."""
    signs = {"0": "[0-9]", "A": "[A-Za-z]", "#": "[0-9A-Za-z]"}
    return _PART.join(signs.get(sign, re.escape(sign)) for sign in form)


class _Judge(Protocol):
    def is_valid(self, number: str) -> bool: ...


class _Number(NamedTuple):
    name: str
    """Country and module of python-stdnum; what follows a colon tells two entries apart. Empty: the form alone."""
    form: str
    told: str | None
    """Words of which one must stand before the number; None: the form and its check digits are proof enough."""


_NUMBERS = (
    _Number("de.idnr", _spaced("0" * 11), r"steuer-?\s?id|idnr|\btin\b|tax id"),
    _Number("", r"[0-9]{2} ?[0-9]{6} ?[A-Z] ?[0-9]{3}", r"sozialversicherung|rentenversicherung|versicherungsnummer|\bsvnr|\brvnr"),
    _Number("at.vnr", _spaced("0" * 10), r"sozialversicherung|versicherungsnummer|\bsvnr"),
    _Number("ch.ssn", r"756[ .]?[0-9]{4}[ .]?[0-9]{4}[ .]?[0-9]{2}", None),
    _Number("fr.nir", r"[12] ?[0-9]{2} ?(?:0[1-9]|1[0-2]) ?[0-9][0-9AB] ?[0-9]{3} ?[0-9]{3} ?[ -]?[0-9]{2}", None),
    _Number("fr.nif", _spaced("0" * 13), r"num[ée]ro fiscal|\bspi\b|\bnif\b|r[ée]f[ée]rence fiscale"),
    _Number("be.nn", r"[0-9]{2}[. ]?[0-9]{2}[. ]?[0-9]{2}[- ]?[0-9]{3}[. ]?[0-9]{2}", r"rijksregister|registre national|\bnn\b|\binsz|\bniss"),
    _Number("nl.bsn", _spaced("0" * 9), r"\bbsn\b|burgerservice|sofi"),
    _Number("es.dni", r"[0-9]{8}[ -]?[A-Z]", r"\bdni\b|\bnif\b|identidad"),
    _Number("es.dni:dots", r"[0-9]{2}\.[0-9]{3}\.[0-9]{3}[ -]?[A-Z]", r"\bdni\b|\bnif\b|identidad"),
    _Number("es.nie", r"[XYZ][ -]?[0-9]{7}[ -]?[A-Z]", None),
    _Number("it.codicefiscale", r"[A-Z]{6} ?[0-9]{2}[A-EHLMPR-T][0-9]{2} ?[A-Z][0-9]{3}[A-Z]", None),
    _Number("pt.nif", _spaced("0" * 9), r"\bnif\b|contribuinte"),
    _Number("gb.nhs", r"[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}", r"\bnhs\b"),
    _Number("gb.utr", _spaced("0" * 10), r"\butr\b|unique taxpayer"),
    _Number("", r"[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]", r"national insurance|\bnino\b|\bni no|\bni number"),
    _Number("ie.pps", r"[0-9]{7}[A-W][AHWTX]?", r"\bpps"),
    _Number("pl.pesel", _spaced("0" * 11), r"\bpesel"),
    _Number("se.personnummer", r"(?:19|20)?[0-9]{6}[-+][0-9]{4}", r"personn|person-?id"),
    _Number("no.fodselsnummer", r"[0-9]{6} ?[0-9]{5}", r"f[øo]dselsnummer|personnummer|\bfnr\b"),
    _Number("dk.cpr", r"[0-9]{6}-?[0-9]{4}", r"\bcpr"),
    _Number("fi.hetu", r"[0-9]{6}[-+A][0-9]{3}[0-9A-Y]", None),
    _Number("cz.rc", r"[0-9]{6}/?[0-9]{3,4}", r"rodn[ée]"),
    _Number("ro.cnp", _spaced("0" * 13), r"\bcnp\b|cod numeric"),
    _Number("bg.egn", _spaced("0" * 10), r"\begn\b|егн"),
    _Number("tr.tckimlik", _spaced("0" * 11), r"kimlik|\btckn|\btc no"),
    _Number("ru.inn", _spaced("0" * 12), r"инн|\binn\b"),
    _Number("", r"[0-9]{3}[- ]?[0-9]{3}[- ]?[0-9]{3}[- ]?[0-9]{2}", r"снилс|snils"),
    _Number("", r"[0-9]{2} ?[0-9]{2} ?(?:№ ?)?[0-9]{6}", r"паспорт\w{0,3}"),
    _Number("jp.in_", _spaced("0" * 12), r"マイナンバ[-ー]|個人番号|my ?number"),
    _Number("kr.rrn", r"[0-9]{6} ?- ?[1-8][0-9]{6}", None),
    _Number("kr.rrn:bare", r"[0-9]{13}", r"주민등록"),
    _Number("in_.aadhaar", _spaced("0" * 12), r"aadhaar|aadhar|\buid\b|आधार"),
    _Number("in_.pan", r"[A-Z]{5}[0-9]{4}[A-Z]", r"\bpan\b"),
    _Number("br.cpf", r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}", None),
    _Number("br.cpf:bare", _spaced("0" * 11), r"\bcpf"),
    _Number("mx.curp", r"[A-Z]{4}[0-9]{6}[HM][A-Z]{5}[0-9A-Z][0-9]", None),
    _Number("ca.sin", r"[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{3}", r"\bsin\b|social insurance"),
    _Number("au.tfn", _spaced("0" * 9), r"\btfn\b|tax file"),
    _Number("za.idnr", _spaced("0" * 13), r"\bid\b|identity"),
    _Number("il.idnr", _spaced("0" * 9), r"teudat|זהות"),
    _Number("us.itin", r"9[0-9]{2}-[0-9]{2}-[0-9]{4}", r"\bitin\b"),
)
_ALONE = r"(?<![0-9A-Za-z])(?<![0-9][.,\-/])"
_DONE = r"(?![0-9A-Za-z])(?![.,\-/][0-9])"
_FREE = tuple((entry, re.compile(f"{_ALONE}({entry.form}){_DONE}")) for entry in _NUMBERS if not entry.told)
_ANY_FREE = re.compile("|".join(entry.form for entry in _NUMBERS if not entry.told))
_TOLD = tuple((re.compile(entry.told, re.IGNORECASE), entry, re.compile(f"{_ALONE}({entry.form}){_DONE}")) for entry in _NUMBERS if entry.told)
_STEMS = tuple(
    {
        max(re.findall(r"[^\W\d_ ]{2,}", re.sub(r"\\[a-z](?:\{[^}]*\})?|\[[^\]]*\]", " ", word)), key=len)
        for entry in _NUMBERS
        if entry.told
        for word in entry.told.split("|")
    }
)
"""A part of each telling word: looking for these is faster than for the words."""
_PLACE = re.compile(
    rf"[0-9](?:(?<=[A-Z]{{6}}.)[0-9][A-Z]|(?<=[A-Z]{{4}}.)[0-9]{{5}}[HM]|(?<=[A-Z]{{5}}.)[0-9]{{3}}[A-Z]"
    rf"|(?<=[A-Z] [A-Z]{{3}} .)[0-9][A-Z]|(?:{_PART}[0-9]){{6,16}}|(?<=[A-Z].)(?:{_PART}[0-9]){{5}})"
)
"""Digits that may be part of a number: the forms, which begin with letters too, are tried around these alone."""
_BETWEEN_WORD_AND_NUMBER = re.compile(r"[^0-9\n]{0,32}\n?[^0-9\n]{0,6}")


def national_numbers(text: str) -> Iterator[Finding]:
    """Numbers with right check digits, and German, British and Russian ones by their form behind a telling word."""
    done = 0
    for place in _PLACE.finditer(text):
        first, last = max(place.start() - 8, done), place.end() + 12
        before = text[max(place.start() - 60, 0) : place.start()].lower()
        told = any(stem in before for stem in _STEMS)
        for entry, pattern in _FREE if _ANY_FREE.search(text, first, last) else ():
            for match in pattern.finditer(text, first, last):
                if _is_valid(entry.name, match[1]) and not is_called_otherwise(text, match.start(1)):
                    done = match.end()
                    yield _finding(match)
        for word, entry, pattern in _TOLD if told else ():
            for match in pattern.finditer(text, first, last):
                if _is_told(text, match.start(1), word) and (not entry.name or _is_valid(entry.name, match[1])):
                    done = match.end()
                    yield _finding(match)


def _is_told(text: str, begin: int, word: re.Pattern[str]) -> bool:
    return any(_BETWEEN_WORD_AND_NUMBER.fullmatch(text, told.end(), begin) for told in word.finditer(text, max(begin - 56, 0), begin))


def _finding(match: re.Match[str]) -> Finding:
    return Finding(*match.span(1), "national_id", re.sub("[^0-9A-Za-z]", "", match[1]).upper())


def _is_valid(name: str, number: str) -> bool:
    plain = number if name.startswith(("se.", "fi.", "kr.")) else re.sub("[^0-9A-Za-z]", "", number)
    return bool(_module(name).is_valid(plain.replace(" ", "")))


@cache
def _module(name: str) -> "_Judge":
    return cast(_Judge, import_module(f"stdnum.{name.partition(':')[0]}"))
