"""Pivots: sealing, what is refused past one, forward debts (section 5)."""

from tests.semantics.language import (
    Json,
    Story,
    approve,
    branch,
    given,
    handler,
    on_failure,
    parallel,
    saga,
    scope,
    step,
    wait,
)


def pivot(name: str = "pay", **members: Json) -> Json:
    return step(name, irreversible="pivot", **members)


def test_a_pivot_seals_what_came_before_it_in_all_enclosing_lists() -> None:
    document = saga(
        step("a", undo=True),
        scope("s", step("b", undo=True), pivot()),
        step("c", undo=True),
        wait("w"),
    )
    (
        given(document)
        .done("a")
        .done("b")
        .then(undo=["s/b", "a"])
        .done("pay")
        .then(undo=[])
        .done("c")
        .then(undo=["c"])
    )


def test_r3_without_undo_is_a_pivot_unless_that_is_accepted() -> None:
    def paid(**members: Json) -> Story:
        pay = approve("ok", step("pay", risk="R3", **members))
        story = given(saga(step("a", undo=True), pay, wait("w"))).done("a")
        return story.decides("ok", "mia", "manager").done("pay")

    paid().then(undo=[]).cancelled().then(answer="cancel.past_pivot", status="waiting")
    paid(irreversible="accepted").then(undo=["a"])
    paid(undo=True).then(undo=["ok/pay", "a"])


def test_a_pivot_does_not_seal_the_branch_beside() -> None:
    document = saga(
        parallel(
            "p", branch("x", step("a", undo=True), pivot()), branch("y", step("b", undo=True))
        ),
        wait("w"),
    )
    given(document).done("a").done("b").done("pay").then(undo=["p/y/b"])


def test_a_pivot_seals_the_branches_its_own_came_after() -> None:
    document = saga(
        parallel("p", branch("x", step("a", undo=True)), branch("y", pivot(), after=["x"])),
        wait("w"),
    )
    given(document).done("a").done("pay").then(undo=[])


def test_cancel_is_refused_past_a_pivot() -> None:
    (
        given(saga(pivot(), wait("w")))
        .done("pay")
        .cancelled()
        .then(answer="cancel.past_pivot", status="waiting")
    )


def test_a_cancel_takes_back_a_pivot_that_nobody_has_begun() -> None:
    (
        given(saga(step("a", undo=True), pivot()))
        .done("a")
        .cancelled()
        .then(offered=["undo a"])
        .undone("a")
        .then(status="cancelled")
    )


def test_a_cancel_waits_for_a_pivot_in_flight_and_is_refused_when_it_is_done() -> None:
    document = saga(step("a", undo=True), pivot(), wait("w"))
    (
        given(document)
        .done("a")
        .started("pay")
        .then()
        .cancelled()
        .then(
            events=[
                "commitment.cancel_asked",
                "part.stopping root cancel pending",
                "effect.stop_asked",
            ],
            status="open",
        )
        .done("pay")
        .then(
            events=[
                "effect.done pay",
                "undo.sealed pay ['a']",
                "part.stopped root refused",
                "wait.opened w",
            ]
        )
        .happens("w")
        .then(status="fulfilled")
    )


def test_a_cancel_goes_on_when_the_pivot_in_flight_fails() -> None:
    (
        given(saga(step("a", undo=True), pivot()))
        .done("a")
        .started("pay")
        .cancelled()
        .failed("pay")
        .then(offered=["undo a"])
        .undone("a")
        .then(status="cancelled", error="cancelled:cancelled", also=["business:no"])
    )


def test_nothing_beside_stops_before_the_pivot_in_flight_is_settled() -> None:
    document = saga(parallel("p", branch("x", pivot()), branch("y", step("b"), step("c"))))
    (
        given(document)
        .started("pay")
        .cancelled()
        .done("b")
        .then(offered=["p/x/pay", "p/y/c"])
        .done("pay")
        .then(offered=["p/y/c"])
        .done("c")
        .then(status="fulfilled")
    )


def test_a_failure_beside_a_pivot_in_flight_takes_its_on_failure_flow_afterwards() -> None:
    both = parallel("p", branch("x", pivot()), branch("y", step("b")))
    document = saga(
        step("a", undo=True), scope("s", both, on_failure=[on_failure("*", step("mend"))])
    )
    (
        given(document)
        .done("a")
        .started("pay")
        .failed("b")
        .then(offered=["s/p/x/pay"])
        .done("pay")
        .then(offered=["s/mend"])
        .done("mend")
        .then(status="fulfilled")
    )


