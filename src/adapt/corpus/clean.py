"""Repairs characters and whitespace of one text without touching what it says.

Mojibake is undone by ftfy (Speer 2019); its other fixes are off, because curly quotes, ligatures and full-width punctuation are
content. Whitespace that carries meaning stays: indentation, fenced code, table rows, plain-text columns.
"""

import re
import unicodedata
from typing import TYPE_CHECKING

from adapt.corpus.fences import in_fences

if TYPE_CHECKING:
    from ftfy import TextFixerConfig

# Zero-width and invisible: soft hyphen, zero-width space, direction marks, word joiner, byte-order mark, tags, controls.
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
_JOINER = re.compile(r"(?<=[\x00-\u024f\u3000-\u9fff])[\u200c\u200d]+|[\u200c\u200d]+(?=[\x00-\u024f\u3000-\u9fff])")
"""Joiners beside Latin letters or Han; inside emoji and other scripts they carry meaning."""
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_WIDE = re.compile(r"[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]")
_WIDE_SIGN = re.compile(r"(?<=[A-Za-z0-9])％|(?<=[A-Za-z0-9])[＃＆＋－．／＝＠＿](?=[A-Za-z0-9])|＋(?=[0-9])")
_WIDE_OFFSET = 0xFEE0
_LINE_END = re.compile(r"\r\n?|[\x85\u2028\u2029]")
_SPACE = re.compile(r"[\x0b\x0c\u00a0\u1680\u2000-\u200a\u202f\u205f]")
_RUN = re.compile(r"(?<=\S)[ \t\u3000]{2,}(?=\S)|(?<=\S)[\t\u3000](?=\S)")
_COLUMNS = re.compile(r"[^\s.!?;:,]( {3,}|\t+)\S")


def repair_mojibake(text: str) -> tuple[str, int]:
    """Undo UTF-8 that was read as Windows-1252 and the like; returns the text and how many lines changed."""
    if text.isascii():
        return text, 0
    from ftfy import fix_text_segment

    config = _config()
    lines = text.split("\n")
    fixed = [line if line.isascii() else fix_text_segment(line, config) for line in lines]
    return "\n".join(fixed), sum(before != after for before, after in zip(lines, fixed, strict=True))


def _config() -> "TextFixerConfig":
    from ftfy import TextFixerConfig

    return TextFixerConfig(
        unescape_html=False, remove_terminal_escapes=False, fix_latin_ligatures=False, fix_character_width=False, uncurl_quotes=False,
        fix_line_breaks=False, remove_control_chars=False, normalization=None, explain=False,
    )  # fmt: skip


def normalize_unicode(text: str) -> tuple[str, int]:
    """Remove invisible characters, make full-width digits and letters ASCII, compose (NFC); returns the text and how many characters that touched.

    Full-width signs become ASCII only beside ASCII letters and digits; Chinese punctuation stays.
    """
    if text.isascii() and not _INVISIBLE.search(text):
        return text, 0
    text, lone = _SURROGATE.subn("\ufffd", text)
    text, joiners = _JOINER.subn("", text)
    text, invisible = _INVISIBLE.subn("", text)
    text, wide = _WIDE.subn(_narrow, text)
    text, signs = _WIDE_SIGN.subn(_narrow, text)
    composed = unicodedata.normalize("NFC", text)
    recomposed = 0 if composed == text else max(1, len(text) - len(composed))
    return composed, lone + joiners + invisible + wide + signs + recomposed


def _narrow(match: re.Match[str]) -> str:
    return chr(ord(match[0]) - _WIDE_OFFSET)


def tidy_whitespace(text: str) -> str:
    """Uniform line ends and spaces, no trailing blanks, no more than one empty line; code, tables and indentation keep theirs."""
    lines = _SPACE.sub(" ", _LINE_END.sub("\n", text)).split("\n")
    columns = [bool(_COLUMNS.search(line)) for line in lines]
    tidied: list[str] = []
    for at, (line, code) in enumerate(zip(lines, in_fences(lines), strict=True)):
        aligned = columns[at] and any(columns[max(at - 1, 0) : at] + columns[at + 1 : at + 2])
        kept = code or aligned or line.startswith(("    ", "\t", "|"))
        tidy = line.rstrip() if kept else _RUN.sub(" ", line.lstrip("\u3000")).rstrip()
        if code or tidy or (tidied and tidied[-1]):  # one empty line in a row, but for code
            tidied.append(tidy)
    return "\n".join(tidied).strip("\n")
