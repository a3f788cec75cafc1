"""Lanes change hands: after a kill, from a process that was stopped, and between living ones."""

import queue
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from adapters.postgres import DatabaseClock, Listener, PostgresCluster, PostgresStore, migrate
from domain.cluster import View
from domain.ports import LaneBelief, LaneLost, LaneWrite, StoreFailed
from tests.contract.store_world import event, events, mail
from tests.integration.postgres.names import in_lane
from tools.servers.processes import wait_until

ROOT = Path(__file__).resolve().parents[3]
TAKEOVER_MAX_S = 5.0
LANES = 4
Writer = subprocess.Popen[str]


@pytest.fixture
def url(fresh_database: str) -> str:
    migrate(fresh_database, LANES)
    return fresh_database


class Owner:
    """A process of the store within the test."""

    def __init__(self, url: str, process: str) -> None:
        self.store = PostgresStore.open(url, process=process)
        self.clock = DatabaseClock()
        self.cluster = PostgresCluster(
            url, process=process, backend=lambda: self.store.backend, clock=self.clock
        )

    def close(self) -> None:
        self.store.close()
        self.cluster.close()


@pytest.fixture
def join(url: str) -> Iterator[Callable[[str], Owner]]:
    joined: list[Owner] = []

    def make(process: str) -> Owner:
        joined.append(Owner(url, process))
        return joined[-1]

    yield make
    for owner in joined:
        owner.close()


