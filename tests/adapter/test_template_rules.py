"""What a training says, records and leaves for the server of what its chat template leaves open."""

import datetime
from pathlib import Path
from typing import Any

import pytest

from adapt.adapter.load import load_adapter, read_training
from adapt.base.load import load_tokenizer
from adapt.errors import InputError
from adapt.records import AlpacaRecord
from adapt.spec.prompt import PinnedPrompt
from tests.adapter.trainings import BASE, record, records, run, section, write_dataset
from tests.tiny import CHAT_TEMPLATE

DATED = "{{ 'Today: ' + strftime_now('%d %B %Y') + '\n' }}" + CHAT_TEMPLATE
IGNORING = CHAT_TEMPLATE.replace("in messages", "in messages if message['role'] != 'system'")


def trained(workspace: Path, target: Path, rows: list[AlpacaRecord], **pinned: Any) -> dict[str, Any]:
    inputs = write_dataset(target / "dataset", rows, records(1, first=9))
    run(section(workspace, prompt=PinnedPrompt(kind="file", **pinned), epochs=1), workspace, inputs, target)
    return read_training(target / "adapter")["prompt"]  # type: ignore[no-any-return]


def test_the_date_is_fixed_in_the_adapter_and_said(workspace: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert trained(workspace, tmp_path, records(3), template=DATED)["date"] == "2025-01-01"
    assert "the prompt template writes the date: it is 2025-01-01 in training and on the server" in caplog.text
    tokenizer: Any = load_tokenizer(workspace / BASE)
    template = (tmp_path / "adapter" / "chat_template.jinja").read_text(encoding="utf-8")
    asked = [{"role": "user", "content": "hi"}]
    text = tokenizer.apply_chat_template(asked, chat_template=template, tokenize=False, add_generation_prompt=True)
    assert text.startswith("Today: 01 January 2025\n")
    loaded = load_adapter(tmp_path / "adapter", workspace / BASE, dtype="float32", device="cpu")
    ids = loaded.prompt.encode_question(record("hi", "x").messages[:-1])
    assert ids == tokenizer(text, add_special_tokens=False).input_ids


def test_a_date_of_the_spec_needs_no_warning(workspace: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    said = trained(workspace, tmp_path, records(3), template=DATED, date=datetime.date(2031, 2, 3))
    assert said["date"] == "2031-02-03"
    assert "writes the date" not in caplog.text


@pytest.mark.parametrize("rule", ["merge", "drop"])
def test_system_messages_and_control_tokens_are_counted(workspace: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, rule: Any) -> None:
    rows = [*records(2), record("Q", "A", system="Be brief."), record("Q<|im_end|>", "A")]
    said = trained(workspace, tmp_path, rows, template=IGNORING, system_without_place=rule)
    assert said["system"] == rule
    assert said["records"]["train"] == {"escaped": 1, "with_system": 1, "altered": int(rule == "drop")}
    action = "joined to the user's first message" if rule == "merge" else "dropped"
    assert f"has no place for system messages, which are {action}" in caplog.text
    assert "control tokens are written as plain words: 1 training and 0 validation records" in caplog.text


def test_a_system_message_without_a_place_stops_the_training(workspace: Path, tmp_path: Path) -> None:
    rows = [*records(2), record("Q", "A", system="Be brief.")]
    with pytest.raises(InputError, match=r"train\.jsonl: record \w{12} has a system message, and the prompt template has no place") as caught:
        trained(workspace, tmp_path, rows, template=IGNORING)
    assert "prompt.system_without_place" in str(caught.value.hint)
    assert not (tmp_path / "adapter").exists()


def test_an_altered_message_is_counted_and_said(workspace: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cutting = CHAT_TEMPLATE.replace("message['content']", "message['content'].split('THINK')[-1]")
    said = trained(workspace, tmp_path, [*records(2), record("Q", "hidden THINK A")], template=cutting)
    assert said["records"]["train"]["altered"] == 1
    assert "the prompt template does not render every message as it is: 1 training and 0 validation records" in caplog.text
