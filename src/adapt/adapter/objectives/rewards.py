"""What answers are worth: by declared functions, by a trained reward model, or by the sum of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from adapt.adapter.outputs import head_outputs
from adapt.adapter.prompt import Example, Prompt
from adapt.adapter.reward_functions import summed_rewards
from adapt.records import AlpacaRecord
from adapt.spec.objective import RewardFunction

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import PreTrainedModel


@dataclass(frozen=True)
class RewardModel:
    """A model with a reward head, in eval mode."""

    model: PreTrainedModel | PeftModel
    weight: Tensor
    """(1, size)."""


class Rewards:
    """Rewards of whole answers."""

    def __init__(self, functions: Sequence[RewardFunction], prompt: Prompt, model: RewardModel | None, *, batch_tokens: int) -> None:
        self._functions, self._prompt, self._model, self._batch_tokens = functions, prompt, model, batch_tokens

    def of(self, examples: Sequence[Example], records: Sequence[AlpacaRecord]) -> list[float]:
        """The reward of each of `examples`, whose questions are those of `records`."""
        rewards = [self._by_functions(example, record) for example, record in zip(examples, records, strict=True)]
        if self._model is not None:
            scores = head_outputs(self._model.model, self._model.weight, [example.ids for example in examples], batch_tokens=self._batch_tokens)
            rewards = [reward + score for reward, score in zip(rewards, scores[:, 0].tolist(), strict=True)]
        return rewards

    def _by_functions(self, example: Example, record: AlpacaRecord) -> float:
        ids = [token for token in example.ids[example.prompt_length :] if token not in self._prompt.end_ids]
        text = str(self._prompt.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)).strip()
        return summed_rewards(self._functions, text, len(ids), record)
