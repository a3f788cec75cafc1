"""Positions as text: of one lane, `1:0:18846`, or of a whole store, `1:0:18846,1:77,2:0`.

The first number is the incarnation of the store, then each lane with its position. A token of the
facts is the same without the incarnation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

__all__ = ["POSITION_CHARS_MAX", "heads_of", "position_of", "read_position", "token_of"]

POSITION_CHARS_MAX = 16_384
"""Of a position with many lanes: 512 lanes of a full log fit."""

_PLACE = r"[0-9]{1,9}:[0-9]{1,18}"
_TOKEN = re.compile(rf"{_PLACE}(,{_PLACE})*")
_POSITION = re.compile(rf"(?P<incarnation>[0-9]{{1,18}}):(?P<token>{_PLACE}(,{_PLACE})*)")


def position_of(incarnation: int, heads: Mapping[int, int]) -> str:
    """Lanes and their positions as a position of the store."""
    return f"{incarnation}:{token_of(heads)}"


def token_of(heads: Mapping[int, int]) -> str:
    """Lanes and their positions, in order of lane, without an incarnation."""
    return ",".join(f"{lane}:{heads[lane]}" for lane in sorted(heads))


def read_position(text: str) -> tuple[int, dict[int, int]]:
    """The incarnation, and the position of each lane that is named. Raises ValueError."""
    found = _POSITION.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:80]!r} is not a position, such as 1:0:18846")
    return int(found["incarnation"]), heads_of(found["token"])


def heads_of(token: str) -> dict[int, int]:
    """The position of each lane that a token names; "" names none. Raises ValueError.

    A single number is that of lane 0: so tokens of stores with one lane once were.
    """
    if not token:
        return {}
    if token.isascii() and token.isdecimal() and len(token) <= len(str(2**53)):
        return {0: int(token)}
    if len(token) > POSITION_CHARS_MAX or _TOKEN.fullmatch(token) is None:
        raise ValueError(f"{token[:80]!r} is not a token, such as 0:18846")
    places = [place.split(":") for place in token.split(",")]
    heads = {int(lane): int(position) for lane, position in places}
    if len(heads) != len(places):
        raise ValueError(f"{token[:80]!r} names a lane twice")
    return heads
