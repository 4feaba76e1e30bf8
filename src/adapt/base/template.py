"""Chat templates that leave nothing to chance: the date, control tokens in messages, system messages without a place.

Enters: a Jinja chat template and the tokenizer that reads what it renders. Leaves: the same template behind statements
that pin these, so that every program that is handed the text renders the same, the server among them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Literal

from jinja2 import TemplateError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from adapt.errors import InputError
from adapt.text.control import escape_pairs

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

RENDERING_ERRORS = (TemplateError, TypeError, ValueError, OverflowError)
"""What a template raises when it cannot render."""
DEFAULT_DATE = "2025-01-01"
"""The day that a template writes where a spec names none: the same on every machine, today and later."""
SystemRule = Literal["merge", "drop", "refuse"]
_GENERATION = re.compile(r"\{%-?\s*(?:end)?generation\s*-?%\}")
_ASIDE = "basket of pears"
_PROBE = (
    {"role": "user", "content": "color of plums"},
    {"role": "assistant", "content": "jug of pebbles"},
    {"role": "user", "content": "weight of slate"},
)


@dataclass(frozen=True)
class PreparedTemplate:
    """A template, and what was decided about it."""

    text: str
    """Statements that pin it, then the template itself."""
    date: str | None
    """The day that it writes (ISO 8601); None when it writes none."""
    system: Literal["own", "merge", "drop", "refuse"]
    """Where a system message goes: to its own place, or by the rule for templates without one."""
    control: tuple[str, ...]
    """Tokens that are escaped in messages."""


def prepare_template(
    template: str,
    tokenizer: PreTrainedTokenizerBase,
    *,
    system: str | None = None,
    day: str | None = None,
    without_place: SystemRule = "refuse",
) -> PreparedTemplate:
    """`template` with its surroundings pinned. `system` stands before conversations that bring no system message.

    Raises InputError for a template that draws at random or writes dates in a format that it computes, for a `day` that
    is never written, and for a `system` without a place.
    """
    formats = _date_formats(template)
    if day is not None and not formats:
        raise InputError("prompt.date is set, and the prompt template writes no date", hint="remove prompt.date")
    written = (day or DEFAULT_DATE) if formats else None
    dated = ("" if written is None else _date_statement(formats, written)) + template
    place: Literal["own", "merge", "drop", "refuse"] = "own" if _has_system(dated, tokenizer) else without_place
    if system is not None and place in ("drop", "refuse"):
        raise InputError(
            "prompt.system is set, and the prompt template leaves system messages out",
            hint="remove prompt.system, mend the template, or set prompt.system_without_place to merge",
        )
    control = control_tokens(dated, tokenizer)
    default = "" if system is None else _default_statement(system)
    return PreparedTemplate(default + _place_statement(place) + _escape_statement(control) + dated, written, place, control)


def control_tokens(template: str, tokenizer: PreTrainedTokenizerBase) -> tuple[str, ...]:
    """Tokens that a message must not bring, sorted: the tokenizer's special ones, and others that the template writes
    around turns."""
    added = tokenizer.added_tokens_decoder
    special = {token.content for token in added.values() if token.special} | set(tokenizer.all_special_tokens)
    written = render(template, tokenizer, _PROBE[:1])
    with suppress(InputError):  # a template may refuse a second turn
        written += render(template, tokenizer, _PROBE)
    around = {str(added[number].content) for number in tokenizer(written, add_special_tokens=False).input_ids if number in added}
    return tuple(sorted(token for token in special | around if token.strip()))


def render(template: str, tokenizer: PreTrainedTokenizerBase, turns: Sequence[dict[str, Any]], *, ask: bool = True) -> str:
    """The text of a conversation, with the generation prompt when `ask`. Raises InputError when the template fails."""
    try:
        return str(tokenizer.apply_chat_template(list(turns), chat_template=template, tokenize=False, add_generation_prompt=ask))
    except RENDERING_ERRORS as error:
        hint = "mend the template, or choose another prompt.kind"
        raise InputError(f"the prompt template does not render: {error}", hint=hint) from None


def _has_system(template: str, tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a system message comes out; a template that refuses one has no place for it either."""
    conversation = ({"role": "system", "content": _ASIDE}, _PROBE[0])
    try:
        text = str(tokenizer.apply_chat_template(list(conversation), chat_template=template, tokenize=False, add_generation_prompt=True))
    except RENDERING_ERRORS:
        return False
    return _ASIDE in text


