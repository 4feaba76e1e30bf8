"""Finds keys, tokens and passwords: those whose issuers gave them a form, private key blocks, passwords in URLs, and what text assigns to a
name such as `password`, `api_key` or `密码`. Placeholders of documentation, calls and names of variables stay, and so do bare hashes and UUIDs."""

import re
from collections.abc import Iterator
from math import log2

from adapt.corpus.pii.kinds import Finding

_ISSUED = re.compile(
    r"(?<![0-9A-Za-z])(?:"
    r"A[KS]IA[A-Z2-7]{16}(?![A-Z2-7])|LTAI[0-9A-Za-z]{12,26}|AKID[0-9A-Za-z]{32}"  # Amazon, Alibaba, Tencent
    r"|gh[pousr]_[0-9A-Za-z]{36,}|github_pat_[0-9A-Za-z_]{22,}|gl(?:pat|ptt|rt|dt)-[0-9A-Za-z_\-]{20,}"
    r"|xox[abeoprs]-[0-9A-Za-z\-]{10,}|xapp-[0-9]-[0-9A-Za-z\-]{20,}"
    r"|[sr]k_(?:live|test)_[0-9A-Za-z]{16,}|whsec_[0-9A-Za-z]{24,}"  # Stripe
    r"|sk-(?:[a-z]{2,8}[0-9]{0,2}-){0,3}[0-9A-Za-z_\-]{20,}"  # OpenAI, Anthropic and those who follow them
    r"|AIza[0-9A-Za-z_\-]{35}|GOCSPX-[0-9A-Za-z_\-]{20,}|ya29\.[0-9A-Za-z_\-]{30,}"  # Google
    r"|npm_[0-9A-Za-z]{36}|pypi-[0-9A-Za-z_\-]{50,}|hf_[0-9A-Za-z]{30,}|SG\.[0-9A-Za-z_\-]{16,}\.[0-9A-Za-z_\-]{30,}|[0-9]{8,10}:AA[0-9A-Za-z_\-]{33}"
    r"|eyJ[0-9A-Za-z_\-]{10,}\.eyJ[0-9A-Za-z_\-]{10,}\.[0-9A-Za-z_\-]*"  # RFC 7519
    r")"
)
_BLOCK = re.compile(r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----([^\-]{40,20000})(?:-----END [A-Z0-9 ]{1,60}-----)?")
_HOOK = re.compile(r"hooks\.slack\.com/services/(T[0-9A-Z]{6,12}/B[0-9A-Z]{6,12}/[0-9A-Za-z]{20,30})")
_IN_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]{1,20}://[^\s/:@\"'<>]{0,64}:([^\s/@\"'<>]{3,128})@[0-9A-Za-z\[]")
_BEARER = re.compile(r"(?i:\bbearer)\s+([0-9A-Za-z._~+/\-]{20,}=*)")

_NAME = (
    r"(?P<word>pass(?:word|wd|phrase|code)|pwd|(?<=[_\-])pass(?=[\"']?\s{0,2}[:=：])|密码|口令)"
    r"|(?:api|access|secret|private|account|auth|encryption|signing|service)[ _\-]?(?:access[ _\-]?)?key(?:[ _\-]?id)?|secret|token|credentials?"
    r"|密钥|令牌"
)
_ASSIGNED = re.compile(
    rf"(?i:{_NAME})"
    r"(?:[\"'`*_]{0,3}(?:\s{0,2}(?::=|=>|==?|[:：])|\s(?:is|was)(?::|\s)|[是为]|(?:已|被)?(?:改|设|重置|变更)(?:成|为|置为|定为))|(?<=--password)\s|(?<=密码)|(?<=口令)|>(?=[^<>\s]{6,64}</))"
    r"[\s*]{0,3}(?P<quote>[\"'`“]?)(?P<value>[!-~]{6,256})"
)
_VALUE_END = re.compile(r"[\"'`,;)<>}\]\\]|[.:?]+$|\*\*|&[a-z]+=")
_QUOTED_END = re.compile(r"[\"'`\\]")
_PLACEHOLDER = re.compile(
    r"your|example|sample|placeholder|change[_\-]?(?:me|this|it)|dummy|redacted|replace|insert|todo|x{5}|\*\*\*|\.\.\.|foobar|^(?:123456|abcdef|qwerty)[0-9]{0,4}$"
    r"|^(?:my|the|new|old|db|user|root|super|admin|test|default)?[_\-]?(?:secret|pass(?:word|wd|w0rd)?|p@ssw0rd|token|api|key)(?:[_\-]?(?:secret|pass(?:word)?|token|key|here))*[_\-]?[0-9]{0,3}!?$",
    re.IGNORECASE,
)
_CODE = re.compile(r"[(\[{<]|^[$%|./~]|^[A-Za-z_]\w*\.[A-Za-z_]|^https?://|^[^@\s]+@[^@\s]+\.[A-Za-z]+$|::|->")
"""Calls, look-ups, templates, attributes, paths and addresses stand where a value is not written out."""
_WORDS = re.compile(r"[A-Za-z]+(?:[_\-/.'][A-Za-z]+)*[.!?]?|[a-z]+(?:[_\-][a-z]+)*[_\-]?[0-9]")
_COUNT = re.compile(r"[0-9]+(?:-[0-9]+)?-?[a-z]+")
_TERM = re.compile(r"(?:sha|md|hs|rs|es|aes|utf|x|base|rsa|pbkdf|oauth|scrypt|bcrypt|argon)[_\-]?[0-9]{1,4}(?:[_\-][0-9A-Za-z]+)*", re.IGNORECASE)
"""Names of algorithms: letters and digits that are no password."""


