"""Accepting: every input is applied once, or refused with a code and kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from domain import key_stream
from domain.ids import key_id, saga_key_id
from domain.ports import Asked, Cursor
from domain.requests import Logged, Publish, RedriveRequest, RegisterRequest, StartRequest
from tests.integration.lane_places import Place
from tests.integration.lane_world import (
    COMPANY,
    DAY_US,
    NORTH,
    OPERATOR,
    SECOND_US,
    World,
    alias_of,
    aliases,
    sale,
)


@pytest.fixture
def world(place: Place) -> Iterator[World]:
    world = World(place)
    assert world.register(sale())["created"]
    yield world
    world.close()


def test_an_event_starts_the_saga_that_starts_on_it(world: World) -> None:
    """The answer comes with the commit; the commitment is at its first step."""
    answer = world.publish("applied")
    assert answer["status"] == "accepted"
    assert world.step()["step"] == "create"
    assert world.topics(saga_key_id("north", "sale", "acme")) == [
        "sagakey.opened", "sagakey.run_opened",
    ]  # fmt: skip


def test_the_same_event_again_is_the_same_answer_also_in_one_batch(world: World) -> None:
    """Another trace does not make it another event."""
    event = world.event("applied")
    traced = replace(event, event={**event.event, "traceparent": f"00-{'a' * 32}-{'b' * 16}-01"})
    first, second = tuple[Any, ...](world.process(event, traced).answers)
    world.restart()
    third = world.ask(event)
    assert (first["status"], second["status"], third["status"]) == (
        "accepted", "repeated", "repeated",
    )  # fmt: skip
    assert first["root"] == second["root"] == third["root"]
    assert world.count("receipts") == 1


def test_an_id_with_another_content_is_refused_and_kept(world: World) -> None:
    """The first one stands."""
    event = world.event("applied", "acme")
    world.ask(event)
    other = replace(event, event={**event.event, "data": {"company": "beta"}})
    assert alias_of(world.ask(other)) == "event.id_reused"
    assert world.rows("SELECT code, event_id FROM dead_letters") == [("event.id_reused", "e1")]
    assert world.step("beta") == {}


@pytest.mark.parametrize(
    ("changes", "alias"),
    [
        ({"specversion": "0.3"}, "event.envelope"),
        ({"source": "<start>"}, "event.envelope"),
        ({"time": "yesterday"}, "event.envelope"),
        ({"colour": "red"}, "event.attribute"),
        ({"type": "aplied"}, "event.unknown_type"),
        ({"schemaversion": "2"}, "event.schema_version"),
        ({"data": {"company": 42}}, "event.schema"),
        ({"data": None}, "event.schema"),
        ({"data": {"company": ""}}, "event.key"),
        ({"data": {"company": "x" * 257}}, "event.key"),
    ],
)
def test_bad_events_are_dead_letters_with_their_code(
    world: World, changes: dict[str, Any], alias: str
) -> None:
    """Nothing of them is applied; the bytes are kept; a second time is only counted."""
    event = world.event("applied", **changes)
    before = world.lane.heads
    assert alias_of(world.ask(event)) == alias
    assert alias_of(world.ask(event)) == alias
    assert world.lane.heads == before
    found = world.rows("SELECT code, raw, seen FROM dead_letters")
    assert found == [(alias, event.raw, 2)]


def test_what_is_no_object_is_a_dead_letter_too(world: World) -> None:
    """Also where nobody checked before."""
    assert alias_of(world.ask(Publish(NORTH, [1], b"[1]"))) == "event.envelope"
    assert world.count("dead_letters") == 1


def test_another_tenant_is_refused_and_leaves_no_letter(world: World) -> None:
    """It would be a letter in a house that is not its own."""
    assert alias_of(world.publish("applied", tenantid="south")) == "event.foreign_tenant"
    nobody = Asked("", "key", "executor_system", ())
    assert alias_of(world.publish("applied", who=nobody)) == "event.tenant"
    assert world.rows("SELECT code FROM dead_letters") == [("event.tenant",)]


def test_a_full_key_refuses_before_anything_is_written(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No receipt: the same event is accepted once there is room."""
    monkeypatch.setattr(key_stream, "MAILBOX_MAX", 2)
    assert aliases([world.publish("signed") for _ in range(3)]) == ["", "", "bound.mailbox"]
    assert world.count("receipts") == 2
    assert world.count("parked_events") == 2
    assert world.count("dead_letters") == 0


