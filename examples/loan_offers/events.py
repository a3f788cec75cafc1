"""The log as CloudEvents, in time order.

The names of the events are chosen here, not derived: an activity this table does not know is an
error, never an event nobody waits for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from examples.loan_offers.xes import LogCase, LogEvent, XesError

__all__ = [
    "EVENTS_MAX",
    "SOURCE",
    "TYPES",
    "WORK_TYPES",
    "cloud_event",
    "cloud_events",
    "event_id",
    "event_type",
    "in_time_order",
]

SOURCE = "urn:example:bpic2012"

EVENTS_MAX = 5_000_000
"""Events of one log: sorting holds them in memory, about 300 bytes each."""

TYPES = {
    "A_SUBMITTED": "application.submitted",
    "A_PARTLYSUBMITTED": "application.partly-submitted",
    "A_PREACCEPTED": "application.pre-accepted",
    "A_ACCEPTED": "application.accepted",
    "A_FINALIZED": "application.finalised",
    "A_APPROVED": "application.approved",
    "A_REGISTERED": "application.registered",
    "A_ACTIVATED": "application.activated",
    "A_DECLINED": "application.declined",
    "A_CANCELLED": "application.cancelled",
    "O_SELECTED": "offer.selected",
    "O_CREATED": "offer.created",
    "O_SENT": "offer.sent",
    "O_SENT_BACK": "offer.returned",
    "O_ACCEPTED": "offer.accepted",
    "O_DECLINED": "offer.declined",
    "O_CANCELLED": "offer.cancelled",
}
"""Activities of the application (A_) and of its offers (O_); they have no lifecycle."""

WORK_TYPES = {"SCHEDULE": "work.scheduled", "START": "work.started", "COMPLETE": "work.completed"}
"""Transitions of a human work item (W_); which item is in the data."""


def in_time_order(cases: Iterable[LogCase]) -> list[tuple[LogCase, LogEvent]]:
    """Every event of the log by time; equal times keep the order of the file.

    Raises XesError `loans.bound` when there are more than EVENTS_MAX.
    """
    found: list[tuple[LogCase, LogEvent]] = []
    for case in cases:
        found.extend((case, event) for event in case.events)
        if len(found) > EVENTS_MAX:
            raise XesError(
                "loans.bound",
                f"the log has over {EVENTS_MAX:,} events",
                where=f"case {case.name}",
                do="cut the log into parts by time",
            )
    found.sort(key=lambda pair: pair[1].at)
    return found


def cloud_events(cases: Iterable[LogCase]) -> Iterator[dict[str, Any]]:
    """The log as CloudEvents in time order; raises XesError as `in_time_order` and `event_type`."""
    return (cloud_event(case, event) for case, event in in_time_order(cases))


def cloud_event(case: LogCase, event: LogEvent) -> dict[str, Any]:
    """One event in structured form; the tenant is that of the API key that sends it.

    Raises XesError `loans.unknown_activity`.
    """
    data: dict[str, Any] = {
        "case": case.name,
        "activity": event.activity,
        "transition": event.transition,
    }
    if event.resource is not None:
        data["resource"] = event.resource
    if event.index == 1 and (amount := case.attributes.get("AMOUNT_REQ", "")).isdecimal():
        data["amount"] = int(amount)
    return {
        "specversion": "1.0",
        "id": event_id(case, event),
        "source": SOURCE,
        "type": event_type(case, event),
        "time": event.at.isoformat(),
        "data": data,
    }


def event_id(case: LogCase, event: LogEvent) -> str:
    """Case and index, for example `173688-3`."""
    return f"{case.name}-{event.index}"


def event_type(case: LogCase, event: LogEvent) -> str:
    """The type of the event; raises XesError `loans.unknown_activity`."""
    if event.activity.startswith("W_"):
        found = WORK_TYPES.get(event.transition)
    else:
        found = TYPES.get(event.activity) if event.transition == "COMPLETE" else None
    if found is None:
        raise XesError(
            "loans.unknown_activity",
            f"{event.activity} with transition {event.transition} has no event type",
            where=f"case {case.name}, event {event.index}",
            do="give the log of BPI Challenge 2012, or add the type to events.py and the saga",
        )
    return found
