r"""What no rule may change: where a text says something exactly, or stands in a form that changes would break.

Numbers in figures and words with what is written to them, code, formulas, tags such as `[EMAIL]`, placeholders, addresses, abbreviations in capitals,
table rows, headings, and the words that turn a sentence into its opposite, in English and Chinese. Whatever may repeat is bounded
or taken whole, so that a long run of letters or marks costs no more than its length.
"""

import re
from bisect import bisect_right

from adapt.text.scripts import UNSPACED_CLASS

_EXACT = re.compile(
    r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|`[^`\n]+`"  # code
    r"|\$\$.+?\$\$|\$[^$\n\\^_=]*+[\\^_=][^$\n]*+\$|\\[(\[].{1,2000}?\\[)\]]"  # formulas
    r"|^[ \t]*+(?:\|[^\n]*+|#{1,6}[ \t][^\n]*+)$"  # table rows and headings
    r"|!?\[[^\]\n]{0,300}\]\([^)\n]{0,2000}\)|\[[^\]\n]{1,40}\]|<[^<>\n]{1,60}>|\{[^{}\n]{0,60}\}"  # links, tags, placeholders
    r"|[A-Za-z][A-Za-z0-9+.-]{0,30}+://\S++|[\w.+-]{1,64}+@[\w-]{1,63}+(?:\.[\w-]++)++"  # addresses
    r"|[A-Za-z$€£¥%°§#.,:/×+*=<>≤≥~^_-]{0,40}+\d[A-Za-z0-9$€£¥%°§.,:/×+*=<>≤≥~^_-]*"  # numbers ...
    rf"(?:{UNSPACED_CLASS}{{1,2}})?"  # ... and their units
    r"|[零〇一二三四五六七八九十百千万亿两半几]+[^\s，。；、！？]?"  # Chinese numerals with the measure word
    r"|\b[A-Z][A-Z0-9&.-]+\b"  # abbreviations
    r"|(?i:\b(?:no|not|non|none|nor|neither|never|nobody|nothing|nowhere|cannot|without|unless|except|hardly|barely|rarely|seldom|only|all|any|every|"
    r"both|either|must|may|might|shall|should|more|less|fewer|than|before|after|above|below|\w+n['’]t)\b)"  # what turns or bounds a sentence
    r"|(?i:\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|(?:thir|four|fif|six|seven|eigh|nine)teen|"
    r"(?:twen|thir|for|fif|six|seven|eigh|nine)ty|hundreds?|thousands?|millions?|billions?|dozens?|half|halves|thirds?|quarters?|once|twice|doubles?|"
    r"triples?|first|second)\b)"
    r"|[不没無无未非否勿别莫禁忌除只仅须必可应能][^\s，。；、！？]?",
    re.DOTALL | re.MULTILINE,
)
_WORD = re.compile(rf"(?:(?!{UNSPACED_CLASS})[^\W\d_])+")
_UNSPACED_RUN = re.compile(rf"{UNSPACED_CLASS}+")


class Protected:
    """The protected places of a text."""

    def __init__(self, text: str) -> None:
        spans = [match.span() for match in _EXACT.finditer(text)]
        self._starts, self._ends = [start for start, _ in spans], [end for _, end in spans]

    def touches(self, start: int, end: int) -> bool:
        """Whether any character from `start` to `end`, `end` excluded, is protected."""
        before = bisect_right(self._starts, end - 1) - 1
        return before >= 0 and self._ends[before] > start


def free_words(text: str, least: int) -> list[tuple[int, int]]:
    """Spans of spaced words of at least `least` letters that may be changed."""
    protected = Protected(text)
    return [match.span() for match in _WORD.finditer(text) if len(match[0]) >= least and not protected.touches(*match.span())]


def free_pairs(text: str) -> list[tuple[int, int]]:
    """Spans of two neighbouring characters of scripts without spaces that may be changed; they do not overlap."""
    protected = Protected(text)
    pairs: list[tuple[int, int]] = []
    for run in _UNSPACED_RUN.finditer(text):
        at = run.start()
        while at + 2 <= run.end():
            if protected.touches(at, at + 2):
                at += 1
            else:
                pairs.append((at, at + 2))
                at += 2
    return pairs