def secrets(text: str) -> Iterator[Finding]:
    """What opens something, the value alone where a name stands before it."""
    for match in _BLOCK.finditer(text) if "-----BEGIN" in text else ():
        if _entropy(match[1]) > 3.5:
            yield Finding(*match.span(), "secret", match[0])
    for match in _ISSUED.finditer(text):
        if (match[0].isupper() or _is_random(match[0])) and _entropy(match[0]) >= 3 and not _PLACEHOLDER.search(match[0]):
            yield Finding(*match.span(), "secret", match[0])
    for pattern in (_HOOK, _BEARER):
        for match in pattern.finditer(text):
            if _is_random(match[1]) and not _PLACEHOLDER.search(match[1]):
                yield Finding(*match.span(1), "secret", match[1])
    for match in _IN_URL.finditer(text) if "://" in text else ():
        if not _CODE.search(match[1]) and not _PLACEHOLDER.search(match[1]):
            yield Finding(*match.span(1), "secret", match[1])
    yield from _assigned(text)


def _assigned(text: str) -> Iterator[Finding]:
    for match in _ASSIGNED.finditer(text):
        value = _value(match["value"], quoted=bool(match["quote"]))
        fits = _is_password if match["word"] else _is_key
        if fits(value) and not _PLACEHOLDER.search(value) and not _CODE.search(value) and not _TERM.fullmatch(value):
            yield Finding(match.start("value"), match.start("value") + len(value), "secret", value)


def _value(found: str, *, quoted: bool) -> str:
    """The value without what closes it: a quote, a bracket, the punctuation of the sentence. Code is left whole, to be known as such."""
    end = None if _CODE.match(found) else (_QUOTED_END if quoted else _VALUE_END).search(found, 1)
    return found[: end.start()] if end else found


def _is_password(value: str) -> bool:
    """Six characters or more, letters with digits or signs, or digits alone; no words, no counts such as `8-16chars`, no name with a number."""
    if len(set(value)) < 4 or _WORDS.fullmatch(value) or _COUNT.fullmatch(value):
        return False
    return any(character.isalpha() for character in value) or (value.isdigit() and len(value) <= 12)


def _is_key(value: str) -> bool:
    """Sixteen characters or more of what keys are made of, and random enough to be one."""
    return re.fullmatch(r"[0-9A-Za-z_+/=.~\-]{16,}", value) is not None and _is_random(value)


def _is_random(value: str) -> bool:
    """Letters and digits mixed in one part at least, not words and numbers joined by hyphens; three bits a character: counters have less."""
    mixed = any(len(part) > 3 and not part.isalpha() and not part.isdigit() for part in re.split(r"[_\-./]", value))
    return mixed and re.search("[A-Za-z]", value) is not None and _entropy(value) >= 3.0


def _entropy(value: str) -> float:
    """Shannon's entropy of the characters, in bits."""
    shares = [value.count(character) / len(value) for character in set(value)]
    return -sum(share * log2(share) for share in shares)
