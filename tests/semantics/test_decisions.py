"""Decisions: seats, reject, edit, what a decision allows, asking anew (section 6)."""

from domain import messages as msg
from tests.semantics.language import (
    Json,
    approve,
    given,
    on_failure,
    put,
    repeat,
    saga,
    scope,
    step,
    wait,
)

N = {"n": {"schema": {"type": "integer"}, "initial": 1}}


def gated(name: str = "pay", **members: Json) -> Json:
    members.setdefault("unknown", "ask")
    return step(name, risk="R2", irreversible="accepted", **members)


def test_a_gated_step_runs_only_with_its_decision() -> None:
    (
        given(saga(approve("ok", gated())))
        .then(waits=["approval"], offered=[])
        .decides("ok", "mia", "manager")
        .then(offered=["ok/pay"], decisions={"ok": "approve"})
        .done("pay")
        .then(status="fulfilled")
    )


def test_a_leaf_approve_covers_the_steps_it_names() -> None:
    document = saga(approve("ok", covers=["pay"]), step("a"), gated())
    given(document).decides("ok", "mia", "manager").done("a").then(offered=["pay"])


def test_a2_wants_a_function_head_and_legal_or_finance() -> None:
    (
        given(saga(approve("ok", gated(), level="A2")))
        .decides("ok", "hal", "function_head")
        .then(answer="seat_taken", offered=[])
        .decides("ok", "flo", "finance")
        .then(answer="granted", offered=["ok/pay"])
    )


def test_needs_are_seats_beyond_the_level() -> None:
    document = saga(approve("ok", gated(), needs=[{"role": "auditor", "count": 2}]))
    (
        given(document)
        .decides("ok", "mia", "manager")
        .decides("ok", "a1", "auditor")
        .then(offered=[])
        .decides("ok", "a2", "auditor")
        .then(offered=["ok/pay"])
    )


def test_a_need_without_a_count_is_one_seat() -> None:
    document = saga(approve("ok", gated(), needs=[{"role": "auditor"}]))
    (given(document).decides("ok", "mia", "manager").then(offered=[])
        .decides("ok", "a1", "auditor").then(offered=["ok/pay"]))  # fmt: skip


def test_who_may_not_decide() -> None:
    story = given(saga(approve("ok", gated(), level="A2")))
    story.decides("ok", "eve", "guest").then(answer="decision.seat")
    story.decides("ok", "bot", "legal", actor="recommender_agent").then(answer="decision.actor")
    story.decides("ok", "hal", "function_head", "legal")
    story.decides("ok", "hal", "legal").then(answer="decision.twice")
    story.decides("ok", "leo", "legal", answer="reject", reason=" ").then(answer="decision.reason")
    story.then(waits=["approval"])


def test_not_by_bars_who_decided_before() -> None:
    document = saga(approve("first"), approve("second", gated(), not_by=["first"]))
    (
        given(document)
        .decides("first", "mia", "manager")
        .decides("second", "mia", "manager")
        .then(answer="decision.not_by")
        .decides("second", "max", "manager")
        .then(offered=["second/pay"])
    )


def test_one_reject_with_a_reason_rejects() -> None:
    (
        given(saga(step("a", undo=True), approve("ok", gated(), level="A2")))
        .done("a")
        .decides("ok", "hal", "function_head")
        .decides("ok", "leo", "legal", answer="reject", reason="too early")
        .then(offered=["undo a"])
        .undone("a")
        .then(status="compensated", error="rejected:ok")
    )


def test_a_reject_may_go_on() -> None:
    document = saga(approve("ok", gated(), on_reject="continue"), step("z"))
    (
        given(document)
        .decides("ok", "mia", "manager", answer="reject")
        .then(offered=["z"], decisions={"ok": "reject"})
    )


def test_a_late_decision_is_refused_and_audited() -> None:
    story = given(saga(approve("ok", gated())))
    asked = story._question("ok")
    story.decides("ok", "mia", "manager").then()
    from domain.messages import Decide

    story.w.send(Decide(asked.approval, "approve", asked.digest, "max", "human", ("manager",)))
    story.then(answer="decision.closed", events=["commitment.refused decision.closed"])


def test_an_edit_changes_the_action_and_frees_the_seats() -> None:
    document = saga(
        approve(
            "ok",
            gated(
                args={"sum": "decisions.ok.payload == null ? input.sum : decisions.ok.payload.sum"}
            ),
            level="A2",
            edit={"type": "object", "required": ["sum"]},
        )
    )
    story = given(document, {"id": "acme", "sum": 100}).sees("ok")
    story.decides("ok", "hal", "function_head").sees("ok")
    story.decides("ok", "leo", "legal", answer="edit", payload={}).then(answer="decision.payload")
    story.decides("ok", "leo", "legal", answer="edit", payload={"sum": 50}).then(
        answer="seat_taken"
    )
    story.sees("ok").decides("ok", "hal", "function_head")
    story.then(answer="granted", args=[{"sum": 50}], decisions={"ok": "edit"})


