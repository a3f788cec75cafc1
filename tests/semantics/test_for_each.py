"""for_each: items, keys, order, width, joins, failures (sections 1 and 3)."""

from __future__ import annotations

from typing import Any

from tests.semantics.language import (
    Story,
    each,
    fail,
    given,
    on_failure,
    put,
    repeat,
    saga,
    scope,
    sleep,
    step,
    wait,
)

Json = Any
LIST = {"xs": {"schema": {}, "initial": ["k1", "k2"]}}


def over(document: Json, *items: Json) -> Story:
    """The saga is started with these items."""
    return given(document, {"id": "acme", "xs": list(items)})


# --- items ---------------------------------------------------------------------------------------


def test_every_item_runs_the_flow_and_is_called_by_its_key() -> None:
    """Paths: instances add `parties[k17]`; each.F.item/key/index."""
    args = {"what": "[each.p.item, each.p.key, each.p.index]"}
    (
        over(saga(each("p", step("a", args=args))), "k1", "k2")
        .then(
            offered=["p[k1]/a", "p[k2]/a"],
            args=[{"what": ["k1", "k1", 0]}, {"what": ["k2", "k2", 1]}],
        )
        .done("p[k2]/a")
        .then(offered=["p[k1]/a"])
        .done("p[k1]/a")
        .then(
            status="fulfilled",
            results={"p": {"done": ["k1", "k2"], "failed": [], "skipped": [], "out": {}}},
        )
    )


def test_what_is_recorded_of_items() -> None:
    (
        over(saga(each("p", step("a"), out="results.a", max_items=5)), "k1")
        .done("a", 7)
        .then(
            events=[
                "commitment.opened",
                "node.entered p",
                "items.added p",
                "node.entered p[k1]",
                "effect.intended p[k1]/a",
                "effect.done p[k1]/a",
                "item.closed p k1 done",
                "node.entered p joined",
                "node.done p",
                "commitment.ended fulfilled",
            ],
            results={"p": {"done": ["k1"], "failed": [], "skipped": [], "out": {"k1": 7}}},
        )
    )


def test_without_a_key_an_item_is_called_by_its_place() -> None:
    over(saga(each("p", step("a"), key="string(each.p.index)")), "x", "x").then(
        offered=["p[0]/a", "p[1]/a"]
    )
    document = saga(each("p", step("a")))
    del document["flow"][0]["key"]
    over(document, "x", "x").then(offered=["p[0]/a", "p[1]/a"])


def test_what_means_something_in_a_path_is_written_otherwise_in_a_key() -> None:
    story = over(saga(each("p", step("a", args={"k": "each.p.key"}))), "a/b#1@[c]", "50 %")
    story.then(
        offered=["p[a%2Fb%231%40%5Bc%5D]/a", "p[50 %25]/a"],
        args=[{"k": "a/b#1@[c]"}, {"k": "50 %"}],
    )


def test_data_is_copied_on_entry() -> None:
    """A var that changes later changes no item."""
    document = saga(
        each("p", put("forget", xs="[]"), step("a"), items="vars.xs", width=1), vars=LIST
    )
    story = given(document).done("a").then(offered=["p[k2]/a"])
    story.done("a").then(status="fulfilled")


def test_keys_are_unique() -> None:
    over(saga(each("p", step("a"))), "k1", "k1").then(status="held", held="p", commands=[])


def test_more_items_than_max_items_are_refused() -> None:
    over(saga(each("p", step("a"), max_items=1)), "k1", "k2").then(status="held", commands=[])


def test_without_items_it_is_done_at_once() -> None:
    over(saga(each("p", step("a")), step("z"))).then(offered=["z"])


def test_an_item_sees_what_came_before_and_its_own_names() -> None:
    document = saga(
        step("first"),
        each("p", step("a"), step("b", args={"x": "[results.first, results.a, each.p.item]"})),
    )
    story = over(document, "k1", "k2").done("first", 1).done("p[k1]/a", 2)
    story.then(args=[{}, {"x": [1, 2, "k1"]}])


