"""The errors that a user can cause or mend. Everything else is a bug and shows its traceback.

They are raised anywhere and caught once, in `adapt.cli`, which prints the message and the hint and exits with 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


class AdaptError(Exception):
    """A failure that the user can act on: one message and, where there is a next step, a hint.

    `details` are further facts for scripts, plain values that `--json` prints beside message and hint.
    """

    def __init__(self, message: str, *, hint: str | None = None, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.details = dict(details or {})

    def __str__(self) -> str:
        return self.message if self.hint is None else f"{self.message}\nhint: {self.hint}"


@dataclass(frozen=True)
class Problem:
    """One mistake in a file that the user wrote."""

    file: str
    """As messages show it, such as `specs/legal.yaml`."""
    message: str
    """What is wrong, without file and field."""
    field: str | None = None
    """Path of the field, its parts joined by dots; None where the file as a whole is meant."""
    found: str | None = None
    """What stands there, as Python writes it."""
    allowed: tuple[str, ...] = ()
    """What may stand there, where that can be listed."""
    hint: str | None = None

    @classmethod
    def of_text(cls, file: str, text: str) -> "Problem":
        """A problem from `field: message` and, on a line of its own, `hint: ...`."""
        line, _, hint = text.partition("\nhint: ")
        field, colon, message = line.partition(": ")
        if colon and not set(field) & set(" '\"`"):
            return cls(file, message, field=field, hint=hint or None)
        return cls(file, line, hint=hint or None)

    def __str__(self) -> str:
        where = f"{self.file}: {self.field}" if self.field else self.file
        return f"{where}: {self.message}" + (f"\nhint: {self.hint}" if self.hint else "")


class SpecError(AdaptError):
    """What the user wrote in a spec or in params.yaml is not right. Holds every problem, not only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)), details={"problems": [asdict(problem) for problem in problems]})
        self.problems = tuple(problems)


class InputError(AdaptError):
    """An input that a stage reads (corpus, dataset, model, adapter) is missing or unusable."""


class WorkspaceError(AdaptError):
    """The workspace is not in a state to build: not found, index out of date, busy, no space."""


class GateError(AdaptError):
    """A build came out, and its figures are worse than its gates allow."""


class StageError(AdaptError):
    """A stage that DVC ran has failed; the stage itself has already said why."""
