"""parallel: joins, collecting, `after`, losers (section 3)."""

from tests.semantics.language import (
    Json,
    branch,
    given,
    on_failure,
    parallel,
    put,
    saga,
    scope,
    step,
)


def two() -> tuple[Json, Json]:
    return branch(None, step("a", undo=True)), branch(None, step("b", undo=True))


def test_all_branches_run_beside_each_other_and_join() -> None:
    (
        given(
            saga(
                parallel(
                    "p", branch("x", step("a"), step("c"), out="results.c"), branch(None, step("b"))
                ),
                step("z"),
            )
        )
        .then(offered=["p/x/a", "p/b"])
        .done("b")
        .then(offered=["p/x/a"])
        .done("a")
        .done("c", 7)
        .then(
            offered=["z"],
            results={
                "a": None,
                "b": None,
                "c": 7,
                "p": {"out": {"x": 7}, "failed": [], "skipped": []},
            },
        )
    )


def test_a_branch_with_a_false_guard_is_skipped_and_counts_as_joined() -> None:
    (
        given(saga(parallel("p", branch("x", step("a"), when="false"), branch("y", step("b")))))
        .done("b")
        .then(status="fulfilled")
    )


def test_after_orders_branches() -> None:
    (
        given(saga(parallel("p", branch("x", step("a")), branch("y", step("b"), after=["x"]))))
        .then(offered=["p/x/a"])
        .done("a")
        .then(offered=["p/y/b"])
    )


def test_any_stops_and_undoes_the_losers() -> None:
    """Losers undone when they lost; what comes after waits for that."""
    (
        given(
            saga(
                parallel("p", branch("x", step("a", undo=True), step("c")), *two()[1:], join="any"),
                step("z"),
            )
        )
        .done("a")
        .started("c")
        .done("b")
        .then(
            offered=["p/x/c"],
            events=[
                "commitment.opened",
                "node.entered p",
                "effect.intended p/x/a",
                "effect.intended p/b",
                "effect.done p/x/a",
                "effect.intended p/x/c",
                "effect.started p/x/c",
                "effect.done p/b",
                "node.branch_closed p b done",
                "node.entered p joined",
                "part.stopping p/x join",
                "effect.stop_asked",
            ],
        )
        .answers("c", "failed", code="stopped")
        .then(offered=["undo p/x/a"])
        .undone("a")
        .then(
            offered=["z"],
            undo=["p/b"],
            results={"p": {"out": {}, "failed": [], "skipped": []}, "a": None, "b": None},
        )
    )


def test_any_with_keep_leaves_what_the_losers_did() -> None:
    (
        given(
            saga(
                parallel(
                    "p",
                    branch("x", step("a", undo=True), step("c")),
                    *two()[1:],
                    join="any",
                    losers="keep",
                ),
                step("z"),
            )
        )
        .done("a")
        .done("b")
        .then(offered=["z"], undo=["p/b", "p/x/a"])
    )


def test_a_branch_that_has_not_begun_never_begins_after_the_join() -> None:
    variables = {"n": {"schema": {"type": "integer"}, "initial": 0}}
    (
        given(
            saga(
                parallel(
                    "p", branch(None, put("fast", n="1")), branch(None, step("slow")), join="any"
                ),
                step("z"),
                vars=variables,
            )
        ).then(commands=["z"], offered=["z"])
    )


def test_n_joins_with_so_many() -> None:
    (
        given(saga(parallel("p", *(branch(None, step(n)) for n in "abc"), join=2), step("z")))
        .done("c")
        .then(offered=["p/a", "p/b"])
        .done("a")
        .then(offered=["z"])
    )


def test_fail_the_first_failure_stops_the_others_and_is_the_blocks() -> None:
    (
        given(saga(parallel("p", *two())))
        .done("a")
        .started("b")
        .failed("b", "no")
        .then(offered=["undo p/a"])
        .undone("a")
        .then(status="compensated", error="business:no")
    )


def test_collect_undoes_the_failed_branch_and_skips_its_dependants() -> None:
    document = saga(
        parallel(
            "p",
            branch("x", step("a", undo=True), step("c")),
            branch("y", step("b")),
            branch("w", step("d"), after=["x"]),
            on_branch="collect",
        ),
        step("z"),
    )
    (
        given(document)
        .done("a")
        .failed("c")
        .then(offered=["p/y/b", "undo p/x/a"])
        .undone("a")
        .done("b")
        .then(
            offered=["z"],
            results={"a": None, "b": None, "p": {"out": {}, "failed": ["x"], "skipped": ["w"]}},
        )
    )


