"""exclusive of a parallel: one branch, or one leaf node, at a time (section 3)."""

from tests.semantics.language import (
    Json,
    approve,
    branch,
    given,
    on_failure,
    parallel,
    put,
    race,
    saga,
    scope,
    sleep,
    step,
    wait,
)


def two(*flow: Json, **members: Json) -> Json:
    """Branch x has the steps a and b, branch y this flow, or the steps c and d."""
    return parallel(
        "p", branch("x", step("a", undo=True), step("b", undo=True)),
        branch("y", *(flow or (step("c", undo=True), step("d", undo=True)))), **members,
    )  # fmt: skip


def test_none_is_what_a_parallel_does_unless_said() -> None:
    given(saga(two(exclusive="none"))).then(offered=["p/x/a", "p/y/c"])


def test_branch_runs_the_branches_one_after_the_other() -> None:
    (
        given(saga(two(exclusive="branch"), step("z")))
        .then(offered=["p/x/a"])
        .done("a")
        .then(offered=["p/x/b"])
        .done("b")
        .then(offered=["p/y/c"])
        .done("c")
        .done("d")
        .then(offered=["z"])
    )


def test_branch_keeps_to_after() -> None:
    part = parallel(
        "p", branch("x", step("a"), after=["y"]), branch("y", step("b")), branch("v", step("c")),
        exclusive="branch",
    )  # fmt: skip
    (
        given(saga(part, step("z")))
        .then(offered=["p/y/b"])
        .done("b")
        .then(offered=["p/x/a"])
        .done("a")
        .then(offered=["p/v/c"])
        .done("c")
        .then(offered=["z"])
    )


def test_branch_waits_until_a_failed_one_is_undone() -> None:
    (
        given(saga(two(exclusive="branch", on_branch="collect"), step("z")))
        .done("a")
        .failed("b", "no")
        .then(offered=["undo p/x/a"])
        .undone("a")
        .then(offered=["p/y/c"])
    )


def test_branch_begins_no_more_once_it_is_joined() -> None:
    (
        given(saga(two(exclusive="branch", join="any"), step("z")))
        .done("a")
        .done("b")
        .then(offered=["z"], commands=["p/x/a", "p/x/b", "z"])
    )


def test_branch_goes_on_one_at_a_time_when_losers_run_on() -> None:
    part = parallel("p", *(branch(None, step(n)) for n in "abc"), join="any", losers="run_on",
                    exclusive="branch")  # fmt: skip
    (
        given(saga(part, step("z")))
        .done("a")
        .then(offered=["p/b", "z"])
        .done("b")
        .done("z")
        .then(offered=["p/c"], status="open")
        .done("c")
        .then(status="fulfilled")
    )


def test_step_lets_branches_take_turns() -> None:
    (
        given(saga(two(exclusive="step"), step("z")))
        .then(offered=["p/x/a"], waits=["participant", "turn"])
        .done("a")
        .then(offered=["p/y/c"])
        .done("c")
        .then(offered=["p/x/b"])
        .done("b")
        .then(offered=["p/y/d"])
        .done("d")
        .then(offered=["z"])
    )


def test_step_holds_for_every_leaf() -> None:
    """A wait, a sleep, even a set: while one is active, no other is."""
    part = two(wait("reply", within="1h"), put("count", n="2"), exclusive="step")
    (
        given(saga(part, step("z"), vars={"n": {"schema": {}, "initial": 0}}))
        .after("2h")
        .then(offered=["p/x/a"], status="open")
        .done("a")
        .then(offered=[], waits=["turn", "event"], vars={"n": 0})
        .happens("reply")
        .then(offered=["p/x/b"], vars={"n": 0})
        .done("b")
        .then(offered=["z"], vars={"n": 2})
    )


def test_step_holds_in_all_blocks_inside() -> None:
    inner = parallel("inner", branch(None, step("c")), branch(None, step("d")))
    (
        given(saga(two(inner, exclusive="step"), step("z")))
        .then(offered=["p/x/a"])
        .done("a")
        .then(offered=["p/y/inner/c"])
        .done("c")
        .then(offered=["p/y/inner/d"])
        .done("d")
        .then(offered=["p/x/b"])
    )


def test_step_takes_a_race_as_one_leaf() -> None:
    part = race(
        "r", branch("yes", step("c"), on=wait("reply")), branch("no", on=sleep("nap", "1h"))
    )
    (
        given(saga(two(part, exclusive="step"), step("z")))
        .done("a")
        .then(offered=[], waits=["turn", "event", "timer"])
        .happens("reply")
        .then(offered=["p/x/b"])
        .done("b")
        .then(offered=["p/y/r/yes/c"])
    )


def test_step_takes_an_approve_as_a_leaf_while_it_asks() -> None:
    part = approve("gate", step("c", risk="R2", unknown="ask", undo=True))
    (
        given(saga(two(part, exclusive="step"), step("z")))
        .done("a")
        .then(offered=[], waits=["turn", "approval"])
        .decides("gate", "mia", "manager")
        .then(offered=["p/x/b"])
        .done("b")
        .then(offered=["p/y/gate/c"])
    )


def test_step_gives_the_turn_on_when_a_leaf_fails() -> None:
    (
        given(saga(two(exclusive="step", on_branch="collect"), step("z")))
        .failed("a", "no")
        .then(offered=["p/y/c"])
    )


def test_a_stop_takes_back_what_waits_for_its_turn() -> None:
    part = scope("part", two(exclusive="step"), on_failure=[on_failure("*", step("sorry"))])
    (
        given(saga(part))
        .failed("a", "no")
        .then(offered=["part/sorry"], commands=["part/p/x/a", "part/sorry"])
    )


def test_a_guard_that_is_false_needs_no_turn() -> None:
    skipped = step("c") | {"when": "false"}
    (given(saga(two(skipped, exclusive="step"), step("z"))).done("a").done("b").then(offered=["z"]))
