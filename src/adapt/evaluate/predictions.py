"""Test records to predictions: each record's likelihood under base and adapter, and how its answers, where there are some, were scored."""

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from adapt.adapter.load import LoadedAdapter
from adapt.adapter.prompt import Example
from adapt.adapter.scoring import response_logprobs
from adapt.artifact.progress import Progress
from adapt.evaluate.answers import SIDES, Side, speaking
from adapt.evaluate.overlap import exact_match, rouge_l, token_f1
from adapt.records import AlpacaRecord, Language, Shape

_SCORED_AT_ONCE = 64
"""Records in memory while they are scored: enough to fill batches with records of like length."""


class Result(Shape):
    """What one model makes of one record. Scores of the answer are absent where none was generated."""

    nll: float | None
    """Negative log-likelihood of the reference, end token included, in nats; absent when it is not a finite number."""
    answer: str | None = None
    rouge_l: float | None = None
    exact_match: float | None = None
    f1: float | None = None


class Prediction(Shape):
    """One line of predictions.jsonl."""

    id: str
    language: Language
    question: str
    """The last turn alone, also where the record has a history."""
    reference: str
    tokens: int
    """Tokens of the reference, end token included."""
    base: Result
    adapter: Result

    def of(self, side: Side) -> Result:
        """One model's result."""
        return self.base if side == "base" else self.adapter


def predict(
    loaded: LoadedAdapter,
    records: Iterable[AlpacaRecord],
    answers: Mapping[str, Mapping[Side, str]],
    *,
    batch_tokens: int,
    total: int,
    progress: Progress,
) -> Iterator[Prediction]:
    """Predictions of `total` records in their order, a window of them at a time. `answers` holds generated ones by record id."""
    waiting = iter(records)
    with progress.task("score", total=total) as task:
        while window := list(islice(waiting, _SCORED_AT_ONCE)):
            yield from _predict_window(loaded, window, answers, batch_tokens)
            task.advance(len(window))


def _predict_window(
    loaded: LoadedAdapter, window: list[AlpacaRecord], answers: Mapping[str, Mapping[Side, str]], batch_tokens: int
) -> Iterator[Prediction]:
    examples = [encode(loaded, record) for record in window]
    scores = {}
    for side in SIDES:
        with speaking(loaded, side):
            scores[side] = response_logprobs(loaded.model, examples, batch_tokens=batch_tokens)
    for index, record in enumerate(window):
        results = {side: _result(-scores[side][index].logprob, answers.get(record.id, {}).get(side), record) for side in SIDES}
        yield Prediction(
            id=record.id,
            language=record.language,
            question=record.question,
            reference=record.output,
            tokens=scores["base"][index].tokens,
            base=results["base"],
            adapter=results["adapter"],
        )


def encode(loaded: LoadedAdapter, record: AlpacaRecord) -> Example:
    """What the model sees of a record, as it was trained."""
    if loaded.objective["kind"] != "pretrain":
        return loaded.prompt.encode(record)
    from adapt.adapter.objectives.pretrain import text_example

    return text_example(record, loaded.prompt)


def _result(nll: float, answer: str | None, record: AlpacaRecord) -> Result:
    finite = nll if math.isfinite(nll) else None
    if answer is None:
        return Result(nll=finite)
    compared = (answer, record.output, record.language)
    return Result(nll=finite, answer=answer, rouge_l=rouge_l(*compared), exact_match=exact_match(*compared), f1=token_f1(*compared))
