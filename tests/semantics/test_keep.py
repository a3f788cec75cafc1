"""keep: once a block is done, nothing in it is undone any more (section 3)."""

import pytest

from tests.semantics.language import (
    Json,
    branch,
    choose,
    each,
    fail,
    finish,
    given,
    lock,
    on_failure,
    parallel,
    race,
    repeat,
    saga,
    scope,
    step,
    undo,
    wait,
)

FIRST, A = step("first", undo=True), step("a", undo=True)
BLOCKS = {
    "choose": choose("part", branch("yes", A, when="true"), keep=True),
    "parallel": parallel("part", branch(None, A), keep=True),
    "repeat": repeat("part", A, max=1, keep=True),
    "for_each": each("part", A, items="['x']", keep=True),
    "scope": scope("part", A, keep=True),
}


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS)
def test_a_block_that_is_done_drops_its_entries(block: Json) -> None:
    (
        given(saga(FIRST, block, step("z")))
        .done("first")
        .done("a")
        .then(offered=["z"], undo=["first"])
        .failed("z", "no")
        .then(offered=["undo first"], status="compensating")
    )


def test_so_does_a_race() -> None:
    yes = branch("yes", A, on=wait("signed"))
    no = branch("no", on=wait("refused"))
    (
        given(saga(FIRST, race("part", yes, no, keep=True), step("z")))
        .done("first")
        .happens("signed")
        .done("a")
        .then(offered=["z"], undo=["first"])
    )


def test_so_does_a_lock() -> None:
    (
        given(saga(FIRST, lock("part", A, keep=True), step("z")))
        .done("first")
        .done("a")
        .then(offered=["z"], undo=["first"])
    )


def test_a_block_that_fails_has_kept_nothing_yet() -> None:
    (
        given(saga(FIRST, scope("part", A, fail("no", "no"), keep=True)))
        .done("first")
        .done("a")
        .then(offered=["undo part/a"], undo=["part/a", "first"])
    )


def test_what_it_keeps_is_recorded() -> None:
    (
        given(saga(scope("part", A, keep=True), step("z")))
        .done("a")
        .then(
            events=[
                "commitment.opened",
                "node.entered part",
                "effect.intended part/a",
                "effect.done part/a",
                "undo.sealed part ['part/a']",
                "node.done part",
                "effect.intended z",
            ]
        )
    )


def test_a_scope_that_caught_a_failure_is_done_and_keeps_what_was_not_undone() -> None:
    clause = on_failure("business", step("sorry", undo=True)) | {"undo": "none"}
    part = scope("part", A, fail("no", "no"), on_failure=[clause], keep=True)
    (
        given(saga(part, step("z")))
        .done("a")
        .then(offered=["part/sorry"], undo=["part/a"])
        .done("sorry")
        .then(offered=["z"], undo=[])
    )


def test_a_block_that_is_finished_from_beside_is_done_too() -> None:
    part = scope("part", A, step("b"), keep=True)
    beside = parallel("both", branch("x", part), branch("y", step("see"), finish("end", "part")))
    (
        given(saga(beside, step("z")))
        .done("a")
        .started("b")
        .done("see")
        .then(undo=["both/x/part/a"])
        .answers("b", "failed", code="stopped")
        .then(offered=["z"], undo=[])
    )


def test_undo_finds_nothing_in_it() -> None:
    (
        given(saga(scope("part", A, keep=True), undo("back", "part"), step("z")))
        .done("a")
        .then(offered=["z"], commands=["part/a", "z"])
    )
