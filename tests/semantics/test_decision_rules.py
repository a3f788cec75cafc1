"""Decisions, sentence by sentence: who may take which seat, what binds, what is audited (6)."""

from typing import Any

import pytest

from domain.messages import Decide
from tests.semantics.language import (
    Json,
    Story,
    approve,
    branch,
    each,
    given,
    parallel,
    put,
    saga,
    scope,
    step,
    wait,
)

VARS: Any = {"n": {"schema": {"type": "integer"}, "initial": 1}}
SUM: Any = {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]}
PAYS = "has(decisions.ok.payload.sum) ? decisions.ok.payload.sum : input.sum"


def gated(name: str = "pay", **members: Json) -> Json:
    members.setdefault("unknown", "ask")
    members.setdefault("irreversible", "accepted")
    return step(name, risk="R2", **members)


def asked(level: str = "A1", **members: Json) -> Story:
    return given(saga(approve("ok", gated(), level=level, **members)))


# --- only humans with a seat -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "seats", "status"),
    [
        ("A1", ["manager"], "granted"),
        ("A1", ["function_head"], "decision.seat"),
        ("A1", ["executive"], "decision.seat"),
        ("A2", ["function_head"], "seat_taken"),
        ("A2", ["legal"], "seat_taken"),
        ("A2", ["finance"], "seat_taken"),
        ("A2", ["manager"], "decision.seat"),
        ("A2", ["function_head", "legal"], "granted"),
        ("A2", ["finance", "function_head"], "granted"),
        ("A2", ["legal", "finance"], "decision.seat"),
        ("A2", ["function_head", "function_head"], "decision.seat"),
        ("A3", ["executive"], "granted"),
        ("A3", ["board"], "granted"),
        ("A3", ["function_head"], "decision.seat"),
    ],
)
def test_each_level_has_its_seats(level: str, seats: list[str], status: str) -> None:
    """A1 a manager; A2 a function head and legal or finance; A3 an executive or the board."""
    story = asked(level)
    for number, seat in enumerate(seats):
        story.decides("ok", f"person {number}", seat)
    story.then(answer=status, offered=["ok/pay"] if status == "granted" else [])


def test_only_a_human_decides_whatever_seats_the_key_has() -> None:
    for actor in ("observer_agent", "recommender_agent", "executor_system", "automated_workflow"):
        asked().decides("ok", "bot", "manager", actor=actor).then(
            answer="decision.actor", offered=[], waits=["approval"]
        )


def test_needs_without_a_level_are_the_seats() -> None:
    needs = [{"role": "auditor", "count": 2}]
    (
        given(saga(approve("ok", level="A0", covers=[], needs=needs), step("z")))
        .decides("ok", "a1", "auditor")
        .then(answer="seat_taken", offered=[])
        .decides("ok", "a2", "auditor")
        .then(answer="granted", offered=["z"])
    )


def test_one_person_with_two_seats_takes_one_of_them() -> None:
    (
        asked("A2")
        .decides("ok", "hal", "function_head", "legal")
        .then(answer="seat_taken", offered=[])
        .decides("ok", "hal", "function_head", "legal")
        .then(answer="decision.twice", offered=[])
    )


def test_who_rejected_before_may_not_decide_either() -> None:
    first = approve("first", level="A1", covers=[], on_reject="continue")
    (
        given(saga(first, approve("second", gated(), not_by=["first"])))
        .decides("first", "mia", "manager", answer="reject")
        .decides("second", "mia", "manager")
        .then(answer="decision.not_by")
        .decides("second", "max", "manager")
        .then(answer="granted")
    )


def test_who_approved_before_another_rejected_decided_as_well() -> None:
    first = approve("first", level="A2", covers=[], on_reject="continue")
    (
        given(saga(first, approve("second", gated(), level="A2", not_by=["first"])))
        .decides("first", "hal", "function_head")
        .decides("first", "leo", "legal", answer="reject")
        .decides("second", "hal", "function_head")
        .then(answer="decision.not_by")
        .decides("second", "leo", "legal")
        .then(answer="decision.not_by")
    )


