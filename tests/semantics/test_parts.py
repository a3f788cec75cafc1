"""Parts of a saga around each other: what of one is over while another goes on (2 to 5)."""

from __future__ import annotations

from typing import Any

import pytest

from domain import messages as msg
from domain.turn_messages import NoTurn
from tests.semantics.language import (
    approve,
    branch,
    cancel,
    choose,
    each,
    finish,
    given,
    handler,
    lock,
    milestone,
    on_failure,
    parallel,
    put,
    race,
    saga,
    scope,
    sleep,
    step,
    task,
    undo,
    update,
    wait,
)

Json = Any
COUNT = {"n": {"schema": {"type": "integer", "maximum": 5}, "initial": 0}}
SEEN_TO = {"evidence": "a letter"}
ERRS = put("bad", n="7")
XS = {"id": "acme", "xs": ["k1", "k2"]}
LATER_US = 1_700_500_000_000_000


# --- held inside a part, and tried again ---------------------------------------------------------

INSIDE = {
    "an on_failure flow": scope("s", step("a"), on_failure=[on_failure("*", ERRS)]),
    "an item": each("p", ERRS, items="['k1']", key="'k1'"),
    "a branch": parallel("p", branch("x", ERRS), branch("y", step("b"))),
    "a round": {"node": "repeat", "name": "r", "max": 2, "flow": [ERRS]},
    "a lock": lock("held", ERRS),
}


@pytest.mark.parametrize("part", INSIDE.values(), ids=INSIDE)
def test_a_node_that_errs_is_entered_again_where_it_is(part: Json) -> None:
    story = given(saga(part, step("z"), vars=COUNT))
    if next(n for n, p in INSIDE.items() if p is part) == "an on_failure flow":
        story.failed("a")
    story.then(status="held")
    held, count = story.w.now.held["node"], len(story.w.events)
    story.control("retry").then(status="held", held=held)
    assert len(story.w.events) == count + 2  # released, and held again


def test_a_node_that_errs_in_a_run_of_a_handler_is_entered_again_there() -> None:
    story = given(saga(wait("w"), handlers=[handler("h", "x", ERRS)], vars=COUNT)).happens("x")
    story.then(held="h@1/bad").control("retry").then(held="h@1/bad")
    story.cancelled().then(status="cancelled")


def test_a_node_that_errs_in_an_undo_flow_is_entered_again_there() -> None:
    trip = scope("trip", step("book"), undo_flow=[ERRS])
    story = given(saga(trip, step("z"), vars=COUNT)).done("book").failed("z")
    story.then(held="trip@0/bad").control("retry").then(held="trip@0/bad")


def test_what_erred_in_a_part_that_has_stopped_since_is_not_entered_again() -> None:
    """The deadline of the scope passes as soon as it is released."""
    part = scope(
        "s", ERRS, deadline={"after": "1h"}, on_failure=[on_failure("deadline", wait("w"))]
    )
    story = given(saga(part, vars=COUNT)).then(held="s/bad").after("2h").then(held="s/bad")
    story.control("retry").then(held="s/bad")


# --- races and joins -----------------------------------------------------------------------------


def test_of_a_race_that_is_won_at_its_entry_no_other_trigger_is_entered() -> None:
    first = {"name": "x", "on": milestone("m", "true"), "flow": [step("a")]}
    other = {"name": "y", "on": wait("w"), "flow": [step("b")]}
    story = given(saga(race("r", first, other), step("z")))
    story.then(offered=["r/x/a"], waits=["participant"]).done("a").then(offered=["z"])


def test_a_parallel_of_which_no_guard_is_true_is_joined_at_once() -> None:
    none = parallel("p", branch("x", step("a"), when="false"), branch("y", step("b"), when="false"))
    given(saga(none, step("z"))).then(offered=["z"])


def test_losers_in_flight_are_awaited_each() -> None:
    three = parallel("p", branch("x", step("a")), branch("y", step("b")), branch("v", step("c")),
                     join="any")  # fmt: skip
    story = (
        given(saga(three, step("z")))
        .started("b")
        .started("c")
        .done("a")
        .then(offered=["p/y/b", "p/v/c"])
    )
    story.done("b").then(offered=["p/v/c"]).done("c").then(offered=["z"])


def test_a_branch_that_was_skipped_is_not_begun_by_another_that_it_came_after() -> None:
    four = parallel(
        "p", branch("x", step("a")), branch("y", step("b")),
        branch("v", step("c"), after=["x", "y"]), on_branch="collect",
    )  # fmt: skip
    story = given(saga(four, step("z"))).failed("a").then(offered=["p/y/b"])
    story.done("b").then(offered=["z"])


