"""What each training objective is: the one table that checks of specs, default rates, default gates, evaluation and docs/methods.md are drawn from.

Pure data, no heavy import. An objective that is added here needs a model in `adapt.spec.objective` and a class in `adapt.adapter.objectives`;
tests hold the three against each other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Head = Literal["reward", "classification", "value"]
Family = Literal["text", "preference", "rollout", "head", "embedding"]


@dataclass(frozen=True)
class Objective:
    """One training objective."""

    name: str
    minimises: str
    """Its loss, in words."""
    forms: tuple[str, ...]
    """Values of `dataset.form` whose records it reads."""
    family: Family
    """What it is measured as: likelihood of texts, preferences between answers, rewards of its own answers, a head's output, embeddings."""
    metrics: tuple[str, ...]
    """Metrics of `evaluate.gates` that are measured for it, the most telling first."""
    paper: str | None = None
    """arXiv id."""
    rate: float = 1.0
    """A good learning rate, as a multiple of the method's own."""
    head: Head | None = None
    """Weights of its own, saved beside the adapter."""
    referenced: bool = False
    """Whether likelihoods are held against those of the model before the first step."""
    passwise: bool = False
    """Whether the loss of a record depends on what stands beside it in a forward pass."""
    minimum: float | None = None
    """Bound of the gate on its first metric where a spec sets none; unset: the adapter must beat its base."""

    @property
    def answers(self) -> bool:
        """Whether the trained model answers questions, so that it can be served and exported."""
        return self.family in ("text", "preference", "rollout")


_WORDS = ("rouge_l", "bleu", "exact_match", "f1", "checks_passed")
_SPOKEN = ("perplexity", *_WORDS)
_PREFERRED = ("preference_accuracy", "reward_accuracy", "reward_margin", *_SPOKEN)
_BARE = ("preference_accuracy", "reward_margin", *_SPOKEN)
_PAIRS = ("preference",)
_QUESTIONS = ("instruction", "preference")
_TABLE = (
    Objective("sft", "negative log-likelihood of the answers", _QUESTIONS, "text", _SPOKEN),
    Objective("pretrain", "negative log-likelihood of all tokens of running text", ("text",), "text", ("perplexity",)),
    Objective("dpo", "logistic loss of the implicit reward's margin over the start", _PAIRS, "preference", _PREFERRED, "2305.18290", 0.05,
              referenced=True),
    Objective("ipo", "squared distance of the mean log-ratio's margin from 1 / (2 beta)", _PAIRS, "preference", _PREFERRED, "2310.12036", 0.05,
              referenced=True),
    Objective("kto", "prospect-theoretic value of each answer, better and worse apart", _PAIRS, "preference", _PREFERRED, "2402.01306", 0.05,
              referenced=True, passwise=True),
    Objective("orpo", "likelihood of the better answer and the odds ratio over the worse", _PAIRS, "preference", _BARE, "2403.07691", 0.1),
    Objective("simpo", "logistic loss of the mean log-likelihoods' margin", _PAIRS, "preference", _BARE, "2405.14734", 0.05),
    Objective("reward", "Bradley-Terry loss of a reward head on pairs", _PAIRS, "head", ("reward_accuracy", "reward_margin"), "2203.02155", 0.5,
              head="reward", minimum=0.5),
    Objective("ppo", "clipped policy gradient of sampled answers, with a value head", _QUESTIONS, "rollout", ("mean_reward", *_SPOKEN),
              "1707.06347", 0.05, head="value"),
    Objective("grpo", "clipped policy gradient of sampled answers, each against others to its question", _QUESTIONS, "rollout",
              ("mean_reward", *_SPOKEN), "2402.03300", 0.05),
    Objective("contrastive", "InfoNCE of question and answer embeddings within a batch", _QUESTIONS, "embedding",
              ("mrr", "recall_1", "recall_5", "recall_10"), "1807.03748", passwise=True),
    Objective("classification", "cross-entropy of a head over the labels", ("instruction", "text"), "head", ("accuracy", "macro_f1"),
              head="classification"),
)  # fmt: skip
OBJECTIVES: Mapping[str, Objective] = {objective.name: objective for objective in _TABLE}
"""Every objective by name, in the order in which they are shown."""
