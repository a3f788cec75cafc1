"""The functions that troth adds to CEL, and the environments that know them.

Each has two faces: a generic signature for the check, and overloads by concrete kind for the
evaluation, as the library calls no host function whose parameter is open.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from datetime import datetime, timedelta
from functools import cache
from itertools import starmap
from typing import cast

# The package has stubs for its module and none for itself.
from cel_expr_python import cel  # pyright: ignore[reportMissingTypeStubs]
from cel_expr_python.ext import (  # pyright: ignore[reportMissingTypeStubs] - it has none either
    ext_math,
    ext_strings,
)

from domain.canonical import canonical
from sagas.calendars import add_open_days, calendar_of, next_open
from sagas.cel_values import WEIGHT_MAX, Data, is_same, plain_json, to_cel, weight_of

__all__ = [
    "FUNCTIONS",
    "LISTED",
    "SUM_OF_DOUBLES",
    "extensions",
    "run_env",
    "signatures_yaml",
    "start_weighing",
    "weighed_out",
]

SUM_OF_DOUBLES = "@sum_double"
"""What sum() becomes where the check knows that the list is of doubles: an empty one gives 0.0."""

LISTED = "@listed"
"""Makes the order of a macro over a map certain: its keys, sorted."""

_GENERIC = {
    "put": {"put(map<string,~A>,string,~A)": "map<string,~A>"},
    "drop": {"drop(map<string,~A>,string)": "map<string,~A>"},
    "merge": {"merge(map<string,~A>,map<string,~A>)": "map<string,~A>"},
    "append": {"append(list<~A>,~A)": "list<~A>"},
    "without": {"without(list<~A>,~A)": "list<~A>"},
    "take": {"take(list<~A>,int)": "list<~A>"},
    "distinct": {"distinct(list<~A>)": "list<~A>"},
    "sorted": {
        f"sorted(list<{kind}>)": f"list<{kind}>"
        for kind in ("int", "double", "string", "timestamp")
    },
    "sum": {"sum(list<int>)": "int", "sum(list<double>)": "double"},
    "min": {f"min(list<{kind}>)": kind for kind in ("int", "double", "string", "timestamp")},
    "max": {f"max(list<{kind}>)": kind for kind in ("int", "double", "string", "timestamp")},
    "index_by": {"index_by(list<~A>,string)": "map<string,~A>"},
    "add_days": {"add_days(timestamp,int)": "timestamp"},
    "add_months": {"add_months(timestamp,int)": "timestamp"},
    "next_open": {"next_open(string,timestamp)": "timestamp"},
    "add_open_days": {"add_open_days(string,timestamp,int)": "timestamp"},
    "active": {"active(string)": "bool"},
    "done": {"done(string)": "bool"},
    "deadline": {"deadline(string)": "timestamp"},
}

FUNCTIONS = frozenset(_GENERIC)
"""Names of all added functions."""


def signatures_yaml(messages: Iterable[str], used: Iterable[str]) -> str:
    """Return the declarations for the check of an expression that uses the functions `used`.

    `messages` are the objects with declared fields; put, drop and merge turn them into plain ones,
    and an object literal may be appended or put where such an object is wanted.
    """
    lines = ["name: troth", "functions:"]
    for name in sorted(FUNCTIONS.intersection(used)):
        signatures = dict(_GENERIC[name])
        for message in messages if name in ("put", "drop", "merge", "append") else ():
            signatures |= _for_message(name, message)
        lines += [f"  - name: {name}", "    overloads:"]
        for number, (signature, result) in enumerate(signatures.items()):
            line = f'id: {name}_{number}, signature: "{signature}", return: "{result}"'
            lines.append(f"      - {{{line}}}")
    return "\n".join(lines) if len(lines) > 2 else "name: troth"


def _for_message(name: str, message: str) -> dict[str, str]:
    plain = "map<string,dyn>"
    match name:
        case "put":
            return {
                f"put({message},string,dyn)": plain,
                f"put(map<string,{message}>,string,{plain})": f"map<string,{message}>",
            }
        case "drop":
            return {f"drop({message},string)": plain}
        case "merge":
            return {f"merge({message},dyn)": plain, f"merge({plain},{message})": plain}
        case _:
            return {f"append(list<{message}>,{plain})": f"list<{message}>"}


@cache
def extensions() -> tuple[cel.CelExtensionBase, ...]:
    """Return the library's own extensions: strings and mathematics, which know no clock."""
    return (ext_strings.ExtStrings(), ext_math.ExtMath())


@cache
def run_env() -> cel.Env:
    """Return the environment of evaluation; names are bound freely, as the check came before."""
    declared = [cel.FunctionDecl(name, _overloads(name)) for name in _IMPLEMENTED]
    return cel.NewEnv(extensions=list(extensions()), functions=declared)


# --- Weighing: what host functions may read in one evaluation -----------------------------------


# One box per evaluation, found from inside the library's calls; threads have their own.
_weight_left: ContextVar[list[int]] = ContextVar("weight_left")


def start_weighing() -> None:
    """Begin an evaluation: the full weight may be read."""
    _weight_left.set([WEIGHT_MAX])


def weighed_out() -> bool:
    """Say whether the evaluation read more than WEIGHT_MAX elements."""
    return _weight_left.get()[0] < 0


def _weighed(function: Callable[..., object]) -> Callable[..., object]:
    def call(*args: object) -> object:
        left = _weight_left.get()
        left[0] -= sum(map(weight_of, args))
        if left[0] < 0:
            # Not an error value, which a macro would swallow and go on: what the library cannot
            # take ends the whole evaluation.
            return _weight_left
        value = function(*args)
        return to_cel(value) if left[0] >= 0 else _weight_left

    return call