def test_one_branch_at_a_time_and_none_is_begun_once_it_is_joined() -> None:
    three = parallel("p", branch("x", step("a")), branch("y", step("b")), branch("v", step("c")),
                     join=2, exclusive="branch")  # fmt: skip
    story = given(saga(three, step("z"))).then(offered=["p/x/a"]).done("a")
    story.then(offered=["p/y/b"]).done("b").then(offered=["z"])


def test_a_result_told_anew_of_a_branch_that_is_over_is_not_collected() -> None:
    two = parallel("p", branch("x", step("a")), branch("y", step("b")), on_branch="collect")
    story = given(saga(two, step("z"))).done("a", {"n": 1}).late("a", result={"n": 2})
    story.then(debts=["contradicted p/x/a"], offered=["p/y/b"])
    story.done("b").then(offered=["z"])


def test_a_list_that_is_joined_begins_no_more_items() -> None:
    xs = {"id": "acme", "xs": ["k1", "k2", "k3"]}
    story = given(saga(each("p", step("a"), width=2, join="any"), step("z")), xs)
    story.started("p[k1]/a").started("p[k2]/a").done("p[k1]/a").then(offered=["p[k2]/a"])
    story.done("p[k2]/a").then(offered=["z"])


def test_a_list_is_closed_by_its_condition_when_it_is_looked_at() -> None:
    open_ = each("p", step("a"), open=True, within="9d", close_when="vars.n > 0")
    two = parallel("b", branch("x", open_), branch("y", step("c"), put("d", n="1")))
    story = given(saga(two, step("z"), vars=COUNT), XS).done("b/x/p[k1]/a").done("b/x/p[k2]/a")
    story.then(offered=["b/y/c"]).done("c").then(offered=["z"])


# --- targets -----------------------------------------------------------------------------------


def test_an_item_is_cancelled_before_it_began_while_it_runs_and_not_after() -> None:
    """The one that has not begun is left out; of the one that is over nothing changes."""
    drop = handler("h", "drop", cancel("off", "p", item="event.data.k"), width=9)
    document = saga(each("p", step("a", undo=True), width=1), step("z"), handlers=[drop])
    story = given(document, {"id": "acme", "xs": ["k1", "k2", "k3"]}).done("p[k1]/a")
    story.happens("drop", {"k": "k3"}).happens("drop", {"k": "k1"}).happens("drop", {"k": "k9"})
    story.then(offered=["p[k2]/a"]).started("p[k2]/a").happens("drop", {"k": "k2"})
    story.then(offered=["p[k2]/a"]).done("p[k2]/a").undone("p[k2]/a").then(offered=["z"])
    story.then(undo=["p[k1]/a"])


def test_an_item_is_finished_and_what_it_did_stays() -> None:
    enough = handler("h", "enough", finish("fin", "p", item="event.data.k"), width=9)
    document = saga(each("p", step("a", undo=True), wait("w")), step("z"), handlers=[enough])
    story = given(document, XS).done("p[k1]/a").done("p[k2]/a")
    story.happens("enough", {"k": "k1"}).then(at=["p[k2]/w"], undo=["p[k2]/a", "p[k1]/a"])


def test_two_that_undo_the_same_part_wait_for_the_same_end() -> None:
    back = handler("h", "x", undo("again", "a"), width=2)
    document = saga(step("a", undo=True), wait("w"), step("z"), handlers=[back])
    story = given(document).done("a").happens("x").happens("x").then(offered=["undo a"])
    story.undone("a").then(at=["w"], offered=[])
    story.happens("w").done("z").then(status="fulfilled", undo_commands=["a"])


# --- stops inside stops, and pivots ------------------------------------------------------------


def test_a_cancel_takes_over_a_part_that_stops_already() -> None:
    inner = scope("s", parallel("p", branch("x", step("a")), branch("y", step("b"))),
                  on_failure=[on_failure("*", step("sorry"))])  # fmt: skip
    story = given(saga(inner)).started("a").started("b").failed("b").then(offered=["s/p/x/a"])
    story.cancelled().then(offered=["s/p/x/a"]).done("a").then(status="cancelled")


def test_an_interrupt_that_waits_for_a_pivot_gives_way_to_a_cancel() -> None:
    document = saga(
        step("pay", irreversible="pivot"),
        handlers=[handler("h", "gone", step("last"), mode="interrupt")],
    )
    story = given(document).started("pay").happens("gone").then(offered=["pay"])
    story.cancelled().then(offered=["pay"]).failed("pay").then(status="cancelled", commands=["pay"])


