"""Counts what no writer writes: the marks that a wrong encoding leaves in a text, whatever its language.

A wrong code page puts capitals and signs inside words, mixes scripts, and breaks the rules of final letters
(Greek, Hebrew, Arabic) and of vowel signs (Thai); or it gives letters that no one language has together.
What is only unlikely is left to the statistics of `charsets`.
"""

import re
import unicodedata
from collections import Counter
from functools import cache

from adapt.corpus.cleaning.alphabets import CYRILLIC, LATIN

ODD_SHARE = 0.08
"""Most oddities of a text, as a share of its characters beyond ASCII; names and words of other languages
are some."""
_GREEK = "\u0370-\u0373\u0376-\u037d\u0386\u0388-\u03ff\u1f00-\u1fff"
_CYRILLIC = "\u0400-\u052f"
_ACCENTED = "\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff"
_ROMAN = "A-Za-z" + _ACCENTED
_HEBREW, _ARABIC, _THAI = "\u05d0-\u05ea", "\u0620-\u064a\u066e-\u06d3", "\u0e01-\u0e3a\u0e40-\u0e4e"
_EASTERN = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3"
_LETTER = _ROMAN + _GREEK + _CYRILLIC + _HEBREW + _ARABIC + _THAI
_BOX = "\u2190-\u22ff\u2300-\u23ff\u2500-\u25ff"
_SIGN = (
    "\u00a1-\u00a8\u00ac\u00af-\u00b1\u00b4\u00b6\u00b8\u00bb-\u00bf\u00d7\u00f7\u02c6-\u02dd\u2018-\u201e\u2020-\u2022\u2030\u2039\u203a\u20a0-\u20bf\u2116\u2122\u2070-\u209c"
    + _BOX
)
_UNFIT = re.compile("[\x80-\x9f\ue000-\uf8ff\ufdd0-\ufdef\ufe70-\ufefc\ufffd-\uffff\U000e0000-\U0010ffff]")
"""C1 controls, private use, presentation forms of Arabic: no text that was typed."""


def _cases() -> tuple[str, str]:
    """Small and capital letters beyond ASCII, as insides of character classes."""
    letters = [chr(code) for code in (*range(0xC0, 0x250), *range(0x370, 0x530), *range(0x1E00, 0x2000))]
    return tuple("".join(letter for letter in letters if unicodedata.category(letter) == kind) for kind in ("Ll", "Lu"))  # type: ignore[return-value]


