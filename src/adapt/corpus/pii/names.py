"""Finds persons and places through Microsoft Presidio with spaCy models of the user's choice; a text goes in, findings come out.

Nothing imports this module but `guard`, by its name and only when asked for: Presidio and spaCy are an extra.
"""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from adapt.corpus.pii.kinds import Finding
from adapt.errors import InputError
from adapt.spec.pii import Names, PiiKind
from adapt.text.scripts import UNSPACED_CLASS

_KINDS: dict[str, PiiKind] = {"PERSON": "person", "LOCATION": "address"}
"""Presidio's entities: spaCy's PERSON; GPE, LOC and FAC are its LOCATION."""
_UNSPACED = re.compile(UNSPACED_CLASS)
_KANA, _THAI = re.compile("[\u3041-\u30fa]"), re.compile("[\u0e01-\u0e4e]")


def open_engine(names: Names) -> None:
    """Load the models. Raises InputError when Presidio, spaCy or a model is not installed."""
    _engine(tuple(sorted(names.models.items())))


def find_names(text: str, names: Names) -> Iterator[Finding]:
    """Persons and places with at least the spec's score; the value is the text in lower case with single spaces."""
    language = language_for(text, names.models)
    results = _engine(tuple(sorted(names.models.items()))).analyze(text, language=language, entities=sorted(_KINDS), score_threshold=names.min_score)
    for result in sorted(results, key=lambda found: (found.start, -found.end, found.entity_type)):
        value = " ".join(text[result.start : result.end].casefold().split())
        yield Finding(result.start, result.end, _KINDS[result.entity_type], value)


def language_for(text: str, models: dict[str, str]) -> str:
    """The language whose model reads the text, by its script: a text is searched even when its language has no model of its own."""
    unspaced = 2 * len(_UNSPACED.findall(text)) > sum(character.isalpha() for character in text)
    wanted = ("ja" if _KANA.search(text) else "th" if _THAI.search(text) else "zh") if unspaced else "en"
    others = [code for code in sorted(models) if (code in {"zh", "ja", "th"}) == unspaced]
    return wanted if wanted in models else (others or sorted(models))[0]


@cache
def _engine(models: tuple[tuple[str, str], ...]) -> Any:
    try:
        from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
        from presidio_analyzer.nlp_engine import SpacyNlpEngine
        from presidio_analyzer.predefined_recognizers import SpacyRecognizer
        from spacy.util import is_package
    except ImportError as error:
        raise InputError(f"names of persons need Microsoft Presidio: {error}", hint="pip install 'adapt-build[presidio]'") from error
    for language, model in models:
        if not is_package(model) and not _is_folder(model):
            raise InputError(
                f"the spaCy model {model!r} for {language!r} is not installed", hint=f"python -m spacy download {model}, or name its folder"
            )
    codes = [language for language, _ in models]
    engine = SpacyNlpEngine(models=[{"lang_code": language, "model_name": model} for language, model in models])
    engine.load()
    recognizers = [SpacyRecognizer(supported_language=language) for language in codes]
    registry = RecognizerRegistry(recognizers=recognizers, supported_languages=codes)
    return AnalyzerEngine(nlp_engine=engine, registry=registry, supported_languages=codes)


def _is_folder(model: str) -> bool:
    return (Path(model) / "config.cfg").is_file()