def test_an_event_that_nothing_wants_is_parked_and_visible(world: World) -> None:
    """It meets the wait that opens later, and leaves the view."""
    world.publish("signed")
    assert world.rows("SELECT type, event_id, reason FROM parked_events") == [
        ("signed", "e1", "early")
    ]
    world.publish("applied")
    world.work()
    assert world.step()["status"] == "fulfilled"
    assert world.count("parked_events") == 0


def test_an_event_taken_in_its_own_batch_never_shows_as_parked(world: World) -> None:
    """A row that would come and go is not written."""
    world.publish("applied")
    world.work()
    world.publish("signed")
    assert world.step()["result"] == {"account": 7}
    assert world.count("parked_events") == 0


def test_what_comes_after_the_end_is_parked_as_finished(world: World) -> None:
    """Every event is accounted for."""
    world.publish("applied")
    world.work()
    world.publish("signed")
    world.publish("signed")
    assert world.rows("SELECT event_id, reason FROM parked_events") == [("e3", "finished")]


def test_parked_events_expire_at_their_time_to_live(world: World) -> None:
    """By the wake-up of the key stream."""
    world.publish("signed")
    world.later(7 * DAY_US)
    assert world.count("parked_events") == 0
    assert world.topics(key_id("north", "acme"))[-1] == "key.event_expired"
    assert world.count("timers") == 0


def test_a_guard_decides_which_events_start(world: World) -> None:
    """A start that cannot be mapped refuses the event as a whole."""
    rule = {"event": "applied", "when": "event.data.company != 'small'", "input": "event.data"}
    assert world.register(sale(saga="audit", starts_on=[rule]))["created"]
    world.publish("applied", "small")
    world.publish("applied", "big")
    assert world.step("small", saga="audit") == {}
    assert world.step("big", saga="audit")["step"] == "create"
    assert world.step("small")["step"] == "create"


def test_an_event_that_a_guard_turned_away_is_parked_not_dropped(place: Place) -> None:
    """Nothing accepted disappears."""
    world = World(place)
    rule = {"event": "applied", "when": "event.data.company != 'small'", "input": "event.data"}
    world.register(sale(starts_on=[rule]))
    world.publish("applied", "small")
    world.publish("applied", "big")
    assert world.rows("SELECT key, type FROM parked_events") == [("small", "applied")]
    world.close()


def test_an_event_does_not_wait_for_the_saga_it_has_started(world: World) -> None:
    """A saga that starts on what it also waits for takes its start once."""
    document = sale(saga="ping")
    wait = {**document["flow"][1], "events": ["applied"]}
    flow = [wait, {"node": "fulfil", "name": "fulfilled", "result": "{}"}]
    assert world.register({**document, "contracts": {}, "flow": flow})["created"]
    world.publish("applied")
    assert world.step(saga="ping")["status"] == "waiting"
    world.publish("applied")
    assert world.step(saga="ping")["status"] == "fulfilled"


def test_a_definition_counts_from_its_registration_on(world: World) -> None:
    """Running commitments stay with their version; the next start takes the latest."""
    world.publish("applied", "old")
    answers = world.process(
        world.event("applied", "before"),
        RegisterRequest(OPERATOR, sale(version=2)),
        world.event("applied", "after"),
    ).answers
    assert aliases(answers) == ["", "", ""]
    versions = [world.step(c)["saga_version"] for c in ("old", "before", "after")]
    assert versions == [1, 1, 2]


def test_registering_again_and_registering_otherwise(world: World) -> None:
    """The same content is the same answer; another under this version is refused."""
    assert world.register(sale()) == {**world.register(sale()), "created": False}
    assert alias_of(world.register(sale(early_ttl="1d"))) == "def.version_taken"
    other = {"type": "object", "properties": {"company": {"type": "string", "minLength": 2}},
             "required": ["company"], "additionalProperties": False}  # fmt: skip
    document = sale(saga="audit", input=other)
    document["events"] = {"applied": {"version": 1, "schema": other, "key": "company"},
                          "signed": document["events"]["signed"]}  # fmt: skip
    refused = world.register(document)
    assert alias_of(refused) == "def.event"
    assert "applied version 1" in refused.detail
    broken = sale(version=3, key="input.nothing")
    assert world.register(broken).errors
    world.restart()
    assert world.register(sale())["created"] is False