_SMALL, _CAPITAL = _cases()
_ODD = re.compile(
    "|".join((
        # a capital inside a word of small letters
        f"(?<=[{_SMALL}])[{_CAPITAL}A-Z]|(?<=[a-z])[{_CAPITAL}]|(?<=[A-Z])[{_CAPITAL}](?=[a-z{_SMALL}])",
        # scripts mixed in one word
        f"(?<=[{_ROMAN}])[{_GREEK}{_CYRILLIC}{_HEBREW}{_ARABIC}]|(?<=[{_GREEK}])[{_ROMAN}{_CYRILLIC}{_HEBREW}{_ARABIC}]",
        f"(?<=[{_CYRILLIC}])[{_ROMAN}{_GREEK}{_HEBREW}{_ARABIC}]|(?<=[{_HEBREW}{_ARABIC}])[{_ROMAN}{_GREEK}{_CYRILLIC}]",
        f"(?<=[{_EASTERN}])[{_ACCENTED}{_GREEK}{_CYRILLIC}{_HEBREW}{_ARABIC}{_THAI}]|(?<=[{_ACCENTED}{_GREEK}{_CYRILLIC}{_HEBREW}{_ARABIC}{_THAI}])[{_EASTERN}]",
        # one or two Eastern characters, or wide letters, inside a word of ASCII
        f"(?<=[a-z])[{_EASTERN}\uff21-\uff5a]{{1,2}}(?=[a-z])|(?<=[A-Za-z])[\uff21-\uff3a\uff41-\uff5a]|[\uff21-\uff3a\uff41-\uff5a](?=[A-Za-z])",
        # three of an accented letter side by side, where blanks or signs were
        f"(?=([{_ACCENTED}])\\1\\1)[{_ACCENTED}]",
        # signs inside words, and those that never touch one
        f"(?<=[{_LETTER}])[{_SIGN}\u00aa\u00ab\u00b2\u00b3\u00b5\u00b7\u00b9\u00ba](?<![\u2018\u2019\u00b7])(?=[{_LETTER}])(?!s\\b)",
        f"(?<=[{_LETTER}])[\u00a1-\u00a8\u00ac\u00af\u00b1\u00b4\u00b6\u00b8\u00bc-\u00bf\u00d7\u00f7\u02c6-\u02dd\u201a\u201e\u2030{_BOX}]",
        f"[\u00a4-\u00a6\u00b6\u00a8\u00ac\u00af\u00b0\u00b2-\u00b4\u00b8\u00b9\u00bc-\u00be\u02c6-\u02dd\u2020\u2021\u2030\u2122\u221e{_BOX}](?=[{_SMALL}a-z{_CYRILLIC}{_GREEK}{_HEBREW}{_ARABIC}])(?!C\\b)",
        # a soft hyphen that divides nothing, and a dot that only Catalan has
        f"\u00ad(?![{_LETTER}])|(?<=[{_LETTER}])(?<![lL])\u00b7(?=[{_LETTER}])",
        # one letter beyond ASCII glued to a number, or alone, where a sign was
        f"(?<![{_LETTER}0-9.])[{_ACCENTED}{_GREEK}{_CYRILLIC}{_HEBREW}{_ARABIC}{_THAI}](?=[0-9])",
        f"(?<![{_LETTER}0-9.'\u2019-])(?![\u00e0\u00c0\u00e9\u00c9\u00e8\u00c8\u00f3\u00d3\u00e1\u00c1\u00ed\u00cd\u00e5\u00c5\u00f6\u00d6\u00f4\u00d4\u012f\u012e\u0151\u0150])[{_ACCENTED}](?![{_LETTER}'\u2019.-])",
        f"[{_BOX}](?=[A-Z])|(?<=[0-9])\u00a1|(?<=[0-9] )\u00a1|(?<=[{_ROMAN}])\u00aa",
        # signs of money without money
        "(?<![0-9])(?<![0-9] )\u00a5(?! ?[0-9.,])",
        # a closing mark that opens a word
        f"(?<![{_LETTER}])\u2019(?=[{_GREEK}])",
        # letters of the ends of words elsewhere, and others at the end
        f"\u03c2(?=[{_GREEK}])|(?<=[{_GREEK}])\u03c3(?![{_GREEK}'\u2019])",
        f"[\u05da\u05dd\u05df\u05e3\u05e5](?=[{_HEBREW}])|(?<=[{_HEBREW}])[\u05de\u05e0\u05e6](?![{_HEBREW}'\"\u05f3\u05f4\u2019])",
        f"[\u0629\u0649](?=[{_ARABIC}])|(?<![{_ARABIC}\u064b-\u0652])[\u0621\u0624\u0626](?=[{_ARABIC}])",
        # Thai signs without the consonant that bears them
        "(?<![\u0e01-\u0e4e])[\u0e30-\u0e3a\u0e45\u0e47-\u0e4e]|[\u0e40-\u0e44](?![\u0e01-\u0e2e])|[\u0e48-\u0e4b]{2}|[\u0e34-\u0e39]{2}|[\u0e3f\u0e4f\u0e5a\u0e5b](?=[\u0e01-\u0e4e])",
        # half-width kana among letters, alone, or voiced where they cannot be
        f"[\uff66-\uff9f](?=[{_ROMAN}])|(?<=[{_ROMAN}])[\uff66-\uff9f]|(?<![\uff61-\uff9f])[\uff66-\uff9f](?![\uff61-\uff9f])|(?<![\uff73\uff76-\uff84\uff8a-\uff8e])[\uff9e\uff9f]",
        # Chinese characters behind Korean ones in a word
        "(?<=[\uac00-\ud7a3])[\u3400-\u9fff]",
    ))
)  # fmt: skip
_OPENED = re.compile(r"(?<!\w)\u00ab(?=\w)")
_UNCOVERED = 0.5
"""A letter of another language is half an oddity: names are full of them."""
_FINAL_FIRST = re.compile(f"(?<![{_HEBREW}])[\u05da\u05dd\u05df\u05e3\u05e5](?=[{_HEBREW}])")
_FINAL_LAST = re.compile(f"(?<=[{_HEBREW}])[\u05da\u05dd\u05df\u05e3\u05e5](?![{_HEBREW}])")
_ESCAPE = re.compile(r"\\[nrtbf]")
"""Of JSON; the letter is of no word."""
_HAN = re.compile(r"[\u3400-\u9fff\U00020000-\U0003134f]")
_HANGUL = re.compile(r"[\uac00-\ud7a3]")
_FREQUENT_HANGUL = frozenset(
    "이다는에의을가고하를로지기은도한사자인리서시대나들어그것일있보정수라니해과만게아부전여주상제장면스동원국공구소신무성세마오비우조유러요거모안트진연개내행할방중"
    "미실학교경물위당재화생관선적회발김박최강윤임호영민르키바드레크프타카"
)
_FREQUENT_SHARE, _FEW_SYLLABLES = 0.2, 6
"""Korean has more of these syllables than this, lists of names included; random ones are a twentieth."""
_CANTONESE = frozenset("佢哋嘅嘢咗喺冇啲嗰咁嚟嗌瞓諗搵咩喎啱攞睇噉嘥嗱嘞噃揸靚叻餸掂舖綫裏着喐攰嬲孭")
_RARE = 0.45
_RARE_HANGUL = 0.2
"""Characters outside the national lists of common ones are odd beyond this share of their script."""


