"""Which test records become golden prompts, and how long ones are cut."""

from pathlib import Path

import pytest

from adapt.adapter.prompt import Prompt
from adapt.base.load import load_tokenizer
from adapt.export.forms import ExportInputs
from adapt.export.golden import ANSWER_TOKENS, TOKENS, Golden, choose_goldens
from adapt.records import AlpacaRecord
from tests.export.conftest import make_dataset, make_record
from tests.tiny import CHAT_TEMPLATE


@pytest.fixture
def prompt(inputs: ExportInputs) -> Prompt:
    return Prompt(CHAT_TEMPLATE, load_tokenizer(inputs.base))


def chosen(prompt: Prompt, folder: Path, *records: AlpacaRecord, count: int = 8, context: int = 10_000) -> list[Golden]:
    return choose_goldens(make_dataset(folder, list(records)) / "test.jsonl", prompt, count=count, context=context)


def test_prompts_are_the_smallest_ids_whatever_the_order(prompt: Prompt, tmp_path: Path) -> None:
    records = [make_record(f"question {number}", "An answer.") for number in range(6)]
    forward = chosen(prompt, tmp_path / "forward", *records, count=3)
    assert [golden.record for golden in forward] == sorted(record.id for record in records)[:3]
    assert chosen(prompt, tmp_path / "backward", *records[::-1], count=3) == forward


def test_fewer_records_than_asked_are_all_taken(prompt: Prompt, tmp_path: Path) -> None:
    assert len(chosen(prompt, tmp_path / "dataset", make_record("问题", "回答", "zh"), count=8)) == 1


def test_short_record_is_compared_at_every_token_of_its_answer(prompt: Prompt, tmp_path: Path) -> None:
    record = make_record("什么是债券？", "债券是借款的凭证。", "zh")
    (golden,) = chosen(prompt, tmp_path / "dataset", record)
    example = prompt.encode(record)
    assert golden.ids == tuple(example.ids)
    assert golden.prompt_ids == tuple(example.ids[: example.prompt_length])
    assert golden.positions == len(example.ids) - example.prompt_length
    assert golden.text.endswith("<|im_start|>assistant\n")


def test_long_answer_is_cut_at_its_end_and_long_prompt_at_its_beginning(prompt: Prompt, tmp_path: Path) -> None:
    record = make_record("什么是债券？" * 2000, "A bond is a loan. " * 100)
    (golden,) = chosen(prompt, tmp_path / "dataset", record)
    ids = tuple(prompt.encode(record).ids)
    start = len(golden.prompt_ids) + ANSWER_TOKENS - TOKENS
    assert golden.positions == ANSWER_TOKENS
    assert golden.ids == ids[start : start + TOKENS]


@pytest.mark.parametrize("context", [2, 40, 512])
def test_nothing_is_longer_than_the_models_context(context: int, prompt: Prompt, tmp_path: Path) -> None:
    (golden,) = chosen(prompt, tmp_path / "dataset", make_record("What is a bond? " * 200, "A bond is a loan. " * 100), context=context)
    assert len(golden.ids) == context
    assert 0 < golden.positions < context
