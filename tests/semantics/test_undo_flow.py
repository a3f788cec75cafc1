"""undo_flow: a flow of its own undoes a scope that is done (sections 3 and 5)."""

from typing import Any

from sagas.checks import check, undo_plan
from tests.semantics.language import (
    Story,
    announce,
    branch,
    choose,
    each,
    fail,
    given,
    handler,
    on_failure,
    parallel,
    put,
    repeat,
    saga,
    scope,
    sleep,
    step,
    undo,
    wait,
)

Json = Any
BACK = step("give_back", args={"what": "results.book"})


def trip(*undo: Json, **members: Json) -> Json:
    """A scope of two steps that can be undone, with a flow that undoes both."""
    own = [step("book", undo=True), step("pay", undo=True)]
    return scope("trip", *own, undo_flow=list(undo or (BACK,)), **members)


def test_it_runs_in_place_of_the_entries_inside() -> None:
    (
        given(saga(step("a", undo=True), trip(), step("last")))
        .done("a").done("book", 7).done("pay")
        .then(undo=["trip", "a"])
        .failed("last")
        .then(offered=["trip@0/give_back"], args=[{"what": 7}], status="compensating")
        .done("give_back")
        .then(offered=["undo a"])
        .undone("a")
        .then(status="compensated", undo_commands=["a"])
    )  # fmt: skip


def test_before_the_scope_is_done_its_parts_are_undone_as_ever() -> None:
    (
        given(saga(trip()))
        .done("book").failed("pay")
        .then(offered=["undo trip/book"])
        .undone("trip/book")
        .then(status="compensated")
    )  # fmt: skip


def test_its_nodes_run_one_after_the_other_and_wait() -> None:
    flow = trip(step("one"), sleep("pause", "1h"), announce("told", "told"), step("two"))
    (
        given(saga(flow, step("last")))
        .done("book").done("pay").failed("last")
        .done("one")
        .then(offered=[], waits=["timer"], status="compensating")
        .after("2h")
        .then(offered=["trip@0/two"], facts=["told"])
        .done("two")
        .then(status="compensated")
    )  # fmt: skip


def test_it_reads_what_was_there_when_the_scope_was_done() -> None:
    back = step("give_back", args={"n": "vars.n", "r": "results.book", "why": "error.code"})
    (
        given(saga(trip(back), put("more", n="vars.n + 1"), step("last"),
                   vars={"n": {"schema": {}, "initial": 1}}))
        .done("book", 7).done("pay").failed("last", "broke")
        .then(args=[{"n": 1, "r": 7, "why": "broke"}], vars={"n": 2})
    )  # fmt: skip


def test_of_a_round_and_of_an_item_it_reads_its_own() -> None:
    back = step("give_back", args={"what": "results.book", "of": "each.xs.item"})
    flow = each("xs", scope("trip", step("book"), undo_flow=[back]), width=1, max_items=9)
    story = given(saga(flow, step("last")), {"id": "acme", "xs": ["p", "q"]})
    story.done("book", 1).done("book", 2).failed("last")
    story.then(args=[{"what": 2, "of": "q"}]).done("give_back")
    story.then(args=[{"what": 1, "of": "p"}]).done("give_back").then(status="compensated")
    rounds = repeat("r", scope("trip", step("book"), undo_flow=[BACK]), max=2)
    story = given(saga(rounds, step("last"))).done("book", 1).done("book", 2).failed("last")
    story.then(args=[{"what": 2}], offered=["r#2/trip@0/give_back"]).done("give_back")
    story.then(args=[{"what": 1}], offered=["r#1/trip@0/give_back"]).done("give_back")
    story.then(status="compensated")


def test_a_way_through_it_is_chosen_when_it_runs() -> None:
    ways = choose("way", branch("dear", step("claim"), when="results.book > 5"),
                  otherwise=[step("forget")])  # fmt: skip
    (
        given(saga(trip(ways), step("last")))
        .done("book", 7).done("pay").failed("last")
        .then(offered=["trip@0/way/dear/claim"])
        .done("claim")
        .then(status="compensated")
    )  # fmt: skip


