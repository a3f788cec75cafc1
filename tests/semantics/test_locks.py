"""lock: one holder of a tenant at a time, in the order of requests, also to undo (section 3)."""

from typing import Any

from domain.durations import duration_us
from domain.ids import lock_id
from tests.semantics.family import Family
from tests.semantics.language import (
    branch,
    child,
    given,
    handler,
    on_failure,
    parallel,
    saga,
    scope,
    sleep,
    step,
    undo,
    wait,
)

Json = Any


def lock(name: str, *flow: Json, of: str = "press", within: str = "1h", **members: Json) -> Json:
    return {"node": "lock", "name": name, "lock": of, "within": within, "flow": list(flow),
            **members}  # fmt: skip


def printing(*flow: Json, name: str = "print") -> Json:
    return saga(*flow, saga=name)


def two(*flow: Json) -> Family:
    """Two commitments of one saga, which both want the press; the first one has it."""
    f = Family(printing(*flow))
    f.start("print", key="one")
    f.start("print", key="two")
    return f


def work(f: Family) -> list[str]:
    return sorted(f"{d.body['key']} {name}" for name, d in f.work.items())


def fences(f: Family, key: str) -> Json:
    return f.of("print", key=key).frames.get("", {}).get("results", {}).get("held")


def test_one_holds_the_lock_the_next_waits_until_its_flow_is_done() -> None:
    f = two(lock("held", step("cut")))
    assert work(f) == ["one cut"]
    assert f.status("print", key="two") == "waiting"
    f.done("cut")
    assert work(f) == ["two cut"]
    f.done("cut")
    assert f.status("print", key="two") == "fulfilled"


def test_the_fence_rises_with_every_holder_and_can_be_read_inside() -> None:
    f = two(lock("held", step("cut", args={"fence": "results.held.fence"})))
    assert f.work["cut"].body["args"] == {"fence": 1}
    f.done("cut")
    assert f.work["cut"].body["args"] == {"fence": 2}


def test_a_lock_yields_its_fence_and_its_out() -> None:
    f = Family(printing(lock("held", step("cut"), out="results.cut"), step("after")))
    f.start("print")
    f.done("cut", 7)
    assert f.of("print").frames[""]["results"]["held"] == {"fence": 1, "out": 7}


def test_it_is_granted_in_the_order_of_requests() -> None:
    f = two(lock("held", step("cut")))
    f.start("print", key="three")
    order = []
    for _ in range(3):
        order += work(f)
        f.done("cut")
    assert order == ["one cut", "two cut", "three cut"]


def test_other_locks_do_not_wait_for_each_other() -> None:
    f = Family(
        printing(lock("held", step("cut"))), printing(lock("held", step("fold"), of="table"),
                                                      name="fold")
    )  # fmt: skip
    f.start("print")
    f.start("fold")
    assert sorted(f.work) == ["cut", "fold"]


def test_who_does_not_get_it_within_its_time_fails_and_leaves_the_queue() -> None:
    f = two(lock("held", wait("proof", within="9d"), within="1h"))
    f.pass_time(duration_us("2h"))
    assert f.status("print", key="two") == "failed timeout:held"
    assert f.status("print", key="one") == "waiting"
    assert list(f.states[lock_id("north", "press")].queue) == []


def test_with_continue_it_goes_on_without_the_lock_and_without_its_flow() -> None:
    f = two(lock("held", wait("proof", within="9d"), on_expiry="continue"), step("after"))
    f.pass_time(duration_us("2h"))
    assert work(f) == ["two after"]
    assert fences(f, "two") == {"expired": True}


def test_a_cancel_in_the_queue_withdraws_the_request() -> None:
    f = two(lock("held", step("cut")))
    f.start("print", key="three")
    f.control("print", "cancel", key="two")
    f.done("cut")
    assert work(f) == ["three cut"]


def test_a_holder_that_stops_gives_it_back_only_when_it_has_settled() -> None:
    f = two(lock("held", step("cut")))
    f.begins("cut")
    f.control("print", "cancel", key="one")
    assert work(f) == ["one cut"], "what was started is awaited"
    f.failed("cut", "no")
    assert work(f) == ["two cut"]


def test_max_hold_stops_the_flow_first_so_that_holders_never_overlap() -> None:
    f = two(lock("held", wait("proof", within="9d"), max_hold="10m"))
    f.pass_time(duration_us("11m"))
    assert f.status("print", key="one") == "failed timeout:held"
    assert f.of("print", key="two").frames[""]["results"]["held"] == {"fence": 2}


def test_max_hold_counts_from_the_grant() -> None:
    f = two(lock("held", wait("proof", within="9d"), max_hold="50m"))
    f.pass_time(duration_us("55m"))
    assert f.status("print", key="two") == "waiting"
    f.pass_time(duration_us("20m"))
    assert f.status("print", key="two") == "waiting"
    f.pass_time(duration_us("40m"))
    assert f.status("print", key="two") == "failed timeout:held"


