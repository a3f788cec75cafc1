"""`while` of a scope: read after every move; false, it fails `deadline:while` (section 3)."""

from typing import Any

from tests.semantics.language import (
    branch,
    given,
    handler,
    on_failure,
    parallel,
    put,
    repeat,
    saga,
    scope,
    step,
    undo,
    update,
    wait,
)

VARS: Any = {"n": {"schema": {"type": "integer"}, "initial": 0}}
LEAVE: Any = update("leave", set={"n": "1"})
STAY = "vars.n == 0"


def test_as_long_as_it_holds_the_scope_goes_on() -> None:
    (
        given(saga(scope("s", step("a"), step("b"), **{"while": STAY}), vars=VARS))
        .done("a")
        .done("b")
        .then(status="fulfilled")
    )


def test_once_it_is_false_the_scope_fails_deadline_while() -> None:
    part = scope("s", step("a", undo=True), wait("w", within="3d"), **{"while": STAY})
    (
        given(saga(part, vars=VARS, updates=[LEAVE]))
        .done("a")
        .asks("leave")
        .then(waits=["participant"], offered=["undo s/a"], status="compensating")
        .undone("a")
        .then(status="compensated", error="deadline:while")
    )


def test_its_own_on_failure_may_catch_it() -> None:
    clause = on_failure("deadline:while", step("tell"))
    part = scope("s", wait("w", within="3d"), on_failure=[clause], **{"while": STAY})
    (
        given(saga(part, step("z"), vars=VARS, updates=[LEAVE]))
        .asks("leave")
        .then(offered=["s/tell"])
        .done("tell")
        .then(offered=["z"])
    )


def test_what_is_in_flight_is_settled_first() -> None:
    part = scope("s", step("a"), **{"while": STAY})
    (
        given(saga(part, vars=VARS, updates=[LEAVE]))
        .started("a")
        .asks("leave")
        .then(offered=["s/a"], status="compensating")
        .done("a")
        .then(status="failed", error="deadline:while")
    )


def test_it_is_read_after_every_move_so_the_next_node_is_not_reached() -> None:
    part = scope("s", put("leave", n="1"), step("a"), **{"while": STAY})
    given(saga(part, vars=VARS)).then(
        events=[
            "commitment.opened", "node.entered s", "vars.set s/leave {'n': 1}",
            "node.failed s deadline:while", "part.stopping root failure", "part.stopped root",
            "commitment.ended failed deadline:while",
        ]
    )  # fmt: skip


def test_false_from_the_beginning_nothing_in_it_begins() -> None:
    given(saga(scope("s", step("a"), **{"while": "vars.n > 0"}), vars=VARS)).then(
        status="failed", error="deadline:while", commands=[]
    )


def test_the_whole_saga_may_have_one() -> None:
    document = saga(step("a", undo=True), wait("w"), vars=VARS, updates=[LEAVE])
    (
        given(document | {"while": STAY})
        .done("a")
        .asks("leave")
        .then(offered=["undo a"])
        .undone("a")
        .then(status="compensated", error="deadline:while")
    )


def test_it_sees_what_its_handlers_see() -> None:
    """What was sure when the scope opened, and what is yielded inside with has()."""
    ok = "!has(results.a.bad) || !results.a.bad"
    part = scope("s", step("a"), wait("w", within="3d"), **{"while": ok})
    given(saga(part)).done("a", {"bad": False}).then(status="waiting")
    given(saga(part)).done("a", {"bad": True}).then(error="deadline:while")


def test_a_run_beside_may_make_it_false() -> None:
    note = handler("noted", "note", put("leave", n="1"))
    part = scope("s", wait("w", within="3d"), handlers=[note], **{"while": STAY})
    given(saga(part, vars=VARS)).happens("note").then(status="failed", error="deadline:while")


def test_it_is_read_until_the_runs_beside_are_over_too() -> None:
    note = handler("noted", "note", step("write"))
    part = scope("s", wait("w", within="3d"), handlers=[note], **{"while": STAY})
    (
        given(saga(part, vars=VARS, updates=[LEAVE]))
        .happens("note")
        .happens("w")
        .then(offered=["s/noted@1/write"])
        .started("write")
        .asks("leave")
        .done("write")
        .then(status="failed", error="deadline:while")
    )


def test_it_is_off_in_its_on_failure_flow() -> None:
    clause = on_failure("business", put("leave", n="1"), step("tell"))
    part = scope("s", step("a"), on_failure=[clause], **{"while": STAY})
    (
        given(saga(part, vars=VARS))
        .failed("a")
        .then(offered=["s/tell"])
        .done("tell")
        .then(status="fulfilled")
    )


def test_it_is_off_while_it_is_undone() -> None:
    """A handler of the saga changes the var while what is done in the scope is undone."""
    part = scope(
        "s", step("a", undo=True), undo("back", "s"), wait("w", within="3d"), **{"while": STAY}
    )
    (
        given(saga(part, vars=VARS, updates=[LEAVE]))
        .done("a")
        .then(offered=["undo s/a"])
        .asks("leave")
        .then(offered=["undo s/a"], status="open")
        .undone("a")
        .then(error="deadline:while", status="compensated")
    )


def test_of_several_scopes_the_outermost_fails_first() -> None:
    inner = scope("inner", wait("w", within="3d"), **{"while": STAY})
    outer = scope(
        "outer", inner, on_failure=[on_failure("deadline", step("tell"))], **{"while": STAY}
    )
    (
        given(saga(outer, vars=VARS, updates=[LEAVE]))
        .then()
        .asks("leave")
        .then(
            events=["update.accepted leave {'n': 1}", "part.stopping outer failure",
                    "part.stopped outer", "node.entered outer clause:failure_1 deadline:while",
                    "effect.intended outer/tell"],
        )
    )  # fmt: skip


def test_each_round_and_branch_has_its_own() -> None:
    one = branch("one", scope("a", wait("x", within="3d"), **{"while": STAY}))
    two = branch("two", scope("b", wait("y", within="3d"), **{"while": STAY}))
    both = parallel("both", one, two, on_branch="collect", join="all")
    given(saga(both, vars=VARS, updates=[LEAVE])).asks("leave").then(
        status="fulfilled", results={"both": {"failed": ["one", "two"], "skipped": [], "out": {}}}
    )
    turn = repeat("r", scope("s", step("a"), **{"while": "round.r < 2"}), max=3)
    given(saga(turn)).done("a").then(status="failed", error="deadline:while", commands=["r#1/s/a"])


def test_an_expression_that_errs_is_an_internal_fault_and_never_taken_for_false() -> None:
    part = scope("s", wait("w", within="3d"), **{"while": "1 / vars.n > 0"})
    story = given(saga(part, vars=VARS)).then(status="held", held="s")
    story.control("retry", node="s").then(status="held", held="s", at=["s/w"])


def test_past_a_pivot_it_is_a_debt_that_a_person_settles() -> None:
    pivot = step("sign", irreversible="pivot")
    document = saga(pivot, wait("w", within="3d"), vars=VARS, updates=[LEAVE])
    (
        given(document | {"while": STAY})
        .done("sign")
        .asks("leave")
        .then(status="in_debt", debts=["forward "])
        .happens("other")
        .then(debts=["forward "], events=[])
    )


def test_it_is_not_read_while_paused() -> None:
    part = scope("s", step("a"), put("leave", n="1"), wait("w", within="3d"), **{"while": STAY})
    (
        given(saga(part, vars=VARS))
        .control("pause")
        .done("a")
        .then(status="paused")
        .control("resume")
        .then(error="deadline:while")
    )
