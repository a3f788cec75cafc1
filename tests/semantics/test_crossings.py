"""Two things at once: what was stopped, given up or held meets what comes of it later."""

from domain import events as ev
from tests.semantics.family import Family
from tests.semantics.language import (
    approve,
    branch,
    fail,
    fulfil,
    given,
    handler,
    lock,
    on_failure,
    parallel,
    put,
    saga,
    scope,
    sleep,
    step,
)

PAY = step("pay", irreversible="pivot")
ANYTHING = on_failure("*")


def test_a_fulfil_beside_a_pivot_refuses_the_cancel_that_waited_for_it() -> None:
    part = parallel("p", branch("x", PAY), branch("y", step("b"), fulfil()))
    story = given(saga(part)).started("pay").cancelled().done("b").done("pay")
    story.then(status="fulfilled", error=None)


def test_what_fails_after_a_time_that_passed_fails_its_part() -> None:
    late = scope("s", sleep("n", "1h"), fail("no", "late"), on_failure=[ANYTHING])
    given(saga(late, step("z"))).after("1h").then(offered=["z"])


def test_a_pivot_whose_decision_ran_out_before_anybody_began_lets_a_cancel_go_on() -> None:
    pay = approve("ok", step("pay", irreversible="pivot", risk="R2", unknown="ask"), valid="1h")
    story = given(saga(step("a", undo=True), pay)).done("a").decides("ok", "mia", "manager")
    story.then(offered=["ok/pay"])
    story.w.started.add(story.w.dispatch("pay").effect)  # the desk has not said yet who began
    story.cancelled().then(offered=["ok/pay"])
    story.nobody_starts("pay", "not_after").then(offered=["undo a"])
    story.undone("a").then(status="cancelled")


def test_of_two_stops_that_wait_for_one_pivot_each_is_decided_when_it_is_done() -> None:
    part = parallel("p", branch("x", PAY), branch("y", step("b")))
    story = given(saga(scope("s", part, on_failure=[on_failure("*", step("mend"))])))
    story.started("pay").failed("b").cancelled().then(offered=["s/p/x/pay"])
    story.done("pay").then(offered=["s/mend"])
    story.done("mend").then(status="fulfilled")


def test_a_handler_held_at_its_opening_stays_closed_if_its_scope_is_over_at_the_retry() -> None:
    own = {"v": {"schema": {"type": "integer"}, "initial": 0}}
    wrong = {"name": "h", "events": ["e"], "key": "''", "flow": [step("never")]}
    part = scope("s", put("more", v="1"), handlers=[wrong])
    story = given(saga(part, step("z"), vars=own)).then(held="s/h", offered=["z"])
    story.control("retry").then(status="open", held=None, offered=["z"])


def test_a_late_done_under_a_lock_is_undone_once_the_lock_is_held_again() -> None:
    part = lock("held", scope("s", step("a", undo=True), on_failure=[ANYTHING]))
    story = given(saga(part, step("z"))).failed("a").then(offered=["z"])
    story.late("a").then(offered=["z", "undo held/s/a"])


def test_a_late_done_that_nothing_can_undo_is_a_debt_at_its_node() -> None:
    part = scope("s", step("a", risk="R1"), on_failure=[ANYTHING])
    story = given(saga(part, step("z"))).failed("a").late("a")
    story.then(offered=["z"], debts=["late s/a"])


def test_a_cancel_of_a_step_that_waits_for_the_turn_of_its_retry_gives_its_place_back() -> None:
    crm = {"name": "crm", "max": 1, "per": "1h"}
    retry = {"attempts": 3, "first": "1s", "jitter": 0}
    ring = step("ring", throttle=crm, retry=retry, undo={"args": {"id": "result.id"}})
    story = given(saga(ring)).started("ring").lost("ring").after("1s")
    assert list(story.w.now.places) == ["ring"]
    story.cancelled().then(waits=["unknown"])
    assert list(story.w.now.places) == []


def test_what_waits_for_its_hours_keeps_no_place_for_a_turn() -> None:
    week = {day: ["09:00-17:00"] for day in ("mon", "tue", "wed", "thu", "fri")}
    crm = {"name": "crm", "max": 1, "per": "5h"}
    document = saga(
        sleep("night", "15h"), step("first", throttle=crm),
        step("ring", throttle=crm, calendar="office"),
        calendars={"office": {"zone": "Europe/Berlin", "hours": week}},
    )  # fmt: skip
    story = given(document).after("15h").done("first").after("5h").then(waits=["hours"])
    assert story.w.now.places == {}


def test_an_undo_that_rests_in_its_flow_goes_on_beside_a_stop_around_it() -> None:
    trip = scope("trip", step("book"), undo_flow=[sleep("rest", "1h"), step("give_back")])
    inner = scope("outer", trip, step("b"), on_failure=[on_failure("business", step("sorry"))])
    ends = handler("end", "end", step("bye"), mode="interrupt", undo="all")
    story = given(saga(scope("around", inner, handlers=[ends]))).done("book").failed("b")
    story.happens("end").then(offered=[])
    story.after("1h").then(offered=["around/outer/trip@0/give_back"])
    story.done("give_back").then(offered=["around/end@1/bye"])


def test_a_commitment_that_ends_when_a_debt_under_a_lock_is_settled_gives_the_lock_back() -> None:
    part = lock("held", step("cut", undo=True))
    story = given(saga(part, step("ship"), on_debt="continue")).done("cut").failed("ship")
    story.answers("cut", "failed", "undo", code="no").then(debts=["undo held/cut"])
    assert list(story.w.now.locks) == ["held"]
    story.control("settle", evidence=["letter"]).then(status="compensated")
    assert story.w.now.locks == {}


def test_a_child_that_owes_refuses_to_be_revoked_and_says_why() -> None:
    part = scope("s", step("a", undo=True), step("b"), on_failure=[ANYTHING])
    kid = saga(part, saga="kid")
    own = {"node": "child", "name": "kid", "saga": "kid", "key": "input.id",
           "input": "{'id': input.id}", "wait": False}  # fmt: skip
    f = Family(saga(own, step("after"), saga="mum"), kid)
    f.start("mum")
    f.done("a").failed("b", "no").failed("undo a", "no")
    f.failed("after", "no")
    asked = next(e for e in f.events[f.id_of("kid")] if isinstance(e, ev.RevokeAsked))
    assert asked.error == {
        "class": "business", "code": "cancel.in_debt", "message": "1 debts are open", "node": "",
    }  # fmt: skip
