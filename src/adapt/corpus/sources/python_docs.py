"""What an installed package says of itself: docstrings and signatures, for an assistant that knows an internal API.

Enters: an import name. Leaves: one draft for each module, class and function under the name by which it is used. The sources are parsed by
griffe; the package is never imported, so that reading it runs none of its code.
"""

import re
from collections.abc import Iterator
from importlib import import_module
from inspect import cleandoc
from typing import Any

from adapt.corpus.draft import Draft, Rejected
from adapt.errors import InputError
from adapt.spec.corpus import PythonDocsSource

_ROLE = re.compile(r":[a-z]+(?::[a-z]+)?:`~?([^`]+)`")
_LITERAL = re.compile(r"``([^`\n]+)``")
_UNDERLINED = re.compile(r"(?m)^(?P<name>\S.*)\n(?:-{3,}|={3,}|~{3,})[ \t]*$")
_EXAMPLE = re.compile(r"(?m)^[ \t]*>>> .*(?:\n[ \t]*\S.*)*")
_LINE = 100
"""Longest signature on one line, in characters."""


def read_python_docs(source: PythonDocsSource, name: str, place: str) -> Iterator[Draft | Rejected]:
    """Yields a draft for every documented module, class and function, in the order of their names; what has no docstring gives none.

    Each is headed by a question, so that it can become a record as it stands, or be the passage that a teacher asks about. `place` is the source's
    in the spec. Raises InputError when the package is not installed or has no Python sources.
    """
    griffe = import_module("griffe")
    try:
        package = griffe.load(source.package, allow_inspection=False, try_relative_path=False, resolve_aliases=True, resolve_external=False)
    except (ImportError, griffe.GriffeError, SyntaxError, UnicodeDecodeError) as error:
        raise InputError(
            f"{place}.package: the sources of '{source.package}' cannot be read ({type(error).__name__})",
            hint="install it into the environment that builds; packages without Python sources cannot be read",
        ) from None
    unresolved = (griffe.AliasResolutionError, griffe.CyclicAliasError)
    found = dict(_documented(package, source.private, unresolved, set()))
    for path in sorted(found):
        text = _described(path, found[path], _members(found[path], source.private, unresolved))
        yield Draft(source=name, locator=path, kind="text", title=path, text=text, licence=source.licence, label=_kind(found[path]))
    if not found:
        yield Rejected("", "no_content", "The package has no docstrings.")


def _documented(item: Any, private: bool, unresolved: tuple[type[Exception], ...], seen: set[str]) -> Iterator[tuple[str, Any]]:
    """(path, object) of everything below `item` with a docstring; an object that stands under several names comes once, under the first."""
    if item.canonical_path in seen:
        return
    seen.add(item.canonical_path)
    if item.docstring is not None and item.docstring.value.strip():
        yield item.path, item
    for _, member in _offered(item, private, unresolved):
        yield from _documented(member, private, unresolved, seen)


def _offered(item: Any, private: bool, unresolved: tuple[type[Exception], ...]) -> Iterator[tuple[str, Any]]:
    """(name, object) of what a module or class offers its users, modules last, so that each comes under the name nearest to the package."""
    if _kind(item) not in ("module", "class"):
        return
    for name, member in sorted(item.members.items(), key=lambda entry: (not entry[1].is_alias and entry[1].is_module, entry[0])):
        try:
            seen_from_outside = private or not name.startswith("_")
            wanted = seen_from_outside and _belongs(item, name, member) and _kind(member) in ("module", "class", "function")
        except unresolved:  # of another package, which is not read
            continue
        if wanted:
            yield name, member


def _belongs(item: Any, name: str, member: Any) -> bool:
    """Whether a member is there to be used: defined here, or brought in from the package itself to be found here, as `__init__` modules do."""
    if not member.is_alias or _kind(item) == "class":
        return True
    root = str(item.package.path)
    offered = item.is_init_module if item.exports is None else name in item.exports
    return bool(offered) and str(member.target_path).startswith(f"{root}.")


def _kind(item: Any) -> str:
    return str(item.kind.value)


def _described(path: str, item: Any, members: str) -> str:
    kind = _kind(item)
    question = {"module": "What is in the module", "class": "What is the class", "function": "What does"}[kind]
    heading = f"## {question} `{path}`{', and how is it used' if kind == 'class' else ' do, and how is it called' if kind == 'function' else ''}?"
    parts = [heading]
    if kind != "module":
        parts.append(f"```python\n{_signature(item, kind)}\n```")
    parts.append(_markdown(item.docstring.value))
    return "\n\n".join([*parts, *([members] if members else [])])


def _signature(item: Any, kind: str) -> str:
    written = item.signature() if kind == "function" or "__init__" in item.all_members else item.name
    begin = "class" if kind == "class" else "async def" if "async" in item.labels else "def"
    line = f"{begin} {written}{f' -> {item.returns}' if kind == 'function' and item.returns is not None else ''}"
    return line if len(line) <= _LINE else _spread(line)


def _spread(line: str) -> str:
    """A signature with each parameter on a line of its own."""
    depth, begin, parts = 0, line.find("(") + 1, []
    start = begin
    for at in range(begin, len(line)):
        if line[at] in "([{":
            depth += 1
        elif line[at] in ")]}":
            depth -= 1
        if depth < 0 or (depth == 0 and line[at] == ","):
            parts.append(line[start:at].strip())
            start = at + 1
        if depth < 0:
            return "\n".join([line[:begin], *(f"    {part}," for part in parts if part), line[at:]])
    return line


def _members(item: Any, private: bool, unresolved: tuple[type[Exception], ...]) -> str:
    """First paragraphs of what a module or class holds, as a list."""
    lines = []
    for name, member in _offered(item, private, unresolved):
        summary = " ".join(cleandoc(member.docstring.value).split("\n\n")[0].split()) if member.docstring is not None else ""
        if summary and _kind(member) != "module":
            lines.append(f"- `{name}`: {_inline(summary)}")
    return "\n".join(lines)


def _markdown(docstring: str) -> str:
    """A docstring as Markdown: examples as code, underlined headings of its sections in bold, roles and literals in backticks."""
    text = _UNDERLINED.sub(lambda match: f"**{match['name'].strip()}**\n", cleandoc(docstring))
    return _EXAMPLE.sub(lambda match: f"```python\n{cleandoc(match[0])}\n```", _inline(text)).strip()


def _inline(text: str) -> str:
    return _LITERAL.sub(r"`\1`", _ROLE.sub(r"`\1`", text))
