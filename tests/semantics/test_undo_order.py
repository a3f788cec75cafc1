"""undo_order: reverse. All inside is undone in one line, the last completed first (section 5)."""

from typing import Any

from tests.semantics.language import (
    Json,
    Story,
    branch,
    each,
    given,
    on_failure,
    parallel,
    saga,
    scope,
    step,
    undo,
)


def two(**members: Json) -> Json:
    """Branch x has the steps a and b, branch y the steps c and d."""
    return parallel(
        "p", branch("x", step("a", undo=True), step("b", undo=True)),
        branch("y", step("c", undo=True), step("d", undo=True)), **members,
    )  # fmt: skip


def worked(document: Json) -> Story:
    """The two branches took turns: a, c, b, d."""
    return given(document).done("a").done("c").done("b").done("d")


def one_by_one(story: Story, *names: str) -> Any:
    """Only the undo of each of these, in this order."""
    for name in names:
        place = "x" if name in "ab" else "y"
        story.then(offered=[f"undo p/{place}/{name}"])
        story.undone(name)
    return story


def test_branches_are_undone_in_one_line_by_completion() -> None:
    story = worked(saga(two(undo_order="reverse"), step("z"))).cancelled()
    one_by_one(story, "d", "b", "c", "a").then(status="cancelled")


def test_without_it_they_are_undone_beside_each_other() -> None:
    worked(saga(two(), step("z"))).cancelled().then(offered=["undo p/x/b", "undo p/y/d"])


def test_of_a_saga_it_holds_for_all_inside() -> None:
    story = worked(saga(two(), step("z"), undo_order="reverse")).cancelled()
    one_by_one(story, "d", "b", "c", "a").then(status="cancelled")


def test_of_a_scope_it_holds_for_what_is_inside_it() -> None:
    part = scope("part", two(), undo_order="reverse")
    (
        given(saga(step("first", undo=True), part, step("z")))
        .done("first")
        .done("a")
        .done("c")
        .done("b")
        .done("d")
        .cancelled()
        .then(offered=["undo part/p/y/d"])
        .undone("d")
        .then(offered=["undo part/p/x/b"])
    )


def test_items_are_undone_in_one_line_too() -> None:
    items = each("f", step("a", undo=True), items="['k', 'l', 'm']", undo_order="reverse")
    (
        given(saga(items, step("z")))
        .done("f[l]/a")
        .done("f[m]/a")
        .done("f[k]/a")
        .cancelled()
        .then(offered=["undo f[k]/a"])
        .undone("a")
        .then(offered=["undo f[m]/a"])
        .undone("a")
        .then(offered=["undo f[l]/a"])
    )


def test_what_was_unfinished_has_closed_last() -> None:
    """It is settled before undoing starts, and so was completed last."""
    (
        given(saga(two(undo_order="reverse"), step("z")))
        .done("c")
        .started("a")
        .started("d")
        .cancelled()
        .done("d")
        .done("a")
        .then(offered=["undo p/x/a"])
        .undone("a")
        .then(offered=["undo p/y/d"])
    )


def test_a_debt_holds_the_whole_line() -> None:
    once = step("c", undo={"retry": {"attempts": 1}})
    line = [branch("x", step("a", undo=True)), branch("y", once)]
    part = parallel("p", *line, undo_order="reverse")
    story = given(saga(part, step("z"))).done("a").done("c").cancelled()
    story.answers("c", "failed", code="no").then(offered=[], debts=["undo p/y/c"])


def test_a_debt_is_passed_if_so_declared() -> None:
    once = step("c", undo={"retry": {"attempts": 1}})
    line = [branch("x", step("a", undo=True)), branch("y", once)]
    part = parallel("p", *line, undo_order="reverse")
    story = given(saga(part, step("z"), on_debt="continue")).done("a").done("c").cancelled()
    story.answers("c", "failed", code="no").then(offered=["undo p/x/a"], debts=["undo p/y/c"])


def test_a_part_inside_that_is_undone_by_itself_keeps_to_the_line() -> None:
    story = worked(saga(two(), undo("back", "p"), step("z"), undo_order="reverse"))
    one_by_one(story, "d", "b", "c", "a").then(offered=["z"])


def test_a_failure_that_a_scope_catches_undoes_in_line() -> None:
    part = scope("part", two(), step("last"), undo_order="reverse",
                 on_failure=[on_failure("*", step("sorry"))])  # fmt: skip
    (
        worked(saga(part))
        .failed("last", "no")
        .then(offered=["undo part/p/y/d"])
        .undone("d")
        .undone("b")
        .undone("c")
        .undone("a")
        .then(offered=["part/sorry"])
    )
