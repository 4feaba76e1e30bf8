"""The names under which data sets usually keep the fields of a record, for fields that a spec does not name."""

from collections.abc import Iterable

USUAL = {
    "instruction": ("instruction", "question", "prompt", "query", "指令", "问题", "提问"),
    "input": ("input", "context", "输入"),
    "output": ("output", "answer", "response", "completion", "输出", "答案", "回答"),
    "chosen": ("chosen", "chosen_response", "preferred"),
    "rejected": ("rejected", "rejected_response", "dispreferred"),
    "text": ("text", "content", "body", "markdown", "正文", "文本", "内容"),
    "title": ("title", "headline", "标题", "题目"),
    "messages": ("messages", "conversations", "conversation"),
    "history": ("history",),
    "system": ("system", "system_prompt"),
}
"""Names in lower case, the likeliest first."""


def usual_names(found: Iterable[str], usual: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the usual names that are there, the likeliest first, in the form in which they are there; case does not matter."""
    by_form = {name.strip().casefold(): name for name in reversed(list(found)) if isinstance(name, str)}
    return tuple(by_form[name] for name in usual if name in by_form)


def usual_name(found: Iterable[str], usual: tuple[str, ...]) -> str | None:
    """The first of them."""
    return next(iter(usual_names(found, usual)), None)