# --- approved, rejected, edited --------------------------------------------------------------


def test_one_reject_rejects_though_others_approved() -> None:
    (
        asked("A2")
        .decides("ok", "hal", "function_head")
        .then()
        .decides("ok", "leo", "legal", answer="reject", reason="too early")
        .then(
            events=["approval.rejected ok", "node.failed ok rejected:ok",
                    "part.stopping root failure", "part.stopped root",
                    "commitment.ended failed rejected:ok"],
            commands=[],
        )
    )  # fmt: skip


def test_a_reject_needs_a_seat_as_well() -> None:
    asked().decides("ok", "eve", "guest", answer="reject").then(
        answer="decision.seat", status="waiting"
    )


def edited() -> Story:
    gate = approve("ok", gated(args={"sum": PAYS}), level="A2", edit=SUM, subject="input")
    return given(saga(gate), {"id": "acme", "sum": 100})


def test_an_edit_is_the_payload_of_the_decision_and_of_the_action() -> None:
    story = edited().decides("ok", "leo", "legal", answer="edit", payload={"sum": 50})
    story.decides("ok", "hal", "function_head").then(args=[{"sum": 50}])
    decision = story.w.now.frames[""]["decisions"]["ok"]
    assert (decision["decision"], decision["payload"]) == ("edit", {"sum": 50})


def test_an_edit_that_does_not_fit_its_schema_is_refused() -> None:
    edited().decides("ok", "leo", "legal", answer="edit", payload={"sum": "much"}).then(
        answer="decision.payload", status="waiting"
    )


def test_an_edit_voids_earlier_seats_and_who_had_one_may_take_it_again() -> None:
    (
        edited()
        .decides("ok", "hal", "function_head")
        .then()
        .decides("ok", "leo", "legal", answer="edit", payload={"sum": 50})
        .then(
            events=["approval.amended ok", "approval.seat_taken ok 2:legal|finance leo"],
            answer="seat_taken",
            offered=[],
        )
        .decides("ok", "hal", "function_head")
        .then(answer="granted")
    )


def test_without_an_edit_schema_nothing_can_be_edited() -> None:
    asked().decides("ok", "mia", "manager", answer="edit", payload={}).then(
        answer="decision.not_editable"
    )


# --- what a decision binds -------------------------------------------------------------------


def test_what_people_see_are_the_arguments_with_the_decision_put_in() -> None:
    story = given(saga(approve("ok", gated(args={"how": "decisions.ok.decision"}))))
    (question,) = [i.asked for i in story.w.now.nodes.values() if i.asked]
    assert question.args == {"ok/pay": {"how": "approve"}}
    story.decides("ok", "mia", "manager").then(args=[{"how": "approve"}])


def test_the_undo_is_bound_with_its_step() -> None:
    """Of two steps that differ in their undo alone the digests differ."""
    story = given(saga(approve("ok", gated("a"), step("b", risk="R2", unknown="ask", undo=True))))
    (question,) = [i.asked for i in story.w.now.nodes.values() if i.asked]
    assert question.digests["ok/a"] != question.digests["ok/b"]


def test_of_a_list_each_item_has_its_own_digest_by_its_key() -> None:
    grant = gated("grant", args={"to": "each.p.item"})
    story = given(
        saga(approve("ok", covers=["grant"]), each("p", grant)), {"id": "a", "xs": ["x", "y"]}
    )
    (question,) = [i.asked for i in story.w.now.nodes.values() if i.asked]
    assert sorted(question.digests) == ["p[x]/grant", "p[y]/grant"]
    story.decides("ok", "mia", "manager").then(offered=["p[x]/grant", "p[y]/grant"])


def test_a_decision_of_one_item_does_not_allow_another() -> None:
    grant = gated("grant", args={"to": "each.p.item"})
    document = saga(each("p", approve("ok", grant)))
    (
        given(document, {"id": "a", "xs": ["x", "y"]})
        .decides("p[x]/ok", "mia", "manager")
        .then(offered=["p[x]/ok/grant"], waits=["approval", "participant"])
    )