def test_a_pivot_that_waits_for_its_next_attempt_is_given_up_by_a_stop() -> None:
    """Its first attempt was not answered: it may have happened, so that is found out first."""
    pay = step("pay", risk="R1", irreversible="pivot", retry={"attempts": 3, "first": "1h"},
               unknown="retry", probe=True)  # fmt: skip
    story = given(saga(step("a", undo=True), pay)).done("a").started("pay").lost("pay")
    story.then(offered=[], waits=["retry"]).cancelled().then(offered=["probe pay"])
    story.answers("pay", "absent", "probe").then(offered=["undo a"])
    story.undone("a").then(status="cancelled")


def test_an_attempt_after_a_lost_one_that_is_taken_back_stays_to_be_undone() -> None:
    once = step("a", undo=True, retry={"attempts": 3, "jitter": 0})
    story = given(saga(once)).started("a").lost("a").after("2s").then(attempts=[2])
    story.cancelled().then(offered=["undo a"]).undone("a").then(status="cancelled")


def test_what_cannot_be_repeated_is_found_out_when_its_attempts_are_over() -> None:
    pay = step("pay", risk="R2", level="A1", irreversible="accepted", unknown="probe", probe=True)
    story = given(saga(approve("ok", pay, level="A1"))).decides("ok", "mia", "manager")
    story.started("pay").lost("pay").then(offered=["probe ok/pay"])
    story.answers("pay", "absent", "probe").then(waits=["retry"])


def test_a_pivot_does_not_seal_what_is_being_undone_beside_it() -> None:
    two = parallel(
        "p", branch("x", step("a", undo=True), step("b")),
        branch("y", step("pay", irreversible="pivot")), on_branch="collect",
    )  # fmt: skip
    story = (
        given(saga(two, step("z"))).done("a").failed("b").then(offered=["p/y/pay", "undo p/x/a"])
    )
    story.done("pay").then(offered=["undo p/x/a"]).undone("a").then(offered=["z"])


# --- people ------------------------------------------------------------------------------------


@pytest.mark.parametrize("node", [approve("ask", step("b"), within="3d"), task("ask", within="3d")],
                         ids=["approve", "task"])  # fmt: skip
def test_who_is_asked_is_told_the_time_that_was_moved(node: Json) -> None:
    story = given(saga(node)).then()
    story.control("move", node="ask", to_us=LATER_US)
    instance = story.w.now.nodes["ask"]
    asked = instance.asked or instance.task
    assert asked is not None
    assert asked.due_us == LATER_US
    story.after("4d").then(waits=["approval" if instance.asked else "task"])


def test_a_debt_that_is_being_undone_again_is_not_settled_meanwhile() -> None:
    story = given(saga(step("a", undo=True), step("b"))).done("a").failed("b").failed("a", "gone")
    story.then(status="in_debt").control("retry").then(offered=["undo a"])
    story.control("settle", **SEEN_TO).then(answer="control.target", offered=["undo a"])
    story.undone("a").then(status="compensated")


# --- locks, updates, undo flows ------------------------------------------------------------------


def test_a_lock_for_which_too_many_wait_holds_it() -> None:
    story = given(saga(sleep("rest", "1h"), lock("held", step("a"), of="press")))
    story.w.locks.clear()
    story.w._to_lock = lambda to, message: []  # nobody answers yet
    story.after("1h").then(offered=[])
    story.w.send(msg.NotGranted("held", story.w.now.locks["held"].ask))
    story.then(status="held", held="held")


def test_updates_of_two_branches_are_told_apart_by_their_paths() -> None:
    xs = each("p", scope("s", wait("w"), updates=[update("u", answer="each.p.item")]))
    story = given(saga(xs), XS).then()
    story.asks("u").then(answer="update.ambiguous", events=[])
    story.asks("p[k2]/s/u").then(answer="accepted", said="k2")


def test_an_undo_flow_reads_the_event_and_the_arguments_of_the_run_that_it_lies_in() -> None:
    back = step("back", args={"what": "event.data.k"})
    run = handler("h", "x", scope("trip", step("book"), undo_flow=[back]))
    story = given(saga(step("z"), handlers=[run])).happens("x", {"k": 7}).done("book").failed("z")
    story.then(args=[{"what": 7}])
    back = step("back", args={"what": "args.k"})
    run = update("u", scope("trip", step("book"), undo_flow=[back]))
    story = given(saga(step("z"), updates=[run])).asks("u", k=7).done("book").failed("z")
    story.then(args=[{"what": 7}])


def test_a_second_failure_in_an_undo_flow_is_the_same_debt() -> None:
    both = parallel("p", branch("x", step("one")), branch("y", step("two")))
    trip = scope("trip", step("book"), undo_flow=[both])
    story = given(saga(trip, step("z"))).done("book").failed("z").started("one").started("two")
    story.failed("one", "gone").then(debts=["undo trip"]).failed("two", "gone")
    story.then(debts=["undo trip"]).control("settle", **SEEN_TO).then(status="compensated")


