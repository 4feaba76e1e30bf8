"""A way through Thrift's compact protocol, against an encoder written from its specification (thrift/doc/specs/thrift-compact-protocol.md)."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapt.artifact.compact import Walk, list_of_structs, unsigned, varint

NUMBERS = st.integers(-(2**63), 2**63 - 1)
SCALARS = st.one_of(
    st.tuples(st.sampled_from(["true", "false"]), st.none()),
    st.tuples(st.just("byte"), st.integers(0, 255)),
    st.tuples(st.sampled_from(["i16", "i32", "i64"]), NUMBERS),
    st.tuples(st.just("double"), st.binary(min_size=8, max_size=8)),
    st.tuples(st.just("binary"), st.binary(max_size=300)),
)
KINDS = {
    "true": 1,
    "false": 2,
    "byte": 3,
    "i16": 4,
    "i32": 5,
    "i64": 6,
    "double": 7,
    "binary": 8,
    "list": 9,
    "set": 10,
    "struct": 12,
}


def leb128(number: int) -> bytes:
    """Seven bits a byte, the lowest first, the highest bit set on all but the last."""
    digits = [number & 127]
    while number := number >> 7:
        digits.append(number & 127)
    return bytes([*(digit | 128 for digit in digits[:-1]), digits[-1]])


def zigzag(number: int) -> bytes:
    return leb128(2 * number if number >= 0 else -2 * number - 1)


def encode(value: tuple[str, Any], *, in_list: bool = False) -> bytes:
    kind, content = value
    if kind in ("true", "false"):
        return bytes([KINDS[kind]]) if in_list else b""
    if kind == "byte":
        return bytes([content])
    if kind in ("i16", "i32", "i64"):
        return zigzag(content)
    if kind == "double":
        return bytes(content)
    if kind == "binary":
        return leb128(len(content)) + content
    if kind in ("list", "set"):
        inner, count = KINDS[content[0][0]] if content else 5, len(content)
        head = bytes([count << 4 | inner]) if count < 15 else bytes([0xF0 | inner]) + leb128(count)
        return head + b"".join(encode(each, in_list=True) for each in content)
    return struct(content)


def struct(fields: list[tuple[int, tuple[str, Any]]]) -> bytes:
    """Fields by number; one at most 15 behind the last has the distance in its head."""
    out, last = b"", 0
    for number, value in fields:
        kind = KINDS[value[0]]
        out += bytes([(number - last) << 4 | kind]) if 0 < number - last < 16 else bytes([kind]) + zigzag(number)
        out, last = out + encode(value), number
    return out + b"\0"


def lists(values: st.SearchStrategy[tuple[str, Any]]) -> st.SearchStrategy[tuple[str, Any]]:
    return values.flatmap(lambda first: st.tuples(st.sampled_from(["list", "set"]), st.integers(0, 20).map(lambda count: [first] * count)))


def structs(values: st.SearchStrategy[tuple[str, Any]]) -> st.SearchStrategy[tuple[str, Any]]:
    fields = st.dictionaries(st.integers(1, 40), values, max_size=4).map(lambda fields: sorted(fields.items()))
    return st.tuples(st.just("struct"), fields)


VALUES = st.recursive(SCALARS, lambda values: st.one_of(lists(values), structs(values)), max_leaves=8)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(st.integers(1, 60), VALUES, max_size=6).map(lambda fields: sorted(fields.items())),
    st.binary(max_size=3),
)
def test_every_field_is_reached_and_passed(fields: list[tuple[int, tuple[str, Any]]], before: bytes) -> None:
    data = before + struct(fields) + b"behind"
    walk, seen = Walk(data, len(before)), []
    for number, kind in walk.fields():
        start = walk.at
        walk.skip(kind)
        seen.append((number, kind, data[start : walk.at]))
    assert seen == [(number, KINDS[value[0]], encode(value)) for number, value in fields]
    assert data[walk.at :] == b"behind"


@settings(max_examples=200, deadline=None)
@given(NUMBERS, st.integers(0, 2**64))
def test_numbers_are_read_and_written(number: int, natural: int) -> None:
    walk = Walk(zigzag(number) + leb128(natural))
    assert (walk.number(), walk.unsigned(), walk.at) == (number, natural, len(walk.data))
    assert unsigned(natural) == leb128(natural)
    assert varint(natural) == zigzag(natural)


@pytest.mark.parametrize("count", [0, 1, 14, 15, 16, 200])
def test_lists_of_structs_are_read_as_they_were_written(count: int) -> None:
    item = [(1, ("i32", 7))]
    data = list_of_structs([struct(item)] * count)
    assert data == encode(("list", [("struct", item)] * count)) or count == 0
    walk = Walk(data)
    assert walk.list() == (count, KINDS["struct"])
    walk = Walk(data)
    walk.skip(KINDS["list"])
    assert walk.at == len(data)


def test_a_type_that_footers_do_not_have_is_our_own_bug() -> None:
    with pytest.raises(AssertionError, match="footers of Parquet hold no value of type 11"):
        Walk(b"\0").skip(11)
