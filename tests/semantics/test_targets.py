"""cancel, finish, undo and move: nodes that act on other parts (sections 3 and 6)."""

from tests.semantics.language import (
    branch,
    cancel,
    finish,
    given,
    handler,
    move,
    on_failure,
    parallel,
    saga,
    scope,
    sleep,
    step,
    task,
    undo,
    wait,
)

BOOK = step("book", undo=True)
PART = scope("part", BOOK, wait("paid", within="9d"))


def beside(*flow: dict, main: dict = PART) -> dict:
    """`main`, what follows it, and in a second branch what acts on it once told to."""
    return parallel("both", branch("one", main, step("after")), branch("two", wait("go"), *flow))


# --- cancel --------------------------------------------------------------------------------------


def test_cancel_stops_and_undoes_an_open_block_and_its_parent_goes_on() -> None:
    (
        given(saga(beside(cancel("stop", "part"))))
        .done("book")
        .then()
        .happens("go")
        .then(
            events=[
                "event.taken both/two/go",
                "node.done both/two/stop",
                "part.stopping both/one/part cut",
                "part.stopped both/one/part",
                "undo.begun both/one/part",
                "effect.intended undo both/one/part/book",
                "node.branch_closed both two done",
            ]
        )
        .undone("book")
        .then(
            events=[
                "effect.done undo both/one/part/book",
                "undo.ended both/one/part",
                "node.stopped",
                "effect.intended both/one/after",
            ]
        )
    )


def test_cancel_awaits_what_is_in_flight_in_its_target() -> None:
    (
        given(saga(beside(cancel("stop", "part"))))
        .started("book")
        .happens("go")
        .then(offered=["both/one/part/book"])
        .done("book")
        .then(offered=["undo both/one/part/book"])
    )


def test_cancel_of_what_is_not_open_changes_nothing() -> None:
    (
        given(saga(beside(cancel("stop", "part"), main=scope("part", BOOK))))
        .done("book")
        .then()
        .happens("go")
        .then(
            events=[
                "event.taken both/two/go",
                "node.done both/two/stop",
                "node.branch_closed both two done",
            ],
            undo=["both/one/part/book"],
        )
    )


def test_cancel_may_name_a_block_around_it() -> None:
    (
        given(saga(scope("part", BOOK, cancel("stop", "part"), step("never")), step("after")))
        .done("book")
        .undone("book")
        .then(offered=["after"])
    )


def test_a_handler_may_cancel_what_runs_in_its_scope() -> None:
    gone = handler("gone", "gone", cancel("stop", "part"))
    (
        given(saga(PART, step("after"), handlers=[gone]))
        .done("book")
        .happens("gone")
        .undone("book")
        .then(offered=["after"], status="open")
    )


def test_past_a_pivot_in_it_a_cancel_is_refused_and_all_goes_on() -> None:
    pay = step("pay", irreversible="pivot")
    part = scope("part", pay, wait("paid", within="9d"))
    (
        given(saga(beside(cancel("stop", "part"), main=part)))
        .done("pay")
        .then()
        .happens("go")
        .then(
            events=[
                "event.taken both/two/go",
                "node.done both/two/stop",
                "commitment.refused cancel.past_pivot",
                "node.branch_closed both two done",
            ],
            at=["both/one/part/paid"],
        )
    )


def test_cancel_of_a_task_withdraws_it() -> None:
    (
        given(saga(beside(cancel("stop", "review"), main=task("review", within="9d"))))
        .happens("go")
        .then(tasks=["withdrawn"], offered=["both/one/after"])
    )


# --- finish --------------------------------------------------------------------------------------


def test_finish_completes_a_block_and_keeps_what_is_done_in_it() -> None:
    (
        given(saga(beside(finish("enough", "part"))))
        .done("book")
        .then()
        .happens("go")
        .then(
            events=[
                "event.taken both/two/go",
                "node.done both/two/enough",
                "part.stopping both/one/part finish",
                "part.stopped both/one/part",
                "node.done both/one/part",
                "effect.intended both/one/after",
                "node.branch_closed both two done",
            ],
            undo=["both/one/part/book"],
        )
    )


def test_what_a_finished_block_had_done_is_undone_later_as_if_it_were_done() -> None:
    (
        given(saga(beside(finish("enough", "part"))))
        .done("book")
        .happens("go")
        .failed("after")
        .then(offered=["undo both/one/part/book"])
    )


def test_an_operator_may_finish_a_block_with_evidence() -> None:
    (
        given(saga(PART, step("after")))
        .done("book")
        .control("finish", node="part")
        .then(answer="control.evidence")
        .control("finish", node="part", evidence="call of 3 May")
        .then(offered=["after"], undo=["part/book"])
        .control("finish", node="part", evidence="again")
        .then(answer="control.target")
    )


