"""How much of an answer stands in its passage, for text with and without spaces between words.

A text becomes a row of tokens: words, and single characters of scripts without spaces. The share of an answer's neighbouring pairs of tokens
that are neighbours in the passage as well is high for answers that quote or shorten it, and low for what a model made up.
"""

import re
import unicodedata
from itertools import pairwise

from adapt.text.scripts import UNSPACED_CLASS

_TOKEN = re.compile(rf"{UNSPACED_CLASS}|(?:(?!{UNSPACED_CLASS})[^\W_])+")


def tokens_of(text: str) -> list[str]:
    """Words, and characters of scripts without spaces, in one case and width."""
    return _TOKEN.findall(unicodedata.normalize("NFKC", text).casefold())


def share_in(text: str, passage: str) -> float:
    """Share, 0 to 1, of the pairs of neighbouring tokens of `text` that stand in `passage`; of its one token when there is no pair."""
    ours, theirs = tokens_of(text), tokens_of(passage)
    if not ours:
        return 0.0
    if len(ours) == 1:
        return float(ours[0] in theirs)
    known = set(pairwise(theirs))
    return sum(pair in known for pair in pairwise(ours)) / (len(ours) - 1)
