"""How many tokens a text has, from below and from above, where no tokenizer is at hand.

Figures: docs/decisions/42-forms-of-records.md.
"""

import re

from adapt.text.scripts import UNSPACED_CLASS

_UNSPACED = re.compile(UNSPACED_CLASS)
_LETTER = re.compile(r"[A-Za-z ]")
_OTHER_ASCII = re.compile(r"[^A-Za-z \x80-\U0010ffff]")
_TOKENS_OF_UNSPACED, _TOKENS_OF_LETTER, _TOKENS_OF_OTHER_ASCII, _TOKENS_OF_REST = 2.3, 0.32, 1.0, 1.2
"""Most tokens that a character of each kind takes on average."""
_MOST_WORDS, _MOST_UNSPACED, _MOST_CHARACTERS = 2, 16, 1024
"""More words, characters of scripts without spaces, and characters than tokens of vocabularies hold."""


def most_tokens(text: str) -> float:
    """Tokens that a byte-level tokenizer makes of a text, estimated high."""
    unspaced, letters, others = (len(pattern.findall(text)) for pattern in (_UNSPACED, _LETTER, _OTHER_ASCII))
    rest = len(text) - unspaced - letters - others
    return unspaced * _TOKENS_OF_UNSPACED + letters * _TOKENS_OF_LETTER + others * _TOKENS_OF_OTHER_ASCII + rest * _TOKENS_OF_REST


def least_tokens(text: str) -> float:
    """Tokens that any tokenizer surely makes of a text; a text with anything in it has one."""
    if not text:
        return 0.0
    return max(1.0, len(text.split()) / _MOST_WORDS, len(_UNSPACED.findall(text)) / _MOST_UNSPACED, len(text) / _MOST_CHARACTERS)