def test_an_update_is_open_while_what_it_says_of_its_arguments_holds() -> None:
    story = given(saga(step("a"), updates=[update("u", when="args.k > 1")])).then()
    story.asks("u", k=1).then(answer="update.closed", events=[])
    story.asks("u", k=2).then(answer="accepted")


def test_a_guard_of_a_branch_reads_the_item_that_it_lies_in() -> None:
    both = parallel("b", branch("x", step("a"), when="each.p.item == 'k1'"), branch("y", step("c")))
    given(saga(each("p", both)), XS).then(offered=["p[k1]/b/x/a", "p[k1]/b/y/c", "p[k2]/b/y/c"])


def test_what_fails_late_in_a_scope_that_was_interrupted_is_not_caught_there() -> None:
    part = scope(
        "s", step("a"), wait("w"), handlers=[handler("h", "gone", step("last"), mode="interrupt")],
        on_failure=[on_failure("contradicted", step("sorry"))],
    )  # fmt: skip
    story = given(saga(part, step("z"))).done("a", {"n": 1}).happens("gone")
    story.then(offered=["s/h@1/last"]).late("a", result={"n": 2})
    story.then(debts=["contradicted s/a"], offered=["s/h@1/last"]).done("last").then(offered=["z"])


@pytest.mark.parametrize(("risk", "asks"), [("R1", False), ("R2", True), ("R3", True)])
def test_what_may_have_happened_and_is_not_harmless_is_asked_about(risk: str, asks: bool) -> None:
    """One attempt was lost, the next says no."""
    pay = step("pay", risk=risk, level="A1", irreversible="accepted", unknown="retry",
               retry={"attempts": 2, "jitter": 0})  # fmt: skip
    story = given(saga(approve("ok", pay, level="A1"))).decides("ok", "mia", "manager")
    story.started("pay").lost("pay").after("2s").failed("pay")
    assert story.w.now.status == ("waiting" if asks else "failed")


def test_a_retry_for_which_too_many_wait_is_a_fault_of_its_own() -> None:
    limited = {"name": "crm", "max": 1, "per": "1m"}
    once = step("a", throttle=limited, retry={"attempts": 3, "first": "1s", "jitter": 0})
    story = given(saga(once)).answers("a", "transient", code="busy")
    story.w._to_throttle = lambda to, message: []  # nobody answers yet
    story.after("2s").then(offered=[])
    story.w.send(NoTurn("a", story.w.now.places["a"].ask))
    story.then(status="held", held="a")


def test_an_undo_of_a_part_that_is_open_beside_it_goes_on_at_once() -> None:
    back = handler("h", "x", undo("back", "s"))
    document = saga(scope("s", step("a", undo=True), wait("w")), handlers=[back])
    given(document).done("a").happens("x").then(offered=[], undo=["s/a"], at=["s/w"])


def test_an_item_that_has_not_begun_is_not_cut_out_of_a_list_that_stops() -> None:
    all_ = handler("h", "all", cancel("every", "p"))
    drop = handler("i", "drop", cancel("off", "p", item="'k2'"))
    story = given(saga(each("p", step("a"), width=1), step("z"), handlers=[all_, drop]), XS)
    story.started("a").happens("all").happens("drop").then(offered=["p[k1]/a"])
    assert story.w.now.nodes["p"].branches == {}
    story.done("a").then(offered=["z"])


def test_the_way_that_is_taken_when_no_guard_holds_is_called_else() -> None:
    ways = choose("way", branch("x", step("a"), when="false"), otherwise=[step("b")])
    given(saga(ways, step("z"))).done("b").then(results={"b": None, "way": {"branch": "else"}})


def test_a_pivot_in_a_branch_that_runs_on_seals_what_came_before_it_there() -> None:
    two = parallel(
        "p", branch("fast", step("b", undo=True)),
        branch("slow", step("a", undo=True), step("pay", irreversible="pivot")),
        join="any", losers="run_on",
    )  # fmt: skip
    given(saga(two, step("z"))).done("b").done("a").done("pay").then(undo=["p/fast/b"])


def test_a_late_done_while_the_next_attempt_waits_takes_its_time_away() -> None:
    story = given(saga(step("a", retry={"attempts": 3, "jitter": 0}), step("b")))
    story.started("a").lost("a").then(waits=["retry"]).late("a").then(timers=[], offered=["b"])


def test_a_debt_past_a_pivot_in_a_part_that_has_stopped_since_is_not_tried_again() -> None:
    part = scope("s", step("pay", irreversible="pivot"), step("b"), deadline={"after": "1h"},
                 on_failure=[on_failure("deadline", wait("w"))])  # fmt: skip
    story = given(saga(part)).done("pay").failed("b").then(debts=["forward s/b"])
    story.after("2h").control("retry").then(answer="control.target", offered=[])
