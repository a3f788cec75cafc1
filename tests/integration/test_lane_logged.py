"""Records of a log outside: what one asks and how far the log was read are one transaction."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from domain.ports import Cursor, StoreFailed
from domain.requests import Logged, Publish, RepliesRequest
from tests.integration.lane_breakage import BrokenWorld
from tests.integration.lane_owners import House
from tests.integration.lane_world import (
    DAY_US,
    NORTH,
    SECOND_US,
    WORKER,
    World,
    alias_of,
    aliases,
    reply_request,
    sale,
)

DIGEST = bytes(32)


@pytest.fixture
def sales(house: House) -> House:
    house.register(sale())
    return house


class Log:
    """A topic; each partition counts its records."""

    def __init__(self, topic: str = "events") -> None:
        self.topic = topic
        self.ends: dict[int, int] = {}

    def record(self, partition: int, request: Any, at_us: int, **more: Any) -> Logged:
        end = self.ends[partition] = self.ends.get(partition, 0) + 1
        cursor = Cursor(self.topic, "t-1", partition, end, DIGEST)
        raw = request.raw if isinstance(request, Publish) else b"raw"
        return Logged(NORTH, cursor, at_us, request, raw, **more)


def cursors(house: House) -> dict[int, int]:
    return dict(house.a.rows("SELECT partition, next_offset FROM cursors"))


def signed(world: World, company: str) -> Publish:
    return world.event("signed", company)


def test_the_cursor_moves_with_what_its_records_did(sales: House) -> None:
    """In one transaction for all; the partition says whose lane, the key says whose mail."""
    log, world = Log(), sales.a
    commits = world.lane.counts.commits
    records = [
        log.record(partition, world.event("applied", company), world.now_us)
        for partition, company in ((0, sales.key(0)), (1, sales.key(2)), (4, sales.key(1)))
    ]
    answers: list[Any] = world.process(*records).answers
    assert [answer["status"] for answer in answers] == ["accepted"] * 3
    assert world.lane.counts.commits == commits + 1
    assert cursors(sales) == {0: 1, 1: 1, 4: 1}
    assert world.step(sales.key(0))["step"] == "create"
    sales.settle()
    assert world.step(sales.key(2))["step"] == "create"


def test_a_record_of_a_foreign_lane_is_refused_and_moves_nothing(sales: House) -> None:
    """Whoever owns the lane reads the partition."""
    log = Log()
    record = log.record(2, sales.a.event("applied", sales.key(0)), sales.a.now_us)
    assert alias_of(sales.a.ask(record)) == "store.lane_lost"
    assert (sales.a.count("receipts"), cursors(sales)) == (0, {})
    assert sales.b.ask(record)["status"] == "accepted"
    assert cursors(sales) == {2: 1}


def test_records_that_cannot_be_accepted_become_dead_letters(sales: House) -> None:
    """Also those that HTTP would only refuse, for nobody is told; their neighbours go on."""
    log, world, at_us = Log(), sales.a, sales.a.now_us
    good = world.event("applied", sales.key(0))
    foreign = world.event("applied", tenantid="south")
    late = replace(reply_request({"effect": "ab" * 32, "attempt": 1, "token": "1.0.1.1",
                                  "kind": "do", "commitment": "x", "contract": "y"}))  # fmt: skip
    records = [
        log.record(0, world.event("nothing"), at_us),
        log.record(0, None, at_us, fault=("event.json", "no JSON at 1:1")),
        log.record(0, foreign, at_us),
        log.record(0, replace(good, event=[1]), at_us),
        log.record(0, late, at_us),
        log.record(0, good, at_us),
        log.record(0, good, at_us),
    ]
    answers: list[Any] = world.process(*records).answers
    assert [answer.get("status") for answer in answers] == [
        "dead_letter", "dead_letter", "dead_letter", "dead_letter", None, "accepted", "repeated",
    ]  # fmt: skip
    assert answers[4]["results"][0]["status"] == "fenced"
    found = world.rows("SELECT code, source, event_id, raw FROM dead_letters ORDER BY id")
    assert [row[0] for row in found] == [
        "event.unknown_type", "event.json", "event.foreign_tenant", "event.envelope",
    ]  # fmt: skip
    assert (found[1][1:3], found[1][3]) == (("events", "0/1"), b"raw")
    assert cursors(sales) == {0: 7}
    assert world.step(sales.key(0))["step"] == "create"


def test_what_fails_moves_no_cursor(sales: House) -> None:
    """The same records are read again, and applied once."""
    log, world = Log(), sales.a
    record = log.record(0, world.event("applied", sales.key(0)), world.now_us)
    broken = BrokenWorld(world)
    broken.failures = [StoreFailed("store.full", "no space")]
    assert alias_of(world.ask(record)) == "store.full"
    assert cursors(sales) == {}
    broken.unclear = [StoreFailed("store.gone", "who knows")]
    assert alias_of(world.ask(record)) == "store.gone"
    assert cursors(sales) == {0: 1}
    assert world.ask(record)["status"] == "repeated"
    assert (world.count("receipts"), cursors(sales)) == (1, {0: 1})


def test_a_record_that_the_database_refuses_holds_its_followers_not_its_neighbours(
    sales: House,
) -> None:
    """It stands alone in the end; what follows it in its partition waits for it."""
    log, world = Log(), sales.a
    bad, good, other = sales.key(0), sales.key(0, 1), sales.key(1)
    records = [
        log.record(0, world.event("applied", bad), world.now_us),
        replace(log.record(0, world.event("applied", good), world.now_us), after=1),
        log.record(1, world.event("applied", other), world.now_us),
    ]
    BrokenWorld(world).word = f'"key":"{bad}"'.encode()
    answers = world.process(*records).answers
    assert aliases(answers) == ["store.failed", "store.lane_lost", ""]
    assert cursors(sales) == {1: 1}
    assert world.step(good) == {}


def test_a_reply_of_a_foreign_lane_is_passed_on_and_the_log_goes_on(sales: House) -> None:
    """Nobody waits for its answer here."""
    log = Log("replies")
    sales.b.publish("applied", sales.key(2))
    (claim,) = sales.b.claim()
    record = log.record(0, reply_request(claim), sales.a.now_us)
    assert sales.a.ask(record) == {"status": "passed"}
    assert cursors(sales) == {0: 1}
    sales.look(sales.b)
    assert sales.b.step(sales.key(2))["step"] == "signed"
    own = sales.b.event("applied", sales.key(3))
    sales.b.ask(own)
    (claim,) = sales.b.claim()
    there = log.record(3, reply_request(claim), sales.b.now_us)
    assert sales.b.ask(there)["results"][0]["status"] == "recorded"
    assert sales.b.step(sales.key(3))["step"] == "signed"


def test_no_timer_fires_beyond_what_the_logs_were_read_to(sales: House) -> None:
    """And what the log took in before the deadline counts, however late it is read."""
    log, world = Log(), sales.a
    company = sales.key(0)
    world.publish("applied", company)
    world.work()
    due_us = world.now_us + 14 * DAY_US
    world.now_us += 15 * DAY_US
    world.process(fires_until_us=due_us - 2 * SECOND_US)
    assert world.step(company)["status"] == "waiting"
    record = log.record(0, signed(world, company), due_us - SECOND_US)
    world.process(record, fires_until_us=due_us - 2 * SECOND_US)
    assert world.step(company)["status"] == "fulfilled"
    assert world.step(company)["ended_at"] < "2027-02-01"


def test_a_deadline_passes_once_the_logs_were_read_beyond_it(sales: House) -> None:
    """A record that came too late finds the wait over."""
    log, world = Log(), sales.a
    company = sales.key(1)
    world.publish("applied", company)
    world.work()
    due_us = world.now_us + 14 * DAY_US
    world.now_us += 15 * DAY_US
    record = log.record(1, signed(world, company), due_us + SECOND_US)
    world.process(record, fires_until_us=due_us + 2 * SECOND_US)
    assert world.step(company)["status"] == "compensating"
    assert world.count("parked_events") == 1


def test_accept_times_of_records_are_never_in_the_future(sales: House) -> None:
    """A broker's clock that is ahead moves no lane's."""
    log, world = Log(), sales.a
    event = world.event("applied", sales.key(0))
    world.ask(log.record(0, event, world.now_us + DAY_US))
    ((accepted_us,),) = world.rows("SELECT accepted_us FROM receipts")
    assert accepted_us == world.now_us
    unread = RepliesRequest(NORTH, WORKER, ())
    assert world.ask(log.record(0, unread, 1)) == {"results": []}
    ((clock_us,),) = world.rows("SELECT clock_us FROM lanes WHERE lane = 0")
    assert clock_us == world.now_us


def test_a_new_owner_of_a_lane_goes_on_at_its_cursor(sales: House) -> None:
    """Records that follow something it has not seen are refused until that is read."""
    log = Log()
    first = log.record(0, sales.a.event("applied", sales.key(0)), sales.a.now_us)
    skipped = log.record(0, sales.a.event("applied", sales.key(1)), sales.a.now_us)
    third = replace(log.record(0, signed(sales.a, sales.key(0)), sales.a.now_us), after=2)
    sales.a.ask(first)
    sales.silence("a")
    assert sales.shares[1].cluster.claim(0) is not None
    sales.b.lane.own((0, 2, 3))
    assert alias_of(sales.b.ask(third)) == "store.lane_lost"
    assert cursors(sales) == {0: 1}
    assert aliases(sales.b.process(skipped, third).answers) == ["", ""]
    assert cursors(sales) == {0: 3}
