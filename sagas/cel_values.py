"""Values on their way into an expression and out of it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Final, TypeAlias, cast

import orjson

# The package has stubs for its module and none for itself.
from cel_expr_python import cel  # pyright: ignore[reportMissingTypeStubs]
from google.protobuf import timestamp_pb2

from domain.canonical import CANONICAL_INT_MAX, Json
from sagas.cel_errors import ExprError, value_error

__all__ = [
    "MISSING",
    "RESULT_BYTES_MAX",
    "Data",
    "Missing",
    "from_cel",
    "has_nul",
    "is_same",
    "plain_json",
    "timestamp_text",
    "to_cel",
    "weight_of",
]


class Missing:
    """The type of MISSING, which a binder answers for data that is not there."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = Missing()

Data: TypeAlias = None | bool | int | float | str | datetime | list["Data"] | dict[str, "Data"]
"""JSON in which times of the engine stand as datetimes in UTC."""

RESULT_BYTES_MAX = 256 * 1024
"""Size of what an expression may yield; args, result, vars and answer have the same bound."""

WEIGHT_MAX = 200_000
"""Elements that added functions may read in one evaluation."""


def to_cel(value: object) -> object:
    """Return `value` with its datetimes as messages: the library takes none in open places."""
    kind = type(value)
    if kind is datetime:
        stamp = timestamp_pb2.Timestamp()
        stamp.FromDatetime(cast(datetime, value))
        return stamp
    if kind is dict:
        return {key: to_cel(item) for key, item in cast(dict[str, object], value).items()}
    if kind is list:
        return [to_cel(item) for item in cast(list[object], value)]
    return value


def has_nul(value: object) -> bool:
    """Say whether a text or key in `value` has the character U+0000, where the library cuts it."""
    kind = type(value)
    if kind is str:
        return "\0" in cast(str, value)
    if kind is not dict and kind is not list:
        return False
    # Written by C, this costs a fifth of a walk; an escaped backslash may look the same.
    return b"\\u0000" in orjson.dumps(value) and _walk_for_nul((value,))


def _walk_for_nul(values: Iterable[object]) -> bool:
    for value in values:
        kind = type(value)
        if kind is str:
            if "\0" in cast(str, value):
                return True
        elif kind is dict:
            members = cast(dict[str, object], value)
            if _walk_for_nul(members) or _walk_for_nul(members.values()):
                return True
        elif kind is list and _walk_for_nul(cast(list[object], value)):
            return True
    return False


def from_cel(value: cel.Value) -> Json | datetime | timedelta:
    """Return the plain form of a result: JSON, or a datetime or timedelta standing alone.

    Raises ExprError (value) for an error and for what is not JSON, and (cost) above
    RESULT_BYTES_MAX. Members of objects come sorted: the library's own order is random.
    """
    raw: object = value.value()
    if type(raw) is str and value.type() == cel.Type.ERROR:
        raise ExprError("value", value_error(raw))
    if isinstance(raw, (datetime, timedelta)):
        return raw
    return _Unpacker().unpack(raw)


class _Unpacker:
    """Unpacks one result and counts its bytes as it goes, before they are all in memory."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = RESULT_BYTES_MAX

    def unpack(self, raw: object) -> Json:
        match raw:
            case None | bool():
                self._spend(4)
                return raw
            case int() | float():
                self._spend(8)
                return checked_number(raw)
            case str():
                self._spend(len(raw.encode(errors="surrogatepass")) + 2)
                return raw
            case list():
                self._spend(2)
                return [self.unpack(item.value()) for item in cast(list[cel.Value], raw)]
            case dict():
                return self._unpack_map(cast(dict[object, cel.Value], raw))
            case datetime():
                return self.unpack(timestamp_text(raw))
            case timedelta():
                raise ExprError("value", "a duration is not JSON: use string(x)")
            case _:
                raise ExprError("value", f"a {type(raw).__name__} is not JSON")

    def _unpack_map(self, raw: dict[object, cel.Value]) -> Json:
        self._spend(2)
        members: dict[str, cel.Value] = {}
        for key, item in raw.items():
            if type(key) is not str:
                raise ExprError("value", f"a key of an object must be text, got {key!r}")
            self._spend(len(key) + 4)
            members[key] = item
        return {key: self.unpack(members[key].value()) for key in sorted(members)}

    def _spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise ExprError("cost", f"the value is larger than {RESULT_BYTES_MAX} bytes")


def checked_number(number: float) -> float:
    """Return a number that JSON can carry; raises ExprError (value)."""
    if isinstance(number, float):
        if not isfinite(number):
            raise ExprError("value", f"{number} is no JSON number")
    elif abs(number) > CANONICAL_INT_MAX:
        raise ExprError("value", f"{number} is beyond 2^53, where JSON numbers lose digits")
    return number


def plain_json(value: Data) -> Json:
    """Return `value` with its datetimes as text."""
    if isinstance(value, datetime):
        return timestamp_text(value)
    if isinstance(value, dict):
        return {key: plain_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain_json(item) for item in value]
    return value


def timestamp_text(moment: datetime) -> str:
    """Return a moment as RFC 3339 in UTC with `Z`, with a fraction only where there is one."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def is_same(one: object, other: object) -> bool:
    """Say whether two values are equal in an expression, where true is not 1 but 1.0 is."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        left, right = cast(list[object], one), cast(list[object], other)
        return len(left) == len(right) and all(map(is_same, left, right))
    if isinstance(one, dict) and isinstance(other, dict):
        mine, yours = cast(dict[object, object], one), cast(dict[object, object], other)
        return mine.keys() == yours.keys() and all(is_same(mine[k], yours[k]) for k in mine)
    return one == other


def weight_of(value: object) -> int:
    """Return how many elements `value` has at every depth; long text counts by its length."""
    kind = type(value)
    if kind is list:
        return 1 + sum(map(weight_of, cast(list[object], value)))
    if kind is dict:
        return 1 + sum(map(weight_of, cast(dict[str, object], value).values()))
    return 1 + len(cast(str, value)) // 64 if kind is str else 1