def test_undoing_under_a_lock_takes_it_again() -> None:
    f = two(lock("held", step("cut", undo=True)), step("ship"))
    f.done("cut")
    assert work(f) == ["one ship", "two cut"]
    f.failed("ship", "no")
    assert work(f) == ["two cut"], "the undo of one waits for the lock that two holds"
    assert f.status("print", key="one") == "compensating"
    f.done("cut")
    assert work(f) == ["one undo cut", "two ship"]
    f.done("undo cut")
    assert f.status("print", key="one") == "compensated business:no"
    assert f.states[lock_id("north", "press")].holders == {}


def test_a_part_inside_the_lock_is_undone_while_it_is_held() -> None:
    inner = scope("s", step("cut", undo=True), step("fold"),
                  on_failure=[on_failure("*", step("sorry"))])  # fmt: skip
    f = two(lock("held", inner))
    f.done("cut").failed("fold", "no")
    assert work(f) == ["one undo cut"]
    f.done("undo cut")
    assert work(f) == ["one sorry"]
    f.done("sorry")
    assert work(f) == ["two cut"]


def test_a_failure_inside_gives_it_back_and_takes_it_again_in_its_turn_to_undo() -> None:
    f = two(lock("held", step("cut", undo=True), step("fold")))
    f.done("cut").failed("fold", "no")
    assert work(f) == ["two cut"]
    f.done("cut").done("fold")
    assert work(f) == ["one undo cut"]
    assert f.states[lock_id("north", "press")].fence == 3


def test_with_permits_as_many_hold_it_at_once_and_the_next_waits() -> None:
    f = two(lock("held", step("cut", args={"fence": "results.held.fence"}), permits=2))
    f.start("print", key="three")
    assert fences(f, "one") == {"fence": 1}
    assert fences(f, "two") == {"fence": 2}, "each has a fence of its own"
    assert fences(f, "three") is None
    f.control("print", "cancel", key="one")
    assert fences(f, "three") == {"fence": 3}


def test_with_permits_too_it_is_granted_in_the_order_of_requests() -> None:
    """Who wants the lock alone waits for all before it, and nobody behind it overtakes."""
    f = Family(
        printing(lock("held", wait("proof", within="9d"), permits=2)),
        printing(lock("held", step("cut")), name="alone"),
    )
    f.start("print", key="one")
    f.start("alone", key="two")
    f.start("print", key="three")
    assert (fences(f, "one"), fences(f, "three")) == ({"fence": 1}, None)
    assert "cut" not in f.work
    f.control("print", "cancel", key="one")
    assert work(f) == ["two cut"]
    f.done("cut")
    assert fences(f, "three") == {"fence": 3}


def test_to_undo_a_lock_with_permits_is_taken_again_beside_others() -> None:
    f = two(lock("held", step("cut", undo=True), permits=2), step("ship"))
    f.done("cut").failed("ship", "no")
    assert work(f) == ["two undo cut"], "the first one holds it too: no need to wait for that"
    f.done("undo cut")
    assert f.status("print", key="two") == "compensated business:no"
    held = f.states[lock_id("north", "press")]
    assert (held.fence, len(held.holders)) == (3, 1)


def test_to_undo_it_waits_for_a_permit_as_anybody_does() -> None:
    f = two(lock("held", step("cut", undo=True), permits=2), step("ship"))
    f.start("print", key="three")
    f.done("cut")
    assert work(f) == ["three cut", "two ship"]
    f.failed("ship", "no")
    assert work(f) == ["three cut"], "one and three hold it"
    f.control("print", "cancel", key="one")
    assert work(f) == ["three cut", "two undo cut"]


def test_a_lock_of_another_tenant_is_another_lock() -> None:
    assert lock_id("north", "press") != lock_id("south", "press")


# --- what stops while others in it undo -----------------------------------------------------------


def beside(*flow: Json) -> Family:
    """Two branches want the press; `a` has it, and waits behind `b` to undo what it did with it."""
    own = branch("a", lock("held_a", step("cut", undo=True), step("fold")))
    other = branch("b", lock("held_b", *flow))
    f = Family(printing(parallel("both", own, other, on_branch="collect")))
    f.start("print")
    return f.done("cut").failed("fold", "no")


def test_what_stops_gives_it_on_to_an_undo_that_the_stop_awaits() -> None:
    f = beside(step("glue"))
    f.begins("glue").control("print", "cancel")
    assert sorted(f.work) == ["glue"], "what was started is awaited"
    f.failed("glue", "no")
    assert sorted(f.work) == ["undo cut"]
    f.done("undo cut")
    assert f.status("print") == "cancelled cancelled:cancelled"
    assert f.states[lock_id("north", "press")].holders == {}


