"""Tells English from Chinese."""

import re

from adapt.records import Language

_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]")
_WORD = re.compile(r"[^\W\d_\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]+")


def language_of(text: str) -> Language:
    """`zh` when the text has more Han characters than words of other scripts.

    Characters are held against words, not letters: Chinese prose full of English terms stays Chinese.
    """
    return "zh" if len(_HAN.findall(text)) > len(_WORD.findall(text)) else "en"
