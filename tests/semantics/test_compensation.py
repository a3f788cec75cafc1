"""Undoing: order, snapshots, attempted entries, debts, deadline (section 5)."""

from tests.semantics.language import (
    Json,
    branch,
    choose,
    fail,
    given,
    handler,
    parallel,
    put,
    saga,
    scope,
    step,
    wait,
)

COUNT = {"n": {"schema": {"type": "integer"}, "initial": 1}}


def test_a_list_is_undone_in_reverse_one_at_a_time() -> None:
    (
        given(saga(step("a", undo=True), step("b", undo=True), step("c", undo=True), step("d")))
        .done("a")
        .done("b")
        .done("c")
        .failed("d")
        .then(offered=["undo c"])
        .undone("c")
        .then(offered=["undo b"])
        .undone("b")
        .then(offered=["undo a"])
        .undone("a")
        .then(undo_commands=["c", "b", "a"], status="compensated", undo=[])
    )


def test_blocks_are_undone_where_they_stand() -> None:
    document = saga(
        step("a", undo=True),
        parallel(
            "p",
            branch("x", step("b", undo=True), step("c", undo=True)),
            branch("y", scope("s", step("d", undo=True))),
        ),
        choose("ch", {"name": "yes", "when": "true", "flow": [step("e", undo=True)]}),
        step("z"),
    )
    story = given(document).done("a").done("d").done("b").done("c").done("e").failed("z")
    story.then(offered=["undo ch/yes/e"]).undone("e")
    story.then(offered=["undo p/x/c", "undo p/y/s/d"]).undone("d").then(offered=["undo p/x/c"])
    story.undone("c").then(offered=["undo p/x/b"]).undone("b").then(offered=["undo a"])


def test_unfinished_work_counts_as_last() -> None:
    document = saga(
        scope("s", step("a", undo=True), step("b", undo=True), step("c")),
        handlers=[handler("h", "x", step("k", undo=True))],
    )
    (
        given(document)
        .done("a")
        .happens("x")
        .done("k")
        .done("b")
        .failed("c")
        .then(offered=["undo s/b"])
        .undone("b")
        .then(offered=["undo s/a"])
        .undone("a")
        .then(offered=["undo h@1/k"])
    )


def test_a_beside_run_stands_at_its_completion() -> None:
    document = saga(
        step("a", undo=True),
        step("b", undo=True),
        step("c"),
        handlers=[handler("h", "x", step("k", undo=True), step("l"))],
    )
    story = given(document).done("a").happens("x").done("k").done("b").done("l").failed("c")
    story.then(offered=["undo h@1/k"]).undone("k").then(offered=["undo b"])


def test_the_arguments_of_an_undo_are_a_snapshot_of_the_moment_it_was_done() -> None:
    undo = {"args": {"n": "vars.n", "id": "result.id"}}
    document = saga(step("a", undo=undo), put("p", n="2"), step("b"), vars=COUNT)
    (given(document).done("a", {"id": "x1"}).failed("b").then(args=[{"n": 1, "id": "x1"}]))


def test_an_undo_is_told_why() -> None:
    (
        given(saga(step("a", undo=True, why=True), step("b")))
        .done("a")
        .failed("b", "no_money")
        .then(
            args=[
                {
                    "why": {
                        "class": "business",
                        "code": "no_money",
                        "message": "no_money",
                        "node": "b",
                    }
                }
            ]
        )
    )


def test_an_attempted_entry_also_undoes_a_step_that_failed() -> None:
    attempted = step("a", undo={"when": "attempted"})
    (
        given(saga(attempted))
        .failed("a")
        .then(offered=["undo a"])
        .undone("a")
        .then(status="compensated")
    )


def test_an_attempted_entry_goes_when_nobody_had_begun() -> None:
    attempted = step("a", undo={"when": "attempted"})
    given(saga(attempted)).cancelled().then(status="cancelled", undo_commands=[])


def test_an_attempted_entry_goes_when_a_probe_finds_nothing() -> None:
    attempted = step(
        "a",
        undo={"when": "attempted"},
        risk="R1",
        unknown="probe",
        probe=True,
        retry={"attempts": 1},
    )
    (
        given(saga(attempted))
        .started("a")
        .lost("a")
        .then(offered=["probe a"])
        .answers("a", "absent")
        .then(status="failed", undo_commands=[])
    )


def test_a_step_that_may_have_happened_is_undone_without_knowing() -> None:
    """Retry used up with an attempt unanswered: undo entered as attempted."""
    (
        given(saga(step("a", undo=True, retry={"attempts": 1})))
        .started("a")
        .lost("a")
        .then(offered=["undo a"])
        .undone("a")
        .then(status="compensated", error="timeout:no_reply")
    )


def test_a_step_that_may_have_happened_and_needs_its_result_to_be_undone_is_asked_about() -> None:
    doubtful = step("a", undo={"args": {"id": "result.id"}}, retry={"attempts": 1})
    (
        given(saga(doubtful))
        .started("a")
        .lost("a")
        .then(waits=["unknown"])
        .control("settle", node="a", outcome="done", result={"id": 1}, evidence=["mail"])
        .then(status="fulfilled")
    )


# --- debts -----------------------------------------------------------------------------------


def three() -> Json:
    return saga(step("a", undo=True), step("b", undo=True), step("c"))


def test_an_undo_that_fails_for_good_is_a_debt_and_holds_what_came_before() -> None:
    (
        given(three())
        .done("a")
        .done("b")
        .failed("c")
        .answers("b", "failed", code="gone")
        .then(status="in_debt", debts=["undo b"], offered=[], waits=["debt"])
        .control("settle", node="b", evidence=["letter"])
        .then(offered=["undo a"], status="compensating")
        .undone("a")
        .then(status="compensated", error="business:no", also=["business:gone"])
    )