def test_what_stops_where_nothing_is_in_flight_gives_it_on_at_once() -> None:
    f = beside(wait("proof", within="9d"))
    f.control("print", "cancel")
    assert sorted(f.work) == ["undo cut"]


def test_a_request_is_withdrawn_by_a_stop_that_awaits_an_undo() -> None:
    """It stands before the request to undo, and would get a lock that nobody needs any more."""
    own = branch("a", lock("held_a", step("cut", undo=True)), step("fold"))
    late = branch("b", sleep("later", "1m"), lock("held_b", step("glue")))
    f = Family(
        printing(parallel("both", own, late, on_branch="collect")),
        printing(lock("held", step("bind")), name="other"),
    )
    f.start("print")
    f.done("cut").start("other")
    f.pass_time(duration_us("2m"))
    f.failed("fold", "no")
    assert sorted(f.work) == ["bind"]
    f.control("print", "cancel")
    f.done("bind")
    assert sorted(f.work) == ["undo cut"]


def test_what_stops_gives_it_on_to_a_child_that_the_stop_awaits() -> None:
    late = branch("b", sleep("later", "1m"), lock("held", step("glue")))
    kid = saga(lock("held", step("cut", undo=True)), wait("proof", within="9d"), saga="kid")
    f = Family(printing(parallel("both", branch("a", child("kid")), late)), kid)
    f.start("print")
    f.done("cut").pass_time(duration_us("2m"))
    f.begins("glue").control("print", "cancel")
    assert sorted(f.work) == ["glue"]
    f.failed("glue", "no")
    assert sorted(f.work) == ["undo cut"]
    f.done("undo cut")
    assert f.status("print") == "cancelled cancelled:cancelled"


def test_held_too_long_it_goes_on_only_when_what_undoes_in_it_has_settled() -> None:
    inner = parallel(
        "both",
        branch("a", step("cut", undo=True), step("fold")),
        branch("b", step("glue"), wait("proof", within="9d")),
        on_branch="collect",
    )
    f = two(lock("held", inner, max_hold="10m"))
    f.done("cut").failed("fold", "no").done("glue")
    f.pass_time(duration_us("11m"))
    assert work(f) == ["one undo cut"], "two waits for the lock"
    f.done("undo cut")
    assert work(f) == ["two cut", "two glue"]
    assert f.status("print", key="one") == "compensated timeout:held"


def test_held_too_long_beside_a_pivot_in_flight_it_is_kept_while_its_flow_goes_on() -> None:
    """A failure waits for the pivot, and stops nothing before: the flow is still under the lock."""
    held = lock("held", sleep("dry", "1h"), step("fold"), max_hold="10m")
    part = scope(
        "s", step("pay", irreversible="pivot"), handlers=[handler("h", "ring", held)],
        on_failure=[on_failure("*", step("sorry"))],
    )  # fmt: skip
    story = given(saga(part)).started("pay").happens("ring")
    story.after("2h").then(offered=["s/pay", "s/h@1/held/fold"])
    assert story.w.now.locks["s/h@1/held"].fence == 1
    story.done("fold")
    assert story.w.now.locks == {}
    story.done("pay").then(offered=["s/sorry"]).done("sorry").then(status="fulfilled")


def test_a_late_done_is_undone_under_the_lock_though_its_flow_is_over_meanwhile() -> None:
    given_up = scope("s", step("cut", undo=True), on_failure=[on_failure("*")])
    part = lock("held", given_up, step("fold", undo=True))
    story = given(saga(part, step("ship"))).failed("cut").late("cut")
    story.then(offered=["held/fold", "undo held/s/cut"])
    story.done("fold").then(offered=["undo held/s/cut", "ship"])
    assert story.w.now.locks["held"].fence == 1, "nobody else has it meanwhile"
    story.undone("cut").then(offered=["ship"])
    assert story.w.now.locks == {}
    story.failed("ship").then(offered=["undo held/fold"]).undone("fold").then(status="compensated")


def test_a_part_that_stops_keeps_its_lock_while_an_undo_around_it_undoes_there() -> None:
    held = lock("held", step("cut", undo=True), step("fold", undo=True), max_hold="1h")
    both = parallel(
        "both", branch("a", sleep("rest", "2h"), undo("back", "both")), branch("b", held),
        on_branch="collect",
    )  # fmt: skip
    story = given(saga(both)).done("cut").started("fold").after("1h").after("1h")
    story.then(offered=["both/b/held/fold", "undo both/b/held/cut"])
    story.failed("fold").then(offered=["undo both/b/held/cut"])
    assert story.w.now.locks["both/b/held"].fence == 1, "nobody else has it meanwhile"
    story.undone("cut").then(status="fulfilled")
    assert story.w.now.locks == {}
