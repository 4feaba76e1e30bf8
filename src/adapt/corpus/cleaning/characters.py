"""Repairs characters and whitespace of one text without touching what it says.

Mojibake is undone by ftfy (Speer 2019); its other fixes are off, because curly quotes, ligatures and full-width punctuation are
content. Whitespace that carries meaning stays: indentation, fenced code, table rows, plain-text columns. Most texts need nothing: each step
first asks one compiled class of characters whether it could find work at all.
"""

import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING

from adapt.corpus.cleaning.fences import in_fences

if TYPE_CHECKING:
    from ftfy import TextFixerConfig

_INVISIBLE_CLASS = (
    r"\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff"
    r"\ufff9-\ufffb\U000e0000-\U000e007f"
)
"""Zero-width and invisible: soft hyphen, zero-width space, direction marks, word joiner, byte-order mark, tags, controls."""
_WIDE_CLASS = r"\uff10-\uff19\uff21-\uff3a\uff41-\uff5a"
_WIDE_SIGN_CLASS = "％＃＆＋－．／＝＠＿"
_LINE_END_CLASS = r"\r\x85\u2028\u2029"
_SPACE_CLASS = r"\x0b\x0c\u00a0\u1680\u2000-\u200a\u202f\u205f"
_MOJIBAKE_CLASS = (
    r"\x80-\x9f\u00a2-\u00a8\u00aa\u00ac\u00af\u00b1-\u00b3\u00b5\u00b6\u00b8-\u00ba\u00bc-\u00be\u00c0-\u017f\u0192\u02c6-\u02dd\u037a-\u0383\u0386-\u045f"
    r"\u0490\u0491\u2020\u2021\u2030\u2044\u20a7\u20ac\u2116\u2202-\u2265\u2310\u2500-\u259f\u25ca\ufb01\ufb02\ufffd\ud800-\udfff"
)
"""One of these is in every passage that ftfy calls bad: all that it looks at but quotation marks, dashes, the ellipsis, dots and the degree sign."""
_INVISIBLE = re.compile(f"[{_INVISIBLE_CLASS}]")
_JOINER = re.compile(r"(?<=[\x00-\u024f\u3000-\u9fff])[\u200c\u200d]+|[\u200c\u200d]+(?=[\x00-\u024f\u3000-\u9fff])")
"""Joiners beside Latin letters or Han; inside emoji and other scripts they carry meaning."""
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_WIDE = re.compile(f"[{_WIDE_CLASS}]")
_WIDE_SIGN = re.compile(rf"(?<=[A-Za-z0-9])％|(?<=[A-Za-z0-9])[{_WIDE_SIGN_CLASS.lstrip('％')}](?=[A-Za-z0-9])|＋(?=[0-9])")
_WIDE_OFFSET = 0xFEE0
_LINE_END = re.compile(rf"\r\n?|[{_LINE_END_CLASS}]")
_SPACE = re.compile(f"[{_SPACE_CLASS}]")
_ODD_SPACE = re.compile(f"[{_LINE_END_CLASS}{_SPACE_CLASS}]")
_RUN = re.compile("  +")
_COLUMN = re.compile(r" {3}(?<=[^\s.!?;:,] {3}) *\S")
_TAB_COLUMN = re.compile(r"\t(?<=[^\s.!?;:,]\t)\t*\S")
_BESIDE_CLASS = r"\x80-\u2fff\uf000-\uffff"
"""Where the characters are that ftfy looks at together: neither ASCII nor Han."""
_MOJIBAKE = re.compile(rf"[\x80-\x9fÂÃŒœ\ud800-\udfff]|[{_MOJIBAKE_CLASS}](?:[{_BESIDE_CLASS}]|(?<=[{_BESIDE_CLASS}].))")
"""What every passage holds that ftfy mends: a character that is amiss beside anything, or two side by side. Most signs stand alone: £20, 3 × 4."""
_UNUSUAL = re.compile(rf"[{_INVISIBLE_CLASS}\u200c\u200d\ud800-\udfff{_WIDE_CLASS}{_WIDE_SIGN_CLASS}]")
_UNSETTLED = re.compile(rf"[\t\u3000{_INVISIBLE_CLASS}\u200c\u200d{_WIDE_CLASS}{_WIDE_SIGN_CLASS}{_LINE_END_CLASS}{_SPACE_CLASS}{_MOJIBAKE_CLASS}]")
_CONTROLS = bytes((code < 32 and code != 10) or code == 127 for code in range(256))
"""By ASCII character, 1 for those that cleaning changes: to translate a text and look for ones is ten times as fast as a regular expression."""
_MARKUP = re.compile(r"<[/!?A-Za-z\[\-]|&[A-Za-z#]")
"""What every tag and character reference begins with."""


