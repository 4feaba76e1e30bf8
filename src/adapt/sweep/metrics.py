"""Trials measured by a metric that none of their settings defines, on the validation records that every one
of them can read.

Enters: finished adapters, the validation records, the prepared base. Leaves: a figure for each. An adapter
is measured as it would be served: on the unquantized base.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from adapt.artifact.lines import read_lines
from adapt.errors import InputError
from adapt.records import AlpacaRecord
from adapt.spec.comparison import METRICS

if TYPE_CHECKING:
    from adapt.adapter.load import LoadedAdapter
    from adapt.adapter.prompt import Prompt

Records = Sequence[AlpacaRecord]


def shared_records(adapter: Path, base: Path, validation: Path, *, longest: int) -> list[AlpacaRecord]:
    """The validation records no sequence of which has more than `longest` tokens under the template of
    `adapter`.

    Raises InputError when none is left.
    """
    from adapt.adapter.folder import TEMPLATE
    from adapt.adapter.prompt import Prompt
    from adapt.base.load import load_tokenizer

    prompt = Prompt((adapter / TEMPLATE).read_text(encoding="utf-8"), load_tokenizer(base))
    records = [record for record in read_lines(validation, AlpacaRecord) if _length(record, prompt) <= longest]
    if not records:
        raise InputError(
            f"no validation record has {longest} tokens or fewer, and trials are compared on those that all of them read",
            hint="raise train.max_length_tokens or dataset.split.validation",
        )
    return records


def measure(metric: str, adapter: Path, base: Path, records: Records, *, batch_tokens: int) -> float:
    """`metric` of the adapter in folder `adapter` on `records`; see `adapt.spec.comparison.METRICS`."""
    from adapt.adapter.load import load_adapter

    return _MEASURES[METRICS[metric].name](load_adapter(adapter, base), records, batch_tokens)


def _length(record: AlpacaRecord, prompt: Prompt) -> int:
    answers = [record.output, *([record.rejected] if record.rejected else [])]
    return max(prompt.encode(record.model_copy(update={"output": answer})).length for answer in answers)


def _answer_loss(loaded: LoadedAdapter, records: Records, batch_tokens: int) -> float:
    from adapt.adapter.scoring import mean_loss, response_logprobs

    examples = [loaded.prompt.encode(record) for record in records]
    return mean_loss(response_logprobs(loaded.model, examples, batch_tokens=batch_tokens))


def _preference_accuracy(loaded: LoadedAdapter, records: Records, batch_tokens: int) -> float:
    from adapt.adapter.scoring import response_logprobs

    worse = [record.model_copy(update={"output": record.rejected}) for record in records]
    examples = [loaded.prompt.encode(record) for record in (*records, *worse)]
    means = [score.logprob / score.tokens for score in response_logprobs(loaded.model, examples, batch_tokens=batch_tokens)]
    return _mean([better > other for better, other in zip(means, means[len(records) :], strict=False)])


def _reward_accuracy(loaded: LoadedAdapter, records: Records, batch_tokens: int) -> float:
    from adapt.evaluate.objectives import measure_rewards

    return float(measure_rewards(loaded, records, batch_tokens=batch_tokens).figures["adapter"]["reward_accuracy"])


def _accuracy(loaded: LoadedAdapter, records: Records, batch_tokens: int) -> float:
    from adapt.evaluate.objectives import measure_labels

    return float(measure_labels(loaded, records, batch_tokens=batch_tokens).figures["adapter"]["accuracy"])


def _mrr(loaded: LoadedAdapter, records: Records, batch_tokens: int) -> float:
    from adapt.evaluate.objectives import measure_retrieval

    return float(measure_retrieval(loaded, records, batch_tokens=batch_tokens).figures["adapter"]["mrr"])


def _mean(values: Sequence[bool]) -> float:
    return sum(values) / len(values)


_MEASURES: Mapping[str, Callable[[LoadedAdapter, Records, int], float]] = {
    "answer_loss": _answer_loss,
    "preference_accuracy": _preference_accuracy,
    "reward_accuracy": _reward_accuracy,
    "accuracy": _accuracy,
    "mrr": _mrr,
}
