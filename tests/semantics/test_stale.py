"""What is said when nobody waits for it any more changes nothing, and loses nothing (section 6)."""

from __future__ import annotations

from typing import Any

import pytest

from domain import messages as msg
from domain import turn_messages as turn
from domain.child_messages import ChildOver, ChildRevoked, ChildStarted
from domain.messages import Message
from tests.semantics.language import (
    Story,
    approve,
    branch,
    child,
    given,
    lock,
    on_failure,
    parallel,
    saga,
    scope,
    step,
    task,
    wait,
)

Json = Any
SHOWN = {"evidence": "a letter"}
PROBED = step("a", risk="R1", unknown="probe", probe=True, irreversible="accepted")


def says(story: Story, message: Message) -> Story:
    story.w.send(message)
    return story


def nobody(effect: str = "nobody") -> list[Message]:
    """Whatever can be said of an effect, a lock, a turn or a child."""
    return [
        msg.Lost(effect, 1, "do", "lease"),
        msg.NotStarted(effect, 1, "do", "within"),
        msg.Withdrawn(effect),
        msg.Started(effect, 1, "1.1.1", "w1"),
        msg.Granted("other", 1, 7),
        msg.NotGranted("other", 1),
        turn.YourTurn("other", 1),
        turn.NoTurn("other", 1),
        ChildStarted("other", 1, "id", 1, 1),
        ChildOver("other", 1, "fulfilled", "id", 7),
        ChildRevoked("other", "id", "revoked"),
        msg.Wake(1),
    ]


@pytest.mark.parametrize("message", nobody(), ids=lambda m: m.KIND)
def test_of_what_nobody_knows_nothing_is_recorded(message: Message) -> None:
    says(given(saga(step("a"))).then(), message).then(events=[], offered=["a"])


@pytest.mark.parametrize("message", nobody(), ids=lambda m: m.KIND)
def test_nor_after_the_end(message: Message) -> None:
    says(given(saga(step("a"))).done("a").then(status="fulfilled"), message).then(events=[])


def test_a_reply_of_an_effect_that_nobody_knows_is_recorded_as_late() -> None:
    late = msg.Answered("nobody", 1, "1.1.1", "do", "failed", "w1", code="no")
    says(given(saga(step("a"))).then(), late).then(answer="reply.late", offered=["a"])


@pytest.mark.parametrize("attempt", [0, 2])
def test_what_is_said_of_another_attempt_is_not_of_this_one(attempt: int) -> None:
    story = given(saga(step("a"))).then()
    d = story.w.dispatch("a")
    for message in (
        msg.Lost(d.effect, attempt, "do", "lease"),
        msg.NotStarted(d.effect, attempt, "do", "within"),
        msg.Started(d.effect, attempt, "1.1.1", "w1"),
    ):
        says(story, message).then(events=[], offered=["a"])


def test_what_has_started_cannot_be_taken_back_nor_not_have_started() -> None:
    story = given(saga(step("a"))).started("a").then()
    d = story.w.dispatch("a")
    for message in (
        msg.Withdrawn(d.effect),
        msg.NotStarted(d.effect, 1, "do", "within"),
        msg.Started(d.effect, 1, "1.1.1", "w2"),
    ):
        says(story, message).then(events=[], offered=["a"])


def test_a_probe_that_nobody_began_leaves_it_to_a_person() -> None:
    story = given(saga(PROBED)).started("a").lost("a").then(offered=["probe a"])
    d = story.w.dispatch("a", "probe")
    story.w.dispatches.pop(d.effect)
    says(story, msg.NotStarted(d.effect, d.attempt, "probe", "within"))
    story.then(events=["effect.unknown a ask"], status="waiting")
    story.control("settle", node="a", outcome="done", **SHOWN).then(status="fulfilled")


def test_a_second_done_of_an_undo_is_a_repetition() -> None:
    both = parallel("p", branch("x", step("a", undo=True)), branch("y", step("b", undo=True)))
    story = given(saga(both, step("z"))).done("a").done("b").failed("z")
    d = story.w.dispatch("a", "undo")
    story.undone("a").then()
    again = msg.Answered(d.effect, 1, "1.1.1", "undo", "done", "w1", current=False)
    says(story, again).then(answer="repeated", events=[], offered=["undo p/y/b"])


def test_a_late_result_that_does_not_fit_is_fenced_and_recorded() -> None:
    once = step("a", result={"type": "integer"}, retry={"attempts": 3, "jitter": 0})
    story = given(saga(once)).started("a").lost("a").after("2s").then(attempts=[2])
    story.late("a", attempt=1, result="seven")
    story.then(answer="reply.schema", events=["effect.late a done"], attempts=[2])


