"""The wire form of protobuf, as far as the trees of expressions use it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

__all__ = ["Fields", "block", "fields", "number", "signed", "tag"]

Fields: TypeAlias = Iterator[tuple[int, int, bytes]]


def fields(data: bytes) -> Fields:
    """Yield (field number, number, bytes) of one message; the unused one of the two is empty."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        match key & 7:
            case 0:
                plain, at = _varint(data, at)
                yield key >> 3, plain, b""
            case 1:
                yield key >> 3, 0, data[at : at + 8]
                at += 8
            case 2:
                size, at = _varint(data, at)
                yield key >> 3, size, data[at : at + size]
                at += size
            case wire:  # pragma: no cover - no other wire type is in the form of an expression
                raise AssertionError(f"wire type {wire} is not in the form of an expression")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    number, shift = 0, 0
    while True:
        byte = data[at]
        number |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return number, at
        shift += 7


def signed(number: int) -> int:
    """Return a varint read as a two's complement of 64 bits."""
    return number - (1 << 64) if number >= 1 << 63 else number


def tag(field: int, wire: int) -> bytes:
    """Return the key of a field."""
    return _varint_bytes(field << 3 | wire)


def number(field: int, value: int) -> bytes:
    """Return a field with a varint."""
    return tag(field, 0) + _varint_bytes(value & (1 << 64) - 1)


def block(field: int, data: bytes) -> bytes:
    """Return a field with bytes, text or a message."""
    return tag(field, 2) + _varint_bytes(len(data)) + data


def _varint_bytes(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