@contextmanager
def writer(url: str, process: str, lanes: str, *more: str) -> Iterator[Writer]:
    command = [sys.executable, "-m", "tests.integration.postgres.writer"]
    child = subprocess.Popen(
        [*command, url, process, lanes, *more],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield child
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate()


def heard(child: Writer) -> list[str]:
    assert child.stdout is not None
    return child.stdout.readline().split()


def claimed(owner: Owner, lane: int, within_s: float) -> LaneBelief:
    """The lane, as soon as it can be had; asked as often as an engine would when it beats."""
    ends_s = time.monotonic() + within_s
    while time.monotonic() < ends_s:
        owner.cluster.beat()
        if (belief := owner.cluster.claim(lane)) is not None:
            return belief
    raise AssertionError(f"lane {lane} was not to be had within {within_s} s")


def append(owner: Owner, belief: LaneBelief) -> LaneBelief:
    name = in_lane(belief.lane, LANES)
    transaction = owner.store.begin(belief)
    write = events(event(name, belief.head + 1), after=belief.chain)
    (after,) = transaction.write(write, clock_us=1)
    transaction.commit()
    return after


def test_a_killed_owner_is_taken_over_in_time_and_nothing_is_lost(
    url: str, join: Callable[[str], Owner]
) -> None:
    other = join("p2")
    with writer(url, "p1", "0,1") as child:
        assert heard(child) == ["owns", "0", "0"]
        told = [heard(child) for _ in range(5)]
        assert other.cluster.claim(0) is None
        child.send_signal(signal.SIGKILL)
        killed_s = time.monotonic()
        rest = child.communicate()[0].splitlines()
    # The last line may have been cut off by the kill: then it was never told.
    told += [line.split() for line in rest if line.count(" ") == 3]
    beliefs = [claimed(other, lane, TAKEOVER_MAX_S) for lane in (0, 1)]
    assert time.monotonic() - killed_s < TAKEOVER_MAX_S
    assert beliefs[0].epoch == 2
    assert beliefs[0].head >= int(told[-1][2])
    with psycopg.connect(url) as db:
        roots = {root for (root,) in db.execute("SELECT root FROM receipts")}
    assert {int(line[1]) for line in told} <= roots
    assert len(roots) == beliefs[0].head == beliefs[1].head
    assert append(other, beliefs[0]).head == beliefs[0].head + 1


def test_a_zombie_stopped_inside_a_transaction_is_ended_and_loses(
    url: str, join: Callable[[str], Owner]
) -> None:
    other = join("p2")
    with writer(url, "p1", "0,1", "hold") as child:
        assert heard(child) == ["owns", "0", "0"]
        assert heard(child) == ["holds"]
        child.send_signal(signal.SIGSTOP)
        belief = claimed(other, 0, TAKEOVER_MAX_S + 1)
        assert (belief.epoch, belief.head) == (2, 0)
        after = append(other, belief)
        child.send_signal(signal.SIGCONT)
        out, _ = child.communicate("go on\n")
    first, second = map(str.split, out.splitlines())
    assert first == ["lost", "StoreFailed", "store.gone"]
    # Its next transaction, on a new connection, loses by the lane's row.
    assert second == ["again", "LaneLost"]
    assert other.store.belief(0) == after
    with psycopg.connect(url) as db:
        assert db.execute("SELECT count(*) FROM receipts").fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM events").fetchone() == (1,)
        assert db.execute("SELECT count(*) FROM inbox").fetchone() == (0,)


def test_two_owners_of_a_lane_never_both_commit(url: str, join: Callable[[str], Owner]) -> None:
    first, second = join("p1"), join("p2")
    old = first.cluster.claim(2)
    assert old is not None
    second.cluster.beat()
    first.cluster.release(2)
    new = second.cluster.claim(2)
    assert new is not None
    with pytest.raises(LaneLost):
        append(first, old)
    assert append(second, new).head == 1
    with pytest.raises(LaneLost):
        append(first, old)


def test_a_claim_in_the_middle_of_a_transaction_waits_for_it_or_makes_it_lose(
    url: str, join: Callable[[str], Owner]
) -> None:
    first, second = join("p1"), join("p2")
    old = first.cluster.claim(2)
    assert old is not None
    transaction = first.store.begin(old)
    transaction.write(LaneWrite(inbox=[mail("a")]), clock_us=1)
    with psycopg.connect(url) as db:
        db.execute("UPDATE processes SET beat_us = 1 WHERE process = 'p1'")
    new = second.cluster.claim(2)
    assert new is not None
    with pytest.raises(StoreFailed) as failed:
        transaction.commit()
    assert failed.value.alias == "store.gone"
    transaction.rollback()
    append(second, new)
    with pytest.raises(LaneLost):
        first.store.begin(old)
    with psycopg.connect(url) as db:
        assert db.execute("SELECT count(*) FROM inbox").fetchone() == (0,)


def test_everybody_sees_who_owns_what_and_who_works(join: Callable[[str], Owner]) -> None:
    first, second = join("p1"), join("p2")
    second.cluster.works = False
    first.cluster.claim(0)
    second.cluster.beat()
    view = first.cluster.beat()
    assert [(s.lane, s.owner, s.epoch, s.is_overdue) for s in view.lanes] == [
        (0, "p1", 1, False), (1, "", 0, False), (2, "", 0, False), (3, "", 0, False),
    ]  # fmt: skip
    assert list(view.workers) == ["p1"]


def test_a_silent_owner_is_seen_to_be_overdue(url: str, join: Callable[[str], Owner]) -> None:
    first, second = join("p1"), join("p2")
    first.cluster.claim(0)
    with psycopg.connect(url) as db:
        db.execute("UPDATE processes SET beat_us = beat_us - 3100000 WHERE process = 'p1'")
    view = second.cluster.beat()
    assert view.lanes[0].is_overdue
    assert list(view.workers) == ["p2"]
    assert second.cluster.claim(0) is not None


def test_a_killed_owner_is_overdue_before_a_silent_one(
    url: str, join: Callable[[str], Owner]
) -> None:
    """Whose connection is open may only be slow; whose is gone has ended, or opens it again."""
    killed, slow, third = join("p1"), join("p2"), join("p3")
    killed.cluster.claim(0)
    slow.cluster.claim(1)

    def seen() -> View:
        with psycopg.connect(url) as db:
            db.execute(
                "UPDATE processes SET beat_us = (extract(epoch FROM clock_timestamp()) * 1000000)"
                "::bigint - 1600000 WHERE process <> 'p3'"
            )
        return third.cluster.beat()

    assert not any(state.is_overdue for state in seen().lanes)
    killed.close()
    # The server sees after a moment that nobody is there any more.
    assert wait_until(lambda: seen().lanes[0].is_overdue, timeout_s=TAKEOVER_MAX_S)
    view = seen()
    assert not view.lanes[1].is_overdue
    assert list(view.workers) == ["p2", "p3"]
    assert third.cluster.claim(1) is None
    assert third.cluster.claim(0) is not None


def test_a_living_owner_keeps_its_lane_and_may_claim_it_again(join: Callable[[str], Owner]) -> None:
    first, second = join("p1"), join("p2")
    one = first.cluster.claim(0)
    assert second.cluster.claim(0) is None
    again = first.cluster.claim(0)
    assert one is not None
    assert again is not None
    assert again.epoch == one.epoch + 1


def test_the_others_hear_at_once_that_lanes_were_given_away(
    url: str, join: Callable[[str], Owner]
) -> None:
    heard: queue.SimpleQueue[tuple[str, str]] = queue.SimpleQueue()
    listener = Listener(url, "p2", lambda *what: heard.put(what))
    listener.start()
    assert heard.get(timeout=TAKEOVER_MAX_S) == ("missed", "")
    first = join("p1")
    first.cluster.claim(0)
    first.cluster.release(0)
    assert heard.get(timeout=TAKEOVER_MAX_S) == ("shares", "p1")
    first.cluster.leave()
    assert heard.get(timeout=TAKEOVER_MAX_S) == ("shares", "p1")
    listener.close()


def test_leaving_gives_every_lane_away(join: Callable[[str], Owner]) -> None:
    first, second = join("p1"), join("p2")
    for lane in range(LANES):
        first.cluster.claim(lane)
    first.cluster.leave()
    view = second.cluster.beat()
    assert {state.owner for state in view.lanes} == {""}
    assert list(view.workers) == ["p2"]
    assert all(second.cluster.claim(lane) for lane in range(LANES))


def test_the_clock_is_the_databases(url: str, join: Callable[[str], Owner]) -> None:
    owner = join("p1")
    owner.cluster.beat()
    with psycopg.connect(url) as db:
        query = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
        before_us = owner.clock.now_us()
        row = db.execute(query).fetchone()
        after_us = owner.clock.now_us()
    assert row is not None
    assert before_us - 1_000_000 < row[0] < after_us + 1_000_000


def test_what_nobody_fetched_is_dropped_after_a_while(
    url: str, join: Callable[[str], Owner]
) -> None:
    with psycopg.connect(url) as db:
        db.execute("INSERT INTO answers VALUES (1, 'gone', 'a', '{}')")
        db.execute("INSERT INTO processes VALUES (1, 1, 1, 1, true, 'gone', 'h')")
    join("p1").cluster.beat()
    with psycopg.connect(url) as db:
        assert db.execute("SELECT count(*) FROM answers").fetchone() == (0,)
        assert db.execute("SELECT process FROM processes").fetchall() == [("p1",)]
