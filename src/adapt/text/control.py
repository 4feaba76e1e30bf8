"""Texts in which tokens of control are plain words: what a user writes must not end a turn or begin one."""

from collections.abc import Iterable


def escape_pairs(tokens: Iterable[str]) -> list[tuple[str, str]]:
    """Each token with what is written instead, longer tokens first.

    `<|im_end|>` becomes `< |im_end|>`; a token of a single character is dropped.
    """
    ordered = sorted({token for token in tokens if token.strip()}, key=lambda token: (-len(token), token))
    return [(token, f"{token[0]} {token[1:]}" if len(token) > 1 else "") for token in ordered]


def escape(text: str, pairs: Iterable[tuple[str, str]]) -> str:
    """`text` without any of the tokens of `pairs`."""
    for token, plain in pairs:
        if token in text:
            text = text.replace(token, plain)
    return text
