"""Canonical JSON (RFC 8785) and the digests that stand on it.

Two values have the same canonical bytes exactly when they are the same JSON value, so digests
over them agree between processes, languages and releases.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from hashlib import sha256
from math import isfinite
from typing import TypeAlias, cast
from uuid import UUID

import orjson

__all__ = [
    "CANONICAL_DEPTH_MAX",
    "CANONICAL_INT_MAX",
    "JSON_DEPTH_MAX",
    "CanonicalError",
    "Json",
    "JsonLike",
    "canonical",
    "digest",
    "digest_bytes",
    "unsound",
]

Json: TypeAlias = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
JsonLike: TypeAlias = (
    None | bool | int | float | str | Sequence["JsonLike"] | Mapping[str, "JsonLike"]
)
"""What digests accept: also tuples, and containers whose members have a narrower type."""

CANONICAL_DEPTH_MAX = 254
"""Containers inside each other; the C serialiser has the same limit."""

JSON_DEPTH_MAX = 64
"""The same for values from outside: they come to lie inside events, rows and answers."""

CANONICAL_INT_MAX = 2**53 - 1
"""Beyond it a reader that holds numbers as doubles would see another integer."""

_OPTIONS = (
    orjson.OPT_SORT_KEYS
    | orjson.OPT_STRICT_INTEGER
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_SUBCLASS
)
_NO_FLOAT_INSIDE = frozenset({str, int, bool, type(None), UUID})
# Sorted by UTF-8 bytes equals sorted by UTF-16 units unless a character needs four bytes.
_FOUR_BYTE_LEADS = re.compile(rb"[\xf0-\xf4]")


class CanonicalError(ValueError):
    """The value has no canonical form: not JSON, not finite, too deep, or an integer too large."""


def canonical(value: JsonLike) -> bytes:
    """Return the RFC 8785 form of `value` as UTF-8 bytes.

    Tuples count as lists, UUIDs as their text, enumeration members as their values.
    Raises CanonicalError for anything else that is not JSON, for NaN and infinities, for
    integers beyond CANONICAL_INT_MAX, lone surrogates, and more than CANONICAL_DEPTH_MAX levels.
    For digests, not for storage: 2.0 is written as 2, so a reader gets an integer back.
    """
    try:
        text = orjson.dumps(value, option=_OPTIONS)
    except TypeError as error:
        raise CanonicalError(str(error)) from error
    ordered = text.isascii() or not _FOUR_BYTE_LEADS.search(text)
    # The serialiser writes floats in its own form, and NaN as null.
    kind: type = type(value)
    inside = cast("Iterable[object]", value) if kind is list else (value,)
    return text if ordered and not _has_float(inside) else canonical_slow(value)


def canonical_slow(value: JsonLike) -> bytes:
    """Return the same bytes as `canonical` by the rule itself; tests compare the two."""
    try:
        return _write(value, 0).encode()
    except UnicodeEncodeError as error:
        raise CanonicalError("a string holds a lone surrogate") from error


def unsound(value: Json, depth_max: int = JSON_DEPTH_MAX, at: str = "") -> tuple[str, str] | None:
    """Return the code and the reason why a JSON value cannot be taken, or None.

    Not every database, language and digest can hold U+0000, integers beyond CANONICAL_INT_MAX
    (bound.text, bound.number), or what is nested deeper than `depth_max` (bound.depth). `at` names
    the value in the reason.
    """
    if isinstance(value, str):
        return ("bound.text", f"{at or 'a text'} holds U+0000") if "\0" in value else None
    if isinstance(value, int):
        beyond = not isinstance(value, bool) and abs(value) > CANONICAL_INT_MAX
        return ("bound.number", f"{at or value} is beyond 2^53 - 1") if beyond else None
    if not isinstance(value, dict | list):
        return None
    if depth_max == 0:
        return "bound.depth", f"{at[:80]}… lies too deep"
    members = value.items() if isinstance(value, dict) else enumerate(value)
    for name, inner in members:
        if isinstance(name, str) and "\0" in name:
            return "bound.text", f"the name of a member in {at or 'the body'} holds U+0000"
        bad = unsound(inner, depth_max - 1, f"{at}/{name}"[-200:] if at else str(name)[:80])
        if bad is not None:
            return bad
    return None


def digest(tag: str, *parts: JsonLike) -> str:
    """Return the SHA-256 of canonical([tag, *parts]) as 64 hexadecimal digits.

    The tag keeps digests of different kinds of things apart.
    """
    return sha256(canonical([tag, *parts])).hexdigest()


def digest_bytes(tag: str, *parts: JsonLike) -> bytes:
    """Return the SHA-256 of canonical([tag, *parts]) as 32 bytes."""
    return sha256(canonical([tag, *parts])).digest()


def _has_float(values: Iterable[object]) -> bool:
    if _NO_FLOAT_INSIDE.issuperset(map(type, values)):
        return False  # most have no containers inside
    for item in values:
        kind = type(item)
        if kind in _NO_FLOAT_INSIDE:
            continue
        if kind is dict:
            if _has_float(cast("dict[str, object]", item).values()):
                return True
        elif kind is list or kind is tuple:
            if _has_float(cast("Iterable[object]", item)):
                return True
        elif kind is float or _has_float((cast(Enum, item).value,)):
            return True
    return False


def _write(value: object, depth: int) -> str:
    if value is None:
        return "null"
    kind = type(value)
    if kind is str:
        return _string(cast(str, value))
    if kind is bool:
        return "true" if value else "false"
    if kind is int:
        return _integer(cast(int, value))
    if kind is float:
        return es6_number(cast(float, value))
    if kind is dict or kind is list or kind is tuple:
        return _write_container(cast("dict[str, object] | list[object]", value), depth + 1)
    if isinstance(value, Enum):
        return _write(value.value, depth)
    if kind is UUID:
        return _string(str(value))
    raise CanonicalError(f"Type is not JSON serializable: {kind.__name__}")


def _write_container(value: dict[str, object] | Iterable[object], depth: int) -> str:
    if depth > CANONICAL_DEPTH_MAX:
        raise CanonicalError(f"nested deeper than {CANONICAL_DEPTH_MAX} levels")
    if not isinstance(value, dict):
        return f"[{','.join([_write(item, depth) for item in value])}]"
    members = cast("dict[str, object]", value)
    for key in members:
        if type(key) is not str:
            raise CanonicalError("Dict key must be str")
    ordered = sorted(members, key=_utf16_units)
    pairs = [f"{_string(key)}:{_write(members[key], depth)}" for key in ordered]
    return f"{{{','.join(pairs)}}}"


def _utf16_units(key: str) -> bytes:
    return key.encode("utf-16-be", "surrogatepass")


def _string(text: str) -> str:
    try:
        return orjson.dumps(text).decode()
    except TypeError as error:
        raise CanonicalError(str(error)) from error


def _integer(number: int) -> str:
    if abs(number) > CANONICAL_INT_MAX:
        raise CanonicalError("Integer exceeds 53-bit range")
    return str(number)


def es6_number(number: float) -> str:
    """Return a finite double as ECMAScript's Number::toString writes it."""
    if not isfinite(number):
        raise CanonicalError(f"{number} has no JSON form")
    if number == 0:
        return "0"
    sign = "-" if number < 0 else ""
    mantissa, _, exponent = repr(abs(number)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    # The value is 0.DIGITS times ten to the power of `point`.
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    return sign + _place_point(digits, point)


def _place_point(digits: str, point: int) -> str:
    count = len(digits)
    if count <= point <= 21:
        return digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"0.{'0' * -point}{digits}"
    power = f"{point - 1:+d}"
    return f"{digits[0]}{'.' if count > 1 else ''}{digits[1:]}e{power}"
