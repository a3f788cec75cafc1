"""Lists that take more until they are closed, and decisions about items (sections 3, 6)."""

from __future__ import annotations

from typing import Any

from tests.semantics.language import (
    Story,
    add,
    approve,
    each,
    given,
    handler,
    parallel,
    put,
    saga,
    step,
)
from tests.semantics.language import branch as part

Json = Any
OPEN = {"open": True, "within": "30d"}
COUNT = {"n": {"schema": {"type": "integer"}, "initial": 0}}


def over(document: Json, *items: Json) -> Story:
    """The saga is started with these items."""
    return given(document, {"id": "acme", "xs": list(items)})


# --- open lists ----------------------------------------------------------------------------------


JOINING = handler("joining", "joined", add("more", "p", "[event.data.k]", close="event.data.last"))


def test_an_open_list_takes_more_until_it_is_closed_and_then_completes() -> None:
    document = saga(each("p", step("a"), **OPEN), step("z"), handlers=[JOINING])
    (
        over(document, "k1")
        .done("a")
        .then(at=["p"], waits=["items"])
        .happens("joined", {"k": "k2", "last": False})
        .then(offered=["p[k2]/a"])
        .happens("joined", {"k": "k3", "last": True})
        .done("p[k2]/a")
        .done("p[k3]/a")
        .then(
            offered=["z"],
            results={"p": {"done": ["k1", "k2", "k3"], "failed": [], "skipped": [], "out": {}}},
        )
    )


def test_an_open_list_is_joined_only_once_it_is_closed() -> None:
    document = saga(each("p", step("a"), **OPEN, join="any"), step("z"), handlers=[JOINING])
    (
        over(document, "k1")
        .done("a")
        .then(waits=["items"])
        .happens("joined", {"k": "k2", "last": True})
        .then(offered=["z"], commands=["p[k1]/a", "z"])
    )


def test_close_when_is_read_after_every_move() -> None:
    document = saga(
        parallel(
            "both",
            part("one", each("p", step("a"), **OPEN, close_when="vars.n > 0")),
            part("two", step("b"), put("count", n="1")),
        ),
        step("z"),
        vars=COUNT,
    )
    over(document, "k1").done("a").then(offered=["both/two/b"]).done("b").then(offered=["z"])


def test_an_item_may_add_items_to_its_own_list() -> None:
    document = saga(
        each("p", add("more", "p", "[each.p.item + 'x']", when="each.p.index < 2"), step("a"),
             **OPEN, close_when="size(input.xs) > 0")
    )  # fmt: skip
    over(document, "k").then(status="failed", error="business:items.closed")  # closed at once
    document["flow"][0]["close_when"] = "vars.n > 2"
    document["flow"][0]["flow"].append(put("count", n="vars.n + 1"))
    story = over({**document, "vars": COUNT}, "k")
    story.then(offered=["p[k]/a", "p[kx]/a", "p[kxx]/a"])
    story.done("p[k]/a").done("p[kx]/a").done("p[kxx]/a").then(status="fulfilled")


def test_an_add_to_a_list_that_is_not_open_is_a_business_failure() -> None:
    document = saga(each("p", step("a"), **OPEN, close_when="true"), step("z"), handlers=[JOINING])
    (
        over(document, "k1")
        .happens("joined", {"k": "k2", "last": False})
        .then(error="business:items.closed", status="failed")
    )


def test_a_key_that_is_there_already_fails_the_add() -> None:
    document = saga(each("p", step("a"), **OPEN), handlers=[JOINING])
    story = over(document, "k1").happens("joined", {"k": "k1", "last": False})
    story.then(status="held", held="joining@1/more")


def test_an_add_may_only_close() -> None:
    closing = handler("closing", "enough", add("over", "p", close="true"))
    document = saga(each("p", step("a"), **OPEN), step("z"), handlers=[closing])
    over(document).then(waits=["items"]).happens("enough").then(offered=["z"])


# --- decisions -----------------------------------------------------------------------------------


def grant(**members: Json) -> Json:
    return step("grant", risk="R2", irreversible="accepted", args={"to": "each.p.item"}, **members)


def test_a_decision_binds_one_digest_for_each_item() -> None:
    """Section 6: the recorded decision binds their digests, one per item key."""
    document = saga(approve("boss", covers=["grant"]), each("p", grant()))
    story = over(document, "k1", "k2").then(waits=["approval"])
    (asked,) = [i.asked for i in story.w.now.nodes.values() if i.asked]
    assert asked is not None
    assert asked.args == {"p[k1]/grant": {"to": "k1"}, "p[k2]/grant": {"to": "k2"}}
    story.decides("boss", "mia", "manager").then(offered=["p[k1]/grant", "p[k2]/grant"])
    story.done("p[k1]/grant").done("p[k2]/grant").then(status="fulfilled")


def test_later_items_need_a_decision_of_their_own() -> None:
    document = saga(approve("boss", each("p", grant(), **OPEN)), handlers=[JOINING])
    (
        over(document, "k1")
        .decides("boss", "mia", "manager")
        .done("grant")
        .happens("joined", {"k": "k2", "last": True})
        .then(waits=["approval"], at=["boss/p[k2]/grant"], commands=["boss/p[k1]/grant"])
        .decides("boss/p[k2]/grant", "mia", "manager")
        .done("grant")
        .then(status="fulfilled")
    )


def test_a_decision_inside_an_item_is_for_that_item_alone() -> None:
    document = saga(each("p", approve("boss", grant())))
    story = over(document, "k1", "k2").then(waits=["approval", "approval"])
    story.decides("p[k1]/boss", "mia", "manager").then(offered=["p[k1]/boss/grant"])