def count_oddities(text: str) -> float:
    """How many places of the text no writer would write; infinite where a character is none of any text."""
    if text.isascii():
        return 0
    if _UNFIT.search(text):
        return float("inf")
    text = _ESCAPE.sub(" ", text)
    opened = 0 if "\u00bb" in text else len(_OPENED.findall(text))
    return (
        sum(1 for _ in _ODD.finditer(text))
        + _count_backwards(text)
        + (opened if opened > 1 else 0)
        + _UNCOVERED * _count_uncovered(text)
        + _count_rare(text)
    )


def is_plausible(text: str, share: float = ODD_SHARE) -> bool:
    """Whether somebody may have written a text; `share` is the most oddities among its characters beyond
    ASCII.
    """
    return count_oddities(text) <= share * count_foreign(text)


def count_foreign(text: str) -> int:
    """Characters beyond ASCII."""
    return len(text) - len(text.encode("ascii", "ignore"))


def _count_backwards(text: str) -> int:
    """Characters of Hebrew that is written from left to right, as old pages in ISO-8859-8 are: final
    letters begin its words.
    """
    first = len(_FINAL_FIRST.findall(text))
    return count_foreign(text) if first and first > len(_FINAL_LAST.findall(text)) else 0


def _count_uncovered(text: str) -> int:
    """Letters of the Latin and Cyrillic scripts beyond those of the one language that has most of them."""
    counts = {letter: count for letter, count in Counter(text.lower()).items() if letter > "\x7f" and letter.isalpha()}
    missing = 0
    for begin, end, alphabets in (("\u00aa", "\u024f", LATIN), ("\u0400", "\u052f", CYRILLIC)):
        found = {
            letter: count for letter, count in counts.items() if begin <= letter <= end or (alphabets is LATIN and "\u1e00" <= letter <= "\u1eff")
        }
        if found:
            missing += min(sum(count for letter, count in found.items() if letter not in alphabet) for alphabet in alphabets.values())
    return missing


def is_common(text: str, codec: str) -> bool:
    """Whether all Chinese characters and Korean syllables are among the common ones of the standard that an
    Eastern codec writes.
    """
    rows, standard = _LEVELS.get(codec, _LEVELS["gb18030"])
    common = _common(rows.start, rows.stop, standard)
    return all(character in common for character in (*_HAN.findall(text), *_HANGUL.findall(text)))


def _count_rare(text: str) -> int:
    """Chinese characters outside all national lists, where they are many, and Korean syllables outside
    theirs or without the usual among them.
    """
    han, hangul = Counter(_HAN.findall(text)), Counter(_HANGUL.findall(text))
    odd = 0
    if han:
        known = [_common(rows.start, rows.stop, standard) for rows, standard in map(_LEVELS.__getitem__, ("gb18030", "cp950", "cp932"))]
        rare = sum(count for character, count in han.items() if character not in _CANTONESE and not any(character in common for common in known))
        odd += rare if rare > 1 and rare > _RARE * han.total() else 0
    if hangul.total() >= _FEW_SYLLABLES:
        rare = sum(count for syllable, count in hangul.items() if not is_common(syllable, "cp949"))
        frequent = sum(count for syllable, count in hangul.items() if syllable in _FREQUENT_HANGUL)
        odd += hangul.total() if rare > _RARE_HANGUL * hangul.total() or frequent < _FREQUENT_SHARE * hangul.total() else 0
    return odd


_LEVELS = {
    "gb18030": (range(0xB0, 0xD8), "gb2312"),
    "cp950": (range(0xA4, 0xC7), "big5"),
    "big5hkscs": (range(0xA4, 0xC7), "big5"),
    "cp932": (range(0xB0, 0xD0), "euc_jp"),
    "euc_jp": (range(0xB0, 0xD0), "euc_jp"),
    "euc_jis_2004": (range(0xB0, 0xD0), "euc_jp"),
    "cp949": (range(0xB0, 0xC9), "euc_kr"),
    "johab": (range(0xB0, 0xC9), "euc_kr"),
}
"""The first levels of GB 2312, Big5 and JIS X 0208, and the 2,350 syllables of KS X 1001, by rows of a
standard's codec."""


@cache
def _common(first: int, stop: int, standard: str) -> frozenset[str]:
    cells = (bytes((row, cell)) for row in range(first, stop) for cell in range(0x40, 0xFF))
    return frozenset("".join(cell.decode(standard, "ignore") for cell in cells if cell[1] >= 0x80 or standard == "big5"))
