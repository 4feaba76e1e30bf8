"""Where the fields of a record stand: a path, several joined, or a constant of the spec; each becomes a function of the record."""

from collections.abc import Callable
from functools import partial
from typing import Any

from adapt.corpus.readers.paths import MISSING, Enclosing, Path, PathError, compile_path, outline
from adapt.corpus.readers.texts import as_text
from adapt.errors import InputError
from adapt.spec.corpus import Constant, FieldSource, Join

Getter = Callable[[Any, Enclosing], Any]
"""What a record, and what encloses it, say about a field; MISSING where they say nothing."""


class NamedField:
    """A field that the spec places. It notes how often it was there, so that a mistake in the spec is told from a gap in the data."""

    def __init__(self, source: FieldSource, *, place: str, levels: int, columns: bool) -> None:
        """`place` is the field's in the spec, for errors; `levels` is how many `[*]` lead to a record; with `columns`, paths are names of columns."""
        self.written = _written(source)
        self.roots: tuple[str, ...] = ()
        """First keys of the paths that begin in the record itself."""
        self.outermost = 0
        """How far out the paths go, in `[*]`."""
        self.found = False
        self.missed = 0
        self.outline = ""
        self._get = self._getter(source, place, levels, columns)

    def __call__(self, record: Any, enclosing: Enclosing) -> Any:
        """Its value in a record; None where there is none."""
        value = self._get(record, enclosing)
        if value is not MISSING:
            self.found = True
            return value
        if not self.missed:
            self.outline = outline(record)
        self.missed += 1
        return None

    def among(self, keys: tuple[str, ...]) -> Getter:
        """What finds it in records with these keys: quicker than the field itself where it is one of them."""
        if isinstance(self._get, partial) and self._get.func is _key and self.roots[0] in keys:
            self.found = True
            return self._get
        return self

    def _getter(self, source: FieldSource, place: str, levels: int, columns: bool) -> Getter:
        if isinstance(source, Constant):
            return partial(_constant, source.constant)
        paths = source.join if isinstance(source, Join) else (source,)
        getters = [self._lookup(path, place, levels, columns) for path in paths]
        return partial(_joined, getters, source.separator) if isinstance(source, Join) else getters[0]

    def _lookup(self, written: str, place: str, levels: int, columns: bool) -> Getter:
        path = Path(written, 0, (written,)) if columns else compiled(written, place)
        if path.up > levels:
            out = "no" if not levels else f"{levels}"
            raise InputError(
                f"{place}: '{written}' goes out {path.up} times, and there {'is' if levels == 1 else 'are'} {out} [*] in `records` to go out of",
                hint="each ^ goes out of one [*] of `records`, such as `data[*].questions[*]`",
            )
        self.outermost = max(self.outermost, path.up)
        if path.up:
            return partial(_outside, path)
        if path.steps and isinstance(path.steps[0], str):
            self.roots = (*self.roots, path.steps[0])
            if len(path.steps) == 1:
                return partial(_key, path.steps[0])
        return partial(_inside, path)


def compiled(written: str, place: str) -> Path:
    """The compiled path. Raises InputError, naming its place in the spec."""
    try:
        return compile_path(written)
    except PathError as error:
        hint = 'write a.b, a[0], a[*].b, ^.a, and odd keys in double quotes, such as "a.b"'
        raise InputError(f"{place}: '{written}' is no path: {error}", hint=hint) from None


def _written(source: FieldSource) -> str:
    if isinstance(source, Constant):
        return source.constant
    return " + ".join(source.join) if isinstance(source, Join) else source


def _constant(text: str, record: Any, enclosing: Enclosing) -> Any:
    return text


def _key(key: str, record: Any, enclosing: Enclosing) -> Any:
    return record.get(key, MISSING) if isinstance(record, dict) else MISSING


def _inside(path: Path, record: Any, enclosing: Enclosing) -> Any:
    return path.find(record)


def _outside(path: Path, record: Any, enclosing: Enclosing) -> Any:
    return path.find(enclosing[-path.up])


def _joined(getters: list[Getter], separator: str, record: Any, enclosing: Enclosing) -> Any:
    values = [value for get in getters if (value := get(record, enclosing)) is not MISSING]
    return separator.join(text for value in values if (text := as_text(value))) if values else MISSING
