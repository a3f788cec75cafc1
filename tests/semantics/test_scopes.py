"""scope: deadline, on_failure, handlers that interrupt and that run beside (sections 3 and 4)."""

from tests.semantics.language import (
    fail,
    fulfil,
    given,
    handler,
    on_failure,
    put,
    saga,
    scope,
    sleep,
    step,
    wait,
)

GO_ON = "vars.n + 1"
COUNT = {"n": {"schema": {"type": "integer"}, "initial": 0}}


def test_a_scope_yields_its_out_and_its_inner_names_stay_visible() -> None:
    (
        given(saga(scope("s", step("a"), out="results.a"), step("b", args={"x": "results.s.out"})))
        .done("a", 5)
        .then(args=[{"x": 5}])
    )


# --- on_failure ------------------------------------------------------------------------------


def test_a_caught_failure_undoes_all_then_runs_its_flow_and_the_scope_completes() -> None:
    document = saga(
        scope(
            "s",
            step("a", undo=True),
            step("b"),
            on_failure=[on_failure("business:no_*", step("sorry", args={"code": "error.code"}))],
        ),
        step("z"),
    )
    (
        given(document)
        .done("a")
        .then()
        .failed("b", "no_money")
        .then(
            events=[
                "effect.failed s/b business:no_money",
                "part.stopping s failure",
                "part.stopped s",
                "undo.begun s",
                "effect.intended undo s/a",
            ]
        )
        .undone("a")
        .then(
            offered=["s/sorry"],
            args=[{"code": "no_money"}],
            events=[
                "effect.done undo s/a",
                "undo.ended s",
                "node.entered s clause:failure_1 business:no_money",
                "effect.intended s/sorry",
            ],
        )
        .done("sorry")
        .then(offered=["z"])
    )


def test_undo_none_leaves_what_was_done_to_the_parent() -> None:
    document = saga(
        scope(
            "s",
            step("a", undo=True),
            step("b"),
            on_failure=[on_failure("*", step("c"), undo="none")],
        ),
        step("z"),
    )
    (
        given(document)
        .done("a")
        .failed("b")
        .then(offered=["s/c"])
        .done("c")
        .failed("z")
        .then(offered=["undo s/a"])
        .undone("a")
        .then(status="compensated")
    )


def test_the_first_clause_that_matches_wins_and_a_star_is_the_first_five_classes() -> None:
    clauses = [on_failure("business:x", step("one")), on_failure("*", step("two"))]
    document = saga(scope("s", step("a"), on_failure=clauses))
    given(document).failed("a", "x").then(offered=["s/one"])
    given(document).failed("a", "y").then(offered=["s/two"])
    document = saga(scope("s", put("p", n="vars.missing"), on_failure=clauses), vars=COUNT)
    given(document).then(status="held", held="s/p")


def test_an_uncaught_failure_passes_its_entries_to_the_parent() -> None:
    """Uncaught in a scope: it stops and fails, nothing is undone there."""
    inner = scope("in", step("a", undo=True), step("b"))
    document = saga(scope("out", inner, on_failure=[on_failure("*", step("c"))]), step("z"))
    (
        given(document)
        .done("a")
        .failed("b")
        .then(offered=["undo out/in/a"])
        .undone("a")
        .done("c")
        .then(offered=["z"])
    )


def test_a_failure_in_an_on_failure_flow_is_the_enclosing_scopes() -> None:
    inner = scope("in", step("a"), on_failure=[on_failure("*", step("b"))])
    document = saga(scope("out", inner, on_failure=[on_failure("*", step("c"))]))
    given(document).failed("a").failed("b", "worse").then(offered=["out/c"])


def test_fail_in_an_on_failure_flow_raises_anew() -> None:
    document = saga(
        step("a", undo=True),
        scope("s", step("b"), on_failure=[on_failure("*", fail("again", "given_up"))]),
    )
    (
        given(document)
        .done("a")
        .failed("b")
        .undone("a")
        .then(status="compensated", error="business:given_up")
    )


def test_what_is_in_flight_is_awaited_before_undoing_begins() -> None:
    document = saga(
        scope(
            "s",
            step("a", undo=True),
            step("b"),
            deadline={"after": "1d"},
            on_failure=[on_failure("deadline", step("c"))],
        )
    )
    (
        given(document)
        .done("a")
        .started("b")
        .after("1d")
        .then(offered=["s/b"])
        .done("b")
        .then(offered=["undo s/a"])
        .undone("a")
        .then(offered=["s/c"])
    )


# --- deadline and within ---------------------------------------------------------------------


def test_a_deadline_fails_the_main_flow_and_may_be_caught_there() -> None:
    caught = on_failure("deadline", step("c"))
    document = saga(scope("s", wait("w"), deadline={"after": "2h"}, on_failure=[caught]))
    given(document).after("2h").then(offered=["s/c"])
    given(saga(scope("s", wait("w"), deadline={"after": "2h"}))).after("2h").then(
        status="failed", error="deadline:s"
    )
    given(saga(wait("w"), deadline={"after": "2h"})).after("2h").then(
        status="failed", error="deadline:deadline"
    )


