"""The errors that a user can cause or mend. Everything else is a bug and shows its traceback.

They are raised anywhere and caught once, in `adapt.cli`, which prints the message and the hint and exits with 1.
"""

from collections.abc import Sequence


class AdaptError(Exception):
    """A failure that the user can act on: one message and, where there is a next step, a hint."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\nhint: {self.hint}"


class SpecError(AdaptError):
    """What the user wrote in a spec or in params.yaml is not right. Holds every problem, not only the first."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class InputError(AdaptError):
    """An input that a stage reads (corpus, dataset, model, adapter) is missing or unusable."""


class WorkspaceError(AdaptError):
    """The workspace is not in a state to build: not found, index out of date, busy, no space."""


class GateError(AdaptError):
    """A build came out, and its figures are worse than its gates allow."""


class StageError(AdaptError):
    """A stage that DVC ran has failed; the stage itself has already said why."""
