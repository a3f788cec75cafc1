"""What can happen next to a commitment, in every position that it can be in."""

from __future__ import annotations

from typing import Any

from domain import messages as msg
from domain.ids import commitment_id
from sagas.decide import decide
from sagas.explore import Bounds, Samples
from sagas.explore.moves import Moves
from sagas.loading import load
from tests.semantics.language import (
    Story,
    approve,
    child,
    given,
    handler,
    lock,
    saga,
    sleep,
    step,
    task,
    update,
    wait,
)
from tests.semantics.world import CTX, START_US

Json = Any
OK = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
BEGINS = ["shop: pay starts", "time: nobody starts pay in time"]
RISKY: Json = {"risk": "R1", "unknown": "ask"}


def moves(story: Story, used: dict[str, int] | None = None, **bounds: int) -> list[str]:
    """Who does what next: all that can happen now. `used` counts what has happened before."""
    w = story.w
    d = w.d
    found = Moves(d, Samples(d), Bounds(**bounds)).of(w.now, used or {})
    return [f"{move.who}: {move.text}" for move in found]


def opened(document: Json) -> list[str]:
    """What can happen just after a start, before a lock or a throttle has said anything."""
    d = load(document, "0" * 64)
    start = msg.Open("north", d.saga, d.version, d.hash, "acme", 1, {"id": "acme"})
    stream = commitment_id("north", d.saga, "acme", 1)
    c = decide(d, None, start, stream=stream, now_us=START_US, ctx=CTX).state
    return [f"{move.who}: {move.text}" for move in Moves(d, Samples(d), Bounds()).of(c, {})]


# --- effects ---------------------------------------------------------------------------------


def test_a_command_is_begun_or_nobody_begins_it() -> None:
    assert moves(given(saga(step("pay")))) == [*BEGINS, "person: cancel"]


def test_a_step_that_goes_on_has_every_outcome() -> None:
    document = saga(step("pay"))
    document["contracts"]["shop/pay@1"]["failures"] = ["no_money", "closed"]
    assert moves(given(document).started("pay")) == [
        "shop: pay is done {}", "shop: pay fails: no_money", "shop: pay fails: closed",
        "shop: pay fails for now", "shop: pay gives no reply", "person: cancel",
    ]  # fmt: skip


def test_an_undo_is_done_refused_or_fails_for_now() -> None:
    story = given(saga(step("book", undo=True), step("pay"))).done("book").failed("pay")
    assert moves(story) == [
        "shop: undo of book is done", "shop: undo of book fails: refused",
        "shop: undo of book fails for now", "shop: undo of book gives no reply", "person: cancel",
    ]  # fmt: skip


def test_what_waits_for_its_next_attempt_is_tried_again_or_was_done_after_all() -> None:
    story = given(saga(step("pay"))).answers("pay", "transient")
    assert moves(story) == ["time: retry of pay is due", "person: cancel"]
    story = given(saga(step("pay"))).started("pay").lost("pay")
    assert moves(story) == [
        "shop: pay is done after all {}", "time: retry of pay is due", "person: cancel"
    ]  # fmt: skip


def test_an_unknown_effect_is_probed_or_settled_by_a_person() -> None:
    story = given(saga(step("pay", probe=True, undo=True, risk="R1", unknown="probe")))
    assert moves(story.started("pay").lost("pay")) == [
        "shop: pay is found to be done {}", "shop: pay is not done, says its probe",
        "shop: pay cannot be told, says its probe", "shop: pay is probed, without a reply",
        "shop: pay is done after all {}", "person: cancel",
    ]  # fmt: skip
    story.answers("pay", "cannot_tell", "probe")
    assert moves(story) == [
        "person: settles pay: done {}", "person: settles pay: not done",
        "shop: pay is done after all {}", "person: cancel",
    ]  # fmt: skip


def test_a_probe_without_a_reply_is_asked_again_only_when_its_time_has_come() -> None:
    story = given(saga(step("pay", probe=True, risk="R1", unknown="probe"))).started("pay")
    story.lost("pay").lost("pay")
    assert moves(story) == [
        "shop: pay is done after all {}", "time: probe_retry of pay is due", "person: cancel"
    ]  # fmt: skip


def test_a_decision_may_be_over_before_anybody_starts_but_once() -> None:
    document = saga(approve("ok", step("pay", risk="R1", level="A1"), fresh_for="1h"))
    story = given(document).decides("ok", "ann", "manager")
    over = "time: the decision for ok/pay is over before anybody starts"
    assert over in moves(story)
    assert over not in moves(story, {"stale ok/pay": 1})


# --- people ----------------------------------------------------------------------------------