def test_a_deadline_may_be_a_point_in_time() -> None:
    at = {"at": "timestamp('2023-11-15T00:00:00Z')"}
    given(saga(wait("w"), deadline=at)).after("2h").then(status="failed")


def test_the_deadline_is_off_while_its_on_failure_flow_runs() -> None:
    clause = on_failure("*", sleep("long", "3d"))
    document = saga(scope("s", step("a"), deadline={"after": "1d"}, on_failure=[clause]), step("z"))
    given(document).failed("a").after("3d").then(offered=["z"])


def test_within_of_a_block_fails_it_or_goes_on() -> None:
    (
        given(saga(scope("s", wait("w"), within="1h")))
        .after("1h")
        .then(status="failed", error="timeout:s")
    )
    (
        given(
            saga(
                scope("s", step("a", undo=True), wait("w"), within="1h", on_expiry="continue"),
                step("z"),
            )
        )
        .done("a")
        .after("1h")
        .then(offered=["z"], undo=["s/a"], results={"a": None, "s": {"expired": True}})
    )


# --- handlers --------------------------------------------------------------------------------


def test_an_interrupt_stops_the_main_flow_and_its_flow_completes_the_scope() -> None:
    left = handler("left", "withdrawn", step("file", args={"n": "event.data.n"}), mode="interrupt")
    document = saga(scope("s", step("a", undo=True), wait("w"), handlers=[left]), step("z"))
    (
        given(document)
        .done("a")
        .happens("withdrawn", {"n": 4})
        .then(offered=["s/left@1/file"], args=[{"n": 4}])
        .done("file")
        .then(offered=["z"], undo=["s/a"])
    )


def test_an_interrupt_with_undo_all_undoes_the_main_flow_first() -> None:
    left = handler("left", "withdrawn", fulfil(), mode="interrupt", undo="all")
    document = saga(step("a", undo=True), wait("w"), handlers=[left])
    (
        given(document)
        .done("a")
        .happens("withdrawn")
        .then(offered=["undo a"], status="compensating")
        .undone("a")
        .then(status="fulfilled")
    )


def test_a_beside_run_for_every_event_one_at_a_time() -> None:
    document = saga(step("a"), handlers=[handler("note", "x", step("log"))])
    (
        given(document)
        .happens("x")
        .happens("x")
        .then(offered=["a", "note@1/log"])
        .done("note@1/log")
        .then(offered=["a", "note@2/log"])
    )


def test_width_lets_several_runs_go_on() -> None:
    document = saga(step("a"), handlers=[handler("note", "x", step("log"), width=2)])
    story = given(document).happens("x").happens("x").happens("x")
    story.then(offered=["a", "note@1/log", "note@2/log"])
    story.done("note@2/log").then(offered=["a", "note@1/log", "note@3/log"])


def test_runs_begun_or_queued_finish_before_the_scope_completes() -> None:
    document = saga(scope("s", step("a"), handlers=[handler("note", "x", step("log"))]), step("z"))
    (
        given(document)
        .happens("x")
        .happens("x")
        .done("a")
        .happens("x")
        .then(offered=["s/note@1/log"])
        .done("log")
        .then(offered=["s/note@2/log"])
        .done("log")
        .then(offered=["z"])
    )


def test_a_handler_takes_no_more_runs_than_its_max() -> None:
    document = saga(
        step("a"), handlers=[handler("note", "x", put("p", n=GO_ON), max=2)], vars=COUNT
    )
    given(document).happens("x").happens("x").happens("x").then(vars={"n": 2})


def test_a_failure_in_a_beside_run_is_the_scopes() -> None:
    document = saga(
        scope(
            "s",
            step("a"),
            handlers=[handler("note", "x", step("log"))],
            on_failure=[on_failure("*", step("c"))],
        )
    )
    (
        given(document)
        .happens("x")
        .failed("log")
        .then(offered=["s/c"])
        .happens("x")
        .then(offered=["s/c"])
    )


def test_a_failure_in_an_interrupt_flow_is_the_enclosing_scopes() -> None:
    left = handler("left", "x", step("file"), mode="interrupt")
    document = saga(scope("s", step("a"), handlers=[left], on_failure=[on_failure("*", step("c"))]))
    given(document).happens("x").failed("file").then(status="failed", error="business:no")


def test_a_handler_whose_key_errs_holds_and_opens_when_retried() -> None:
    bad = handler("note", "x", step("log")) | {"key": "input.missing"}
    (
        given(saga(wait("w"), handlers=[bad]))
        .then(status="held", held="note")
        .control("retry")
        .then(status="held")
    )


def test_runs_that_are_over_leave_nothing_behind_unless_they_may_be_undone() -> None:
    """A commitment that takes an event a day does not grow with every day."""
    plain = saga(step("a"), vars=COUNT, handlers=[handler("note", "x", put("count", n=GO_ON))])
    story = given(plain)
    for _ in range(20):
        story.happens("x")
    now = story.w.now
    assert (now.vars["n"], now.events_taken) == (20, 20)
    assert not [p for kept in (now.trail, now.frames, now.nodes) for p in kept if "@" in p]
    story = given(saga(step("a"), handlers=[handler("note", "x", step("log", undo=True))]))
    story.happens("x").done("note@1/log").then(undo=["note@1/log"])
    assert "note@1" in story.w.now.trail