def test_a_late_no_of_what_has_failed_with_it_is_a_repetition() -> None:
    story = given(saga(scope("s", step("a"), on_failure=[on_failure("*", wait("w"))])))
    story.failed("a").then(at=["s/w"])
    story.late("a", "failed", code="no").then(answer="repeated", events=[])


def test_a_done_after_the_end_of_what_has_been_done_otherwise_is_a_debt() -> None:
    story = given(saga(step("a"))).done("a", {"n": 1}).then(status="fulfilled")
    story.late("a", result={"n": 2}).then(debts=["contradicted a"])
    story.control("settle", **SHOWN).then(status="fulfilled", debts=[])


def test_a_lock_granted_to_who_waits_no_longer_is_not_held() -> None:
    story = given(saga(lock("held", step("a")), step("b"))).then(offered=["held/a"])
    for message in (msg.Granted("held", 1, 9), msg.NotGranted("held", 1)):
        says(story, message).then(events=[])
    says(story.done("a").then(offered=["b"]), msg.Granted("held", 1, 9)).then(events=[])


def test_a_child_that_begins_once_more_is_none_of_it() -> None:
    story = given(saga(child("kid"), step("b"))).kid("kid", "begun").kid("kid", "fulfilled")
    story.then(offered=["b"])
    for message in (ChildStarted("kid", 1, "id", 1, 1), ChildOver("kid", 1, "failed", "id")):
        says(story, message).then(events=[], offered=["b"])


def test_a_decision_that_ran_out_before_anybody_began_is_not_asked_anew_while_all_stops() -> None:
    pay = step("pay", risk="R1", level="A2", irreversible="accepted")
    story = given(saga(step("a", undo=True), approve("ok", pay, level="A2", valid="1d"))).done("a")
    story.decides("ok", "hal", "function_head").decides("ok", "leo", "legal")
    d = story.w.dispatch("pay")
    story.w.started.add(d.effect)  # the desk says so before it hears of the cancel
    story.cancelled().then(offered=["ok/pay"])
    says(story, msg.NotStarted(d.effect, 1, "do", "not_after")).then(questions=["granted"])
    story.undone("a").then(status="cancelled")


def test_what_is_for_other_streams_is_refused_as_a_fault_of_the_engine() -> None:
    story = given(saga(step("a")))
    for message in (msg.Acquire("north", "a", "id", "n", 1), msg.RunOver(1, "fulfilled")):
        with pytest.raises(TypeError, match="is not for a commitment"):
            says(story, message)


# --- what is read where it is said ----------------------------------------------------------------


def test_what_is_undone_as_attempted_has_the_arguments_of_when_it_was_sent() -> None:
    own = {"when": "attempted", "args": {"x": "results.a.n"}}
    story = given(saga(step("a"), step("b", undo=own))).done("a", {"n": 1}).started("b")
    story.cancelled().failed("b").then(offered=["undo b"], args=[{"x": 1}])


def test_what_was_given_up_unanswered_has_the_arguments_of_then() -> None:
    once = step("b", undo={"args": {"x": "results.a.n"}}, retry={"attempts": 1})
    story = given(saga(step("a"), once)).done("a", {"n": 1}).started("b").lost("b")
    story.then(offered=["undo b"], args=[{"x": 1}])


def test_a_task_shows_its_subject() -> None:
    story = given(saga(step("a"), task("look", subject="results.a.n"))).done("a", {"n": 7})
    assert [shown["subject"] for shown in story.w.tasks.values()] == [7]


def test_a_settled_debt_of_a_part_lets_the_undoing_of_that_part_go_on() -> None:
    part = scope("s", step("a", undo=True), step("b", undo=True), step("c"),
                 on_failure=[on_failure("*", wait("w"))])  # fmt: skip
    story = given(saga(part)).done("a").done("b").failed("c").failed("b", "gone")
    story.then(debts=["undo s/b"], offered=[])
    story.control("settle", **SHOWN).then(offered=["undo s/a"]).undone("a").then(at=["s/w"])


def test_a_settled_result_that_does_not_fit_is_refused_with_all_that_is_wrong() -> None:
    two = {"type": "object", "required": ["x", "y"]}
    story = given(saga(step("pay", irreversible="pivot"), step("b", result=two)))
    story.done("pay").failed("b").control("settle", **SHOWN, result={}).then(answer="reply.schema")
    story.control("settle", **SHOWN, result={"x": 1, "y": 2}).then(status="fulfilled")
