"""Post-merger integration: a plan of milestones with owners, due dates and dependencies.

Each milestone is a promise of its own, begun when those before it are reached. It is reached when
its evidence was verified; every week that it is late is told to more people, and after twelve it
fails. What one milestone loses takes nothing from those that are reached: what depends on it is
skipped, the rest goes on. The systems behind the participants are other people's: `connect` says
which.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, Field

from troth import (
    A0,
    R0,
    R1,
    S1,
    S2,
    Accepted,
    App,
    Effect,
    Participant,
    Rule,
    branch,
    cel,
    child,
    deadline,
    each,
    event,
    fail,
    new,
    out,
    parallel,
    repeat,
    saga,
    scope,
    set_,
    sleep,
    task,
    update,
    var,
)

__all__ = [
    "MILESTONES_MAX",
    "Checked",
    "Evidence",
    "Milestone",
    "Office",
    "Plan",
    "Planned",
    "Progress",
    "Reached",
    "Registered",
    "Verdict",
    "app",
    "connect",
    "milestone",
    "pmi",
]

MILESTONES_MAX = 200
REPORTS_MAX = 20
"""How often the evidence of one milestone may be handed in."""
SLIPS_MAX = 12
"""Weeks that a milestone may be late, beyond what was agreed in between."""
SHIFT_DAYS_MAX = 90
PLAN_WITHIN = "1000d"
MILESTONE_WITHIN = "900d"
LATE_AT = "add_days(timestamp(input.due), vars.shifted + 7 * (round.weeks - 1))"
SHIFTED = "add_days(deadline('patience'), args.days)"


class Planned(BaseModel):
    """A milestone of a plan; `after` names those that must be reached before it begins."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    owner: str
    due: datetime
    after: list[str]


@event("pmi.planned", version=1, key="deal")
class Plan(BaseModel):
    """The plan of an integration was agreed."""

    deal: str
    milestones: Annotated[list[Planned], Field(min_length=1, max_length=MILESTONES_MAX)]


class Checked(BaseModel):
    """A plan whose milestones can be reached in some order."""

    milestones: list[Planned]


class Registered(BaseModel):
    """The plan at the integration office."""

    plan_id: str


class Milestone(BaseModel):
    """One milestone, as its own promise."""

    deal: str
    name: str
    owner: str
    due: datetime


class Evidence(BaseModel):
    """What the owner hands in: what was claimed, and where it can be seen."""

    claimed: str
    sources: Annotated[list[str], Field(min_length=1, max_length=50)]


class Verdict(BaseModel):
    """What was found when the evidence was looked at; too little of it is a contradiction."""

    status: Literal["verified", "partially_verified", "unverified", "contradicted"]
    actual: str


class Reached(BaseModel):
    """A milestone that is reached; `slips` counts the weeks that it was late."""

    name: str
    actual: str
    slips: int


class Shift(BaseModel):
    """Everybody agreed that it takes so many days longer."""

    days: int


class Progress(BaseModel):
    """What became of the milestones, by name."""

    reached: list[str]
    failed: list[str]
    skipped: list[str]


class Office(Protocol):
    """The integration office. `key` is the idempotency key of the effect."""

    def check(self, plan: Plan) -> Checked:
        """The plan if it can be followed. Raises Refused("circular") or ("unknown-milestone")."""
        ...

    def verify(self, milestone: Milestone, evidence: Evidence) -> Verdict: ...
    async def register(self, key: str, plan: Plan) -> Registered: ...
    async def withdraw(self, key: str, registered: Registered) -> None: ...
    async def escalate(self, key: str, milestone: Milestone, weeks_late: int) -> None: ...


_systems: dict[str, Callable[[], AbstractAsyncContextManager[object]]] = {}


def connect(office: Callable[[], AbstractAsyncContextManager[Office]]) -> None:
    """Say which system stands behind the participant, before a worker starts."""
    _systems.update(office=office)


