"""What is too much, too large or no value at all: said before anything is written (section 6)."""

from __future__ import annotations

from typing import Any

import pytest

from sagas import defaults
from tests.semantics.language import (
    add,
    announce,
    approve,
    branch,
    child,
    choose,
    each,
    given,
    handler,
    lock,
    move,
    parallel,
    put,
    race,
    repeat,
    saga,
    scope,
    sleep,
    step,
    task,
    update,
    wait,
)

Json = Any
ANY = {"v": {"schema": {}, "initial": 0}}
COUNT = {"n": {"schema": {"type": "integer", "maximum": 5}, "initial": 0}}
LARGE = {"id": "acme", "all": ["x" * 1000] * 300}
UNSAFE = {"id": "acme", "all": 2**60}


def code(story: Any) -> str:
    """The code of what holds it."""
    return story.w.now.held["error"]["code"]


@pytest.mark.parametrize(
    ("node", "payload", "expected"),
    [
        (step("a", args={"x": "input.all"}), LARGE, "bound.payload"),
        (step("a", args={"x": "input.all"}), UNSAFE, "bound.number"),
        (put("a", v="input.all"), LARGE, "bound.payload"),
        (announce("a", "told", "input.all"), LARGE, "bound.payload"),
        (child("a") | {"input": "{'id': input.all}"}, UNSAFE, "bound.number"),
        (child("a") | {"input": "input"}, LARGE, "bound.payload"),
        (sleep("a", "4000d"), None, "bound.timer"),
        (wait("a", within="4000d"), None, "bound.timer"),
        (task("a", within="4000d"), None, "bound.timer"),
        (wait("a", key="input.all"), LARGE, "expression"),
        (wait("a", key="''"), None, "expression"),
        (wait("a", key="true"), None, "expression"),
        (each("a", step("b"), items="[1, 2]", key="'k'"), None, "items.key"),
        (each("a", step("b"), items="[1]", key="'k'", after="[1.5]"), None, "items.after"),
        (each("a", step("b"), items="[1]", key="'k'", after="['k']"), None, "items.cycle"),
        (each("a", step("b"), items="[1, 2]", max_items=1), None, "bound.items"),
    ],
)
def test_it_holds_at_the_node_with_its_code(node: Json, payload: Json, expected: str) -> None:
    story = given(saga(scope("s", node), vars=ANY), payload).then(status="held", held="s/a")
    assert code(story) == expected
    story.cancelled().then(status="cancelled")


@pytest.mark.parametrize("value", ["7", "'seven'"], ids=["over", "no number"])
def test_a_variable_takes_only_what_fits_its_schema(value: str) -> None:
    story = given(saga(put("a", n=value), vars=COUNT)).then(status="held", held="a")
    assert code(story) == "schema"
    story = given(saga(step("a"), vars=COUNT, updates=[update("u", set={"n": value})])).then()
    story.asks("u").then(answer="update.args", events=[], vars={"n": 0})


def test_a_key_may_be_a_number() -> None:
    given(saga(wait("a", key="7"))).then(at=["a"]).w.arrive("a", {}, "7")


def test_so_many_children_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defaults, "CHILDREN_MAX", 1)
    both = parallel("p", branch("x", child("one")), branch("y", child("two")))
    story = given(saga(both)).then(status="held", held="p/y/two")
    assert code(story) == "bound.children"


def test_so_many_runs_of_an_update(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defaults, "HANDLER_RUNS_MAX", 1)
    story = given(saga(step("a"), updates=[update("u", step("b"))])).asks("u").then()
    story.asks("u").then(answer="update.closed", events=[])


def test_so_much_is_put_off_and_then_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defaults, "DEFERRED_MAX", 1)
    story = given(saga(wait("w"), wait("v"))).control("pause").happens("w").then()
    story.happens("v").then(events=[], status="paused")


