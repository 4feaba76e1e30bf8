"""What a teacher is: something that answers conversations. One is reached over HTTP (`openai`), one runs the base model on this machine."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from adapt.dataset.synthesis.talk import Failure, Messages


class Teacher(Protocol):
    """Answers conversations, several at once."""

    @property
    def name(self) -> str:
        """The model, as provenance names it."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What shapes its answers, as JSON values: answers are kept by name, settings and conversation."""

    def ask(self, prompts: Iterable[Messages]) -> Iterator[tuple[int, str | Failure]]:
        """Number of each prompt, from 0, with its answer, as the answers arrive. Takes prompts only when there is room for them.

        Raises InputError where going on makes no sense, such as for a wrong key.
        """
