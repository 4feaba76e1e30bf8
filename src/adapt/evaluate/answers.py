"""What base and adapter answer, greedily, to test records and to checks.

One model in memory: the base answers through the same model with its adapter switched off.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

from adapt.adapter.generation import generate
from adapt.adapter.load import LoadedAdapter
from adapt.artifact.progress import Progress, Task
from adapt.records import Message
from adapt.spec.evaluate import Check, EvaluateSpec

Side = Literal["base", "adapter"]
SIDES: tuple[Side, ...] = ("base", "adapter")
_ANSWERED_AT_ONCE = 32
"""Conversations between two steps of the progress bar: enough to fill a batch."""


@dataclass(frozen=True)
class Checked:
    """A check and what was answered to it."""

    check: Check
    answers: Mapping[Side, str]

    def objections(self, side: Side) -> list[str]:
        """What speaks against a side's answer, such as `lacks 'interest'`; nothing when it passes."""
        return objections(self.check, self.answers[side])


def answer(loaded: LoadedAdapter, conversations: Sequence[Sequence[Message]], spec: EvaluateSpec, progress: Progress) -> list[dict[Side, str]]:
    """What each side says next in each conversation, in their order."""
    prompts = [loaded.prompt.encode_question(conversation) for conversation in conversations]
    texts: dict[Side, list[str]] = {}
    with progress.task("generate", total=len(SIDES) * len(prompts)) as task:
        for side in SIDES:
            with speaking(loaded, side):
                texts[side] = list(_generated(loaded, prompts, spec, task))
    return [{side: texts[side][index] for side in SIDES} for index in range(len(prompts))]


def speaking(loaded: LoadedAdapter, side: Side) -> AbstractContextManager[Any]:
    """While it is open, the loaded model is the adapter, or the base alone."""
    return loaded.disabled() if side == "base" else nullcontext()


def objections(check: Check, text: str) -> list[str]:
    """What speaks against `text`. Case, compatibility forms such as full-width letters, and line breaks do not matter."""
    plain = _plain(text)
    lacking = [f"lacks {wanted!r}" for wanted in check.must_contain if _plain(wanted) not in plain]
    return lacking + [f"says {unwanted!r}" for unwanted in check.must_not_contain if _plain(unwanted) in plain]


def _generated(loaded: LoadedAdapter, prompts: Sequence[Sequence[int]], spec: EvaluateSpec, task: Task) -> Iterator[str]:
    for start in range(0, len(prompts), _ANSWERED_AT_ONCE):
        some = prompts[start : start + _ANSWERED_AT_ONCE]
        answered = generate(
            loaded.model,
            loaded.tokenizer,
            some,
            max_new_tokens=spec.max_new_tokens,
            batch_tokens=spec.batch_tokens,
            end_ids=loaded.prompt.end_ids,
        )
        for ids in answered:
            text = loaded.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
            yield str(text).strip()
        task.advance(len(some))


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(folded.split())