# --- failures ----------------------------------------------------------------------------------


def test_its_failure_is_a_debt_and_earlier_entries_wait() -> None:
    (
        given(saga(step("a", undo=True), trip(), step("last")))
        .done("a").done("book").done("pay").failed("last").failed("give_back", "gone")
        .then(status="in_debt", debts=["undo trip"], offered=[])
        .control("settle", evidence={"note": "seen to"})
        .then(offered=["undo a"])
        .undone("a")
        .then(status="compensated", also=["business:gone"])
    )  # fmt: skip


def test_a_retry_of_the_debt_passes_over_what_is_done_and_keeps_the_keys() -> None:
    two = step("two", args={"what": "results.book", "of": "results.one"})
    story = given(saga(trip(step("one"), two), step("last")))
    story.done("book", 7).done("pay").failed("last").done("one", 8).failed("two")
    failed = story.w.commands[-1].effect
    story.then(status="in_debt").control("retry").then(offered=["trip@0/two"], attempts=[2])
    assert story.w.commands[-1].effect == failed
    story.then(args=[{"what": 7, "of": 8}])
    story.done("two").then(status="compensated", debts=[])


def test_a_retry_passes_over_a_step_that_was_done_when_nobody_waited_for_it_any_more() -> None:
    two = step("two", args={"of": "results.one"})
    (
        given(saga(trip(step("one", retry={"attempts": 1}), two), step("last")))
        .done("book").done("pay").failed("last").started("one").lost("one")
        .then(status="in_debt", debts=["undo trip"], offered=[])
        .late("one", result=8)
        .then(status="in_debt", debts=["undo trip"], offered=[])
        .control("retry")
        .then(offered=["trip@0/two"], args=[{"of": 8}])
        .done("two")
        .then(status="compensated", debts=[])
    )  # fmt: skip


def test_a_retry_passes_over_rests_and_rounds_that_are_over() -> None:
    rounds = repeat("r", step("one"), step("two", args={"of": "results.one"}), max=3)
    story = given(saga(trip(sleep("pause", "1h"), rounds), step("last")))
    story.done("book").done("pay").failed("last").after("2h")
    story.done("one", 1).done("two").done("one", 2).failed("two")
    story.then(status="in_debt").control("retry")
    story.then(offered=["trip@0/r#2/two"], args=[{"of": 2}])
    story.done("two").then(offered=["trip@0/r#3/one"]).done("one", 3).done("two")
    story.then(status="compensated", debts=[], undo_commands=[])


def test_a_retry_passes_over_a_way_that_was_gone_and_goes_it_again_where_it_failed() -> None:
    way = choose("way", branch("dear", step("one"), step("two"), when="results.book > 5"))
    inner = scope("try", step("three"), on_failure=[on_failure("timeout", step("four"))])
    story = given(saga(trip(way, inner), step("last"))).done("book", 7).done("pay")
    story.failed("last").done("one").failed("two").then(status="in_debt").control("retry")
    story.then(offered=["trip@0/way/dear/two"]).done("two").failed("three")
    story.then(status="in_debt").control("retry").then(offered=["trip@0/try/three"])
    story.done("three").then(status="compensated", debts=[])


def test_what_a_settled_debt_leaves_of_the_flow_is_forgotten() -> None:
    story = given(saga(step("a", undo=True), trip(step("one"), step("two")), step("last")))
    story.done("a").done("book").done("pay").failed("last").done("one", 1).failed("two")
    story.control("settle", evidence={"note": "seen to"}).then(offered=["undo a"])
    c = story.w.c
    assert c is not None
    left = [path for path in (*c.frames, *c.trail) if path.startswith("trip@0")]
    assert left == []
    story.undone("a").then(status="compensated")


