"""Holds back remarks of peft that ask nothing of a user: they come with methods as this project uses them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_REMARKS = (
    "lora with eva initialization used",  # the base is in memory already
    "Unsupported layer type",  # normalisation layers of an architecture's own
    "Position ids are not supported",  # prompts are not padded behind virtual tokens
)


@contextmanager
def quiet_peft() -> Iterator[None]:
    """Leave out known remarks inside the block; others are shown as usual."""
    with warnings.catch_warnings():
        for remark in _REMARKS:
            warnings.filterwarnings("ignore", message=remark)
        yield
