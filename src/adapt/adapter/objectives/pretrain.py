"""Continued pre-training: the likelihood of every token of running text, as it is, without a chat template."""

from __future__ import annotations

from array import array

from adapt.adapter.objectives.contrastive import embedded_ids
from adapt.adapter.objectives.sft import Sft
from adapt.adapter.prompt import Example, Prompt
from adapt.records import AlpacaRecord


class Pretrain(Sft):
    """The mean negative log-likelihood of a text's tokens after the first, end token included, in nats."""

    def encode(self, record: AlpacaRecord, prompt: Prompt) -> list[Example]:
        return [text_example(record, prompt)]


def text_example(record: AlpacaRecord, prompt: Prompt) -> Example:
    """A running text, of which the first token alone is given."""
    return Example(ids=array("i", embedded_ids(record.output, prompt)), prompt_length=1, record_id=record.id)