def _office() -> AbstractAsyncContextManager[Office]:
    return _systems["office"]()  # pyright: ignore[reportReturnType]  # put there by connect


office = Participant("office", deps=_office)


@office.step("check-plan", refuses=["circular", "unknown-milestone"])
def check_plan(fx: Effect[Office], plan: Plan) -> Checked:
    return fx.deps.check(plan)


@office.effect("register-plan", A0, R1, S2, review="integration-office")
async def register_plan(fx: Effect[Office], plan: Plan) -> Registered:
    return await fx.deps.register(fx.key, plan)


@register_plan.undo
async def withdraw_plan(fx: Effect[Office], registered: Registered) -> None:
    await fx.deps.withdraw(fx.key, registered)


@office.step("verify")
def verify(fx: Effect[Office], milestone: Milestone, evidence: Evidence) -> Verdict:
    return fx.deps.verify(milestone, evidence)


@office.effect("escalate", A0, R0, S1, irreversible=Accepted("what people were told they know"))
async def escalate(fx: Effect[Office], milestone: Milestone, weeks_late: int) -> None:
    await fx.deps.escalate(fx.key, milestone, weeks_late)


@saga(
    "pmi-milestone",
    version=1,
    starts_on=Milestone,
    key=lambda milestone: milestone.deal + "/" + milestone.name,
    deadline=MILESTONE_WITHIN,
    attributes={"deal": "deal", "owner": "owner"},
)
def milestone(plan: Milestone) -> Reached:
    """Traced once into `pmi_milestone.v1.json`; never run by the engine."""
    verdict = var("verdict", Verdict, Verdict(status="unverified", actual=""))
    shifted = var("shifted", int, 0)
    slips = var("slips", int, 0)
    with parallel("work", join="any"):
        with (
            branch("reach"),
            repeat("reports", max=REPORTS_MAX, until=verdict.status == "verified"),
        ):
            report = task("report", Evidence, roles=["milestone-owner"], subject=plan, within=None)
            found = verify(plan, report.payload)
            set_(verdict=found)
        with branch("watch"):
            with repeat("weeks", max=SLIPS_MAX, on_max="continue"):
                with scope("in_time"):
                    sleep("patience", until=cel(LATE_AT, datetime))
                    with update(
                        "shift", Shift,
                        refuse=[
                            Rule(lambda shift: shift.days < 1, "days", "at least a day"),
                            Rule(lambda shift: shift.days > SHIFT_DAYS_MAX, "days", "too many"),
                        ],
                        set=lambda shift: {"shifted": shifted + shift.days},
                        move=lambda _: {"patience": cel(SHIFTED, datetime)},
                        answer=lambda _: deadline("patience"),
                    ):  # fmt: skip
                        pass
                set_(slips=slips + 1)
                escalate(plan, slips)
            fail("slipped")
    return new(Reached, name=plan.name, actual=verdict.actual, slips=slips)


@saga("pmi", version=1, starts_on=Plan, deadline=PLAN_WITHIN, attributes={"deal": "deal"})
def pmi(plan: Plan) -> Progress:
    """Traced once into `pmi.v1.json`; never run by the engine."""
    checked = check_plan(plan)
    register_plan(plan)
    milestones = each(
        "milestones", checked.milestones, key=lambda planned: planned.name,
        after=lambda planned: planned.after, at_most=MILESTONES_MAX, on_item="collect",
    )  # fmt: skip
    for planned in milestones:
        promised = new(
            Milestone, deal=plan.deal, name=planned.name, owner=planned.owner, due=planned.due
        )
        reached = child(milestone, promised, on_undo="none")
        out(reached)
    return new(
        Progress, reached=milestones.done, failed=milestones.failed, skipped=milestones.skipped
    )


app = App(sagas=[milestone, pmi], participants=[office])
"""Milestones first: a saga is registered when those that it starts are."""
