"""Writes texts in an encoding."""

import unicodedata

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