def test_lists_in_lists_and_in_rounds_keep_their_items_apart() -> None:
    inner = each("q", step("a", args={"x": "each.p.item + each.q.item"}), items="['u', 'v']")
    (
        over(saga(repeat("r", each("p", inner), max=1)), "k1", "k2").then(
            offered=["r#1/p[k1]/q[u]/a", "r#1/p[k1]/q[v]/a", "r#1/p[k2]/q[u]/a",
                     "r#1/p[k2]/q[v]/a"],
            args=[{"x": "k1u"}, {"x": "k1v"}, {"x": "k2u"}, {"x": "k2v"}],
        )
    )  # fmt: skip


def test_a_node_in_an_item_is_skipped_waits_and_sleeps_like_any_other() -> None:
    document = saga(
        each("p", sleep("nap", "1h"), wait("ping", key="each.p.item"),
             step("a", when="each.p.index > 0"))
    )  # fmt: skip
    story = over(document, "k1", "k2").then(waits=["timer", "timer"]).after("1h")
    story.happens("ping", key="k1").then(at=["p[k2]/ping"])
    story.happens("ping", key="k2").then(offered=["p[k2]/a"])


# --- width and after -----------------------------------------------------------------------------


def test_width_bounds_how_many_items_run_beside_each_other() -> None:
    (
        over(saga(each("p", step("a"), step("b"), width=2)), "k1", "k2", "k3")
        .then(offered=["p[k1]/a", "p[k2]/a"])
        .done("p[k1]/a")
        .then(offered=["p[k2]/a", "p[k1]/b"])
        .done("p[k1]/b")
        .then(offered=["p[k2]/a", "p[k3]/a"])
    )


AFTER = {"key": "each.p.item.k", "after": "each.p.item.after"}


def item(key: str, *after: str) -> Json:
    return {"k": key, "after": list(after)}


def test_after_orders_items() -> None:
    document = saga(each("p", step("a"), **AFTER))
    (
        over(document, item("k3", "k1", "k2"), item("k1"), item("k2", "k1"))
        .then(offered=["p[k1]/a"])
        .done("a")
        .then(offered=["p[k2]/a"])
        .done("a")
        .then(offered=["p[k3]/a"])
    )


def test_after_is_acyclic_and_names_items() -> None:
    document = saga(each("p", step("a"), **AFTER))
    story = over(document, item("k1", "k2"), item("k2", "k1"))
    story.then(status="held", held="p", commands=[])
    assert story.w.now.held["error"]["code"] == "items.cycle"
    story = over(document, item("k1", "k9"))
    assert story.w.now.held["error"]["code"] == "items.after"


def test_keys_that_come_twice_have_their_own_code() -> None:
    story = over(saga(each("p", step("a"))), "k1", "k1")
    assert story.w.now.held["error"]["code"] == "items.key"


# --- joins and failures --------------------------------------------------------------------------


def test_fail_the_first_failure_stops_the_others_and_is_the_lists() -> None:
    (
        over(saga(each("p", step("a", undo=True), step("b"))), "k1", "k2")
        .done("p[k1]/a")
        .failed("p[k2]/a")
        .then(offered=["undo p[k1]/a"])
        .undone("p[k1]/a")
        .then(status="compensated", error="business:no")
    )


def test_collect_undoes_the_failed_item_and_skips_those_after_it() -> None:
    document = saga(
        each("p", step("a", undo=True), step("b"), on_item="collect", **AFTER), step("z")
    )
    (
        over(document, item("k1"), item("k2"), item("k3", "k1"), item("k4", "k3"))
        .done("p[k1]/a")
        .done("p[k2]/a")
        .failed("p[k1]/b")
        .then(offered=["p[k2]/b", "undo p[k1]/a"])
        .undone("p[k1]/a")
        .done("p[k2]/b")
        .then(
            offered=["z"],
            undo=["p[k2]/a"],
            results={"p": {"done": ["k2"], "failed": ["k1"], "skipped": ["k3", "k4"], "out": {}}},
        )
    )