def test_a_failure_inside_that_is_caught_there_is_none() -> None:
    inner = scope("try", step("one"), on_failure=[on_failure("*", step("two"))])
    (
        given(saga(trip(inner), step("last")))
        .done("book").done("pay").failed("last").failed("one")
        .then(offered=["trip@0/try/two"], status="compensating")
        .done("two")
        .then(status="compensated")
    )  # fmt: skip


def test_a_fail_in_it_asks_for_a_person() -> None:
    (
        given(saga(trip(fail("stuck", "by_hand")), step("last")))
        .done("book").done("pay").failed("last")
        .then(status="in_debt", debts=["undo trip"])
    )  # fmt: skip


def test_a_transient_failure_is_tried_again_as_any_step_is() -> None:
    (
        given(saga(trip(), step("last")))
        .done("book").done("pay").failed("last").answers("give_back", "transient")
        .after("10s")
        .then(attempts=[2], status="compensating")
        .done("give_back")
        .then(status="compensated")
    )  # fmt: skip


def test_undo_deadline_makes_it_a_debt_and_withdraws_what_nobody_began() -> None:
    (
        given(saga(trip(), step("last"), undo_deadline="1h"))
        .done("book").done("pay").failed("last")
        .after("2h")
        .then(status="in_debt", debts=["undo trip"], offered=[])
        .control("retry")
        .done("give_back")
        .then(status="compensated", debts=[])
    )  # fmt: skip


def test_an_error_of_the_definition_in_it_holds_for_an_operator() -> None:
    (
        given(saga(trip(step("give_back", args={"x": "results.book.price"})), step("last")))
        .done("book", 7).done("pay").failed("last")
        .then(status="held")
    )  # fmt: skip


# --- with other parts --------------------------------------------------------------------------


def test_a_stop_around_it_lets_it_end_first() -> None:
    """An undo that has begun is finished; then comes what the stop was for."""
    inner = scope("outer", trip(), step("b"), on_failure=[on_failure("business", step("sorry"))])
    ends = handler("end", "end", step("bye"), mode="interrupt", undo="all")
    (
        given(saga(scope("around", inner, handlers=[ends])))
        .done("book").done("pay").failed("b")
        .then(offered=["around/outer/trip@0/give_back"])
        .happens("end")
        .then(offered=["around/outer/trip@0/give_back"])
        .done("give_back")
        .then(offered=["around/end@1/bye"])
        .done("bye")
        .then(status="fulfilled")
    )  # fmt: skip


def test_scopes_of_branches_are_undone_beside_each_other() -> None:
    def part(name: str) -> Json:
        back = step(f"{name}_back")
        return branch(f"on_{name}", scope(name, step(f"do_{name}"), undo_flow=[back]))

    (
        given(saga(parallel("p", part("x"), part("y")), step("last")))
        .done("do_x").done("do_y").failed("last")
        .then(offered=["p/on_x/x@0/x_back", "p/on_y/y@0/y_back"])
        .done("x_back").done("y_back")
        .then(status="compensated")
    )  # fmt: skip


def test_a_scope_that_ends_by_its_clause_is_done_too() -> None:
    part = trip(step("give_back"), on_failure=[on_failure("*", step("sorry", undo=True))])
    (
        given(saga(part, step("last")))
        .done("book").failed("pay").undone("trip/book").done("sorry")
        .then(undo=["trip"])
        .failed("last")
        .then(offered=["trip@0/give_back"])
    )  # fmt: skip


def test_a_scope_that_kept_its_parts_open_for_an_event_is_undone_alike() -> None:
    (
        given(saga(trip(), wait("go", within="9d")))
        .done("book").done("pay").cancelled()
        .then(offered=["trip@0/give_back"])
        .done("give_back")
        .then(status="cancelled")
    )  # fmt: skip


def test_a_pause_in_it_rests_and_goes_on() -> None:
    (
        given(saga(trip(step("one"), step("two")), step("last")))
        .done("book").done("pay").failed("last").control("pause").done("one")
        .then(status="paused", offered=[])
        .control("resume")
        .then(offered=["trip@0/two"])
    )  # fmt: skip


