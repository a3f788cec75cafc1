"""Cancel at many points, pause and resume, holding, ends (sections 2, 4 and 5)."""

from tests.semantics.language import (
    announce,
    approve,
    fulfil,
    given,
    handler,
    on_failure,
    put,
    repeat,
    saga,
    scope,
    sleep,
    step,
    wait,
)


def test_cancel_before_anything_was_begun_leaves_no_command() -> None:
    (
        given(saga(step("a")))
        .cancelled()
        .then(status="cancelled", error="cancelled:cancelled", offered=[], undo_commands=[])
    )


def test_cancel_while_waiting_undoes_what_was_done() -> None:
    (
        given(saga(step("a", undo=True), wait("w")))
        .done("a")
        .cancelled()
        .then(offered=["undo a"], status="compensating")
        .undone("a")
        .then(status="cancelled")
    )


def test_cancel_while_a_step_runs_awaits_it() -> None:
    (
        given(saga(step("a", undo=True)))
        .started("a")
        .cancelled()
        .then(offered=["a"], status="compensating")
        .done("a")
        .then(offered=["undo a"])
        .undone("a")
        .then(status="cancelled")
    )


def test_cancel_while_a_step_waits_for_its_next_attempt_ends_it_as_its_failure() -> None:
    (
        given(saga(step("a")))
        .answers("a", "transient")
        .cancelled()
        .then(status="cancelled", also=["transient:transient"])
    )


def test_cancel_while_undoing_is_recorded_and_refused() -> None:
    (
        given(saga(step("a", undo=True), step("b")))
        .done("a")
        .failed("b")
        .then()
        .cancelled()
        .then(answer="cancel.compensating", events=["commitment.refused cancel.compensating"])
        .undone("a")
        .then(status="compensated")
    )


def test_cancel_twice_is_refused() -> None:
    given(saga(step("a"))).started("a").cancelled().cancelled().then(answer="cancel.compensating")


def test_cancel_in_debt_is_refused() -> None:
    (
        given(saga(step("a", undo=True), step("b")))
        .done("a")
        .failed("b")
        .failed("a")
        .cancelled()
        .then(answer="cancel.in_debt")
    )


def test_cancel_in_an_on_failure_flow_stops_it_and_undoes_all() -> None:
    document = saga(
        step("a", undo=True),
        scope("s", step("b"), on_failure=[on_failure("*", step("c", undo=True), step("d"))]),
    )
    (
        given(document)
        .done("a")
        .failed("b")
        .done("c")
        .cancelled()
        .then(offered=["undo s/c"])
        .undone("c")
        .undone("a")
        .then(status="cancelled")
    )


def test_cancel_while_an_inner_part_undoes_waits_for_it() -> None:
    inner = scope("s", step("b", undo=True), step("c"), on_failure=[on_failure("*", step("d"))])
    (
        given(saga(step("a", undo=True), inner))
        .done("a")
        .done("b")
        .failed("c")
        .then(offered=["undo s/b"])
        .cancelled()
        .then(offered=["undo s/b"])
        .undone("b")
        .then(offered=["undo a"])
        .undone("a")
        .then(status="cancelled")
    )


def test_a_cancel_that_is_caught_runs_its_flow_and_still_ends_cancelled() -> None:
    document = saga(
        step("a", undo=True),
        wait("w"),
        on_failure=[on_failure("cancelled", step("tell"), fulfil())],
    )
    (
        given(document)
        .done("a")
        .cancelled()
        .undone("a")
        .then(offered=["tell"])
        .done("tell")
        .then(status="cancelled", error="cancelled:cancelled")
    )


def test_cancel_withdraws_a_question() -> None:
    (
        given(saga(approve("ok", step("a", risk="R1", level="A1"))))
        .then(waits=["approval"])
        .cancelled()
        .then(status="cancelled")
    )


def test_cancel_after_the_end_is_refused() -> None:
    given(saga(step("a"))).done("a").cancelled().then(answer="state.says_no", status="fulfilled")


def test_cancel_stops_rounds_sleeps_and_runs() -> None:
    document = saga(
        repeat("r", step("a", undo=True), sleep("s", "1d"), max=9),
        handlers=[handler("h", "x", step("k", undo=True), wait("w"))],
    )
    story = given(document).done("a").after("1d").done("a").happens("x").done("k").cancelled()
    story.then(undo_commands=["h@1/k"]).undone("h@1/k").undone("r#2/a").undone("r#1/a")
    story.then(status="cancelled")


# --- pause and resume ------------------------------------------------------------------------


def test_paused_messages_are_recorded_and_handled_at_resume_in_order() -> None:
    (
        given(saga(step("a"), wait("w"), step("b")))
        .control("pause")
        .then(status="paused")
        .done("a")
        .then(answer="deferred", offered=[])
        .control("resume")
        .then(at=["w"], status="waiting")
    )