# --- undo ----------------------------------------------------------------------------------------


def test_undo_undoes_a_node_that_is_done_and_goes_on() -> None:
    (
        given(saga(BOOK, step("keep", undo=True), undo("back", "book"), step("after")))
        .done("book")
        .done("keep")
        .then(offered=["undo book"], undo=["keep", "book"], status="open")
        .undone("book")
        .then(offered=["after"], undo=["keep"])
    )


def test_undo_of_a_block_around_it_undoes_what_is_done_there_in_reverse() -> None:
    inner = scope("part", step("a", undo=True), step("b", undo=True), undo("back", "part"))
    (
        given(saga(inner, step("after")))
        .done("a")
        .done("b")
        .undone("b")
        .undone("a")
        .then(undo_commands=["part/b", "part/a"], offered=["after"], undo=[])
    )


def test_what_is_done_meanwhile_beside_it_is_not_undone_with_it() -> None:
    one = branch("one", step("a", undo=True), undo("back", "both"), step("last"))
    both = parallel("both", one, branch("two", step("b", undo=True), step("c")))
    (
        given(saga(both))
        .done("a")
        .done("b")
        .then(undo_commands=["both/one/a"], undo=["both/two/b", "both/one/a"])
        .undone("a")
        .then(offered=["both/two/c", "both/one/last"], undo=["both/two/b"])
    )


def test_undo_of_what_left_nothing_to_undo_goes_on_at_once() -> None:
    (given(saga(step("a"), undo("back", "a"), step("after"))).done("a").then(offered=["after"]))


def test_an_on_failure_may_undo_a_part_of_its_scope_only() -> None:
    clause = on_failure("business", undo("back", "book"), step("tell"), undo="none")
    part = scope("part", BOOK, step("keep", undo=True), step("last"), on_failure=[clause])
    (
        given(saga(part))
        .done("book")
        .done("keep")
        .failed("last")
        .then(offered=["undo part/book"])
        .undone("book")
        .then(offered=["part/tell"], undo=["part/keep"])
    )


def test_a_cancel_during_an_undo_waits_for_it_and_undoes_the_rest() -> None:
    (
        given(saga(BOOK, step("keep", undo=True), undo("back", "book"), step("after")))
        .done("book")
        .done("keep")
        .cancelled()
        .undone("book")
        .then(offered=["undo keep"])
        .undone("keep")
        .then(status="cancelled")
    )


def test_an_undo_that_fails_is_a_debt_and_the_flow_waits() -> None:
    (
        given(saga(BOOK, undo("back", "book"), step("after")))
        .done("book")
        .answers("book", "failed", "undo", code="no")
        .then(debts=["undo book"], status="in_debt", offered=[])
    )


# --- move ----------------------------------------------------------------------------------------


def later(to: str) -> dict:
    return beside(move("shift", "rest", to), main=sleep("rest", "3d"))


def test_move_gives_a_running_time_another_due_time() -> None:
    (
        given(saga(later("deadline('rest') + duration('24h')")))
        .happens("go")
        .after("3d")
        .then(at=["both/one/rest"])
        .after("1d")
        .then(offered=["both/one/after"])
    )


def test_a_time_in_the_past_fires_in_the_same_transaction() -> None:
    (
        given(saga(later("meta.started_at")))
        .then()
        .happens("go")
        .then(
            events=[
                "event.taken both/two/go",
                "timer.moved both/two/shift both/one/rest:sleep",
                "node.branch_closed both two done",
                "timer.fired both/one/rest sleep",
                "node.done both/one/rest",
                "effect.intended both/one/after",
            ]
        )
    )


def test_a_time_that_does_not_run_is_left_alone() -> None:
    (
        given(saga(later("meta.now")))
        .after("3d")
        .then()
        .happens("go")
        .then(
            events=[
                "event.taken both/two/go",
                "node.done both/two/shift",
                "node.branch_closed both two done",
            ]
        )
    )


def test_move_changes_a_deadline_and_a_within_too() -> None:
    part = scope("part", wait("paid", within="9d"), deadline={"after": "5d"})
    shift = [move("one_more", "part", "deadline('part') + duration('24h')")]
    (
        given(saga(beside(*shift, main=part)))
        .happens("go")
        .after("5d")
        .then(at=["both/one/part/paid"])
        .after("1d")
        .then(error="deadline:part")
    )


def test_an_operator_may_move_a_time() -> None:
    us = 1_700_000_000_000_000 + 10 * 86_400_000_000
    (
        given(saga(task("review", within="3d")))
        .control("move", node="review", to_us=us)
        .after("3d")
        .then(at=["review"], status="waiting")
        .after("7d")
        .then(error="timeout:review")
    )
