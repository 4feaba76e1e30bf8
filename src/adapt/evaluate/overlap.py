"""How far an answer agrees with its reference: ROUGE-L, BLEU, exact match and token F1, for English and for Chinese.

Enters: answers and references as text, with their language; anything that is not `zh` is cut into words as English is.
Leaves: numbers, from 0 to 1 but for BLEU's 0 to 100.
"""

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from adapt.records import Language

if TYPE_CHECKING:
    from sacrebleu.metrics.bleu import BLEU

_ARTICLES = frozenset({"a", "an", "the"})
_DECIMAL_POINT = re.compile(r"(?<=\d)\.(?=\d)")


def bleu(answers: Sequence[str], references: Sequence[str], language: Language) -> float:
    """Corpus BLEU (Papineni et al. 2002) as sacreBLEU computes it (Post 2018, arXiv:1804.08771), from 0 to 100.

    Tokens are sacreBLEU's `zh` for Chinese and `13a` otherwise; everything else stands at its defaults.
    """
    return float(_bleu(language).corpus_score(list(answers), [list(references)]).score)


def rouge_l(answer: str, reference: str, language: Language) -> float:
    """F-measure of the longest common subsequence of tokens, with recall and precision weighted alike (Lin 2004, ROUGE-L, beta 1).

    Tokens are sacreBLEU's, in lower case, without those that are punctuation alone. No stemming. Two texts without tokens score 0.
    """
    found, expected = _words(answer, language), _words(reference, language)
    return 2 * common_subsequence(found, expected) / (len(found) + len(expected)) if found and expected else 0.0


def common_subsequence(a: Sequence[str], b: Sequence[str]) -> int:
    """Length of the longest common subsequence: each row of the usual table is one number, a bit per token (Hyyrö 2004, bit-parallel LCS)."""
    places: dict[str, int] = {}
    for index, token in enumerate(a):
        places[token] = places.get(token, 0) | 1 << index
    full = (1 << len(a)) - 1
    row = full
    for token in b:
        matched = row & places.get(token, 0)
        row = (row + matched | row - matched) & full
    return len(a) - row.bit_count()


def exact_match(answer: str, reference: str, language: Language) -> float:
    """1 when both texts are the same once normalised, else 0 (Rajpurkar et al. 2016, arXiv:1606.05250)."""
    return float(normalise(answer, language) == normalise(reference, language))


def token_f1(answer: str, reference: str, language: Language) -> float:
    """F1 of the normalised texts as bags of tokens (Rajpurkar et al. 2016); where either is empty, 1 if both are, else 0."""
    found, expected = normalise(answer, language), normalise(reference, language)
    if not found or not expected:
        return float(found == expected)
    shared = (Counter(found) & Counter(expected)).total()
    return 2 * shared / (len(found) + len(expected))


def normalise(text: str, language: Language) -> list[str]:
    """Tokens without case, punctuation and, outside Chinese, the articles a, an and the. In Chinese, every Han character is a token.

    One departure from SQuAD's script: a decimal point stays, since 1.5 and 15 are not the same answer.
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    points = {match.start() for match in _DECIMAL_POINT.finditer(plain)}
    plain = "".join(character for index, character in enumerate(plain) if index in points or not _is_punctuation(character))
    if language == "zh":
        return "".join(f" {character} " if _is_han(character) else character for character in plain).split()
    return [word for word in plain.split() if word not in _ARTICLES]


def _words(text: str, language: Language) -> list[str]:
    tokens = str(_bleu(language).tokenizer(text.casefold())).split()
    return [token for token in tokens if any(character.isalnum() for character in token)]


@cache
def _bleu(language: Language) -> "BLEU":
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(tokenize="zh" if language == "zh" else "13a")


def _is_punctuation(character: str) -> bool:
    return character in string.punctuation or unicodedata.category(character).startswith("P")


def _is_han(character: str) -> bool:
    """Whether Unicode names it as an ideograph, extensions and compatibility forms included; 々 and 〇 count, as they stand for one."""
    return character in "々〇" or unicodedata.name(character, "").startswith("CJK ")
