"""Time and rates: calendars, the rhythm of rounds, and throttles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, cast

from ._expressions import call, literal
from ._schema import Json, JsonObject
from ._symbols import About, expression, symbol, timestamp
from ._text import check_duration, check_node_name, check_stored_name, wrong
from ._tracer import current

__all__ = ["Calendar", "Every", "Throttle", "add_open_days", "every_of", "next_open"]

CatchUp = Literal["skip", "all"]

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True)
class Calendar:
    """Office hours, to be declared beside the saga: its steps, rounds and times may use them.

    Args:
        name: in the definition.
        zone: a name of the IANA list, "Europe/Berlin"; the hours are those of its clocks.
        hours: open spans by day or days: `{"mon-thu": "09:00-17:00", "fri": ["09:00-12:00"]}`;
            a day that is not named is closed.
        holidays: closed days, "2026-12-25".
    """

    name: str
    zone: str
    hours: Mapping[str, str | Sequence[str]]
    holidays: Sequence[str] = field(default=())

    def document(self) -> JsonObject:
        """The calendar as the definition holds it: each day by itself."""
        check_node_name(self.name)
        hours: JsonObject = {}
        for days, given in self.hours.items():
            spans: list[Json] = [given] if isinstance(given, str) else list(given)
            for day in self._days(days):
                if day in hours:
                    raise wrong("TR204", f"calendar {self.name} names {day} twice")
                hours[day] = spans
        document: JsonObject = {"zone": self.zone, "hours": hours}
        if self.holidays:
            document["holidays"] = list[Json](self.holidays)
        return document

    def _days(self, text: str) -> Iterator[str]:
        first, _, last = text.partition("-")
        last = last or first
        if first not in _DAYS or last not in _DAYS or _DAYS.index(first) > _DAYS.index(last):
            raise wrong(
                "TR124",
                f"calendar {self.name}: {text!r} are no days of the week",
                '"mon", or "mon-fri"',
            )
        yield from _DAYS[_DAYS.index(first) : _DAYS.index(last) + 1]


@dataclass(frozen=True, slots=True)
class Every:
    """When the rounds of a repeat start: `Every("3d")`, `Every(months=1)`, `Every(calendar=c)`.

    Args:
        period: time between two starts.
        months: months between two; on the same day, or the last one of a shorter month.
        calendar: starts move to its next opening; alone it is one start each open day.
        catch_up: "skip" (the default) leaves out starts that were missed, "all" makes up for them.
    """

    period: str | None = None
    months: int | None = None
    calendar: Calendar | None = None
    catch_up: CatchUp | None = None


@dataclass(frozen=True, slots=True)
class Throttle:
    """A rate that all sagas of a tenant that name it keep together, for each key by itself.

    Args:
        name: of the throttle.
        max: steps that may be dispatched in any time of length `per`, 1 to 1,000.
        per: that time, "1m".
    """

    name: str
    max: int
    per: str

    def document(self, key: str | None) -> JsonObject:
        """The member `throttle` of a step."""
        check_stored_name(self.name, "a throttle")
        if type(self.max) is not int or self.max < 1:
            raise wrong("TR212", f"throttle {self.name} has max={self.max!r}", "max=1 or more")
        rate: JsonObject = {"max": self.max, "per": check_duration(self.per, "per=")}
        return {"name": self.name, **({} if key is None else {"key": key}), **rate}


def every_of(given: str | Every | Calendar | None) -> JsonObject | None:
    """The member `every` of a repeat."""
    if given is None:
        return None
    if isinstance(given, str):
        return {"period": check_duration(given, "every=")}
    every = Every(calendar=given) if isinstance(given, Calendar) else given
    if every.period is not None and every.months is not None:
        raise wrong("TR124", "every= has a period and months", "Every(months=1), or Every('30d')")
    if every.period is None and every.months is None and every.calendar is None:
        raise wrong("TR124", "every= says nothing", "Every('3d'), Every(months=1)")
    tracer = current("every=")
    members: JsonObject = {
        "period": None if every.period is None else check_duration(every.period, "every="),
        "months": every.months,
        "calendar": None if every.calendar is None else tracer.use_calendar(every.calendar),
        "catch_up": every.catch_up,
    }
    return {name: value for name, value in members.items() if value is not None}


def next_open(calendar: Calendar, at: datetime) -> datetime:
    """`at` itself within open hours, else when the next of them begin."""
    return _asked("next_open", calendar, at)


def add_open_days(calendar: Calendar, at: datetime, days: int) -> datetime:
    """`at` moved by that many open days, backwards below 0, at the same time on the wall.

    The day of `at` does not count, and the result may lie outside of the hours: `next_open` of it
    does not.
    """
    return _asked("add_open_days", calendar, at, days)


def _asked(function: str, calendar: Calendar, at: object, *others: object) -> datetime:
    tracer = current(f"{function}()")
    name = literal(tracer.use_calendar(calendar))
    given = [expression(other, tracer) for other in others]
    expr = call(function, name, timestamp(at, tracer), *given)
    value: Any = symbol(About(expr, datetime, tracer, native=True))
    return cast(datetime, value)