def test_an_interrupt_that_finds_a_pivot_in_flight_is_refused_and_all_goes_on() -> None:
    left = handler("left", "x", step("file"), mode="interrupt")
    document = saga(scope("s", pivot(), step("b"), handlers=[left]), step("z"))
    (
        given(document)
        .started("pay")
        .happens("x")
        .then(offered=["s/pay"])
        .done("pay")
        .then(offered=["s/b"])
        .done("b")
        .then(offered=["z"])
    )


def test_an_interrupt_goes_on_when_the_pivot_in_flight_did_not_happen() -> None:
    left = handler("left", "x", step("file"), mode="interrupt")
    document = saga(scope("s", pivot(), step("b"), handlers=[left]), step("z"))
    (
        given(document)
        .started("pay")
        .happens("x")
        .failed("pay")
        .then(offered=["s/left@1/file"])
        .done("file")
        .then(offered=["z"])
    )


def test_interrupts_of_enclosing_scopes_are_closed_past_a_pivot_unless_declared() -> None:
    def story(**members: Json) -> Json:
        left = handler("left", "x", step("file"), mode="interrupt", **members)
        return given(saga(pivot(), step("b"), handlers=[left])).done("pay").happens("x")

    story().then(offered=["b"])
    story(after_pivot=True).then(offered=["left@1/file"])


def test_an_interrupt_of_a_scope_that_holds_no_pivot_is_open() -> None:
    left = handler("left", "x", step("file"), mode="interrupt")
    document = saga(pivot(), scope("s", step("b"), handlers=[left]))
    given(document).done("pay").happens("x").then(offered=["s/left@1/file"])


def test_a_failure_that_reaches_the_root_past_a_pivot_is_a_forward_debt_at_its_node() -> None:
    story = given(saga(pivot(), step("b"), step("c"))).done("pay").failed("b")
    story.then(status="in_debt", debts=["forward b"], offered=[])
    story.cancelled().then(answer="cancel.past_pivot")
    story.control("retry", node="b").then(offered=["b"], debts=[], attempts=[2])
    story.failed("b").control("settle", node="b", result={"n": 1}, evidence=["letter"])
    story.then(offered=["c"], results={"pay": None, "b": {"n": 1}}, debts=[])


def test_a_late_done_settles_a_forward_debt() -> None:
    (
        given(saga(pivot(), step("b"), step("c")))
        .done("pay")
        .failed("b")
        .late("b", result=3)
        .then(offered=["c"], debts=[], results={"pay": None, "b": 3})
    )


def test_the_deadline_of_the_root_past_a_pivot_waits_for_a_person() -> None:
    (
        given(saga(pivot(), wait("w"), deadline={"after": "1d"}))
        .done("pay")
        .after("1d")
        .then(status="in_debt", debts=["forward "])
        .control("retry")
        .then(answer="control.target")
        .control("settle", evidence=["letter"], result="by hand")
        .then(status="fulfilled", result="by hand")
    )


def test_a_block_that_is_settled_past_a_pivot_keeps_what_is_done_in_it_as_any_that_is_done() -> (
    None
):
    part = scope("s", step("a", undo=True), wait("w"), deadline={"after": "1d"}, keep=True)
    document = saga(pivot(), part, step("b", undo=True), step("z"))
    story = (
        given(document).done("pay").done("s/a").after("1d").then(debts=["forward s"], undo=["s/a"])
    )
    story.control("settle", node="s", evidence=["letter"]).then(offered=["b"], undo=[])


def test_the_undo_flow_of_a_scope_that_is_settled_past_a_pivot_stands_for_what_is_in_it() -> None:
    inner = step("a", undo=True), wait("w")
    part = scope("s", *inner, deadline={"after": "1d"}, undo_flow=[step("u")])
    whole = scope("t", part, step("b"), on_failure=[on_failure("business", step("c"), undo="all")])
    story = given(saga(pivot(), whole)).done("pay").done("t/s/a").after("1d")
    story.then(debts=["forward t/s"]).control("settle", node="t/s", evidence=["letter"])
    story.then(offered=["t/b"], undo=["t/s"]).failed("t/b").then(offered=["t/s@0/u"])


