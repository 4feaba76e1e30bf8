"""Encodings that show themselves without a mark: UTF-16 and UTF-32, and those that shift between character
sets by escapes."""

import re
from functools import cache

_LOOKED_AT = 1 << 14
_LEAST = 4
"""Characters below which nothing is said of text without zeros."""
_USUAL_SHARE = 0.9
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")
_ESCAPE = re.compile(rb"\x1b(?:\$[@AB()]|\([BIJ])")
_TILDE = re.compile(rb"~\{((?:[\x21-\x77][\x21-\x7e])+)~\}")
_SCRIPTS = (
    re.compile("[\u00c0-\u024f\u1e00-\u1eff]"),
    re.compile("[\u0386-\u03ce\u1f00-\u1fff]"),
    re.compile("[\u0401-\u045f\u0490-\u0491]"),
    re.compile("[\u0531-\u0587]"),
    re.compile("[\u05b0-\u05ea]"),
    re.compile("[\u060c-\u06d5]"),
    re.compile("[\u0901-\u096f]"),
    re.compile("[\u0980-\u09f1]"),
    re.compile("[\u0b82-\u0bd7]"),
    re.compile("[\u0e01-\u0e5b]"),
    re.compile("[\u10d0-\u10fb]"),
    re.compile("[\u3041-\u30fc\u4e00-\u9fff]"),
    re.compile("[\uac00-\ud7a3]"),
)
"""Letters in use, by script; Chinese characters are held against the national lists besides."""
_OF_ANY = re.compile(
    "[\t\n\r\x20-\x7e\u00a0-\u00bf\u2010-\u203a\u20ac\u2103\u2116\u2122\u2150-\u217f\u2190-\u21ff\u2460-\u2473\u3000-\u301f\uff01-\uff5e\uffe5]"
)


def find_wide(sample: bytes, size: int | None) -> str | None:
    """The codec of UTF-16 or UTF-32 without a mark, of which `sample` is the beginning; `size` is that of
    all of it, None where there is more.
    """
    if size is None or not size % 4:
        for codec in ("utf-32-le", "utf-32-be"):
            text = _decoded(sample[: _LOOKED_AT & ~3], codec)
            if text and not _CONTROLS.search(text):
                return codec
    if size is not None and size % 2:
        return None
    half = len(sample) / 2
    for codec, first in (("utf-16-be", 0), ("utf-16-le", 1)):  # in English, every other byte is zero
        if sample[first::2].count(0) > 0.4 * half and sample[1 - first :: 2].count(0) < 0.05 * half:
            return codec
    shares = {codec: _usual_share(_decoded(sample[: _LOOKED_AT & ~1], codec)) for codec in ("utf-16-le", "utf-16-be")}
    best = max(shares, key=lambda codec: shares[codec])
    return best if shares[best] >= _USUAL_SHARE and sorted(shares.values())[0] < _USUAL_SHARE else None


def has_escapes(data: bytes) -> bool:
    """Whether data in ASCII hold escapes of ISO 2022 or HZ."""
    return (b"\x1b" in data and _ESCAPE.search(data) is not None) or (b"~{" in data and _TILDE.search(data) is not None)


def find_escaped(sample: bytes) -> str | None:
    """The codec of text in ASCII bytes with escapes; None where they are no shifts, as a tilde and a brace
    in a formula.
    """
    from adapt.corpus.cleaning.plausibility import is_common  # its patterns are many, and most files are UTF-8

    if _ESCAPE.search(sample):
        for codec in ("iso2022_jp", "iso2022_jp_ext", "iso2022_kr"):
            text = _decoded(sample, codec)
            if text is not None and not text.isascii() and "\x1b" not in text:
                return codec
        return None
    pairs = b"".join(_TILDE.findall(sample))
    text = _decoded(bytes(byte | 0x80 for byte in pairs), "gb2312")
    return "hz" if text and len(text) >= 2 and is_common(text, "gb18030") and _decoded(sample, "hz") is not None else None


def _decoded(sample: bytes, codec: str) -> str | None:
    import codecs

    try:
        return codecs.getincrementaldecoder(codec)().decode(sample)
    except UnicodeError:
        return None


def _usual_share(text: str | None) -> float:
    """Share of characters that texts of one script hold."""
    from adapt.corpus.cleaning.plausibility import is_plausible

    if not text or len(text) < _LEAST or _CONTROLS.search(text):
        return 0.0
    usual = max(_count_usual(text, script.pattern) for script in _SCRIPTS)
    shares = (usual + len(_OF_ANY.findall(text))) / len(text)
    if usual < min(_LEAST, len(text)) or not is_plausible(text):
        return 0.0
    return shares


def _count_usual(text: str, script: str) -> int:
    return len([letter for letter in _compiled(script).findall(text) if letter < "\u4e00" or is_common_anywhere(letter)])


@cache
def _compiled(script: str) -> re.Pattern[str]:
    return re.compile(script)


def is_common_anywhere(letter: str) -> bool:
    """Whether a Chinese character or Korean syllable is common in China, Taiwan, Japan or Korea."""
    from adapt.corpus.cleaning.plausibility import is_common

    return any(is_common(letter, codec) for codec in ("gb18030", "cp950", "cp932", "cp949"))
