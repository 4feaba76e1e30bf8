"""Predictions to figures: running totals by model and language. Memory grows with the answered records only."""

import math
from collections import Counter
from dataclasses import dataclass, field

from adapt.evaluate.answers import SIDES, Side
from adapt.evaluate.metrics import Figures, rounded
from adapt.evaluate.overlap import bleu
from adapt.evaluate.predictions import Prediction, Result
from adapt.records import Language

_LARGEST_EXPONENT = 700.0
"""e to the power of more does not fit into a float."""


@dataclass
class Totals:
    """Sums over the records of one language under one model."""

    tokens: int = 0
    nll: float = 0.0
    rouge_l: float = 0.0
    exact_match: float = 0.0
    f1: float = 0.0
    answers: list[str] = field(default_factory=list)
    references: list[str] = field(default_factory=list)
    """Those of the answers."""

    def add(self, tokens: int, reference: str, result: Result) -> None:
        """Count one record in. One likelihood that is not finite makes the total so."""
        self.tokens += tokens
        self.nll += math.nan if result.nll is None else result.nll
        if result.answer is not None:
            self.rouge_l += result.rouge_l or 0.0
            self.exact_match += result.exact_match or 0.0
            self.f1 += result.f1 or 0.0
            self.answers.append(result.answer)
            self.references.append(reference)


class Tally:
    """Adds predictions up and gives the figures of each model, overall or in one language."""

    def __init__(self) -> None:
        self.records: Counter[Language] = Counter()
        self.tokens = 0
        self._totals: dict[tuple[Side, Language], Totals] = {}

    def add(self, prediction: Prediction) -> None:
        """Count one record in."""
        language = prediction.language
        self.records[language] += 1
        self.tokens += prediction.tokens
        for side in SIDES:
            self._totals.setdefault((side, language), Totals()).add(prediction.tokens, prediction.reference, prediction.of(side))

    @property
    def languages(self) -> list[Language]:
        """Languages that occur, sorted."""
        return sorted(self.records)

    def figures(self, side: Side, language: Language | None = None) -> Figures:
        """A model's figures, rounded; over all languages when none is given."""
        chosen = self.languages if language is None else [language]
        return rounded(_figures({name: self._totals[side, name] for name in chosen}))


def _figures(totals: dict[Language, Totals]) -> Figures:
    """Perplexity is over all tokens; ROUGE-L, exact match and F1 are means over answers.

    BLEU counts tokens, which languages do not share: it is each language's corpus BLEU, weighted by its number of answers.
    """
    figures: Figures = {"perplexity": _perplexity(list(totals.values()))}
    answers = sum(len(each.answers) for each in totals.values())
    if not answers:
        return figures
    weighted = sum(bleu(each.answers, each.references, language) * len(each.answers) for language, each in totals.items() if each.answers)
    figures["rouge_l"] = sum(each.rouge_l for each in totals.values()) / answers
    figures["bleu"] = weighted / answers
    figures["exact_match"] = sum(each.exact_match for each in totals.values()) / answers
    figures["f1"] = sum(each.f1 for each in totals.values()) / answers
    return figures


def _perplexity(totals: list[Totals]) -> float:
    """e to the mean negative log-likelihood of a token; infinite when that does not fit into a float, not a number of no tokens."""
    tokens = sum(each.tokens for each in totals)
    mean = sum(each.nll for each in totals) / tokens if tokens else math.nan
    return math.inf if mean > _LARGEST_EXPONENT else math.exp(mean)
