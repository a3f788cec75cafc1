"""Prospecting: qualify a lead, then a message, a mail, a LinkedIn touch and a call, days apart.

Outreach is a message to a customer: a person allows all of it, and may change the words. It goes
out in office hours only, and stops at once when the lead replies or opts out. The CRM is told how
it ended. The systems behind the participants are other people's: `connect` says which.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import Annotated, Protocol

from pydantic import BaseModel

from troth import (
    A0,
    A1,
    R0,
    R1,
    S3,
    Accepted,
    App,
    Calendar,
    Effect,
    Participant,
    Retry,
    add_open_days,
    approve,
    event,
    has,
    new,
    now,
    on,
    otherwise,
    refused,
    saga,
    scope,
    set_,
    sleep,
    var,
    when,
)

__all__ = [
    "OFFICE",
    "Called",
    "Crm",
    "Ended",
    "LeadFound",
    "LeadOptedOut",
    "LeadReplied",
    "Outcome",
    "Outreach",
    "Profile",
    "Research",
    "Texts",
    "app",
    "connect",
    "prospecting",
]

ALLOWED_WITHIN = "7d"
ALLOWED_FOR = "60d"
"""The decision holds for the whole sequence."""
TOLD_WITHIN = "30d"
REVIEW = "outreach-policy"
"""The policy review that lets personal data of leads to these participants."""
SENT = Accepted("what was sent was read")
OFFICE = Calendar(
    "office",
    zone="Europe/Berlin",
    hours={"mon-fri": "09:00-17:00"},
    holidays=["2026-01-01", "2026-12-25"],
)
PATIENT = Retry(attempts=100, cap="1h")


@event("lead.found", version=1, key="lead")
class LeadFound(BaseModel):
    """Somebody who may want to buy."""

    lead: str
    company: str
    email: Annotated[str, S3]
    phone: Annotated[str, S3]


@event("lead.replied", version=1, key="lead")
class LeadReplied(BaseModel):
    """They answered, on whatever way."""

    lead: str
    channel: str


@event("lead.opted-out", version=1, key="lead")
class LeadOptedOut(BaseModel):
    """They do not want to hear from us."""

    lead: str
    channel: str


class Profile(BaseModel):
    """What is known of a lead's company; fit from 0 to 100."""

    company: str
    fit: int


class Texts(BaseModel):
    """What will be written and said."""

    message: str
    mail: str
    touch: str
    script: str


class Called(BaseModel):
    """Whether somebody picked up."""

    answered: bool


class Ended(StrEnum):
    """How outreach may end."""

    NO_ANSWER = "no-answer"
    REACHED = "reached"
    REPLIED = "replied"
    OPTED_OUT = "opted-out"


class Outcome(BaseModel):
    """How the outreach ended, and how many touches were over by then."""

    ended: Ended
    touches: int


class Research(Protocol):
    """Knows companies and finds words; touches nothing outside."""

    def qualify(self, lead: LeadFound) -> Profile:
        """What is known of it. Raises Refused("unfit")."""
        ...

    def write(self, lead: LeadFound, profile: Profile) -> Texts: ...


class Outreach(Protocol):
    """Reaches people; each raises Refused("unreachable"). `key` is the key of the effect."""

    async def message(self, key: str, lead: LeadFound, text: str) -> None: ...
    async def mail(self, key: str, lead: LeadFound, text: str) -> None: ...
    async def touch(self, key: str, lead: LeadFound, text: str) -> None: ...
    async def call(self, key: str, lead: LeadFound, script: str) -> Called: ...


class Crm(Protocol):
    """Remembers leads. `key` is the idempotency key of the effect."""

    async def suppress(self, key: str, lead: LeadFound) -> None: ...
    async def sync(self, key: str, lead: LeadFound, ended: Ended, touches: int) -> None: ...


_systems: dict[str, Callable[[], AbstractAsyncContextManager[object]]] = {}


def connect(
    research: Callable[[], AbstractAsyncContextManager[Research]],
    outreach: Callable[[], AbstractAsyncContextManager[Outreach]],
    crm: Callable[[], AbstractAsyncContextManager[Crm]],
) -> None:
    """Say which systems stand behind the participants, before a worker starts."""
    _systems.update(research=research, outreach=outreach, crm=crm)


def _research() -> AbstractAsyncContextManager[Research]:
    return _systems["research"]()  # pyright: ignore[reportReturnType]  # put there by connect


def _outreach() -> AbstractAsyncContextManager[Outreach]:
    return _systems["outreach"]()  # pyright: ignore[reportReturnType]  # put there by connect


