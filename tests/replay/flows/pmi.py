"""Integration milestones: the plan with its children, and a milestone of its own."""

from __future__ import annotations

from typing import Any

from tests.replay.flows import Stories, opened
from tests.semantics.language import Story

__all__ = ["STORIES"]

Json = Any
DUE = "2023-12-14T22:13:20Z"
"""Thirty days after a story begins."""
REPORT = {"claimed": "one ledger", "sources": ["ledger/2023-12"]}
VERIFIED = {"status": "verified", "actual": "one ledger since 1 Dec"}


# --- the plan ------------------------------------------------------------------------------------


def _planned(name: str, *after: str) -> Json:
    return {"name": name, "owner": f"{name}-lead", "due": DUE, "after": list(after)}


MILESTONES = [_planned("ledger"), _planned("payroll"), _planned("close", "ledger", "payroll")]


def _plan(*milestones: Json) -> Story:
    return opened("pmi", {"deal": "d-1", "milestones": list(milestones or MILESTONES)}, "d-1")


def _reached(story: Story, name: str) -> Story:
    reached = {"name": name, "actual": "seen", "slips": 0}
    return story.kid(f"milestones[{name}]/pmi_milestone", "fulfilled", reached)


def _lost(story: Story, name: str) -> Story:
    return story.kid(f"milestones[{name}]/pmi_milestone", "failed")


def _begun() -> Story:
    story = _plan().done("check_plan", {"milestones": MILESTONES})
    return story.done("register_plan", {"plan_id": "p-1"})


def under_way() -> Story:
    return _begun().kid("milestones[ledger]/pmi_milestone", "begun")


def all_reached() -> Story:
    return _reached(_reached(_reached(_begun(), "payroll"), "ledger"), "close")


def one_is_lost() -> Story:
    """What is reached stays reached; what comes after the lost one is skipped."""
    return _lost(_reached(_begun(), "ledger"), "payroll")


def circular() -> Story:
    return _plan(_planned("a", "b"), _planned("b", "a")).failed("check_plan", "circular")


def not_registered() -> Story:
    story = _plan().done("check_plan", {"milestones": MILESTONES})
    return story.failed("register_plan", "closed")


def cancelled_under_way() -> Story:
    """Open milestones are cancelled, reached ones stay, the plan is withdrawn."""
    story = _reached(under_way(), "payroll").cancelled()
    return story.kid("milestones[ledger]/pmi_milestone", "cancelled")


def plan_expired() -> Story:
    story = _reached(_begun(), "payroll").after("1000d")
    return story.undone("register_plan")


# --- a milestone ---------------------------------------------------------------------------------


def _milestone() -> Story:
    promise = {"deal": "d-1", "name": "ledger", "owner": "ledger-lead", "due": DUE}
    return opened("pmi_milestone", promise, "d-1/ledger")


def _handed_in(story: Story) -> Story:
    story.works("report", "claim", "ann", "milestone-owner")
    return story.works("report", "complete", "ann", "milestone-owner", payload=REPORT)


def claimed() -> Story:
    return _milestone().works("report", "claim", "ann", "milestone-owner")


def looked_at() -> Story:
    return _handed_in(_milestone())


def reached() -> Story:
    return looked_at().done("verify", VERIFIED)


def contradicted_then_reached() -> Story:
    """Too little evidence: it is handed in again."""
    story = looked_at().done("verify", {"status": "contradicted", "actual": "two ledgers"})
    return _handed_in(story).done("verify", VERIFIED)


def a_week_late() -> Story:
    """The day it was due, and a week later, more people are told."""
    return _milestone().after("30d").done("escalate").after("7d").done("escalate")


def shifted() -> Story:
    """Everybody agreed on ten days more: nobody is told on the day that it was due."""
    return _milestone().after("29d").asks("shift", days=10).after("10d")


def reached_while_late() -> Story:
    """Somebody is being told when it is reached: that is awaited, and not told again."""
    story = _handed_in(_milestone().after("30d").started("escalate")).done("verify", VERIFIED)
    return story.done("escalate")


def slipped() -> Story:
    story = _milestone().after("30d")
    for _ in range(12):
        story.done("escalate").after("7d")
    return story


def milestone_cancelled() -> Story:
    return _milestone().after("30d").started("escalate").cancelled()


def plan_not_withdrawn() -> Story:
    return cancelled_under_way().failed("register_plan", "archived")


def cancelled_in_the_end() -> Story:
    return cancelled_under_way().undone("register_plan")


def not_verified() -> Story:
    """Nobody can look at it: the milestone fails, and the others are told by their plan."""
    return looked_at().failed("verify", "no-access")


def nobody_to_tell() -> Story:
    return _milestone().after("30d").failed("escalate", "no-sponsor")


def milestone_expired() -> Story:
    """A milestone that is moved and moved has an end too."""
    story = _milestone()
    for _ in range(10):
        story.after("20d").asks("shift", days=90)
    return story.after("700d")


def milestone_cancelled_in_the_end() -> Story:
    return milestone_cancelled().done("escalate")


STORIES: Stories = {
    "pmi_under_way": under_way,
    "pmi_all_reached": all_reached,
    "pmi_one_is_lost": one_is_lost,
    "pmi_circular": circular,
    "pmi_not_registered": not_registered,
    "pmi_cancelled": cancelled_under_way,
    "pmi_expired": plan_expired,
    "pmi_milestone_claimed": claimed,
    "pmi_milestone_looked_at": looked_at,
    "pmi_milestone_reached": reached,
    "pmi_milestone_contradicted_then_reached": contradicted_then_reached,
    "pmi_milestone_a_week_late": a_week_late,
    "pmi_milestone_shifted": shifted,
    "pmi_milestone_reached_while_late": reached_while_late,
    "pmi_milestone_slipped": slipped,
    "pmi_milestone_cancelled": milestone_cancelled,
    "pmi_plan_not_withdrawn": plan_not_withdrawn,
    "pmi_cancelled_in_the_end": cancelled_in_the_end,
    "pmi_milestone_not_verified": not_verified,
    "pmi_milestone_nobody_to_tell": nobody_to_tell,
    "pmi_milestone_expired": milestone_expired,
    "pmi_milestone_cancelled_in_the_end": milestone_cancelled_in_the_end,
}