def _weigh_days(one: datetime, other: datetime) -> None:
    """Calendars are read day by day: each counts as an element."""
    _weight_left.get()[0] -= abs((other - one).days)


# --- The functions ------------------------------------------------------------------------------


def _put(members: dict[str, Data], key: str, value: Data) -> Data:
    return {**members, key: value}


def _drop(members: dict[str, Data], key: str) -> Data:
    return {name: value for name, value in members.items() if name != key}


def _merge(members: dict[str, Data], over: dict[str, Data]) -> Data:
    return {**members, **over}


def _append(items: list[Data], item: Data) -> Data:
    return [*items, item]


def _without(items: list[Data], item: Data) -> Data:
    return [other for other in items if not is_same(other, item)]


def _take(items: list[Data], count: int) -> Data:
    if count < 0:
        raise ValueError(f"take() wants a count of at least 0, got {count}")
    return items[:count]


def _distinct(items: list[Data]) -> Data:
    seen: dict[bytes, Data] = {}
    for item in items:
        # A time and its text are different values with one JSON form.
        tag = b"t" if isinstance(item, datetime) else b""
        seen.setdefault(tag + canonical(plain_json(item)), item)
    return list(seen.values())


def _comparable(name: str, items: list[Data]) -> list[float]:
    """Return the items as what can be ordered; numbers, or all text, or all times."""
    kinds = {float if type(item) is int else type(item) for item in items}
    if len(kinds) > 1 or kinds - {float, str, datetime}:
        raise ValueError(f"{name}() wants numbers, or texts, or times, and not a mixture")
    return cast(list[float], items)


def _sorted(items: list[Data]) -> Data:
    return cast(list[Data], sorted(_comparable("sorted", items)))


def _min(items: list[Data]) -> Data:
    if not items:
        raise ValueError("min() of an empty list")
    return min(_comparable("min", items))


def _max(items: list[Data]) -> Data:
    if not items:
        raise ValueError("max() of an empty list")
    return max(_comparable("max", items))


def _sum(items: list[Data]) -> Data:
    if not all(type(item) in (int, float) for item in items):
        raise ValueError("sum() wants numbers")
    return sum(cast(list[float], items))


def _sum_double(items: list[Data]) -> Data:
    return float(cast(float, _sum(items)))


def _index_by(items: list[Data], field: str) -> Data:
    index: dict[str, Data] = {}
    for item in items:
        key = item.get(field) if isinstance(item, dict) else None
        if type(key) not in (str, int):
            raise ValueError(f"index_by() wants text or an integer in `{field}` of every element")
        if str(key) in index:
            raise ValueError(f"index_by(): two elements have {key!r} in `{field}`")
        index[str(key)] = item
    return index


def _add_days(moment: datetime, days: int) -> Data:
    return moment + timedelta(days=days)


def _add_months(moment: datetime, months: int) -> Data:
    """Keep the day of the month, or take the last one where the month is shorter."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    day = min(moment.day, monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)


def _next_open(calendar: str, moment: datetime) -> Data:
    """The first name is that of a calendar as it is written; here it is the calendar's text."""
    found = next_open(calendar_of(calendar), moment)
    _weigh_days(moment, found)
    return found


def _add_open_days(calendar: str, moment: datetime, days: int) -> Data:
    found = add_open_days(calendar_of(calendar), moment, days)
    _weigh_days(moment, found)
    return found


def _listed(items: list[Data] | dict[str, Data]) -> Data:
    return list[Data](sorted(items)) if isinstance(items, dict) else items


_T = cel.Type
_ANY = (
    _T.BOOL,
    _T.INT,
    _T.UINT,
    _T.DOUBLE,
    _T.STRING,
    _T.NULL,
    _T.TIMESTAMP,
    _T.LIST,
    _T.MAP,
)
_IMPLEMENTED: dict[str, tuple[Callable[..., object], list[tuple[cel.Type, ...]]]] = {
    "put": (_put, [(_T.MAP, _T.STRING, kind) for kind in _ANY]),
    "drop": (_drop, [(_T.MAP, _T.STRING)]),
    "merge": (_merge, [(_T.MAP, _T.MAP)]),
    "append": (_append, [(_T.LIST, kind) for kind in _ANY]),
    "without": (_without, [(_T.LIST, kind) for kind in _ANY]),
    "take": (_take, [(_T.LIST, _T.INT)]),
    "distinct": (_distinct, [(_T.LIST,)]),
    "sorted": (_sorted, [(_T.LIST,)]),
    "sum": (_sum, [(_T.LIST,)]),
    SUM_OF_DOUBLES: (_sum_double, [(_T.LIST,)]),
    "min": (_min, [(_T.LIST,)]),
    "max": (_max, [(_T.LIST,)]),
    "index_by": (_index_by, [(_T.LIST, _T.STRING)]),
    "add_days": (_add_days, [(_T.TIMESTAMP, _T.INT)]),
    "add_months": (_add_months, [(_T.TIMESTAMP, _T.INT)]),
    "next_open": (_next_open, [(_T.STRING, _T.TIMESTAMP)]),
    "add_open_days": (_add_open_days, [(_T.STRING, _T.TIMESTAMP, _T.INT)]),
    LISTED: (_listed, [(_T.LIST,), (_T.MAP,)]),
}


def _overloads(name: str) -> list[cel.Overload]:
    function, kinds = _IMPLEMENTED[name]
    call = _weighed(function)

    def overload(number: int, parameters: tuple[cel.Type, ...]) -> cel.Overload:
        return cel.Overload(
            id=f"{name}_{number}", return_type=_T.DYN, parameters=parameters, impl=call
        )

    return list(starmap(overload, enumerate(kinds)))
