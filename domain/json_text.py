"""Reading JSON: only what every reader of it understands alike, and every store can hold.

Refused are a member that comes twice, integers beyond 2^53 - 1, the character U+0000, and what is
nested too deeply. What looks harmless to the C parser is not looked at a second time.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

from domain.canonical import CANONICAL_INT_MAX, JSON_DEPTH_MAX, unsound
from domain.errors import refusal

__all__ = ["parse"]

Json = Any

# U+0000, or an escaped quotation mark: quotation marks are counted.
_ESCAPE = b"\\u00"
# As many digits as the first integer that is too large; a search for one digit is ten times as fast
# as one for a class of digits.
_ZEROS = b"0" * 16
_AS_ZEROS = bytes.maketrans(b"123456789", b"0" * 9)


def parse(body: bytes, *, alias: str = "http.body", depth_max: int = JSON_DEPTH_MAX) -> Json:
    """The JSON value of a body.

    Raises Refusal: `alias`, or bound.number, bound.text, bound.depth.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise refusal(alias, f"the body is not JSON in UTF-8: {error}") from None
    opened = body.count(b"{") + body.count(b"[")
    if (
        opened > depth_max
        or _ESCAPE in body
        or _ZEROS in body.translate(_AS_ZEROS)
        or body.count(b'"') != _quotes(value)
    ):
        _look(body, value, alias, depth_max)
    return value


def _quotes(value: Json) -> int:
    """Quotation marks of a value as text: a member that came twice has left some out."""
    try:
        return orjson.dumps(value).count(b'"')
    except TypeError:  # too deep for the library
        return -1


def _look(body: bytes, value: Json, alias: str, depth_max: int) -> None:
    """The slow way, exact. Raises Refusal."""
    bad = unsound(value, depth_max)
    if bad is not None:
        raise refusal(*bad)

    def members(pairs: list[tuple[str, Json]]) -> None:
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise refusal(alias, f"the member {name[:80]!r} comes twice in one object")
            seen.add(name)

    def integer(text: str) -> int:
        # orjson reads what has more than 64 bits as a fraction.
        if len(text) > len(str(-CANONICAL_INT_MAX)):
            raise refusal("bound.number", f"{text[:40]} is beyond {CANONICAL_INT_MAX}")
        return 0

    json.loads(body, object_pairs_hook=members, parse_int=integer)