# --- starts --------------------------------------------------------------------------------------


def test_a_start_with_an_idempotency_key_is_answered_once(world: World) -> None:
    """The same content repeats the answer, another is refused."""
    first = world.start("acme", "k1")
    assert (first["run"], first["status"], first["created"]) == (1, "open", True)
    world.restart()
    again = world.start("acme", "k1")
    assert (again["id"], again["created"]) == (first["id"], False)
    assert alias_of(world.start("beta", "k1")) == "key_reused"


def test_a_second_start_returns_the_running_one_or_is_refused(world: World) -> None:
    """The policy of the definition: equal input returns it."""
    first = world.start("acme")
    again = world.start("acme")
    assert (again["id"], again["created"], again["status"]) == (first["id"], False, "open")
    world.register(sale(saga="once", double_start={"running": "refuse", "finished": "refuse"}))
    ask = StartRequest(NORTH, "once", {"company": "acme"})
    assert aliases(world.process(ask, ask).answers) == ["", "start.conflict"]


def test_bad_starts_have_their_codes(world: World) -> None:
    """Nothing is written for any of them."""
    before = world.lane.heads
    bad = [
        StartRequest(NORTH, "sail", {"company": "acme"}),
        StartRequest(NORTH, "sale", {"company": "acme"}, 9),
        StartRequest(NORTH, "sale", {"company": 1}),
        StartRequest(NORTH, "sale", {"company": ""}),
        StartRequest(NORTH, "sale", {"company": "x" * 300_000}),
    ]
    assert aliases(world.process(*bad).answers) == [
        "start.unknown_saga", "start.unknown_saga", "start.input", "start.key", "bound.payload",
    ]  # fmt: skip
    assert world.lane.heads == before


def test_a_start_that_replaces_waits_for_the_end_of_the_running_one(world: World) -> None:
    """The running one is cancelled and undone first."""
    policy = {"running": "replace", "finished": "allow"}
    world.register(sale(version=2, double_start=policy))
    world.start("acme")
    world.work()
    replaced = world.start("acme")
    assert (replaced["run"], replaced["created"], replaced["alias"]) == (2, False, "start.replaced")
    assert world.step()["status"] == "compensating"
    world.work()
    assert world.step()["status"] == "cancelled"
    assert world.step(run=2)["step"] == "create"


# --- dead letters --------------------------------------------------------------------------------


def test_a_dead_letter_is_redriven_as_a_new_event_caused_by_it(world: World) -> None:
    """Once: the new event's id derives from the letter."""
    bad = world.event("applied", data={"company": 42})
    world.ask(bad)
    mended = {**bad.event, "data": {"company": "acme"}}
    answer = world.ask(RedriveRequest(OPERATOR, 1, "ticket 812", mended))
    assert (answer["status"], answer["event"]) == ("redriven", "redrive-1")
    assert world.step()["step"] == "create"
    assert world.rows("SELECT status FROM dead_letters") == [("redriven",)]
    state = world.folded(world.id())
    assert state.start["id"] == "redrive-1"
    assert state.start["correlation"] == "e1"
    world.ask(RedriveRequest(OPERATOR, 1, "again", mended))
    assert world.count("receipts") == 1


def test_a_letter_that_is_still_bad_stays_as_it_is(world: World) -> None:
    """One letter, not two; discarding wants a reason."""
    bad = world.event("applied", data={"company": 42})
    world.ask(bad)
    assert alias_of(world.ask(RedriveRequest(OPERATOR, 1, "try", bad.event))) == "event.schema"
    assert world.rows("SELECT status, seen FROM dead_letters") == [("open", 1)]
    assert alias_of(world.ask(RedriveRequest(OPERATOR, 1, " "))) == "control.reason"
    assert world.ask(RedriveRequest(OPERATOR, 1, "a test"))["status"] == "discarded"
    assert world.rows("SELECT status FROM dead_letters") == [("discarded",)]


