"""A loan application from its submission to the bank's decision, as a saga without participants.

The bank's own systems do the work and say so in events. The saga always knows which event comes
next, and notes as `loan.deviation` what the bank's rules do not foresee.
"""

from __future__ import annotations

from pydantic import BaseModel

from troth import (
    App,
    branch,
    cel,
    choose,
    emit,
    event,
    expired,
    fail,
    new,
    not_,
    on,
    otherwise,
    parallel,
    repeat,
    saga,
    scope,
    set_,
    sleep,
    var,
    wait_for,
    when,
)

__all__ = ["Decided", "Deviation", "app", "loan_offer"]

OFFERS_MAX = 1_000
"""Offers of one application."""

ANSWER_WITHIN = "30d"
DECISION_WITHIN = "365d"
"""An application without a decision fails after this long."""


class Entry(BaseModel):
    """One line of the bank's log; work items and some others have no resource."""

    case: str
    activity: str
    transition: str
    resource: str | None = None


@event("application.submitted", version=1, key="case")
class ApplicationSubmitted(Entry):
    """A_SUBMITTED, with the amount asked for."""

    amount: int | None = None


@event("application.partly-submitted", version=1, key="case")
class ApplicationPartlySubmitted(Entry):
    """A_PARTLYSUBMITTED."""


@event("application.pre-accepted", version=1, key="case")
class ApplicationPreAccepted(Entry):
    """A_PREACCEPTED."""


@event("application.accepted", version=1, key="case")
class ApplicationAccepted(Entry):
    """A_ACCEPTED."""


@event("application.finalised", version=1, key="case")
class ApplicationFinalised(Entry):
    """A_FINALIZED."""


@event("application.approved", version=1, key="case")
class ApplicationApproved(Entry):
    """A_APPROVED."""


@event("application.registered", version=1, key="case")
class ApplicationRegistered(Entry):
    """A_REGISTERED."""


@event("application.activated", version=1, key="case")
class ApplicationActivated(Entry):
    """A_ACTIVATED."""


@event("application.declined", version=1, key="case")
class ApplicationDeclined(Entry):
    """A_DECLINED."""


@event("application.cancelled", version=1, key="case")
class ApplicationCancelled(Entry):
    """A_CANCELLED."""


@event("offer.selected", version=1, key="case")
class OfferSelected(Entry):
    """O_SELECTED."""


@event("offer.created", version=1, key="case")
class OfferCreated(Entry):
    """O_CREATED."""


@event("offer.sent", version=1, key="case")
class OfferSent(Entry):
    """O_SENT."""


@event("offer.returned", version=1, key="case")
class OfferReturned(Entry):
    """O_SENT_BACK."""


@event("offer.accepted", version=1, key="case")
class OfferAccepted(Entry):
    """O_ACCEPTED."""


@event("offer.declined", version=1, key="case")
class OfferDeclined(Entry):
    """O_DECLINED."""


@event("offer.cancelled", version=1, key="case")
class OfferCancelled(Entry):
    """O_CANCELLED."""


@event("work.scheduled", version=1, key="case")
class WorkScheduled(Entry):
    """A W_ item was scheduled; `activity` says which."""


@event("work.started", version=1, key="case")
class WorkStarted(Entry):
    """A W_ item was started, or taken up again."""


@event("work.completed", version=1, key="case")
class WorkCompleted(Entry):
    """A W_ item was completed, or put down."""


@event("loan.deviation", version=1, key="case")
class Deviation(BaseModel):
    """A fact for others: `event` is the id of the event that shows it."""

    case: str
    rule: str
    event: str


class Decided(BaseModel):
    """How it ended: declined, cancelled or approved."""

    outcome: str


ANSWERS = (OfferReturned, OfferSelected, OfferAccepted, OfferDeclined)
"""What may follow a sent offer. A further offer replaces it."""

APPROVALS = (ApplicationApproved, ApplicationRegistered, ApplicationActivated)
"""An approval is all three, in any order."""


def deviation(name: str, case: str, rule: str, event_id: str) -> None:
    """Note that a rule was broken, and by which event."""
    emit(name, Deviation, new(Deviation, case=case, rule=rule, event=event_id))


def handle_work(case: str) -> None:
    """Work items run beside: none of them moves the application."""
    scheduled = var("scheduled_items", list[str], [])
    started = var("started_items", list[str], [])
    item = cel("[event.data.activity]", list[str])
    is_scheduled = cel("event.data.activity in vars.scheduled_items", bool)
    is_started = cel("event.data.activity in vars.started_items", bool)

    with on("work_scheduled_again", WorkScheduled, case, when=lambda _: is_scheduled):
        pass
    with on("work_scheduled", WorkScheduled, case):
        set_(scheduled_items=scheduled + item, name="note_scheduled")
    with on("work_started_twice", WorkStarted, case, when=lambda _: is_started):
        deviation("note_started_twice", case, "work_started_twice", cel("event.id", str))
    with on("work_unscheduled", WorkStarted, case, when=lambda _: not_(is_scheduled)):
        set_(started_items=started + item, name="start_unscheduled")
        deviation("note_unscheduled", case, "work_started_without_schedule", cel("event.id", str))
    with on("work_started", WorkStarted, case):
        set_(started_items=started + item, name="note_started")
    with on("work_unstarted", WorkCompleted, case, when=lambda _: not_(is_started)):
        deviation("note_unstarted", case, "work_completed_without_start", cel("event.id", str))
    with on("work_completed", WorkCompleted, case):
        rest = cel("vars.started_items.filter(i, i != event.data.activity)", list[str])
        set_(started_items=rest, name="note_completed")


