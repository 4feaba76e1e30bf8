"""The forward passes that a training takes: how many sequences of what length, which memory and time follow.

Enters: records and the settings of section `train`. Leaves: passes. Of a large data set some records are tokenised, evenly chosen, and the longest.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from adapt.adapter.attention import LONGEST_TOKENS
from adapt.adapter.batches import plan_epoch
from adapt.advice.machine import Kind
from adapt.records import AlpacaRecord
from adapt.spec.common_train import CommonTrain
from adapt.spec.low_rank_train import LongloraTrain
from adapt.spec.train import DeepPromptTrain, PrefixTrain, PromptTuningTrain

if TYPE_CHECKING:
    from adapt.spec.resolved.train import TrainSection

MOST_TOKENISED = 1000
"""Records that are tokenised; of more, this many evenly chosen."""
_LONGEST = 32
"""Records that are tokenised besides for being the longest, in bytes."""
USUAL_RECORD = 256
"""Tokens of a record, where nothing is known of them."""
USUAL_ANSWER = 0.6
"""Share of answers in a record's tokens, where nothing is known of them."""


class Pass(NamedTuple):
    """One forward pass."""

    rows: int
    """Places for tokens, padding included."""
    answers: int
    """Tokens that logits are computed for."""
    squares: int
    """Sum of the squared lengths of what attends to itself."""
    short_squares: int
    """The same, of sequences that a CPU computes attention for by plain products."""


class Lengths(NamedTuple):
    """Tokens of one record."""

    whole: int
    answer: int


@dataclass(frozen=True)
class Workload:
    """What one epoch trains on."""

    passes: tuple[Pass, ...]
    """Of an epoch, with the records that were looked at."""
    steps: float
    """Optimiser steps of an epoch, over all records."""
    records: int
    validation_tokens: int
    looked_at: tuple[Lengths, ...]
    """Records that stand for all, those longer than `max_length_tokens` among them."""
    lengths: tuple[Lengths, ...]
    """Those of them that are trained on."""
    scale: float = 1.0
    """All records, as a multiple of those."""
    assumed: bool = False
    """Whether the records are not known yet."""
    test_records: int = 0
    test_tokens: int = 0
    test_answers: int = 0
    """Tokens of answers among those."""
    tokens_per_character: float = 0.25
    """Of answers: about a quarter where the tokenizer knows the language, one and more where it spells it in bytes."""

    @property
    def longest(self) -> int:
        return max(length.whole for length in self.lengths)

    @property
    def tokens(self) -> int:
        """Tokens of an epoch."""
        return round(sum(length.whole for length in self.lengths) * self.scale)


def packs(settings: CommonTrain, device: Kind) -> bool:
    """Whether records follow each other without padding: on a CPU by default, unless the method puts tokens or groups in between.

    On a GPU `auto` packs with FlexAttention, and where FlashAttention is installed, which is not asked for here: padded passes need a little more.
    """
    if settings.packing != "auto" or settings.attention == "flex":
        return settings.packing != "padded"
    return device == "cpu" and not isinstance(settings, LongloraTrain | PromptTuningTrain | PrefixTrain | DeepPromptTrain)


def planned(
    lengths: Sequence[Lengths], settings: CommonTrain, *, device: Kind, records: int, validation_tokens: int, seed: int, assumed: bool = False
) -> Workload:
    """The passes of records whose `lengths` stand for `records` in all; those longer than `max_length_tokens` are left out, as in training."""
    kept = [length for length in lengths if length.whole <= settings.max_length_tokens] or [Lengths(settings.max_length_tokens, 1)]
    padded = not packs(settings, device)
    wholes, tokens = [one.whole for one in kept], settings.batch_tokens
    epoch = plan_epoch(wholes, batch_tokens=tokens, accumulate=settings.accumulate, seed=seed, epoch=0, padded=padded)
    passes = [_pass([kept[position] for position in micro], padded=padded) for step in epoch for micro in step]
    scale = records / max(1, len(lengths))
    steps = max(1.0, len(epoch) * scale)
    return Workload(tuple(passes), steps, records, validation_tokens, tuple(lengths), tuple(kept), max(1.0, scale), assumed)


