"""XML files: records and fields are found by XPath 1.0, the fields relative to their record.

Names of the default namespace are written bare, those of others with their prefix. Nothing outside the file is read: no entities but the five of
XML and characters by number, no DTD, no network; libxml2's own bounds on depth and size stay on. A large file is read record by record.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TextIO

from adapt.corpus.draft import Draft, Rejected
from adapt.corpus.readers.elements import Prefixes, element_text, name_barely
from adapt.corpus.readers.mapping import Mapping
from adapt.corpus.readers.names import USUAL
from adapt.corpus.readers.paths import Several
from adapt.errors import InputError
from adapt.spec.corpus import Constant, Fields, Join
from adapt.text.letters import count_letters

_WHOLE = 32 << 20
"""Largest file, in characters, of which a tree is made whole."""
_DECLARATION = re.compile(r"\ufeff?\s*<\?xml\s[^>]*\?>")
_BY_NAME = re.compile(r"(?:\.?//)?(?:descendant::)?([A-Za-z_][\w.-]*)")
_KNOWN = frozenset(name for usual in USUAL.values() for name in usual)


@dataclass(frozen=True)
class Queries:
    """The XPath expressions of a source, with their places in the spec."""

    place: str
    records: str | None
    fields: tuple[tuple[str, str], ...]


@lru_cache(maxsize=64)
def queries_of(fields: Fields, place: str) -> Queries:
    """The expressions that `fields` holds; `place` is the source's in the spec."""
    written = {name: getattr(fields, name) for name in Fields.model_fields if name not in ("records", "messages")}
    return Queries(
        place,
        fields.records,
        tuple(
            (f"{place}.fields.{name}", path)
            for name, source in written.items()
            if source is not None and not isinstance(source, Constant)
            for path in (source.join if isinstance(source, Join) else (source,))
        ),
    )


def read_xml(file: TextIO, name: str, mapping: Mapping, queries: Queries) -> Iterator[Draft | Rejected]:
    """Yields a draft or a rejection for every record; without a path to the records the whole file is one. Raises InputError for what is no XPath."""
    from lxml import etree

    text = file.read(_WHOLE + 1)
    head = _DECLARATION.match(text)
    begin = head.end() if head else 0
    count = 0
    try:
        if len(text) <= _WHOLE:
            records = _records(text[begin:].encode("utf-8", "replace"), queries)
        elif queries.records and (named := _BY_NAME.fullmatch(queries.records)):
            records = _streamed(_Bytes(text[begin:], file), named[1])
        else:
            yield Rejected("", "too_large", f"XML of more than {_WHOLE >> 20} MiB is read only where fields.records is one name, such as .//item.")
            return
        for element, prefixes in records:
            count += 1
            letters = count_letters("".join(element.itertext()))
            yield mapping.draft(_values(element, queries, prefixes), name, f"record {count}" if queries.records else "", letters=letters)
    except (etree.XMLSyntaxError, ValueError, RecursionError):
        reason = "The file is not well-formed XML from here on, or deeper or larger than XML may be."
        yield Rejected(f"record {count + 1}" if count else "", "unreadable", reason)
        return
    if not count:
        yield mapping.without_records("", "other elements")


def _options() -> dict[str, Any]:
    return {"resolve_entities": False, "no_network": True, "load_dtd": False, "huge_tree": False, "remove_comments": True, "remove_pis": True}


def _records(data: bytes, queries: Queries) -> Iterator[tuple[Any, Prefixes]]:
    from lxml import etree

    root = etree.fromstring(data, etree.XMLParser(**_options()))
    known: dict[str, str] = {}
    for element in root.iter():
        name_barely(element, known)
    prefixes = tuple(sorted(known.items()))
    found = [root] if queries.records is None else _run(f"{queries.place}.fields.records", queries.records, root, prefixes)
    for element in found if isinstance(found, list) else ():
        if hasattr(element, "tag"):
            yield element, prefixes


def _streamed(file: "_Bytes", name: str) -> Iterator[tuple[Any, Prefixes]]:
    """Records in turn, each with the elements around and before it; a record is emptied when it has been used."""
    from lxml import etree

    known: dict[str, str] = {}
    inside = 0
    for event, element in etree.iterparse(file, events=("start", "end"), **_options()):
        if event == "start":
            name_barely(element, known)
            inside += element.tag == name
        elif element.tag == name:
            inside -= 1
            yield element, tuple(sorted(known.items()))
            if not inside:
                element.clear(keep_tail=False)
                while element.getprevious() is not None and element.getprevious().tag == name:
                    del element.getparent()[element.getparent().index(element) - 1]


class _Bytes:
    """Text that was read, and what is left of its file, as UTF-8."""

    def __init__(self, begun: str, file: TextIO) -> None:
        self._begun, self._file = begun, file

    def read(self, size: int) -> bytes:
        text, self._begun = self._begun[:size], self._begun[size:]
        return (text or self._file.read(size)).encode("utf-8", "replace")


def _values(element: Any, queries: Queries, prefixes: Prefixes) -> dict[str, Any]:
    """What the expressions give, each under itself, and children and attributes with usual names."""
    values: dict[str, Any] = {key: value for key, value in element.attrib.items() if key.lower() in _KNOWN}
    for child in element:
        if isinstance(child.tag, str) and child.tag.lower() in _KNOWN:
            values.setdefault(child.tag, element_text(child))
    for place, path in queries.fields:
        found = _run(place, path, element, prefixes)
        if not isinstance(found, list):
            values[path] = int(found) if isinstance(found, float) and found.is_integer() else found
        elif found:
            texts = [each if isinstance(each, str) else element_text(each) for each in found]
            values[path] = texts[0] if len(texts) == 1 else Several(texts)
    return values


def _run(place: str, path: str, element: Any, prefixes: Prefixes) -> Any:
    from lxml import etree

    try:
        return _compiled(path, prefixes)(element)
    except etree.XPathError as error:
        if "prefix" in str(error):  # of a namespace that this file does not have
            return []
        hint = "fields of XML are XPath 1.0 relative to the record, such as Question, @type or ancestor::Document/Focus"
        raise InputError(f"{place}: '{path}' cannot be used as an XPath: {error}", hint=hint) from None


@lru_cache(maxsize=256)
def _compiled(path: str, prefixes: Prefixes) -> Any:
    from lxml import etree

    return etree.XPath(path, namespaces=dict(prefixes) or None, smart_strings=False)