def test_the_plan_of_undoing_names_its_steps_in_their_order() -> None:
    document = saga(step("a", undo=True), trip(step("one"), step("two")))
    assert check(document) == []
    assert [item["node"] for item in undo_plan(document)] == ["trip/one", "trip/two", "a"]


# --- what turns out to be done inside when the scope is ----------------------------------------

LATER = step("book", undo=True, retry={"attempts": 1})
DOUBTFUL = scope("s", LATER, on_failure=[on_failure("*", undo="none")])


def given_up(*rest: Json, **members: Json) -> Story:
    """The scope is done, and nobody knows whether `book` in it was."""
    part = scope("trip", DOUBTFUL, step("pay", undo=True), undo_flow=[step("give_back")])
    story = given(saga(part, *rest, **members)).started("book").lost("book").done("pay")
    return story.then(undo=["trip"])


def test_a_late_done_inside_has_an_undo_of_its_own_and_the_flow_still_stands() -> None:
    (
        given_up(step("last"))
        .late("book")
        .then(offered=["last", "undo trip/s/book"], undo=["trip/s/book", "trip"], debts=[])
        .undone("trip/s/book")
        .then(undo=["trip"])
        .failed("last")
        .then(offered=["trip@0/give_back"])
        .done("give_back")
        .then(status="compensated", undo_commands=["trip/s/book"])
    )  # fmt: skip


def test_the_late_one_is_undone_before_the_flow() -> None:
    """It is what was done last: the flow begins when its undo is done, or settled."""
    (
        given_up(step("last"))
        .late("book").failed("last")
        .then(offered=["undo trip/s/book"], status="compensating")
        .answers("book", "failed", "undo", code="gone")
        .then(offered=[], debts=["undo trip/s/book"])
        .control("settle", evidence={"note": "seen to"})
        .then(offered=["trip@0/give_back"])
    )  # fmt: skip


def test_it_keeps_the_place_of_its_scope_among_the_parts_around() -> None:
    beside = parallel("p", branch("x", step("x", undo=True)), branch("y", step("y")))
    (
        given_up(beside)
        .done("x").started("y").cancelled().late("book")
        .then(offered=["p/y/y"])
        .done("y")
        .then(offered=["undo p/x/x"])
        .undone("p/x/x")
        .then(offered=["undo trip/s/book"])
        .undone("trip/s/book")
        .then(offered=["trip@0/give_back"])
        .done("give_back")
        .then(status="cancelled")
    )  # fmt: skip


def test_a_flow_that_has_begun_is_not_interrupted_for_it() -> None:
    (
        given_up(step("last"))
        .failed("last").late("book")
        .then(offered=["trip@0/give_back"])
        .done("give_back")
        .then(offered=["undo trip/s/book"])
        .undone("trip/s/book")
        .then(status="compensated")
    )  # fmt: skip


def test_a_debt_of_the_flow_does_not_hold_it() -> None:
    (
        given_up(step("last"))
        .failed("last").late("book").failed("give_back")
        .then(status="in_debt", debts=["undo trip"], offered=["undo trip/s/book"])
        .undone("trip/s/book").control("retry").done("give_back")
        .then(status="compensated", debts=[])
    )  # fmt: skip


def test_it_is_undone_too_while_an_undo_node_undoes_the_scope() -> None:
    (
        given_up(undo("back", "trip"), step("last"))
        .late("book")
        .then(offered=["trip@0/give_back", "undo trip/s/book"])
        .done("give_back").undone("trip/s/book").done("last")
        .then(status="fulfilled", debts=[])
    )  # fmt: skip


def test_in_a_round_that_is_over_it_is_a_debt() -> None:
    part = scope("trip", DOUBTFUL, step("pay", undo=True), undo_flow=[step("give_back")])
    story = given(saga(repeat("r", part, max=2), step("last"))).started("book").lost("book")
    story.done("pay").late("r#1/trip/s/book")
    story.then(debts=["late r#1/trip/s/book"], undo=["r#1/trip"], undo_commands=[])