def test_a_block_that_fails_past_a_pivot_stops_inside_and_is_settled_with_a_result() -> None:
    document = saga(pivot(), scope("s", wait("w"), deadline={"after": "1d"}), step("z"))
    (
        given(document)
        .done("pay")
        .after("1d")
        .then(debts=["forward s"])
        .happens("w")
        .then(offered=[])
        .control("settle", node="s", evidence=["letter"])
        .then(offered=["z"])
    )


def test_a_pivot_that_may_have_happened_is_never_taken_for_failed() -> None:
    (
        given(saga(step("a", undo=True), pivot(retry={"attempts": 1})))
        .done("a")
        .started("pay")
        .lost("pay")
        .then(waits=["unknown"], offered=[])
        .cancelled()
        .then(status="waiting")
        .control("settle", node="pay", outcome="not_done", evidence=["mail"])
        .then(offered=["undo a"])
    )


def test_of_two_pivots_one_taken_back_is_commanded_again_when_the_cancel_is_refused() -> None:
    document = saga(parallel("p", branch("x", pivot("pay")), branch("y", pivot("ship"))))
    (
        given(document)
        .started("pay")
        .cancelled()
        .then(offered=["p/x/pay"])
        .done("pay")
        .then(offered=["p/y/ship"], attempts=[2])
        .done("ship")
        .then(status="fulfilled")
    )


def test_of_two_pivots_one_that_failed_meanwhile_fails_when_the_cancel_is_refused() -> None:
    document = saga(parallel("p", branch("x", pivot("pay")), branch("y", pivot("ship"))))
    story = given(document).started("pay").started("ship").cancelled().failed("ship")
    story.then(offered=["p/x/pay"]).done("pay").then(debts=["forward p/y/ship"])


def test_a_pivot_that_waits_for_its_next_attempt_has_not_happened() -> None:
    (
        given(saga(step("a", undo=True), pivot()))
        .done("a")
        .answers("pay", "transient")
        .cancelled()
        .then(offered=["undo a"])
        .undone("a")
        .then(status="cancelled", also=["transient:transient"])
    )


def test_a_pivot_that_is_told_to_stop_and_did_not_happen_lets_the_cancel_go_on() -> None:
    (
        given(saga(step("a", undo=True), pivot()))
        .done("a")
        .started("pay")
        .cancelled()
        .answers("pay", "not_done")
        .then(offered=["undo a"])
    )


def test_a_deadline_that_passed_while_a_cancel_waited_for_a_pivot_is_not_lost() -> None:
    runs_on = parallel(
        "p", branch("a", step("a")), branch("b", pivot(within="30d")),
        join="any", losers="run_on",
    )  # fmt: skip
    story = given(saga(runs_on, deadline={"after": "5h"})).started("pay").cancelled().done("a")
    story.after("5h").done("pay").then(status="in_debt", debts=["forward "])
    story.control("settle", node="", outcome="done", evidence="a letter").then(status="fulfilled")


def test_nor_is_one_where_the_pivot_was_the_last_step() -> None:
    """As without the cancel: what was late is not fulfilled by itself."""
    for after in ((), (step("z"),)):
        story = given(saga(pivot(within="30d"), *after, deadline={"after": "5h"}))
        story.started("pay").cancelled().after("5h").done("pay")
        story.then(status="in_debt", debts=["forward "], offered=[])
        story.control("settle", node="", outcome="done", evidence="a letter")
        story.then(status="fulfilled")


def test_a_scope_that_fails_as_it_is_entered_past_a_pivot_begins_nothing() -> None:
    own = {"n": {"schema": {"type": "integer"}, "initial": 1}}
    story = given(saga(pivot(), scope("s", step("a"), **{"while": "vars.n < 1"}), vars=own))
    story.done("pay").then(status="in_debt", debts=["forward s"], offered=[])
    story.control("settle", node="s", outcome="done", evidence="a letter").then(status="fulfilled")


def test_the_handlers_of_a_scope_that_failed_past_a_pivot_listen_no_more() -> None:
    own = {"n": {"schema": {"type": "integer"}, "initial": 0}}
    poked = handler("poked", "poke", step("b"), mode="beside", max=2)
    part = scope("s", step("a"), handlers=[poked], **{"while": "!done('a')"})
    story = given(saga(pivot(), part, vars=own)).done("pay").done("a")
    story.then(status="in_debt", debts=["forward s"]).happens("poke").then(offered=[])
