"""Values of Thrift's compact protocol, as far as footers of Parquet have them: a way through those of a struct, and numbers and lists to write.

Enters: bytes of a struct. Leaves: where its fields stand. Nothing is built of values that are only passed.
"""

from collections.abc import Iterator

_BOOLEANS, _BYTE, _NUMBERS, _DOUBLE, _BINARY, _LISTS, _STRUCT = (1, 2), 3, (4, 5, 6), 7, 8, (9, 10), 12
"""Types of the compact protocol."""


class Walk:
    """A way through values of the compact protocol."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.at = at

    def fields(self) -> Iterator[tuple[int, int]]:
        """The number and the type of every field of a struct; each value must be passed before the next is asked for."""
        field = 0
        while head := self._byte():
            field = field + (head >> 4) if head >> 4 else self.number()
            yield field, head & 15

    def list(self) -> tuple[int, int]:
        """How many values of which type a list has."""
        head = self._byte()
        return (head >> 4 if head >> 4 < 15 else self.unsigned()), head & 15

    def number(self) -> int:
        """A whole number."""
        found = self.unsigned()
        return found >> 1 ^ -(found & 1)

    def skip(self, kind: int) -> None:
        """Pass a value."""
        self.at = _behind(self.data, self.at, kind)

    def _byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def unsigned(self) -> int:
        """A whole number that has no sign."""
        found = shift = 0
        while (byte := self._byte()) & 128:
            found |= (byte & 127) << shift
            shift += 7
        return found | byte << shift


def _behind(data: bytes, at: int, kind: int, *, in_list: bool = False) -> int:
    """The place behind the value at `at`. A footer has thousands of values, so each is passed in as few steps as may be."""
    if kind in _NUMBERS:
        while data[at] > 127:
            at += 1
        return at + 1
    if kind == _STRUCT:
        return _behind_struct(data, at)
    if kind in _BOOLEANS or kind == _BYTE:
        return at + (kind == _BYTE or in_list)
    if kind == _DOUBLE:
        return at + 8
    walk = Walk(data, at)
    if kind == _BINARY:
        length = walk.unsigned()
        return walk.at + length
    if kind not in _LISTS:
        raise AssertionError(f"footers of Parquet hold no value of type {kind}")
    count, inner = walk.list()
    at = walk.at
    for _ in range(count):
        at = _behind(data, at, inner, in_list=True)
    return at


def _behind_struct(data: bytes, at: int) -> int:
    while head := data[at]:
        at += 1
        if head < 16:  # the number of the field stands apart
            at = _behind(data, at, _NUMBERS[0])
        at = _behind(data, at, head & 15)
    return at + 1


def varint(number: int) -> bytes:
    """A whole number that is not negative, as the protocol has signed ones."""
    return unsigned(number << 1)


def unsigned(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def list_of_structs(values: list[bytes]) -> bytes:
    """A list of structs that are bytes already."""
    head = bytes([len(values) << 4 | _STRUCT]) if len(values) < 15 else bytes([0xF0 | _STRUCT]) + unsigned(len(values))
    return head + b"".join(values)