def test_a_join_that_cannot_be_met_is_unreachable() -> None:
    (
        given(saga(parallel("p", *two(), join=2, on_branch="collect")))
        .failed("a")
        .then(status="failed", error="business:join.unreachable")
    )


def test_a_branch_that_is_skipped_may_end_the_block_with_those_behind_it() -> None:
    chain = (branch("x", step("a")), branch("y", step("b"), after=["x"]))
    last = branch("w", step("c"), after=["y"])
    (
        given(saga(parallel("p", *chain, last, on_branch="collect"), step("z")))
        .failed("a")
        .then(offered=["z"], results={"p": {"out": {}, "failed": ["x"], "skipped": ["y", "w"]}})
    )


def test_branches_undo_beside_each_other_and_after_in_reverse() -> None:
    """Order: parallel: branches beside each other, `after` in reverse."""
    document = saga(
        parallel(
            "p",
            branch("x", step("a", undo=True)),
            branch("y", step("b", undo=True)),
            branch("w", step("c", undo=True), after=["x"]),
        ),
        step("z"),
    )
    (
        given(document)
        .done("a")
        .done("b")
        .done("c")
        .failed("z")
        .then(offered=["undo p/y/b", "undo p/w/c"])
        .undone("c")
        .then(offered=["undo p/y/b", "undo p/x/a"])
        .undone("a", "b")
        .then(status="compensated")
    )


def test_after_in_reverse_reaches_through_a_branch_without_entries() -> None:
    document = saga(
        parallel(
            "p",
            branch("x", step("a", undo=True)),
            branch("y", step("b"), after=["x"]),
            branch("w", step("c", undo=True), after=["y"]),
        ),
        step("z"),
    )
    (
        given(document)
        .done("a")
        .done("b")
        .done("c")
        .failed("z")
        .then(offered=["undo p/w/c"])
        .undone("c")
        .then(offered=["undo p/x/a"])
    )


def test_a_failure_in_a_branch_is_caught_by_the_scope_around() -> None:
    inner = scope("s", parallel("p", *two()), on_failure=[on_failure("*", step("sorry"))])
    (
        given(saga(inner, step("z")))
        .done("a")
        .failed("b")
        .then(offered=["undo s/p/a"])
        .undone("a")
        .done("sorry")
        .then(offered=["z"])
    )


def test_an_out_that_errs_holds_the_commitment_at_the_block() -> None:
    document = saga(parallel("p", branch("x", step("a"), out="results.a.missing")))
    given(document).done("a", {}).then(status="held", held="p")


def test_any_is_not_met_by_what_was_skipped_because_another_failed() -> None:
    document = saga(
        parallel(
            "p",
            branch("x", step("a")),
            branch("y", step("b"), after=["x"]),
            join="any",
            on_branch="collect",
        )
    )
    given(document).failed("a").then(status="failed", error="business:join.unreachable")


def test_a_join_met_while_a_failed_branch_is_undone_waits_for_that() -> None:
    document = saga(
        parallel(
            "p",
            branch("x", step("a", undo=True), step("b")),
            branch("y", step("c")),
            join="any",
            on_branch="collect",
        ),
        step("z"),
    )
    story = given(document).done("a").failed("b").then(offered=["p/y/c", "undo p/x/a"])
    story.done("c").then(offered=["undo p/x/a"]).undone("a").then(offered=["z"])


def test_until_joins_when_it_holds_of_what_would_be_yielded_now() -> None:
    """join: until CEL, read whenever a branch is over."""
    document = saga(
        parallel(
            "p",
            branch("x", step("a"), out="results.a"),
            branch("y", step("b"), out="results.b"),
            branch("w", step("c")),
            join={"until": "has(results.p.out.x) && results.p.out.x > 5"},
        ),
        step("z"),
    )
    given(document).done("b", 9).then(offered=["p/x/a", "p/w/c"]).done("a", 7).then(offered=["z"])
    story = given(document).done("a", 1).done("b", 9).done("c")
    story.then(status="failed", error="business:join.unreachable")


def test_the_undo_deadline_of_a_branch_makes_a_debt_of_what_is_not_undone() -> None:
    document = saga(
        parallel(
            "p",
            branch("x", step("a", undo=True), step("c")),
            branch(None, step("b")),
            on_branch="collect",
        )
    )
    (
        given(document | {"undo_deadline": "1h"})
        .done("a")
        .failed("c")
        .then(offered=["p/b", "undo p/x/a"])
        .after("1h")
        .then(debts=["undo p/x/a"], status="in_debt")
    )