def _crm() -> AbstractAsyncContextManager[Crm]:
    return _systems["crm"]()  # pyright: ignore[reportReturnType]  # put there by connect


research = Participant("research", deps=_research)
outreach = Participant("outreach", deps=_outreach)
crm = Participant("crm", deps=_crm)


@research.step("qualify", refuses=["unfit"], review=REVIEW)
def qualify(fx: Effect[Research], lead: LeadFound) -> Profile:
    return fx.deps.qualify(lead)


@research.step("write", review=REVIEW)
def write(fx: Effect[Research], lead: LeadFound, profile: Profile) -> Texts:
    return fx.deps.write(lead, profile)


@outreach.effect("whatsapp", A1, R1, S3, refuses=["unreachable"], irreversible=SENT, review=REVIEW)
async def send_message(fx: Effect[Outreach], lead: LeadFound, text: str) -> None:
    await fx.deps.message(fx.key, lead, text)


@outreach.effect("mail", A1, R1, S3, refuses=["unreachable"], irreversible=SENT, review=REVIEW)
async def send_mail(fx: Effect[Outreach], lead: LeadFound, text: str) -> None:
    await fx.deps.mail(fx.key, lead, text)


@outreach.effect("linkedin", A1, R1, S3, refuses=["unreachable"], irreversible=SENT, review=REVIEW)
async def touch_profile(fx: Effect[Outreach], lead: LeadFound, text: str) -> None:
    await fx.deps.touch(fx.key, lead, text)


@outreach.effect("voice", A1, R1, S3, refuses=["unreachable"], irreversible=SENT, review=REVIEW)
async def call(fx: Effect[Outreach], lead: LeadFound, script: str) -> Called:
    return await fx.deps.call(fx.key, lead, script)


@crm.effect(
    "suppress",
    A0,
    R0,
    S3,
    retry=PATIENT,
    irreversible=Accepted("a wish not to be contacted is kept"),
    review=REVIEW,
)
async def suppress(fx: Effect[Crm], lead: LeadFound) -> None:
    await fx.deps.suppress(fx.key, lead)


@crm.effect(
    "sync",
    A0,
    R0,
    S3,
    retry=PATIENT,
    irreversible=Accepted("the CRM keeps what was tried"),
    review=REVIEW,
)
async def sync(fx: Effect[Crm], lead: LeadFound, ended: Ended, touches: int) -> None:
    await fx.deps.sync(fx.key, lead, ended, touches)


def open_days(name: str, days: int) -> None:
    """Rest for so many days on which the office is open."""
    sleep(name, until=add_open_days(OFFICE, now(), days))


@saga("prospecting", version=1, starts_on=LeadFound, attributes={"company": "company"})
def prospecting(lead: LeadFound) -> Outcome:
    """Traced once into `prospecting.v1.json`; never run by the engine."""
    ended = var("ended", Ended, Ended.NO_ANSWER)
    touches = var("touches", int, 0)
    with scope("contact"):
        with on("reply", LeadReplied, lead.lead, interrupt=True):
            set_(ended=Ended.REPLIED, name="they_replied")
        with on("opt_out", LeadOptedOut, lead.lead, interrupt=True):
            set_(ended=Ended.OPTED_OUT, name="they_opted_out")
            suppress.within(TOLD_WITHIN)(lead)
        profile = qualify(lead)
        texts = write(lead, profile)
        with approve(
            "outreach", level=A1, subject=texts, evidence=[profile],
            within=ALLOWED_WITHIN, valid=ALLOWED_FOR,
        ) as allowed:  # fmt: skip
            message = send_message.during(OFFICE)(lead, allowed.subject.message)
            with refused(message, "unreachable"):
                pass
            set_(touches=touches + 1, name="first")
            open_days("before_mail", 2)
            mail = send_mail.during(OFFICE)(lead, allowed.subject.mail)
            with refused(mail, "unreachable"):
                pass
            set_(touches=touches + 1, name="second")
            open_days("before_touch", 3)
            touch = touch_profile.during(OFFICE)(lead, allowed.subject.touch)
            with refused(touch, "unreachable"):
                pass
            set_(touches=touches + 1, name="third")
            open_days("before_call", 3)
            called = call.during(OFFICE)(lead, allowed.subject.script)
            with refused(called, "unreachable"):
                pass
            set_(touches=touches + 1, name="fourth")
            with when("picked_up", has(called) & called.answered):
                set_(ended=Ended.REACHED, name="we_spoke")
            with otherwise("picked_up"):
                open_days("last_chance", 5)
    sync.within(TOLD_WITHIN)(lead, ended, touches)
    return new(Outcome, ended=ended, touches=touches)


app = App(sagas=[prospecting], participants=[research, outreach, crm])
