"""The instruction that a heading stands for.

A heading that is a question stands as it is. Any other goes into the spec's template. With no title, or one that only
repeats the heading, the bracketed part of the template that holds `{title}` is left out; a template with `{title}`
outside brackets cannot be shortened safely, so a plain request takes its place: Chinese for Chinese text, English for any other.
"""

import re

from adapt.records import Language
from adapt.spec.dataset import Headings

_AUXILIARY = r"(?:is|are|was|were|do|does|did|can|could|should|would|will|must|may|might|has|have|had|to)"
_ENGLISH_QUESTION = re.compile(
    rf"(?:(?:what|why|when|where|who|whom|how) {_AUXILIARY}|how (?:many|much|long|often|far|soon|old)|which \w+ {_AUXILIARY}|what's|who's)\b",
    re.IGNORECASE,
)
_CHINESE_QUESTION = re.compile(r"(?:什么|为什么|为何|如何|怎么|怎样|怎么样|哪些|哪个|哪种|何时|何为|何谓|是否|谁)|.*[吗呢]$")
_ASKS = re.compile(r".*[?？][\"'”’」』)）]*")
_NUMBER = re.compile(r"(?:\d{1,3}(?:\.\d{1,3})*[.)、](?!\d)|[一二三四五六七八九十]{1,3}、|[（(][\d一二三四五六七八九十]{1,3}[)）])\s*(?=\S)")
_BRACKETED_TITLE = re.compile(r"\s*[(（\[【][^()（）\[\]【】]*\{title\}[^()（）\[\]【】]*[)）\]】]")
_FIELD = re.compile(r"\{(heading|title)\}")
_UNTITLED: dict[Language, str] = {"en": "Explain {heading}.", "zh": "请说明“{heading}”。"}


def ask(heading: str, title: str, language: Language, headings: Headings) -> str:
    """The instruction for a section named `heading` of a text named `title`, which may be empty."""
    heading = _NUMBER.sub("", heading, count=1) if _NUMBER.match(heading) else heading
    if is_question(heading):
        return heading
    template = headings.zh if language == "zh" else headings.en
    subject = heading.rstrip(" \t:：.。")
    if not title or title.casefold().strip() == heading.casefold().strip():
        template = _without_title(template, language)
    return _FIELD.sub(lambda field: (subject or heading) if field[1] == "heading" else title, template)


def is_question(heading: str) -> bool:
    """Whether a heading asks by itself: it ends in a question mark, or opens as questions do."""
    return bool(_ASKS.fullmatch(heading) or _ENGLISH_QUESTION.match(heading) or _CHINESE_QUESTION.match(heading))


def _without_title(template: str, language: Language) -> str:
    shortened = _BRACKETED_TITLE.sub("", template)
    return _UNTITLED.get(language, _UNTITLED["en"]) if "{title}" in shortened or "{heading}" not in shortened else shortened
