"""Ollama's template says what the adapter's does, or is not written."""

import logging
from pathlib import Path

import pytest

from adapt.adapter.prompt import Prompt, alpaca_template
from adapt.base.load import load_tokenizer
from adapt.export.forms import ExportInputs
from adapt.export.modelfile import go_template, write_modelfile
from adapt.records import Message
from tests.tiny import CHAT_TEMPLATE

LEAD = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}<|im_start|>system\nBe kind.<|im_end|>\n{% endif %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def go_rendered(template: str, messages: list[Message]) -> str:
    """The template's own subset of Go, by hand: an opening for conversations without a system message, a piece by role, and the end."""
    opening, _, rest = template.rpartition("{{- range .Messages }}")
    body, _, asking = rest.rpartition("{{ end }}{{ end }}")
    pieces = {}
    for part in body.split("{{ else if " if "{{ else if " in body else "\0"):
        role, _, text = part.removeprefix("{{ if ").removeprefix('eq .Role "').partition('" }}')
        pieces[role] = text
    lead = opening.partition("}}")[2].removesuffix("{{ end }}") if opening else ""
    head = "" if messages[0].role == "system" else lead
    return head + "".join(pieces[message.role].replace("{{ .Content }}", message.content) for message in messages) + asking


@pytest.mark.parametrize("template", [CHAT_TEMPLATE, LEAD, alpaca_template()], ids=["chatml", "default system", "alpaca"])
def test_template_renders_the_same_text(template: str, inputs: ExportInputs) -> None:
    prompt = Prompt(template, load_tokenizer(inputs.base))
    go = go_template(prompt)
    user, system, answer = (Message(role=role, content=text) for role, text in (("user", "Why?"), ("system", "Be brief."), ("assistant", "So.")))  # type: ignore[arg-type]
    for messages in ([user], [system, user], [user, answer, user], [system, user, answer, user]):
        assert go_rendered(go, messages) == prompt.render(messages, ask=True)


def test_modelfile_names_model_template_and_stops(inputs: ExportInputs, tmp_path: Path) -> None:
    write_modelfile(tmp_path, Prompt(CHAT_TEMPLATE, load_tokenizer(inputs.base)), ["FROM ./model.gguf"])
    text = (tmp_path / "Modelfile").read_text()
    assert text.startswith('FROM ./model.gguf\nTEMPLATE """{{- range .Messages }}')
    assert 'PARAMETER stop "<|im_end|>"' in text


@pytest.mark.parametrize(
    "template",
    [
        CHAT_TEMPLATE.replace("message['content']", "(message['content'] | upper)"),
        CHAT_TEMPLATE.replace("<|im_start|>", "{{ '{{' }}<|im_start|>", 1),
        "{% for message in messages %}{{ loop.index }}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}{{ messages|length + 1 }}<|im_start|>assistant\n{% endif %}",
    ],
    ids=["changes words", "marks of Go", "counts turns"],
)
def test_template_beyond_ollama_gives_no_modelfile_and_says_so(
    template: str, inputs: ExportInputs, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    prompt = Prompt.__new__(Prompt)
    prompt.template, prompt.tokenizer, prompt._end_token = template, load_tokenizer(inputs.base), "<|im_end|>"
    with caplog.at_level(logging.WARNING):
        write_modelfile(tmp_path, prompt, ["FROM ./model.gguf"])
    assert not (tmp_path / "Modelfile").exists()
    assert "no Modelfile is written" in caplog.text
