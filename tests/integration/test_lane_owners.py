"""Two owners of one store: what belongs to a lane of the other one goes there as mail, once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import orjson
import pytest

from consumers.limits import LaneLimits
from domain import key_stream
from domain.ids import key_id, lane_of, saga_key_id
from domain.requests import ControlRequest, Publish, RedriveRequest, StartRequest
from tests.integration.lane_owners import LANES, House, pair, paired, watch
from tests.integration.lane_places import PostgresPlace
from tests.integration.lane_world import NORTH, OPERATOR, World, alias_of, sale

NAMES = ("one", "two", "three")


def tell(world: World, number: int, company: str, **others: str) -> Any:
    event = paired(number, company, **others)
    return world.ask(Publish(NORTH, event, orjson.dumps(event)))


def takers(house: House, key: str) -> list[list[tuple[str, str]]]:
    """Who took each event that a key keeps, oldest first."""
    state = house.a.folded(key_id("north", key))
    return [list(kept.takers) for kept in state.kept.values()]


def test_an_event_is_accepted_by_whoever_gets_it_and_starts_its_saga_where_it_lives(
    house: House,
) -> None:
    """The answer has no position: nothing was applied here."""
    house.register(sale())
    company = house.key(2)
    answer = house.a.publish("applied", company)
    assert (answer["status"], "position" in answer) == ("accepted", False)
    assert answer["reached"] == ["sale", company]
    assert house.a.rows("SELECT lane, kind FROM inbox") == [(2, "start")]
    assert house.b.step(company) == {}
    house.look(house.a)
    assert house.a.count("inbox") == 1
    house.look(house.b)
    assert house.b.step(company)["step"] == "create"
    assert house.a.count("inbox") == 0


@pytest.mark.parametrize("home", range(4))
def test_an_event_starts_sagas_in_several_lanes_and_its_key_learns_who_took_it(
    house: House, home: int
) -> None:
    """One that its guard turns away, and one that its policy refuses, are no takers."""
    house.register(*(pair(name) for name in NAMES), watch())
    company = house.key(home)
    keys = {"one": house.key(0, 1), "two": house.key(2, 1), "three": house.key(3, 1)}
    assert tell(house.a, 1, company, **keys)["status"] == "accepted"
    house.settle()
    assert takers(house, company) == [[(name, keys[name]) for name in NAMES]]
    for name, key in keys.items():
        assert house.a.step(key, saga=name)["status"] == "waiting"
    again = {"one": house.key(1, 1), "two": keys["two"]}
    tell(house.b, 2, company, **again)
    house.settle()
    assert takers(house, company)[1:] == [[("one", again["one"])]]
    assert house.a.topics(saga_key_id("north", "two", keys["two"]))[-1] == "sagakey.start_refused"
    assert house.a.topics(saga_key_id("north", "three", keys["three"])) == [
        "sagakey.opened", "sagakey.run_opened",
    ]  # fmt: skip
    assert house.a.count("inbox") == 0


def test_the_key_stream_hears_of_an_event_after_all_whom_it_starts(house: House) -> None:
    """One after the other: each lane passes it on, in one transaction with what it did."""
    house.register(*(pair(name) for name in NAMES), watch())
    company = house.key(0)
    keys = {"one": house.key(2, 1), "two": house.key(1, 1), "three": house.key(3, 1)}
    tell(house.a, 1, company, **keys)
    ((lane, kind, body),) = house.a.rows("SELECT lane, kind, body FROM inbox")
    onward = orjson.loads(body)["message"]["onward"]
    assert (lane, kind, onward["takers"]) == (2, "start", [["two", keys["two"]]])
    house.look(house.b)
    assert house.a.rows("SELECT lane, kind FROM inbox") == [(0, "arrive")]
    assert house.a.topics(key_id("north", company)) == []
    house.look(house.a)
    # What is here is started first.
    assert takers(house, company) == [[(name, keys[name]) for name in ("two", "one", "three")]]


def test_a_wait_is_met_by_an_event_of_another_owners_key(house: House) -> None:
    """The subscription goes there, the offer comes back, and the key learns that it was taken."""
    house.register(pair("one"), watch())
    company, other = house.key(0), house.key(2)
    asked = StartRequest(NORTH, "watch", {"company": company, "of": other})
    assert house.a.ask(asked)["created"]
    assert house.a.rows("SELECT lane, kind FROM inbox") == [(2, "subscribe")]
    house.look(house.b)
    tell(house.a, 1, other)
    house.look(house.b)
    assert house.a.rows("SELECT lane, kind FROM inbox") == [(0, "offer")]
    house.look(house.a)
    assert house.a.step(company, saga="watch")["status"] == "fulfilled"
    house.settle()
    assert takers(house, other) == [[("watch", company)]]
    ended = house.a.folded(saga_key_id("north", "watch", company)).latest
    assert ended.status == "fulfilled"


def kept(house: House, key: str) -> list[str]:
    """The events that a key keeps, oldest first."""
    state = house.a.folded(key_id("north", key))
    return [one.event["id"] for one in state.kept.values()]


def test_an_event_does_not_overtake_one_that_another_owner_accepted_before(house: House) -> None:
    """Nobody has told yet that it lies in the inbox."""
    house.register(pair("one"), watch())
    company = house.key(0)
    tell(house.b, 1, company)
    assert "position" in tell(house.a, 2, company)
    assert kept(house, company) == ["p1", "p2"]


def test_an_event_does_not_overtake_what_is_left_in_the_inbox(
    postgres_places: Callable[[int], PostgresPlace],
) -> None:
    """So much lies there that requests have their turn before all of it is taken."""
    limits = LaneLimits(inbox_per_batch_max=1, rounds_max=1)
    with closing(House(postgres_places(LANES), limits=limits)) as house:
        house.register(pair("one"), watch())
        company, other = house.key(0), house.key(1)
        tell(house.b, 1, company)
        tell(house.b, 2, company)
        house.a.lane.mail_came()
        answer = tell(house.a, 3, company, one=other)
        assert (answer["status"], "position" in answer) == ("accepted", False)
        assert tell(house.a, 3, company, one=other)["status"] == "repeated"
        house.settle()
        assert kept(house, company) == ["p1", "p2", "p3"]
        assert house.a.step(other, saga="one")["status"] == "waiting"


def test_what_is_left_in_the_inbox_when_requests_have_their_turn_is_not_forgotten(
    postgres_places: Callable[[int], PostgresPlace],
) -> None:
    """The lane wants to be called again, though nothing more comes and nobody tells it."""
    limits = LaneLimits(inbox_per_batch_max=1, rounds_max=1)
    with closing(House(postgres_places(LANES), limits=limits)) as house:
        house.register(pair("one"), watch())
        company = house.key(0)
        for number in (1, 2, 3):
            tell(house.b, number, company)
        house.a.lane.mail_came()
        assert house.a.claim("nothing") == []
        assert kept(house, company) == ["p1"]
        while house.a.lane.next_due_us() == 0:
            house.a.process()
        assert kept(house, company) == ["p1", "p2", "p3"]


def test_an_early_event_waits_in_another_owners_lane(house: House) -> None:
    """Whoever subscribes later is offered it; a second run does not get it again."""
    house.register(pair("one"), watch())
    company, other = house.key(1), house.key(3)
    tell(house.b, 1, other)
    asked = StartRequest(NORTH, "watch", {"company": company, "of": other})
    house.a.ask(asked)
    house.settle()
    assert house.a.step(company, saga="watch")["status"] == "fulfilled"
    assert house.a.ask(asked)["run"] == 2
    house.settle()
    assert house.a.step(company, run=2, saga="watch")["status"] == "waiting"
    assert takers(house, other) == [[("watch", company)]]


def test_an_offer_to_a_wait_that_was_cancelled_remains_for_the_next_run(house: House) -> None:
    """It was under way when the commitment was cancelled: nothing took it."""
    house.register(pair("one"), watch())
    company, other = house.key(0), house.key(2)
    asked = StartRequest(NORTH, "watch", {"company": company, "of": other})
    house.a.ask(asked)
    house.look(house.b)
    tell(house.b, 1, other)
    cancel = ControlRequest(OPERATOR, house.a.id(company, saga="watch"), "cancel", "because")
    # The offer lies in the inbox, and the cancel is asked in the call that would take it.
    assert house.a.rows("SELECT lane, kind FROM inbox") == [(0, "offer")]
    assert alias_of(house.a.ask(cancel)) == ""
    house.settle()
    assert house.a.step(company, saga="watch")["status"] == "cancelled"
    assert takers(house, other) == [[]]
    house.a.ask(asked)
    house.settle()
    assert house.a.step(company, run=2, saga="watch")["status"] == "fulfilled"
    assert takers(house, other) == [[("watch", company)]]


def test_a_key_that_is_full_elsewhere_makes_dead_letters_not_losses(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They were acknowledged where nobody could know it; each can be sent again."""
    monkeypatch.setattr(key_stream, "MAILBOX_MAX", 2)
    house.register(sale())
    company = house.key(3)
    for _ in range(3):
        assert house.a.publish("signed", company)["status"] == "accepted"
    house.settle()
    assert house.a.count("parked_events") == 2
    ((number, code, source, raw),) = house.a.rows("SELECT id, code, source, raw FROM dead_letters")
    assert (code, source) == ("bound.mailbox", "urn:crm")
    monkeypatch.setattr(key_stream, "MAILBOX_MAX", 3)
    again = RedriveRequest(OPERATOR, number, "there is room", orjson.loads(raw))
    assert house.a.ask(again)["status"] == "redriven"
    house.settle()
    assert house.a.count("parked_events") == 3


def test_everything_of_one_key_lives_in_one_lane() -> None:
    """The end of a run and the next start need no mail."""
    for number in range(50):
        key = f"c{number}"
        homes = {lane_of(s, 4) for s in (key_id("north", key), saga_key_id("north", "x", key))}
        assert len(homes) == 1