def test_two_faults_of_one_message_are_both_told_and_both_tried_again() -> None:
    both = parallel("p", branch("x", put("a", n="7")), branch("y", put("b", n="8")))
    story = given(saga(both, vars=COUNT)).then(status="held", held="p/x/a")
    also = [fault["node"] for fault in story.w.now.held["also"]]
    assert also == ["p/y/b"]
    story.then().control("retry").then(status="held", held="p/x/a")
    assert [fault["node"] for fault in story.w.now.held["also"]] == also


# --- held, and tried again ---------------------------------------------------------------------

GUARDED = "input.all > 1"
HELD = [
    repeat("a", step("b"), **{"while": GUARDED, "max": 3}),
    repeat("a", step("b"), until=GUARDED, max=3),
    lock("a", step("b"), out=GUARDED),
    scope("a", step("b"), out=GUARDED),
    each("a", step("b"), items="[1]", key="'k'", out=GUARDED),
    choose("a", branch("x", step("b"), when="true", out=GUARDED)),
    race("a", {"name": "x", "on": wait("w", key=GUARDED), "flow": [step("b")]}),
    parallel("a", branch("x", step("b"), out=GUARDED), branch("y", step("c"), when="false")),
    parallel("a", branch("x", step("b"), out=GUARDED), branch("y", step("c"), after=["x"])),
]


@pytest.mark.parametrize(
    "node", HELD, ids=lambda n: f"{n['node']} {'until' if 'until' in n else ''}"
)
def test_what_errs_in_a_block_errs_again_when_it_is_tried_again(node: Json) -> None:
    """Nothing else of the block is done a second time."""
    story = given(saga(node))
    if story.w.now.held is None:
        story.done("b")
    story.then(status="held")
    assert story.w.now.held is not None
    held, commands = story.w.now.held["node"], len(story.w.commands)
    story.control("retry").then(status="held", held=held)
    assert len(story.w.commands) == commands


def test_an_edit_with_which_an_action_errs_is_refused() -> None:
    read = "decisions.ok.decision == 'edit' ? decisions.ok.payload.n : 1"
    pay = step("pay", risk="R2", unknown="ask", irreversible="accepted", args={"n": read})
    story = given(saga(approve("ok", pay, level="A1", edit={"type": "object"}, subject="1")))
    story.decides("ok", "mia", "manager", answer="edit", payload={"m": 1})
    story.then(answer="decision.payload", questions=["open"])
    story.decides("ok", "mia", "manager", answer="edit", payload={"n": 2}).then(args=[{"n": 2}])


def test_a_gated_step_that_nothing_covers_is_rejected() -> None:
    pay = step("pay", risk="R2", unknown="ask", irreversible="accepted")
    given(saga(pay)).then(status="failed", error="rejected:no_decision")


def test_an_open_list_takes_nothing_when_it_is_closed() -> None:
    more = update("more", add={"to": "p", "items": "[args.k]", "close": "args.last"})
    open_ = each("p", step("a"), open=True, within="9d")
    story = given(saga(open_, updates=[more]), {"id": "acme", "xs": ["k1"]}).then()
    story.asks("more", k="k2", last=True).then(answer="accepted")
    story.asks("more", k="k3", last=True).then(answer="update.closed", events=[])
    joined = handler("h", "more", add("again", "p", "['k4']"))
    story = given(saga(open_, handlers=[joined]), {"id": "acme", "xs": []}).happens("more")
    story.then(offered=["p[k4]/a"])


def test_a_time_in_the_past_is_due_at_once_and_one_too_far_is_a_fault() -> None:
    later = handler("h", "x", move("on", "rest", "timestamp('2020-01-01T00:00:00Z')"))
    given(saga(sleep("rest", "3d"), handlers=[later])).happens("x").then(status="fulfilled")
    later = handler("h", "x", move("on", "rest", "timestamp('2190-01-01T00:00:00Z')"))
    story = given(saga(sleep("rest", "3d"), handlers=[later])).happens("x")
    story.then(status="held", held="h@1/on")
    assert code(story) == "bound.timer"


def test_so_many_moves_in_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defaults, "MOVES_MAX", 5)
    story = given(saga(*(put(f"s{n}", v=str(n)) for n in range(9)), vars=ANY))
    story.then(status="held", vars={"v": 3})
    assert code(story) == "runaway"
