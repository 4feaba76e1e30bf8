"""Writes texts in an encoding, and reads them as the program does."""

import unicodedata
from io import BytesIO

from adapt.corpus.cleaning.encoding import detect

_TONES = "\u0300\u0301\u0303\u0309\u0323"


def encode(text: str, codec: str) -> bytes:
    """The bytes of a text; code page 1258 writes the tones of Vietnamese as characters of their own."""
    if codec == "cp1258":
        text = "".join(map(_apart, text))
    return text.encode(codec)


def _apart(character: str) -> str:
    try:
        character.encode("cp1258")
    except UnicodeEncodeError:
        parts = unicodedata.normalize("NFD", character)
        tones = "".join(part for part in parts if part in _TONES)
        return unicodedata.normalize("NFC", "".join(part for part in parts if part not in _TONES)) + tones
    return character


def read(raw: bytes, *, page: bool = False, named: str | None = None) -> str:
    """The text that the program takes bytes for, in composed form. Raises UndecodableError."""
    file = BytesIO(raw)
    encoding = detect(file, page=page, named=named)
    file.seek(0)
    return unicodedata.normalize("NFC", encoding.text(file).read())
