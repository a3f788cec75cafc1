"""What is said of an effect after it was given up, settled or asked about (section 3)."""

from __future__ import annotations

from typing import Any

import pytest

from domain import messages as msg
from tests.semantics.language import Story, given, on_failure, saga, scope, step, wait

Json = Any
PROBED = step("a", risk="R1", unknown="probe", probe=True, irreversible="accepted")
SHOWN = {"evidence": "a letter"}


def probe_says(story: Story, outcome: str) -> Story:
    """An answer to the probe that was commanded last, whoever still waits for it."""
    d = next(d for d in reversed(story.w.commands) if d.kind == "probe")
    story.w.send(msg.Answered(d.effect, d.attempt, "1.1.1", "probe", outcome, "w1"))
    return story


@pytest.mark.parametrize("outcome", ["present", "absent", "cannot_tell"])
def test_what_a_probe_says_after_a_person_has_settled_it_is_only_recorded(outcome: str) -> None:
    story = given(saga(PROBED, wait("w"))).started("a").lost("a")
    story.control("settle", node="a", outcome="done", **SHOWN).then(at=["w"])
    probe_says(story, outcome)
    story.then(events=[f"effect.late a {outcome}"], answer="reply.late", at=["w"])


def test_a_probe_that_fails_is_asked_again_after_a_pause() -> None:
    story = given(saga(PROBED)).started("a").lost("a").then()
    story.answers("a", "failed", "probe").then(events=["effect.unknown a probe"], offered=[])
    story.after("2s").then(offered=["probe a"])


def test_a_lost_probe_that_nobody_waits_for_changes_nothing() -> None:
    story = given(saga(PROBED, wait("w"))).started("a").lost("a")
    d = story.w.dispatch("a", "probe")
    story.control("settle", node="a", outcome="done", **SHOWN).then()
    story.w.send(msg.Lost(d.effect, d.attempt, "probe", "timeout"))
    story.then(events=[], at=["w"])


def test_what_is_undone_as_attempted_is_undone_though_nobody_knows_of_it() -> None:
    once = step("a", undo={"when": "attempted"}, retry={"attempts": 1})
    story = given(saga(once)).started("a").lost("a").then(offered=["undo a"])
    story.undone("a").then(status="compensated", error="timeout:no_reply")
    story.late("a").then(debts=[], status="compensated")


def test_it_is_undone_as_attempted_also_where_the_failure_is_caught() -> None:
    once = step("a", undo=True, retry={"attempts": 1})
    part = scope("s", once, on_failure=[on_failure("*", wait("w"))])
    story = given(saga(part)).started("a").lost("a").then(offered=["undo s/a"])
    story.undone("s/a").then(waits=["event"])
    story.late("a").then(debts=[], offered=[], waits=["event"])


@pytest.mark.parametrize("ends", [False, True], ids=["while it goes on", "after the end"])
def test_a_done_after_it_was_given_up_that_nothing_undoes_is_a_debt(ends: bool) -> None:
    once = step("a", risk="R1", retry={"attempts": 1})
    part = scope("s", once, on_failure=[on_failure("*", wait("w"))])
    story = given(saga(part)).started("a").lost("a").then(waits=["event"], debts=[])
    if ends:
        story.happens("w").then(status="fulfilled")
    story.late("a").then(debts=["late s/a"])


def test_a_done_after_it_was_given_up_is_let_be_where_the_step_said_that_it_has_no_undo() -> None:
    once = step("a", risk="R1", retry={"attempts": 1}, irreversible="accepted")
    part = scope("s", once, on_failure=[on_failure("*", wait("w"))])
    given(saga(part)).started("a").lost("a").late("a").then(debts=[], waits=["event"])


def test_a_pivot_that_fails_while_its_part_stops_lets_the_stop_go_on() -> None:
    story = given(saga(step("a", undo=True), step("pay", irreversible="pivot"))).done("a")
    story.started("pay").cancelled().then(offered=["pay"])
    story.failed("pay").then(offered=["undo a"])
    story.undone("a").then(status="cancelled")


def test_another_result_while_its_part_is_undone_is_a_debt_and_the_undoing_goes_on() -> None:
    story = given(saga(step("a", undo=True), step("b"))).done("a", {"n": 1}).failed("b")
    story.late("a", result={"n": 2}).then(debts=["contradicted a"], offered=["undo a"])
    story.late("a", result={"n": 3}).then(events=[], debts=["contradicted a"])
    story.undone("a").control("settle", **SHOWN).then(status="compensated")