def test_any_stops_and_undoes_the_losers_and_never_begins_the_others() -> None:
    (
        over(saga(each("p", step("a", undo=True), step("b"), join="any", width=2), step("z")),
             "k1", "k2", "k3")
        .done("p[k1]/a")
        .done("p[k2]/a")
        .started("p[k1]/b")
        .done("p[k2]/b")
        .then(offered=["p[k1]/b"])
        .answers("p[k1]/b", "failed", code="stopped")
        .undone("p[k1]/a")
        .then(
            offered=["z"],
            undo=["p[k2]/a"],
            results={"p": {"done": ["k2"], "failed": [], "skipped": ["k3"], "out": {}}},
        )
    )  # fmt: skip


def test_losers_may_be_kept() -> None:
    document = saga(each("p", step("a", undo=True), step("b"), join=1, losers="keep"), step("z"))
    (
        over(document, "k1", "k2")
        .done("p[k1]/a")
        .done("p[k2]/a")
        .done("p[k2]/b")
        .then(offered=["z"], undo=["p[k2]/a", "p[k1]/a"])
    )


def test_a_join_that_too_few_items_can_meet_is_unreachable() -> None:
    over(saga(each("p", step("a"), join=2)), "k1").then(
        status="failed", error="business:join.unreachable"
    )
    document = saga(each("p", step("a"), join=2, on_item="collect"))
    over(document, "k1", "k2").failed("p[k1]/a").then(
        status="failed", error="business:join.unreachable"
    )


def test_an_item_that_takes_too_long_is_collected_with_its_class() -> None:
    document = saga(each("p", wait("ping", within="1h"), on_item="collect"))
    over(document, "k1").after("1h").then(
        status="fulfilled",
        results={"p": {"done": [], "failed": ["k1"], "skipped": [], "out": {}}},
    )


def test_the_whole_list_may_end_in_time() -> None:
    document = saga(each("p", wait("ping"), within="1h", on_expiry="continue"), step("z"))
    over(document, "k1").after("1h").then(offered=["z"], results={"p": {"expired": True}})


def test_an_out_that_errs_holds_the_commitment_at_the_list() -> None:
    document = saga(each("p", step("a"), out="results.a.missing"))
    story = over(document, "k1").done("a", {}).then(status="held", held="p")
    story.control("retry").then(status="held", held="p")


def test_a_scope_around_the_list_catches() -> None:
    document = saga(
        scope("s", each("p", step("a", undo=True), fail("no", "no")),
              on_failure=[on_failure("business", step("sorry"))]), step("z")
    )  # fmt: skip
    (
        over(document, "k1")
        .done("a")
        .then(offered=["undo s/p[k1]/a"])
        .undone("a")
        .done("sorry")
        .then(offered=["z"])
    )


def test_until_joins_when_it_holds_of_what_would_be_yielded_now() -> None:
    """join: until CEL, read whenever an item is over."""
    document = saga(
        each(
            "p", step("a"), out="results.a", on_item="collect",
            join={"until": "size(results.p.failed) > 0 && results.p.out.k2 > 5"},
        ),
        step("z"),
    )  # fmt: skip
    (
        over(document, "k1", "k2", "k3")
        .done("p[k2]/a", 7)
        .then(offered=["p[k1]/a", "p[k3]/a"])
        .failed("p[k1]/a")
        .then(
            offered=["z"],
            results={"p": {"done": ["k2"], "failed": ["k1"], "skipped": [], "out": {"k2": 7}}},
        )
    )


def test_until_that_holds_of_none_is_unreachable() -> None:
    document = saga(each("p", step("a"), join={"until": "size(results.p.done) > 1"}))
    over(document, "k1").done("a").then(status="failed", error="business:join.unreachable")
    over(document).then(status="failed", error="business:join.unreachable")
