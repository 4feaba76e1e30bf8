"""Modelfile for Ollama: the model, and the chat template in Ollama's own language.

Ollama runs Go templates and not the Jinja ones that models bring. The adapter's template is asked to render a few conversations; where they are what
stands before and after each role's words, put together, that is written down. Other templates are left out with a warning: a Modelfile that renders
other prompts than training saw would be worse than none.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from adapt.adapter.prompt import Prompt
from adapt.errors import InputError
from adapt.records import Message

log = logging.getLogger(__name__)
MODELFILE = "Modelfile"
Role = Literal["system", "user", "assistant"]
_WORDS: dict[Role, tuple[str, str]] = {
    "system": ("brief and plain", "calm and slow"),
    "user": ("red plums", "blue pebbles"),
    "assistant": ("a jug", "a pot"),
}
_CONVERSATIONS: tuple[tuple[Role, ...], ...] = (
    ("user",),
    ("system", "user"),
    ("user", "assistant", "user"),
    ("system", "user", "assistant", "user", "assistant", "user"),
)
_FORBIDDEN = ("{{", '"""')


def write_modelfile(folder: Path, prompt: Prompt, lines: Sequence[str]) -> None:
    """Write `lines`, the template and where answers stop into `folder`; with a warning, nothing when Ollama cannot express the template."""
    try:
        template = go_template(prompt)
    except (InputError, ValueError):
        log.warning("no Modelfile is written: the prompt template does more than Ollama's templates can say. llama.cpp reads it from the GGUF file")
        return
    stops = [f'PARAMETER stop "{prompt.tokenizer.convert_ids_to_tokens(number)}"' for number in prompt.end_ids]
    text = "\n".join([*lines, f'TEMPLATE """{template}"""', *stops, "PARAMETER temperature 0"]) + "\n"
    (folder / MODELFILE).write_text(text, encoding="utf-8")


def go_template(prompt: Prompt) -> str:
    """The prompt's template as a Go template over `.Messages`.

    Raises ValueError when what it renders is not one piece for each message, and InputError when it does not render at all.
    """
    lead, pieces = _lead(prompt), {role: _around(prompt, role) for role in get_args(Role)}
    asking = _asking(prompt)
    for roles in _CONVERSATIONS:
        expected = ("" if roles[0] == "system" else lead) + "".join(pieces[role][0] + _WORDS[role][1] + pieces[role][1] for role in roles) + asking
        if expected != _rendered(prompt, roles, ask=True, variant=1):
            raise ValueError("the template is not one piece for each message")
    if any(mark in text for text in (lead, asking, *(text for pair in pieces.values() for text in pair)) for mark in _FORBIDDEN):
        raise ValueError("the template has marks that Ollama reads as its own")
    opening = '{{- if and .Messages (ne (index .Messages 0).Role "system") }}' + lead + "{{ end }}" if lead else ""
    branches = "".join(
        ("{{ if" if number == 0 else "{{ else if") + f' eq .Role "{role}" }}}}{pieces[role][0]}{{{{ .Content }}}}{pieces[role][1]}'
        for number, role in enumerate(get_args(Role))
    )
    return f"{opening}{{{{- range .Messages }}}}{branches}{{{{ end }}}}{{{{ end }}}}{asking}"


def _rendered(prompt: Prompt, roles: Sequence[Role], *, ask: bool, variant: int = 0) -> str:
    return prompt.render([Message(role=role, content=_WORDS[role][variant]) for role in roles], ask=ask)


def _around(prompt: Prompt, role: Role) -> tuple[str, str]:
    """What stands before and after a message of this role, wherever it is in a conversation."""
    before: tuple[Role, ...] = () if role == "system" else ("system",) if role == "user" else ("system", "user")
    whole, start = _rendered(prompt, (*before, role), ask=False), _rendered(prompt, before, ask=False) if before else ""
    left, found, right = whole.removeprefix(start).partition(_WORDS[role][0])
    if not whole.startswith(start) or not found:
        raise ValueError(f"the template changes what the {role} says")
    return left, right


def _lead(prompt: Prompt) -> str:
    """What stands before a conversation that begins without a system message."""
    left, right = _around(prompt, "user")
    return _rendered(prompt, ("user",), ask=False).removesuffix(left + _WORDS["user"][0] + right)


def _asking(prompt: Prompt) -> str:
    whole = _rendered(prompt, ("user",), ask=True)
    start = _rendered(prompt, ("user",), ask=False)
    if not whole.startswith(start):
        raise ValueError("the template asks for an answer in the middle")
    return whole[len(start) :]