# --- accept times from the events --------------------------------------------------------------


@pytest.fixture
def past(place: Place) -> Iterator[World]:
    world = World(place, event_time=True)
    world.register(sale())
    yield world
    world.close()


def test_events_of_the_past_bring_their_own_time(past: World) -> None:
    """A deadline between two events fires between them, though both come in one batch."""
    past.process(past.event("applied", time="2011-10-01T00:00:00+02:00"))
    past.work()
    assert past.step()["waits_for"][0]["until"] == "2011-10-14T22:00:00.000000Z"
    past.process(
        past.event("applied", "beta", time="2011-10-13T00:00:00Z"),
        past.event("signed", time="2011-10-15T00:00:00Z"),
    )
    assert past.step()["status"] == "compensating"
    assert past.step("beta")["since"] == "2011-10-13T00:00:00.000000Z"
    claims = past.claim()
    assert {c["kind"] for c in claims} == {"do", "undo"}


def test_events_of_a_log_outside_bring_their_own_time_too(past: World) -> None:
    """What was due before the latest of them fires, though nothing more comes for it."""
    for number, (company, time) in enumerate(
        [("acme", "2011-10-01T00:00:00Z"), ("beta", "2011-10-20T00:00:00Z")], start=1
    ):
        event = past.event("applied", company, time=time)
        cursor = Cursor("events", "t-1", 0, number, bytes(32))
        record = Logged(NORTH, cursor, past.now_us, event, event.raw, after=number - 1)
        assert past.ask(record)["status"] == "accepted"
        past.work()
    assert past.step()["status"] == "compensated"
    assert past.step("beta")["since"] == "2011-10-20T00:00:00.000000Z"
    assert alias_of(past.publish("applied", "late", time="2011-10-19T00:00:00Z")) == (
        "event.out_of_order"
    )


def test_an_event_out_of_order_is_refused_with_its_code(past: World) -> None:
    """The clock of the events never goes back; equal times are in order."""
    times = ["2011-10-02T00:00:00Z", "2011-10-02T00:00:00Z", "2011-10-01T00:00:00Z"]
    answers = [past.publish("applied", f"c{i}", time=t) for i, t in enumerate(times)]
    assert aliases(answers) == ["", "", "event.out_of_order"]
    assert past.rows("SELECT code FROM dead_letters") == [("event.out_of_order",)]
    letter = {"specversion": "1.0", "id": "x", "source": "urn:crm", "type": "applied",
              "time": times[2], "data": {"company": "late"}}  # fmt: skip
    assert past.ask(RedriveRequest(OPERATOR, 1, "late", letter))["status"] == "redriven"


def test_leases_stay_on_real_time_beside_the_time_of_events(past: World) -> None:
    """Workers live now."""
    past.publish("applied", time="2011-10-01T00:00:00Z")
    (claim,) = past.claim()
    assert claim["deadline"] > "2027-"
    past.later(31 * SECOND_US)
    assert past.topics(past.id())[-1] == "effect.attempt_failed"
    past.publish("applied", "beta", time="2011-10-01T00:00:01Z")
    assert [c["key"] for c in past.claim()] == ["beta"]
    past.publish("applied", "gamma", time="2011-10-01T01:00:00Z")
    assert {c["key"]: c["attempt"] for c in past.claim()} == {"acme": 2, "gamma": 1}


def test_schemas_of_two_versions_of_an_event_live_beside_each_other(world: World) -> None:
    """An event says which one it is; each saga starts on its own."""
    newer = {**COMPANY, "properties": {"company": {"type": "string"}, "size": {"type": "integer"}}}
    document = sale(version=2, input=newer)
    document["events"] = {**document["events"],
                          "applied": {"version": 2, "schema": newer, "key": "company"}}  # fmt: skip
    assert world.register(document)["created"]
    assert alias_of(world.publish("applied", "a", data={"company": "a", "size": 2})) == ""
    refused = world.publish("applied", data={"company": "b", "size": 2}, schemaversion="1")
    assert alias_of(refused) == "event.schema"
    assert world.step("a")["saga_version"] == 2