def test_on_debt_continue_passes_it() -> None:
    document = three() | {"on_debt": "continue"}
    (
        given(document)
        .done("a")
        .done("b")
        .failed("c")
        .answers("b", "failed", code="gone")
        .then(status="in_debt", offered=["undo a"])
        .undone("a")
        .then(status="in_debt")
        .control("settle", evidence=["letter"])
        .then(status="compensated")
    )


def test_a_debt_in_one_branch_does_not_hold_the_branch_beside() -> None:
    document = saga(
        step("r", undo=True),
        parallel(
            "p",
            branch("x", step("a", undo=True), step("b", undo=True)),
            branch("y", step("c", undo=True), step("d", undo=True)),
        ),
        step("z"),
    )
    (
        given(document)
        .done("r")
        .done("a")
        .done("b")
        .done("c")
        .done("d")
        .failed("z")
        .answers("b", "failed", code="gone")
        .undone("d")
        .undone("c")
        .then(offered=[], status="in_debt")
        .control("retry", node="b")
        .then(offered=["undo p/x/b"])
        .undone("b")
        .undone("a")
        .then(offered=["undo r"], status="compensating")
    )


def test_a_debt_that_is_retried_and_fails_again_stays_one_debt() -> None:
    (
        given(three())
        .done("a")
        .done("b")
        .failed("c")
        .answers("b", "failed", code="gone")
        .control("retry", node="b")
        .then(offered=["undo b"], attempts=[2], status="in_debt")
        .control("retry", node="b")
        .then(answer="control.target")
        .answers("b", "failed", code="gone")
        .then(debts=["undo b"], offered=[])
        .control("retry", node="b")
        .undone("b")
        .then(debts=[], offered=["undo a"])
    )


def test_an_undo_is_retried_by_itself() -> None:
    document = saga(
        step("a", undo={"retry": {"attempts": 2, "first": "1m", "jitter": 0}}), step("b")
    )
    (
        given(document)
        .done("a")
        .failed("b")
        .started("a")
        .lost("a")
        .then(waits=["retry"])
        .after("1m")
        .then(offered=["undo a"])
        .answers("a", "transient")
        .then(debts=["undo a"])
    )


def test_the_undo_deadline_makes_a_debt_of_what_is_not_undone() -> None:
    document = three() | {"undo_deadline": "1h"}
    (
        given(document)
        .done("a")
        .done("b")
        .failed("c")
        .after("1h")
        .then(debts=["undo b"], offered=[], status="in_debt")
    )


def test_settling_needs_evidence() -> None:
    (
        given(three())
        .done("a")
        .done("b")
        .failed("c")
        .answers("b", "failed", code="gone")
        .control("settle", node="b")
        .then(answer="control.evidence")
    )


# --- a done that nobody waited for any more --------------------------------------------------


def test_a_late_done_while_undoing_is_undone_too() -> None:
    document = saga(
        parallel(
            "p",
            branch(None, step("a", undo=True)),
            branch(None, step("b", undo=True, retry={"attempts": 1})),
        )
    )
    (
        given(document)
        .done("a")
        .started("b")
        .answers("b", "failed")
        .then(offered=["undo p/a"])
        .late("b")
        .then(offered=["undo p/a", "undo p/b"])
        .undone("a", "b")
        .then(status="compensated")
    )


def test_a_late_done_is_undone_while_the_flow_goes_on() -> None:
    inner = scope("s", step("a", undo=True), on_failure=[{"on": ["*"], "flow": []}])
    (
        given(saga(inner, step("z")))
        .failed("a")
        .then(offered=["z"])
        .late("a")
        .then(offered=["z", "undo s/a"])
        .done("z")
        .then(status="open", offered=["undo s/a"])
        .undone("a")
        .then(status="fulfilled")
    )


def test_a_late_done_after_the_end_is_a_debt() -> None:
    (
        given(saga(step("a", undo=True)))
        .failed("a")
        .then(status="failed")
        .late("a")
        .then(status="failed", debts=["late a"], waits=["debt"])
        .control("settle", node="a", evidence=["note"])
        .then(debts=[])
    )


def test_a_late_done_of_what_was_undone_without_knowing_changes_nothing() -> None:
    (
        given(saga(step("a", undo=True, retry={"attempts": 1}), step("b")))
        .started("a")
        .lost("a")
        .undone("a")
        .then(status="compensated")
        .late("a")
        .then(debts=[], undo_commands=["a"])
    )


def test_a_late_done_while_its_blind_undo_is_under_way_is_not_undone_twice() -> None:
    (
        given(saga(step("a", undo=True, retry={"attempts": 1})))
        .started("a")
        .lost("a")
        .then(offered=["undo a"])
        .late("a")
        .then(undo_commands=["a"], offered=["undo a"])
        .undone("a")
        .then(status="compensated")
    )


def test_a_late_done_completes_a_step_that_waits_for_its_next_attempt() -> None:
    (
        given(saga(step("a"), wait("w")))
        .started("a")
        .lost("a")
        .then(waits=["retry"])
        .late("a")
        .then(at=["w"])
    )


def test_a_failure_while_stopping_is_told_beside() -> None:
    document = saga(parallel("p", branch(None, step("a")), branch(None, step("b"))))
    (
        given(document)
        .started("b")
        .failed("a", "first")
        .then(offered=["p/b"])
        .failed("b", "second")
        .then(error="business:first", also=["business:second"])
    )


def test_nothing_done_nothing_undone() -> None:
    given(saga(fail("no", "no"))).then(status="failed", commands=[])
