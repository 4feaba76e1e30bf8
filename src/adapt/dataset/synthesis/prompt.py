"""The prompt for a passage: a Jinja template, rendered in a sandbox."""

from importlib.resources import files
from typing import Any

from adapt.dataset.synthesis.passages import Passage
from adapt.dataset.synthesis.talk import Messages, hear, say
from adapt.errors import InputError

_PROBE = "A passage to try the template with."
_HINT = "the template sees passage, title, language and pairs; docs/how-to/make-questions-from-documents.md has an example"
_LONGEST_ECHO = 2000
_COMPLAINTS = {
    "zh": "上一次的回答不能用：{problem}。请按照要求重新回答，只输出 JSON 数组。",
    "en": "That answer cannot be used: {problem}. Answer again by the rules, with the JSON array and nothing else.",
}


class PromptTemplate:
    """A template's text, or the built-in one. Raises InputError when it does not render, or leaves the passage out."""

    def __init__(self, text: str | None) -> None:
        from jinja2 import StrictUndefined, TemplateError
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        source = files(__package__).joinpath("prompt.jinja").read_text(encoding="utf-8") if text is None else text
        environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
        try:
            self._template = environment.from_string(source)
        except TemplateError as error:
            raise InputError(f"synthesis.template is not a Jinja template: {error}", hint=_HINT) from None
        if _PROBE not in self._render(passage=_PROBE, title="", language="en", pairs=1):
            raise InputError("synthesis.template leaves the passage out", hint=_HINT)

    def ask(self, passage: Passage, pairs: int) -> Messages:
        """The conversation that asks for `pairs` pairs from a passage."""
        return say(self._render(passage=passage.text, title=passage.title, language=passage.document.language, pairs=pairs))

    def _render(self, **values: Any) -> str:
        try:
            return self._template.render(**values).strip()
        except Exception as error:  # a template may raise anything
            raise InputError(f"synthesis.template does not render: {error}", hint=_HINT) from None


def complain(messages: Messages, answer: str, problem: tuple[str, str], language: str) -> Messages:
    """The conversation that goes on with what was wrong, `problem` being its description in Chinese and English."""
    chinese, english = problem
    words = _COMPLAINTS["zh"].format(problem=chinese) if language == "zh" else _COMPLAINTS["en"].format(problem=english)
    return say(words, hear(answer[:_LONGEST_ECHO], messages))