def test_each_seat_of_an_approval_is_asked_in_turn() -> None:
    document = saga(approve("ok", step("pay", level="A2", **RISKY), level="A2"))
    story = given(document)
    assert moves(story)[:2] == [
        "person: function_head-1: approve ok", "person: function_head-1: reject ok"
    ]  # fmt: skip
    story.decides("ok", "ann", "function_head")
    assert moves(story)[0].endswith("-2: approve ok")


def test_what_an_approval_shows_may_be_edited_once() -> None:
    document = saga(approve("ok", step("pay", level="A1", **RISKY), edit=OK))
    story = given(document)
    edited = "person: manager-1: edit ok"
    assert edited in moves(story)
    story.decides("ok", "ann", "manager", answer="edit", payload={"ok": True})
    assert edited not in moves(story)


def test_a_task_is_claimed_and_then_completed_with_each_form() -> None:
    story = given(saga(task("look", form=OK)))
    assert moves(story) == ["person: claims look", "person: cancel"]
    assert moves(story.works("look", "claim"))[0] == "person: completes look {'ok': True}"
    plain = given(saga(task("look"))).works("look", "claim")
    assert moves(plain)[0] == "person: completes look"


def test_a_debt_is_settled_or_retried_as_often_as_is_looked_at() -> None:
    story = given(saga(step("book", undo=True), step("pay"))).done("book").failed("pay")
    story.failed("book")
    settled, *retried, cancel = moves(story)
    assert [settled, *retried] == ["person: settles debt book", "person: retries debt book"]
    assert moves(story, {"retried debts": 1}) == [settled, cancel]


def test_a_debt_of_a_step_behind_a_pivot_is_settled_with_its_result() -> None:
    story = (
        given(saga(step("pay", irreversible="pivot", **RISKY), step("tell")))
        .done("pay")
        .failed("tell")
    )
    assert moves(story) == [
        "person: settles debt tell", "person: retries debt tell", "person: cancel"
    ]  # fmt: skip


# --- others ----------------------------------------------------------------------------------


def test_an_event_is_tried_with_each_of_its_data_and_its_own_key() -> None:
    schema = {
        "type": "object", "properties": {"id": {"type": "string"}, **OK["properties"]},
        "required": ["id", "ok"],
    }  # fmt: skip
    document = saga(
        wait("signed", when="event.data.ok"),
        events={"signed": {"version": 1, "schema": schema, "key": "id"}},
    )
    assert moves(given(document)) == [
        "events: event signed {'id': 'acme', 'ok': True}",
        "events: event signed {'id': 'acme', 'ok': False}", "person: cancel",
    ]  # fmt: skip


def test_an_event_begins_a_handler_as_often_as_is_looked_at() -> None:
    document = saga(sleep("pause", "1d"), handlers=[handler("alarm", "rings", step("call"))])
    story = given(document)
    assert "events: event rings {}" in moves(story)
    assert "events: event rings {}" not in moves(story, beside=0)
    assert "events: event rings {}" not in moves(story.happens("rings"), runs=1)


def test_an_update_is_asked_for_as_often_as_is_looked_at() -> None:
    story = given(saga(step("pay"), updates=[update("change", step("note"), schema=OK)]))
    asked = "person: update change {'ok': True}"
    assert asked in moves(story)
    assert asked not in moves(story, {"update change": 1})
    assert asked not in moves(story, beside=0)


def test_a_child_begins_and_then_ends_in_each_way() -> None:
    story = given(saga(child("kid", result=OK)))
    assert moves(story) == ["saga kid: kid begins", "saga kid: kid ends conflict", "person: cancel"]
    assert moves(story.kid("kid", "begun")) == [
        "saga kid: kid ends fulfilled {'ok': True}", "saga kid: kid ends failed",
        "saga kid: kid ends cancelled", "person: cancel",
    ]  # fmt: skip


def test_a_child_that_is_to_undo_itself_does_so_or_says_that_it_cannot() -> None:
    document = saga(child("kid") | {"on_undo": "revoke"}, step("pay"))
    story = given(document).kid("kid", "fulfilled").failed("pay")
    assert moves(story) == ["child kid: is revoked", "child kid: is refused", "person: cancel"]


def test_a_lock_that_is_asked_for_is_granted_or_its_time_is_over() -> None:
    assert opened(saga(lock("print", step("pay")))) == [
        "troth: lock press is granted to print", "time: within of print is due", "person: cancel"
    ]  # fmt: skip
    assert moves(given(saga(lock("print", step("pay")))))[0] == "shop: print/pay starts"


def test_a_place_in_a_throttle_comes_or_too_many_wait_before_it() -> None:
    throttle = {"name": "crm", "max": 1, "per": "1h"}
    assert opened(saga(step("pay", throttle=throttle))) == [
        "troth: it is the turn of pay", "troth: too many wait before pay", "person: cancel"
    ]  # fmt: skip