def handle_ends(case: str, offer_returned: bool) -> None:
    """What ends an application, wherever it is."""
    with on("declined", ApplicationDeclined, case, interrupt=True):
        set_(outcome="declined", name="note_declined")
    with on("cancelled", ApplicationCancelled, case, interrupt=True):
        set_(outcome="cancelled", name="note_cancelled")
    with on("approval", APPROVALS, case, interrupt=True) as first:
        with when("unreturned", not_(offer_returned)):
            rule = "approved_without_return"
            deviation("note_unreturned", case, rule, cel("event.id", str))
        with scope("booking"):
            with on("accepted_meanwhile", OfferAccepted, case):
                pass
            with parallel("booked"):
                with branch("approve", first.activity != "A_APPROVED"):
                    wait_for(ApplicationApproved, case, within=None, name="approved")
                with branch("register", first.activity != "A_REGISTERED"):
                    wait_for(ApplicationRegistered, case, within=None, name="registered")
                with branch("activate", first.activity != "A_ACTIVATED"):
                    wait_for(ApplicationActivated, case, within=None, name="activated")
        set_(outcome="approved", name="note_approved")


def send_offer(case: str) -> None:
    """One offer: created, sent, and what comes of it."""
    wait_for(OfferCreated, case, within=None, name="created")
    wait_for(OfferSent, case, within=None, name="sent")
    set_(offer_returned=False, name="out")
    answer = wait_for(ANSWERS, case, within=ANSWER_WITHIN, on_expiry="continue", name="answer")
    with when("overdue", expired(answer)):
        deviation("note_overdue", case, "answer_overdue", cel("events.sent.id", str))
        late = wait_for(ANSWERS, case, within=None, name="late_answer")
        set_(reply=late.activity, reply_id=cel("events.late_answer.id", str), name="came_late")
    with otherwise("overdue"):
        set_(reply=answer.activity, reply_id=cel("events.answer.id", str), name="came_in_time")


def judge_offer(case: str, reply: str, reply_id: str) -> None:
    """An offer that came back is validated; another offer makes a new round."""
    with choose("reply_is"):
        with branch("back", reply == "O_SENT_BACK"):
            set_(offer_returned=True, name="note_returned")
            verdict = wait_for(
                (OfferAccepted, OfferDeclined, OfferSelected), case, within=None, name="validated"
            )
            set_(judged=verdict.activity != "O_SELECTED", name="note_verdict")
        with branch("accepted_at_once", reply == "O_ACCEPTED"):
            deviation("note_accepted", case, "accepted_without_return", reply_id)
            set_(judged=True, name="judge_accepted")
        with branch("declined_at_once", reply == "O_DECLINED"):
            deviation("note_refused", case, "declined_without_return", reply_id)
            set_(judged=True, name="judge_refused")
        with otherwise():
            pass


@saga(
    "loan-offer",
    version=1,
    starts_on=ApplicationSubmitted,
    deadline=DECISION_WITHIN,
    early_ttl=DECISION_WITHIN,
)
def loan_offer(application: ApplicationSubmitted) -> Decided:
    """Submitted, pre-accepted, accepted, finalised, offers, and the bank's decision."""
    case = application.case
    outcome = var("outcome", str, "open")
    offer_returned = var("offer_returned", bool, False)
    judged = var("judged", bool, False)
    reply = var("reply", str, "")
    reply_id = var("reply_id", str, "")
    handle_work(case)
    with on("offer_cancelled", OfferCancelled, case):  # an older offer: the next one stays next
        pass
    with scope("application"):
        handle_ends(case, offer_returned)
        wait_for(ApplicationPartlySubmitted, case, within=None, name="partly_submitted")
        wait_for(ApplicationPreAccepted, case, within=None, name="pre_accepted")
        wait_for(ApplicationAccepted, case, within=None, name="accepted")
        with parallel("prepared"):
            wait_for(ApplicationFinalised, case, within=None, name="finalised")
            wait_for(OfferSelected, case, within=None, name="selected")
        with repeat("offers", max=OFFERS_MAX, until=judged):
            send_offer(case)
            judge_offer(case, reply, reply_id)
        sleep("decision", DECISION_WITHIN)
        fail("undecided")
    return new(Decided, outcome=outcome)


app = App(sagas=[loan_offer], participants=[])