def _date_formats(template: str) -> list[str]:
    """The formats in which a template asks for the date, sorted.

    Raises InputError for a format that it computes, and for a draw at random.
    """
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"])
    try:
        tree = environment.parse(_GENERATION.sub("", template))
    except TemplateError:
        return []  # rendering it says what is wrong
    if any(each.name in ("random", "shuffle") for each in tree.find_all(nodes.Filter)):
        raise InputError("the prompt template draws at random, so no two trainings would see the same", hint="remove the filter `random`")
    formats = set()
    for call in tree.find_all(nodes.Call):
        name = call.node.name if isinstance(call.node, nodes.Name) else None
        if name == "lipsum":
            raise InputError("the prompt template draws at random, so no two trainings would see the same", hint="remove the call of `lipsum`")
        if name == "strftime_now":
            asked = call.args[0] if call.args else None
            if not isinstance(asked, nodes.Const) or not isinstance(asked.value, str):
                raise InputError("the prompt template asks for the date in a format that it computes", hint="write the format as a text")
            formats.add(asked.value)
    return sorted(formats)


def _date_statement(formats: Sequence[str], day: str) -> str:
    """A macro in place of the clock, for the formats that the template asks for.

    As all statements here, it ends in a line break, which `trim_blocks` removes.
    """
    when = date.fromisoformat(day)
    cases = "".join(
        f"{{% {'if' if not number else 'elif'} format == {_quoted(each)} %}}{{{{ {_quoted(when.strftime(each))} }}}}"
        for number, each in enumerate(formats)
    )
    return f"{{% macro strftime_now(format) %}}{cases}{{% endif %}}{{% endmacro %}}\n"


def _default_statement(system: str) -> str:
    """Put `system` before conversations without a system message."""
    message = f"{{'role': 'system', 'content': {_quoted(system)}}}"
    absent = "not messages or messages[0]['role'] != 'system'"
    return f"{{% if {absent} %}}{{% set messages = [{message}] + messages %}}{{% endif %}}\n"


def _place_statement(place: str) -> str:
    """What happens to a system message, where the template has no place for one."""
    if place == "own":
        return ""
    action = {
        "merge": "{% set messages = [dict(messages[1], content=messages[0]['content'] + '\\n\\n' + messages[1]['content'])] + messages[2:] %}",
        "drop": "{% set messages = messages[1:] %}",
        "refuse": "{{ raise_exception('it has no place for a system message; prompt.system_without_place may be merge or drop') }}",
    }[place]
    return f"{{% if messages and messages[0]['role'] == 'system' %}}{action}{{% endif %}}\n"


def _escape_statement(control: Sequence[str]) -> str:
    """Write control tokens in messages as plain words, by the pairs of `adapt.text.control`; other messages stay."""
    if not control:
        return ""
    pairs = json.dumps(escape_pairs(control), ensure_ascii=False)
    return (
        f"{{% set adapt_plain = namespace(messages=[]) %}}{{% for message in messages %}}{{% set adapt_plain.message = message %}}"
        f"{{% if message['content'] is string %}}{{% for token, words in {pairs} %}}{{% if token in adapt_plain.message['content'] %}}"
        f"{{% set adapt_plain.message = dict(adapt_plain.message, content=adapt_plain.message['content'] | replace(token, words)) %}}"
        f"{{% endif %}}{{% endfor %}}{{% endif %}}{{% set adapt_plain.messages = adapt_plain.messages + [adapt_plain.message] %}}{{% endfor %}}"
        f"{{% set messages = adapt_plain.messages %}}\n"
    )


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
