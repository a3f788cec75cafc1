"""What the log alone says about every application: an answer the engine has no part in.

Nothing here knows the saga's definition or the engine. It reads the events of a case in order and
answers three questions: how did it end, which node is next when it did not end, and which of its
events break a rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from examples.loan_offers.events import event_id
from examples.loan_offers.xes import LogCase, LogEvent

__all__ = [
    "ANSWER_WITHIN",
    "ENDS",
    "NODE_AFTER",
    "OUTCOMES",
    "RULES",
    "Deviation",
    "Truth",
    "last_time",
    "truths",
]

ENDS = {"A_DECLINED": "declined", "A_CANCELLED": "cancelled"}
"""One of these alone ends an application."""

APPROVAL = ("A_APPROVED", "A_REGISTERED", "A_ACTIVATED")
"""All of these, in any order, end it as approved."""

OUTCOMES = ("declined", "cancelled", "approved", "open")

ANSWER_WITHIN = timedelta(days=30)

NODE_AFTER = {
    "A_SUBMITTED": "partly_submitted",
    "A_PARTLYSUBMITTED": "pre_accepted",
    "A_PREACCEPTED": "accepted",
    "O_CREATED": "sent",
    "O_SENT": "answer",
    "O_SENT_BACK": "validated",
    "O_ACCEPTED": "decision",
    "O_DECLINED": "decision",
}
"""The node that is next after an event, where that event alone says it."""

LATE_NODE = "late_answer"
"""Next after O_SENT once ANSWER_WITHIN has passed."""

PREPARING = {"A_FINALIZED": "finalised", "O_SELECTED": "selected"}
"""After A_ACCEPTED both are next, in any order; each is next until it is seen."""

CREATED_NODE = "created"
"""Next after an offer was selected and the application is finalised."""

DECIDING = {"A_APPROVED": "approved", "A_REGISTERED": "registered", "A_ACTIVATED": "activated"}
"""Once one of the three is seen the others are next, whatever came before."""

ANSWERS = frozenset({"O_SENT_BACK", "O_SELECTED", "O_ACCEPTED", "O_DECLINED"})
"""What ends the wait for the answer to a sent offer; the ends of the application do too."""

BESIDE = frozenset({"O_CANCELLED"})
"""Withdraws an older offer: what was next stays next. (So do all work items, W_.)"""

RULES = {
    "answer_overdue": "no answer to a sent offer, and no other offer, within 30 days",
    "accepted_without_return": "an offer was accepted that had not come back",
    "declined_without_return": "an offer was declined that had not come back",
    "approved_without_return": "approval began while the offer sent last had not come back",
    "work_completed_without_start": "a work item was completed that was not started",
    "work_started_twice": "a work item was started that was started already",
    "work_started_without_schedule": "a work item was started that was never scheduled",
}


@dataclass(frozen=True, slots=True, order=True)
class Deviation:
    """A rule and the id of the event that breaks it."""

    rule: str
    event_id: str


@dataclass(frozen=True, slots=True)
class Truth:
    """What the log says about one case.

    `recorded` events came up to its end, `parked` ones after it; `next_nodes` is empty once ended.
    """

    case: str
    outcome: str
    recorded: int
    parked: int
    next_nodes: frozenset[str]
    deviations: tuple[Deviation, ...]


def last_time(cases: Iterable[LogCase]) -> datetime:
    """The time of the log's last event: what is due by then is overdue."""
    return max(event.at for case in cases for event in case.events)


def truths(cases: Iterable[LogCase], now: datetime) -> Iterator[Truth]:
    """What the log says about each case, `now` being the time of its last event."""
    return (_truth(case, now) for case in cases)


def _truth(case: LogCase, now: datetime) -> Truth:
    events = sorted(case.events, key=lambda event: event.at)
    outcome, recorded = _outcome(events)
    counted = events[:recorded]
    deviations = [*_offer_deviations(case, counted, now), *_work_deviations(case, counted)]
    return Truth(
        case=case.name,
        outcome=outcome,
        recorded=recorded,
        parked=len(events) - recorded,
        next_nodes=_next_nodes(counted, now) if outcome == "open" else frozenset(),
        deviations=tuple(sorted(deviations)),
    )


def _outcome(events: Sequence[LogEvent]) -> tuple[str, int]:
    """How it ended, and how many events came up to and with the end."""
    seen: set[str] = set()
    for count, event in enumerate(events, start=1):
        if event.activity in ENDS:
            return ENDS[event.activity], count
        seen.add(event.activity)
        if event.activity in APPROVAL and seen.issuperset(APPROVAL):
            return "approved", count
    return "open", len(events)


def _next_nodes(events: Sequence[LogEvent], now: datetime) -> frozenset[str]:
    moving = [e for e in events if e.activity[:2] in ("A_", "O_") and e.activity not in BESIDE]
    seen = {event.activity for event in moving}
    if not seen.isdisjoint(DECIDING):
        return frozenset(node for activity, node in DECIDING.items() if activity not in seen)
    if not moving:
        return frozenset()  # only work items: the application was never submitted
    last = moving[-1]
    if last.activity == "A_ACCEPTED" or last.activity in PREPARING:
        missing = frozenset(n for activity, n in PREPARING.items() if activity not in seen)
        return missing or frozenset({CREATED_NODE})
    if last.activity == "O_SENT" and now >= last.at + ANSWER_WITHIN:
        return frozenset({LATE_NODE})
    return frozenset({NODE_AFTER[last.activity]})


def _offer_deviations(
    case: LogCase, events: Sequence[LogEvent], now: datetime
) -> Iterator[Deviation]:
    waiting: LogEvent | None = None  # the offer sent last, until something answers it
    returned = approving = False
    for event in events:
        activity = event.activity
        ends = activity in ENDS or activity in APPROVAL
        if waiting is not None and (ends or activity in ANSWERS):
            if event.at >= waiting.at + ANSWER_WITHIN:
                yield Deviation("answer_overdue", event_id(case, waiting))
            if activity == "O_ACCEPTED":
                yield Deviation("accepted_without_return", event_id(case, event))
            if activity == "O_DECLINED":
                yield Deviation("declined_without_return", event_id(case, event))
            waiting = None
        if activity in APPROVAL and not (returned or approving):
            yield Deviation("approved_without_return", event_id(case, event))
        approving = approving or activity in APPROVAL
        if activity == "O_SENT":
            waiting, returned = event, False
        returned = returned or activity == "O_SENT_BACK"
    if waiting is not None and now >= waiting.at + ANSWER_WITHIN:
        yield Deviation("answer_overdue", event_id(case, waiting))


def _work_deviations(case: LogCase, events: Sequence[LogEvent]) -> Iterator[Deviation]:
    scheduled: set[str] = set()
    started: set[str] = set()
    for event in events:
        item = event.activity
        if not item.startswith("W_"):
            continue
        match event.transition:
            case "SCHEDULE":
                scheduled.add(item)
            case "START":
                if item not in scheduled:
                    yield Deviation("work_started_without_schedule", event_id(case, event))
                if item in started:
                    yield Deviation("work_started_twice", event_id(case, event))
                started.add(item)
            case _:
                if item not in started:
                    yield Deviation("work_completed_without_start", event_id(case, event))
                started.discard(item)
