"""Debts of one list that are retried: the order of undoing holds for them, too (section 5)."""

from tests.semantics.language import Story, branch, given, parallel, saga, step


def two_debts(**members: str) -> Story:
    """The undo of b, which was done last, has failed and was passed; then that of a failed, too."""
    flow = step("a", undo=True), step("b", undo=True), step("c")
    return (
        given(saga(*flow, on_debt="continue", **members))
        .done("a")
        .done("b")
        .failed("c")
        .answers("b", "failed", code="gone")
        .answers("a", "failed", code="gone")
        .then(status="in_debt", offered=[], debts=["undo b", "undo a"])
    )


def test_an_undo_that_is_retried_waits_for_a_later_one_that_is_under_way() -> None:
    (
        two_debts()
        .control("retry", node="b")
        .then(offered=["undo b"])
        .control("retry", node="a")
        .then(offered=["undo b"], answer="in_debt", debts=["undo b", "undo a"])
        .undone("b")
        .then(offered=["undo a"], debts=["undo a"])
        .undone("a")
        .then(status="compensated", debts=[])
    )


def test_it_passes_the_later_one_when_that_fails_again() -> None:
    (
        two_debts()
        .control("retry", node="b")
        .control("retry", node="a")
        .answers("b", "failed", code="gone")
        .then(offered=["undo a"], debts=["undo b", "undo a"])
    )


def test_a_later_one_that_is_not_retried_holds_nothing() -> None:
    two_debts().control("retry", node="a").then(offered=["undo a"])


def test_while_it_waits_it_is_not_retried_again_and_may_be_settled() -> None:
    (
        two_debts()
        .control("retry", node="b")
        .control("retry", node="a")
        .control("retry", node="a")
        .then(answer="control.target", offered=["undo b"])
        .control("settle", node="a", evidence=["letter"])
        .then(offered=["undo b"], debts=["undo b"])
        .undone("b")
        .then(status="compensated", undo_commands=["b", "a", "b"])
    )


def test_in_one_line_it_waits_as_well() -> None:
    (
        two_debts(undo_order="reverse")
        .control("retry", node="b")
        .control("retry", node="a")
        .then(offered=["undo b"])
        .undone("b")
        .then(offered=["undo a"])
    )


def test_debts_of_branches_beside_each_other_wait_for_nothing() -> None:
    beside = branch("x", step("a", undo=True)), branch("y", step("b", undo=True))
    (
        given(saga(parallel("p", *beside), step("c")))
        .done("a")
        .done("b")
        .failed("c")
        .answers("b", "failed", code="gone")
        .answers("a", "failed", code="gone")
        .control("retry", node="b")
        .control("retry", node="a")
        .then(offered=["undo p/y/b", "undo p/x/a"])
    )


def test_a_branch_that_another_came_after_waits_for_that() -> None:
    behind = branch("x", step("a", undo=True)), branch("y", step("b", undo=True), after=["x"])
    (
        given(saga(parallel("p", *behind), step("c"), on_debt="continue"))
        .done("a")
        .done("b")
        .failed("c")
        .answers("b", "failed", code="gone")
        .answers("a", "failed", code="gone")
        .control("retry", node="b")
        .control("retry", node="a")
        .then(offered=["undo p/y/b"])
        .undone("b")
        .then(offered=["undo p/x/a"])
    )