def replanned(workload: Workload, settings: CommonTrain, *, device: Kind, seed: int) -> Workload:
    """The same records in passes of other settings."""
    return planned(
        workload.looked_at,
        settings,
        device=device,
        records=workload.records,
        validation_tokens=workload.validation_tokens,
        seed=seed,
        assumed=workload.assumed,
    )


def assumed(settings: CommonTrain, *, device: Kind, records: int = 0, longest: int = USUAL_RECORD, median: int | None = None) -> Workload:
    """The passes of records that are not at hand: most as long as `median` (by default half the longest), some as long as `longest`."""
    usual = min(median or max(1, longest // 2), settings.max_length_tokens)
    longest = min(longest, settings.max_length_tokens)
    count = max(records, 64)
    looked_at = min(count, MOST_TOKENISED)
    wanted = [usual] * looked_at + [longest] * max(1, settings.batch_tokens // longest)
    lengths = [Lengths(tokens, max(1, round(USUAL_ANSWER * tokens))) for tokens in wanted]
    held = min(count // 9, 1000)
    made = planned(lengths, settings, device=device, records=count, validation_tokens=held * usual, seed=0, assumed=True)
    return replace(made, test_records=held, test_tokens=held * usual, test_answers=round(held * USUAL_ANSWER * usual))


def measured(section: TrainSection, *, dataset: Path, base: Path, device: Kind) -> Workload:
    """The passes of the data set in folder `dataset` with the tokenizer and template of the base in folder `base`."""
    from adapt.adapter.prompt import Prompt, effective_template
    from adapt.base.load import load_tokenizer

    tokenizer = load_tokenizer(base)
    prompt = Prompt(effective_template(section.prompt, tokenizer), tokenizer)

    def tokens(path: Path) -> tuple[list[Lengths], int, int]:
        chosen, count = _chosen(path)
        records = [AlpacaRecord.model_validate_json(line) for line in chosen]
        examples = [prompt.encode(record) for record in records]
        lengths = [Lengths(len(one.ids), len(one.ids) - one.prompt_length) for one in examples]
        return lengths, count, sum(len(record.output) for record in records)

    lengths, records, characters = tokens(dataset / "train.jsonl")
    held, held_records, _ = tokens(dataset / "validation.jsonl")
    validation = round(sum(length.whole for length in held) * held_records / max(1, len(held)))
    known = planned(lengths, section.train, device=device, records=records, validation_tokens=validation, seed=section.seed)
    asked, asked_records = tokens(dataset / "test.jsonl")[:2] if (dataset / "test.jsonl").is_file() else ([], 0)
    scale = asked_records / max(1, len(asked))
    return replace(
        known,
        test_records=asked_records,
        test_tokens=round(sum(length.whole for length in asked) * scale),
        test_answers=round(sum(length.answer for length in asked) * scale),
        tokens_per_character=sum(length.answer for length in lengths) / max(1, characters),
    )


def _chosen(path: Path) -> tuple[list[bytes], int]:
    """Lines that stand for all, and how many there are."""
    with path.open("rb") as file:
        sizes = [len(line) for line in file]
    if len(sizes) <= MOST_TOKENISED:
        wanted = set(range(len(sizes)))
    else:
        wanted = {number * len(sizes) // MOST_TOKENISED for number in range(MOST_TOKENISED)}
        wanted |= set(heapq.nlargest(_LONGEST, range(len(sizes)), key=lambda number: sizes[number]))
    with path.open("rb") as file:
        return [line for number, line in enumerate(file) if number in wanted], len(sizes)


def _pass(lengths: Sequence[Lengths], *, padded: bool) -> Pass:
    longest = max(one.whole for one in lengths)
    attending = [longest if padded else one.whole for one in lengths]
    squares = [tokens**2 for tokens in attending]
    short = sum(square for square in squares if square <= LONGEST_TOKENS**2)
    return Pass(sum(attending), sum(one.answer for one in lengths), sum(squares), short)