def test_asked_three_times_in_all_a_changed_action_is_rejected() -> None:
    """Each time the action has changed again before it is dispatched: never without a decision."""
    left = branch("left", wait("go", within="9d"), gated(args={"n": "vars.n"}))
    more = branch("more", *[
        put(f"more_{i}", n="vars.n + 1") if i % 2 else wait(f"w{i}", "tick", within="9d")
        for i in range(8)
    ])  # fmt: skip
    document = saga(approve("ok", covers=["pay"]), parallel("both", left, more), vars=VARS)
    story = given(document).decides("ok", "mia", "manager").happens("tick").happens("go")
    for asked_for in (2, 3):
        question = story._question("pay")
        assert (question.asked, question.args["both/left/pay"]) == (asked_for, story.w.now.vars)
        story.happens("tick").decides("pay", "mia", "manager")
    story.then(status="failed", error="rejected:ok", commands=[])


def test_a_decision_that_ran_out_while_a_retry_waited_is_asked_anew() -> None:
    again = gated(retry={"attempts": 3, "first": "2h", "cap": "2h", "jitter": 0})
    (
        given(saga(approve("ok", again, valid="1h")))
        .decides("ok", "mia", "manager")
        .answers("pay", "transient")
        .after("2h")
        .then(offered=[], waits=["approval"], at=["ok/pay"])
        .decides("pay", "mia", "manager")
        .then(offered=["ok/pay"])
    )


def test_a_decision_is_valid_for_seven_days_unless_it_says_otherwise() -> None:
    held = given(saga(approve("ok", wait("go", within="30d"), gated())))
    held.decides("ok", "mia", "manager").after("6d").happens("go").then(offered=["ok/pay"])
    late = given(saga(approve("ok", wait("go", within="30d"), gated())))
    late.decides("ok", "mia", "manager").after("8d").happens("go")
    late.then(offered=[], waits=["approval"], at=["ok/pay"])


def test_a_stop_withdraws_an_open_question() -> None:
    part = scope("part", approve("ok", gated()), deadline={"after": "1d"})
    story = given(saga(part)).then(questions=["open"])
    number = story._question("ok").approval
    story.after("1d").then(questions=["withdrawn"], error="deadline:part")
    story.w.send(Decide(number, "approve", "0" * 64, "mia", "human", ("manager",)))
    story.then(answer="decision.closed")


# --- late, second, unseated: audited ---------------------------------------------------------


def test_every_refused_decision_is_audited_with_its_code() -> None:
    def refused(code: str, **how: Any) -> None:
        story = asked("A2", not_by=[]).then()
        seats = how.pop("seats", ("legal",))
        story.decides("ok", "leo", *seats, **how)
        story.then(events=[f"commitment.refused {code}"], answer=code, status="waiting")

    refused("decision.seat", seats=("guest",))
    refused("decision.actor", actor="recommender_agent")
    refused("decision.reason", answer="reject", reason="")
    refused("decision.not_editable", answer="edit", payload={})


def test_a_second_decision_of_one_person_is_audited() -> None:
    (
        asked("A2")
        .decides("ok", "hal", "function_head")
        .then()
        .decides("ok", "hal", "legal")
        .then(events=["commitment.refused decision.twice"])
    )


@pytest.mark.parametrize("ending", ["cancelled", "fulfilled"])
def test_a_decision_after_the_end_is_closed_and_audited(ending: str) -> None:
    story = asked()
    question = story._question("ok")
    if ending == "cancelled":
        story.cancelled()
    else:
        story.decides("ok", "mia", "manager").done("pay")
    story.then(status=ending)
    decision = Decide(question.approval, "approve", question.digest, "max", "human", ("manager",))
    story.w.send(decision)
    story.then(
        events=["commitment.refused decision.closed"], answer="decision.closed", status=ending
    )