def test_what_was_accepted_before_a_timer_counts_before_it() -> None:
    document = saga(wait("w", within="2h"), step("b"))
    (
        given(document)
        .control("pause")
        .after("1h")
        .happens("w")
        .after("4h")
        .then(status="paused")
        .control("resume")
        .then(offered=["b"])
    )


def test_a_timer_that_passed_while_paused_fires_at_resume() -> None:
    (
        given(saga(wait("w", within="2h")))
        .control("pause")
        .after("3h")
        .happens("w")
        .control("resume")
        .then(status="failed", error="timeout:w")
    )


def test_a_cancel_of_what_is_paused_acts_first_and_loses_no_reply() -> None:
    (
        given(saga(step("a", undo=True), announce("tell", "t"), wait("w")))
        .control("pause")
        .done("a")
        .cancelled()
        .then(offered=["undo a"], facts=[])
        .undone("a")
        .then(status="cancelled")
    )


def test_many_messages_may_wait_for_the_resume() -> None:
    document = saga(wait("w", collect={"max": 600}))
    story = given(document).control("pause")
    for _ in range(20):
        story.happens("w")
    story.control("resume").then(status="waiting")
    assert len(story.w.now.nodes["w"].events) == 20


# --- holding ---------------------------------------------------------------------------------

N = {"n": {"schema": {"type": "integer", "maximum": 5}, "initial": 0}}


def test_an_internal_fault_holds_the_commitment_until_an_operator_looks() -> None:
    (
        given(saga(step("a"), put("p", n="results.a.n"), step("b"), vars=N))
        .done("a", {"n": 9})
        .then(status="held", held="p", waits=[])
        .control("retry")
        .then(status="held")
        .cancelled()
        .then(status="cancelled")
    )


def test_a_fault_in_one_branch_forgets_nothing_of_the_others() -> None:
    two = {
        "node": "parallel",
        "name": "p",
        "branches": [{"flow": [put("bad", n="9")]}, {"flow": [step("good")]}],
    }
    (
        given(saga(two, vars=N))
        .then(status="held", offered=["p/good"])
        .done("good")
        .then(answer="deferred")
        .control("retry")
        .then(status="held", held="p/bad")
    )


def test_a_wait_whose_guard_errs_holds_and_meets_its_event_when_retried() -> None:
    document = saga(wait("w", when="event.data.n > vars.n"), vars=N)
    story = given(document).happens("w", {}).then(status="held", held="w")
    story.happens("w", {"n": 3}).then(status="held")


def test_an_internal_fault_can_be_caught_by_name() -> None:
    document = saga(
        scope("s", put("p", n="9"), on_failure=[on_failure("internal", step("c"))]), vars=N
    )
    given(document).then(offered=["s/c"])


def test_fulfil_stops_all_and_keeps_all() -> None:
    both = {
        "node": "parallel",
        "name": "p",
        "branches": [
            {"name": "x", "flow": [step("a", undo=True), wait("w")]},
            {"name": "y", "flow": [wait("v"), fulfil(result="1")]},
        ],
    }
    (
        given(saga(both))
        .done("a")
        .happens("v")
        .then(status="fulfilled", result=1, undo_commands=[], undo=[])
    )


def test_fulfil_awaits_what_is_in_flight() -> None:
    both = {
        "node": "parallel",
        "name": "p",
        "branches": [
            {"name": "x", "flow": [step("a", undo=True), step("b")]},
            {"name": "y", "flow": [wait("v"), fulfil(result="1")]},
        ],
    }
    (
        given(saga(both))
        .started("a")
        .happens("v")
        .then(status="open", offered=["p/x/a"])
        .done("a")
        .then(status="fulfilled", undo_commands=[])
    )


def test_nothing_but_a_resume_or_a_cancel_moves_what_is_paused() -> None:
    story = (
        given(saga(step("a", unknown="ask"), step("b"))).answers("a", "unknown").control("pause")
    )
    story.control("settle", node="a", outcome="done", evidence=["x"]).then(answer="state.says_no")
    story.control("retry", node="a").then(answer="state.says_no", offered=[])


def test_a_stale_reply_while_paused_does_not_take_the_live_attempt_off_the_desk() -> None:
    story = given(saga(step("a"))).control("pause").late("a", "failed", code="no")
    story.then(offered=["a"]).control("resume").then(offered=["a"], status="open")


def test_a_cancel_of_what_is_paused_with_a_lost_attempt_still_probes() -> None:
    probed = step("a", risk="R1", unknown="probe", probe=True, undo=True)
    story = given(saga(probed)).started("a").control("pause").lost("a")
    story.then(offered=[]).cancelled().then(offered=["probe a"])
    story.answers("a", "present").then(offered=["undo a"])