def is_settled(text: str) -> bool:
    """Whether no step of cleaning, that of markup included, could change the text; false says only that they must be asked. The text is not empty."""
    if "  " in text or " \n" in text or "\n\n\n" in text or text[0] in " \n" or text[-1] in " \n":
        return False
    if ("<" in text or "&" in text) and _MARKUP.search(text):
        return False
    if text.isascii():
        return 1 not in text.encode().translate(_CONTROLS)
    return not _UNSETTLED.search(text) and unicodedata.is_normalized("NFC", text)


def repair_mojibake(text: str) -> tuple[str, int]:
    """Undo UTF-8 that was read as Windows-1252 and the like; returns the text and how many lines changed."""
    if text.isascii() or not _MOJIBAKE.search(text):
        return text, 0
    from ftfy import fix_text_segment

    config = _config()
    lines = text.split("\n")
    fixed = [fix_text_segment(line, config) if _MOJIBAKE.search(line) else line for line in lines]
    return "\n".join(fixed), sum(before != after for before, after in zip(lines, fixed, strict=True))


@cache
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
    touched = 0
    if _UNUSUAL.search(text):
        text, lone = _SURROGATE.subn("\ufffd", text)
        text, joiners = _JOINER.subn("", text)
        text, invisible = _INVISIBLE.subn("", text)
        text, wide = _WIDE.subn(_narrow, text)
        text, signs = _WIDE_SIGN.subn(_narrow, text)
        touched = lone + joiners + invisible + wide + signs
    if text.isascii() or unicodedata.is_normalized("NFC", text):
        return text, touched
    composed = unicodedata.normalize("NFC", text)
    return composed, touched + max(1, len(text) - len(composed))


def _narrow(match: re.Match[str]) -> str:
    return chr(ord(match[0]) - _WIDE_OFFSET)


def tidy_whitespace(text: str) -> str:
    """Uniform line ends and spaces, no trailing blanks, no more than one empty line; code, tables and indentation keep theirs."""
    if _ODD_SPACE.search(text):
        text = _SPACE.sub(" ", _LINE_END.sub("\n", text))
    lines = text.split("\n")
    coded = in_fences(lines) if "```" in text or "~~~" in text else [False] * len(lines)
    columned = [_is_columned(line) for line in lines] if "   " in text or "\t" in text else [False] * len(lines)
    tidied: list[str] = []
    for at, (line, code) in enumerate(zip(lines, coded, strict=True)):
        tidy = line.rstrip() if code or _keeps_runs(line, columned, at) else _single_spaced(line)
        if code or tidy or (tidied and tidied[-1]):  # one empty line in a row, but for code
            tidied.append(tidy)
    return "\n".join(tidied).strip("\n")


def _is_columned(line: str) -> bool:
    body = line.strip()
    return ("   " in body and _COLUMN.search(body) is not None) or ("\t" in body and _TAB_COLUMN.search(body) is not None)


def _keeps_runs(line: str, columned: list[bool], at: int) -> bool:
    """Whether the line has no runs of blanks, or means those it has: it is indented, a table row, or in columns with a line beside it."""
    if "  " not in line and "\t" not in line and "\u3000" not in line:
        return True
    return line.startswith(("    ", "\t", "|")) or (columned[at] and any(columned[max(at - 1, 0) : at] + columned[at + 1 : at + 2]))


def _single_spaced(line: str) -> str:
    """One space for each run of blanks inside the line; a small indentation stays, but for that of Chinese paragraphs."""
    line = line.lstrip("\u3000")
    body = line.strip()
    indentation = line[: len(line) - len(line.lstrip())] if body else ""
    return indentation + _RUN.sub(" ", body.replace("\t", " ").replace("\u3000", " "))
