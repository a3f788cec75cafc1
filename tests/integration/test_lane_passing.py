"""Requests for lanes of another owner: passed on, answered there, and the answer comes back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import orjson
import pytest

from consumers.batch import Passing
from domain.errors import Refusal
from domain.messages import Control, Open
from domain.ports import ClaimAsk
from domain.requests import (
    ClaimRequest,
    ControlRequest,
    DecideRequest,
    HeartbeatsRequest,
    RegisterRequest,
    RepliesRequest,
    StartRequest,
    StartsRequest,
)
from tests.integration.lane_breakage import POISON, BrokenWorld, poisoned_core
from tests.integration.lane_owners import House, Meanwhile
from tests.integration.lane_places import PostgresPlace
from tests.integration.lane_world import (
    COMPANY,
    CREATE,
    NORTH,
    OPERATOR,
    WORKER,
    World,
    alias_of,
    reply_request,
    sale,
)


def start(company: str, idempotency_key: str | None = None, **more: Any) -> StartRequest:
    return StartRequest(
        NORTH, "sale", {"company": company}, idempotency_key=idempotency_key, **more
    )


def cancel(stream: UUID, action: str = "cancel") -> ControlRequest:
    return ControlRequest(OPERATOR, stream, action, "because")


def test_a_start_is_answered_by_the_owner_of_its_lane(house: House) -> None:
    """The asker learns the key at once, everything else with the answer."""
    house.register(sale())
    company = house.key(2)
    passing = house.a.ask(start(company))
    assert passing.key == company
    assert list(house.a.lane.take_answers()) == []
    house.look(house.b)
    answer = house.told(house.a, passing)
    assert (answer["id"], answer["run"], answer["created"]) == (
        str(house.a.id(company)), 1, True,
    )  # fmt: skip
    assert answer["position"].startswith("1:2:")
    assert list(house.a.lane.take_answers()) == []
    assert list(house.b.lane.take_answers()) == []
    assert house.a.count("inbox") == 0


def test_a_start_that_is_refused_there_is_refused_here(house: House) -> None:
    """With its code; what the asker can see itself it refuses at once."""
    policy = {"running": "refuse", "finished": "refuse"}
    house.register(sale(double_start=policy))
    company = house.key(3)
    assert house.through(house.a, house.b, start(company))["created"]
    assert alias_of(house.through(house.a, house.b, start(company))) == "start.conflict"
    assert alias_of(house.a.ask(StartRequest(NORTH, "sail", {}))) == "start.unknown_saga"


def test_a_refusal_comes_back_with_all_its_errors(house: House) -> None:
    """The owner knows a newer version, whose input is another."""
    house.register(sale())
    passing = house.a.ask(start(house.key(2)))
    wider = {**COMPANY, "properties": {**COMPANY["properties"], "size": {"type": "integer"}},
             "required": ["company", "size"]}  # fmt: skip
    rule = {"event": "applied", "input": "{'company': event.data.company, 'size': 1}"}
    assert house.b.register(sale(2, input=wider, starts_on=[rule]))["created"]
    house.look(house.b)
    refused = house.told(house.a, passing)
    assert isinstance(refused, Refusal)
    assert refused.alias == "start.input"
    assert refused.errors
    assert "size" in str(refused.errors[0]["message"])


def test_a_start_whose_key_is_another_by_now_is_answered_from_there(house: House) -> None:
    """The newer version takes its key from elsewhere: the request goes on, the asker stays."""
    house.register(sale())
    there, here = house.key(2), house.key(0)
    passing = house.a.ask(start(there))
    assert house.b.register(sale(2, key=f"input.company == '{there}' ? '{here}' : 'x'"))["created"]
    house.look(house.b)
    assert list(house.a.lane.take_answers()) == list(house.b.lane.take_answers()) == []
    house.look(house.a)
    answer = house.told(house.a, passing)
    assert (answer["key"], answer["created"]) == (here, True)


def test_a_repeated_start_is_one_start_wherever_it_is_asked(house: House) -> None:
    """By its idempotency key; its status is asked where it lives."""
    house.register(sale())
    company = house.key(2)
    twice = [house.a.ask(start(company, "k1")) for _ in range(2)]
    house.look(house.b)
    answers = {answer.ask: answer.body for answer in house.a.lane.take_answers()}
    first, second = (answers[passing.ask] for passing in twice)
    assert (first["created"], second["created"]) == (True, False)
    assert first["id"] == second["id"]
    third = house.through(house.a, house.b, start(company, "k1"))
    assert (third["id"], third["created"], third["status"]) == (first["id"], False, "open")
    assert house.b.ask(start(company, "k1"))["id"] == first["id"]
    assert alias_of(house.a.ask(start(house.key(0), "k1"))) == "key_reused"


def test_controls_and_decisions_go_where_the_commitment_lives(house: House) -> None:
    """Refused there as here; what is plainly wrong is never sent."""
    house.register(sale())
    company = house.key(3)
    house.b.publish("applied", company)
    stream = house.a.id(company)
    assert alias_of(house.a.ask(cancel(stream, "explode"))) == "control.unknown"
    strange = DecideRequest(OPERATOR, stream, "a1", "approve", "00")
    assert alias_of(house.through(house.a, house.b, strange)) == "decision.closed"
    foreign = replace(cancel(stream), asked=replace(OPERATOR, tenant="south"))
    assert alias_of(house.through(house.a, house.b, foreign)) == "http.not_found"
    assert house.through(house.a, house.b, cancel(stream, "pause"))["status"] == "paused"
    assert alias_of(house.through(house.a, house.b, cancel(stream, "release"))) == "control.target"
    done = house.through(house.a, house.b, cancel(stream))
    assert done["position"].startswith("1:3:")
    assert house.a.step(company)["status"] == "cancelled"


def test_a_release_goes_to_the_owner_of_the_parked_stream(
    postgres_places: Any,
) -> None:
    """What was held runs there."""
    whole: PostgresPlace = postgres_places(4)
    house = House(whole, make_core=poisoned_core)
    POISON.clear()
    house.register(sale())
    company = house.key(2)
    POISON.add((company, Open))
    house.b.publish("applied", company)
    POISON.clear()
    stream = house.a.id(company)
    assert house.b.lane.parked == (stream,)
    assert house.through(house.a, house.b, cancel(stream, "release"))["status"] == "released"
    house.settle()
    assert house.b.step(company)["step"] == "create"
    house.close()


# --- work of participants ------------------------------------------------------------------------


def reserve(world: World) -> Any:
    """A claim that does not start what it gets."""
    ask = ClaimAsk("crm", WORKER, (CREATE,), 10, False)
    (claim,) = world.ask(ClaimRequest(NORTH, ask))["claims"]
    return claim


def test_starts_heartbeats_and_replies_follow_their_token(house: House) -> None:
    """Any process hands work out; what is said of it goes where it lives."""
    house.register(sale())
    company = house.key(2)
    house.b.publish("applied", company)
    claim = reserve(house.a)
    assert (claim["started"], claim["token"].split(".")[1]) == (False, "2")
    item = {"effect": claim["effect"], "token": claim["token"]}
    for request, status in (
        (StartsRequest(NORTH, WORKER, (item,)), "started"),
        (StartsRequest(NORTH, WORKER, (item,)), "started"),
        (HeartbeatsRequest(NORTH, WORKER, (item,)), "held"),
        (reply_request(claim), "recorded"),
        (reply_request(claim), "repeated"),
        (HeartbeatsRequest(NORTH, WORKER, (item,)), "lost"),
        (reply_request(claim, who=replace(NORTH, tenant="south")), "fenced"),
    ):
        answer = house.through(house.a, house.b, request)
        assert [result["status"] for result in answer["results"]] == [status], request
    assert house.a.step(company)["step"] == "signed"


def test_what_is_cancelled_there_is_not_started_through_here(house: House) -> None:
    """Reserved by a worker of another process, and withdrawn: nothing was done or is undone."""
    house.register(sale())
    reserved, started = house.key(2), house.key(3)
    house.b.publish("applied", reserved)
    claim = reserve(house.a)
    house.b.publish("applied", started)
    (other,) = house.a.claim()
    for company in (reserved, started):
        house.b.control("cancel", house.a.id(company))
    item = {"effect": claim["effect"], "token": claim["token"]}
    refused = house.through(house.a, house.b, StartsRequest(NORTH, WORKER, (item,)))
    assert refused["results"][0]["status"] == "refused"
    assert house.a.step(reserved)["status"] == "cancelled"
    # What was started is awaited, and undone.
    assert house.through(house.a, house.b, reply_request(other))["results"][0]["status"] == (
        "recorded"
    )
    (undo,) = house.a.claim()
    assert (undo["kind"], undo["key"]) == ("undo", started)
    house.through(house.a, house.b, reply_request(undo))
    assert house.a.step(started)["status"] == "cancelled"


def test_items_of_several_lanes_in_one_request_are_taken_apart_before(house: House) -> None:
    """The desk does; where a lane went meanwhile the request is refused as a whole."""
    items = tuple(
        {"effect": "ab" * 32, "token": f"1.{lane}.1.1", "kind": "do", "outcome": "done"}
        for lane in (0, 2)
    )
    house.register(sale())
    assert alias_of(house.a.ask(RepliesRequest(NORTH, WORKER, items))) == "store.lane_lost"
    own = house.a.ask(RepliesRequest(NORTH, WORKER, items[:1]))
    assert own["results"][0]["status"] == "fenced"
    beyond = {**items[0], "token": "1.99.1.1"}
    told = house.a.ask(RepliesRequest(NORTH, WORKER, (beyond,)))
    assert told["results"][0]["status"] == "fenced"


def test_an_owner_that_dies_before_it_answers_is_answered_for(house: House) -> None:
    """Whoever takes its lanes over takes what was passed on to it."""
    house.register(sale())
    company = house.key(2)
    passing = house.a.ask(start(company))
    house.silence("b")
    for lane in (2, 3):
        assert house.shares[0].cluster.claim(lane) is not None
    house.a.lane.own(range(4), is_careful=True)
    house.a.process()
    assert house.told(house.a, passing)["created"]
    assert house.a.step(company)["step"] == "create"


def test_a_request_that_the_database_refuses_is_given_up_and_its_asker_told(house: House) -> None:
    """After three tries; its neighbours are answered."""
    house.register(sale())
    bad, good = house.key(2), house.key(2, 1)
    asked = [house.a.ask(start(company)) for company in (bad, good)]
    BrokenWorld(house.b).word = f'"key":"{bad}"'.encode()
    house.look(house.b)
    for _ in range(3):
        house.look(house.b)
    answers = {answer.ask: answer.body for answer in house.a.lane.take_answers()}
    assert answers[asked[1].ask]["created"]
    assert answers[asked[0].ask]["refused"]["alias"] == "store.failed"
    assert house.a.count("inbox") == 0


# --- at the same moment --------------------------------------------------------------------------


def test_an_event_that_both_accept_at_once_is_accepted_once(house: House) -> None:
    """The second finds the receipt of the first, also with another content."""
    house.register(sale())
    event = house.a.event("applied", house.key(0))
    told: list[Any] = []
    Meanwhile(house.a, lambda: told.append(house.b.ask(event)))
    mine = house.a.ask(event)
    assert (told[0]["status"], mine["status"]) == ("accepted", "repeated")
    assert mine["root"] == told[0]["root"]
    house.settle()
    assert house.a.step(house.key(0))["step"] == "create"
    other = house.a.event("applied", house.key(1))
    changed = replace(other, event={**other.event, "data": {"company": house.key(2)}})
    Meanwhile(house.a, lambda: told.append(house.b.ask(changed)))
    assert alias_of(house.a.ask(other)) == "event.id_reused"
    assert told[1]["status"] == "accepted"
    house.settle()
    assert (house.a.step(house.key(1)), house.a.count("receipts")) == ({}, 2)
    assert house.a.rows("SELECT code FROM dead_letters") == [("event.id_reused",)]


def test_neighbours_of_a_conflict_are_applied_once(postgres_places: Any) -> None:
    """Also one whose stream is set aside: the first try has left nothing behind."""
    house = House(postgres_places(4), make_core=poisoned_core)
    POISON.clear()
    house.register(sale())
    twice, bad, good = (house.key(0, number) for number in range(3))
    POISON.add((bad, Open))
    events = [house.a.event("applied", company) for company in (bad, twice, good)]
    Meanwhile(house.a, lambda: house.b.ask(events[1]))
    answers: list[Any] = house.a.process(*events).answers
    assert [answer["status"] for answer in answers] == ["accepted", "repeated", "accepted"]
    house.look(house.a)
    assert house.a.rows("SELECT tenant, reason FROM parked_streams") == [
        ("north", "internal.fault")
    ]
    assert [house.a.step(company) != {} for company in (twice, bad, good)] == [True, False, True]
    POISON.clear()
    house.a.control("release", house.a.id(bad))
    assert house.a.step(bad)["step"] == "create"
    assert house.a.count("inbox") == 0
    house.close()


def test_an_idempotency_key_that_both_use_at_once_is_used_once(house: House) -> None:
    """For two starts of its own it is reused; for the same one the answer is the same."""
    house.register(sale())
    told: list[Any] = []
    Meanwhile(house.a, lambda: told.append(house.b.ask(start(house.key(2), "k"))))
    assert alias_of(house.a.ask(start(house.key(0), "k"))) == "key_reused"
    assert told[0]["created"]
    assert house.a.step(house.key(0)) == {}


def test_two_registrations_at_once_are_one_after_the_other(house: House) -> None:
    """The same one is no other; another under its version, or against its events, is refused."""
    house.register(sale())
    told: list[Any] = []

    def at_once(theirs: Any, mine: Any) -> Any:
        register = RegisterRequest(OPERATOR, theirs)
        Meanwhile(house.a, lambda: told.append(house.b.ask(register)["created"]))
        return house.a.register(mine)

    assert alias_of(at_once(sale(2), sale(2))) == ""
    assert alias_of(at_once(sale(3), sale(3, early_ttl="1d"))) == "def.version_taken"
    long = {**COMPANY, "properties": {"company": {"type": "string", "minLength": 2}}}
    event = {"version": 1, "schema": COMPANY, "key": "company"}
    documents = [
        sale(saga=saga, events={**sale()["events"], "opened": {**event, "schema": schema}})
        for saga, schema in (("x", COMPANY), ("y", long))
    ]
    assert alias_of(at_once(*documents)) == "def.event"
    assert at_once(sale(4), sale(5))["created"]
    assert told == [True] * 4
    versions = house.a.rows("SELECT version FROM definitions WHERE saga = 'sale' ORDER BY version")
    assert versions == [(1,), (2,), (3,), (4,), (5,)]
    house.b.publish("applied", house.key(2))
    assert house.b.step(house.key(2))["saga_version"] == 5


def test_of_two_at_once_that_take_locks_in_two_orders_one_is_refused(house: House) -> None:
    def nested(saga: str, outer: str, inner: str) -> Any:
        nap = {"node": "sleep", "name": "nap", "for": "1d"}
        lock = {"node": "lock", "within": "1h"}
        own = {**lock, "name": "inner", "lock": inner, "flow": [nap]}
        return sale(saga=saga, flow=[{**lock, "name": "outer", "lock": outer, "flow": [own]}])

    register = RegisterRequest(OPERATOR, nested("theirs", "a", "b"))
    Meanwhile(house.a, lambda: house.b.ask(register))
    refused = house.a.register(nested("mine", "b", "a"))
    assert alias_of(refused) == "def.locks"
    assert "b inside a at outer/inner of theirs version 1" in str(refused)
    assert house.a.rows("SELECT saga FROM definitions") == [("theirs",)]


def test_a_fault_of_one_request_there_is_told_here(postgres_places: Any) -> None:
    """It parks nothing."""
    house = House(postgres_places(4), make_core=poisoned_core)
    POISON.clear()
    house.register(sale())
    company = house.key(2)
    house.b.publish("applied", company)
    POISON.add((company, Control))
    refused = house.through(house.a, house.b, cancel(house.a.id(company)))
    assert alias_of(refused) == "internal.fault"
    assert house.a.count("parked_streams") == 0
    POISON.clear()
    house.close()


@pytest.mark.parametrize("count", [1, 3])
def test_what_is_passed_on_is_stored_as_it_was_asked(house: House, count: int) -> None:
    """With the kind and body of its request."""
    house.register(sale())
    for number in range(count):
        assert isinstance(house.a.ask(start(house.key(2, number))), Passing)
    rows = house.a.rows("SELECT lane, kind, asker, root, stream, body FROM inbox ORDER BY id")
    assert [row[:5] for row in rows] == [(2, "request.start", "a", None, None)] * count
    assert orjson.loads(rows[0][5])["input"] == {"company": house.key(2)}
