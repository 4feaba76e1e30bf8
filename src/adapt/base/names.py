"""Names of modules that a spec may give, held against those that a base has."""

from collections.abc import Iterable

from adapt.errors import InputError
from adapt.spec.problems import nearest


def check_modules(field: str, names: Iterable[str], known: Iterable[str], *, hint: str) -> None:
    """Raise InputError when `names` is empty or holds what is not `known`; the nearest known names stand in
    its hint.
    """
    known, names = sorted(set(known)), list(names)
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        found = ", ".join(repr(name) for name in unknown) or "an empty list"
        guesses = [f"'{guess}'" for name in unknown if (guess := nearest(name, known))]
        raise InputError(
            f"{field}: {found} names no linear module of the base model; choose from: {', '.join(known)}",
            hint=f"did you mean {' and '.join(dict.fromkeys(guesses))}?" if guesses else hint,
        )