def test_who_decides_on_what_has_changed_is_refused() -> None:
    document = saga(approve("ok", gated(), level="A2", edit={"type": "object"}, subject="input.id"))
    (given(document).sees("ok").decides("ok", "leo", "legal", answer="edit", payload={"x": 1}))
    story = given(document)
    story.sees("ok")
    old = story._asked["ok"]
    story.decides("ok", "leo", "legal", answer="edit", payload={"x": 1})
    story._asked["ok"] = old
    story.decides("ok", "hal", "function_head").then(answer="decision.changed")


def test_a_question_expires() -> None:
    given(saga(approve("ok", gated(), within="3d"))).after("3d").then(
        status="failed", error="timeout:ok"
    )
    document = saga(approve("ok", gated(), within="3d", on_expiry="continue"), step("z"))
    given(document).after("3d").then(offered=["z"])


def test_a_decision_on_another_action_is_stale_and_asked_anew_three_times() -> None:
    document = saga(
        approve("ok", covers=["pay"]),
        put("more", n="vars.n + 1"),
        gated(args={"n": "vars.n"}),
        vars=N,
    )
    story = given(document).decides("ok", "mia", "manager")
    story.then(offered=[], waits=["approval"], at=["pay"])
    story.decides("pay", "mia", "manager").then(offered=["pay"], args=[{"n": 2}])


def test_a_decision_runs_out_and_is_asked_anew_in_the_end_it_is_rejected() -> None:
    story = given(saga(approve("ok", gated(), valid="1d")))
    story.decides("ok", "mia", "manager").then(offered=["ok/pay"])
    for _ in range(2):
        story.after("2d").nobody_starts("pay", "not_after").then(waits=["approval"], offered=[])
        story.decides("pay", "mia", "manager").then(offered=["ok/pay"])
    story.after("2d").nobody_starts("pay", "not_after").then(status="failed", error="rejected:ok")


def test_a_reject_of_what_is_asked_anew_is_that_of_its_approve() -> None:
    (
        given(saga(approve("ok", gated(), valid="1d")))
        .decides("ok", "mia", "manager")
        .after("2d")
        .nobody_starts("pay", "not_after")
        .decides("pay", "mia", "manager", answer="reject")
        .then(status="failed", error="rejected:ok")
    )


def test_a_decision_is_used_once_so_a_second_round_asks_for_itself() -> None:
    document = saga(approve("ok", repeat("r", gated(), max=2)))
    (
        given(document)
        .decides("ok", "mia", "manager")
        .then(offered=["ok/r#1/pay"])
        .done("pay")
        .then(offered=[], waits=["approval"], at=["ok/r#2/pay"])
        .decides("pay", "mia", "manager")
        .then(offered=["ok/r#2/pay"])
    )


def test_a_decision_may_have_more_uses() -> None:
    document = saga(approve("ok", repeat("r", gated(), max=2), uses=2))
    (given(document).decides("ok", "mia", "manager").done("pay").then(offered=["ok/r#2/pay"]))


def test_an_undo_is_allowed_by_the_decision_on_its_do() -> None:
    document = saga(approve("ok", step("pay", risk="R2", undo=True, unknown="ask")), wait("w"))
    (
        given(document)
        .decides("ok", "mia", "manager")
        .done("pay")
        .cancelled()
        .then(offered=["undo ok/pay"])
    )


def test_a_retry_needs_no_second_decision_while_the_first_is_valid() -> None:
    document = saga(approve("ok", gated(retry={"attempts": 3, "first": "1m", "jitter": 0})))
    (
        given(document)
        .decides("ok", "mia", "manager")
        .answers("pay", "transient")
        .after("1m")
        .then(offered=["ok/pay"], attempts=[2])
    )


def test_stop_voids_a_decision() -> None:
    inner = scope(
        "s",
        approve("ok", covers=["pay"]),
        step("a"),
        gated(),
        on_failure=[on_failure("business", step("c"))],
    )
    story = given(saga(inner)).decides("ok", "mia", "manager").failed("a").then(offered=["s/c"])
    assert story.w.now.bindings == {}


def test_a_question_that_is_asked_again_after_a_no_is_another_question() -> None:
    """Past a pivot the failed approve is retried; what was said to the first one is not for it."""
    flow = step("sign", irreversible="pivot"), approve("ok", gated()), step("z")
    story = given(saga(*flow)).done("sign")
    old = story.w.now.nodes["ok"].asked
    assert old is not None
    story.decides("ok", "mia", "manager", answer="reject").then(debts=["forward ok"])
    story.control("retry", node="ok").then(debts=[])
    again = msg.Decide(old.approval, "approve", old.digest, "mia", "human", ("manager",), "because")
    story.w.send(again)
    story.then(answer="decision.closed", offered=[])
    story.decides("ok", "mia", "manager").then(offered=["ok/pay"])
