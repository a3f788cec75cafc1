"""A record is applied only where the lane's cursor says that everything before it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import psycopg
import pytest

from adapters.clock import wall_us
from adapters.postgres.losses import NOT_READ, LossLedger
from adapters.postgres.store import PostgresStore
from consumers.lane import Lane
from domain.errors import Refusal
from domain.ports import Asked, Cursor
from domain.requests import Logged
from tests.integration.kafka_engine.world import LANES

TOPIC = "events"
ASKED = Asked("north", "urn:shop", "executor_system", ())


@pytest.fixture
def lane(store: str) -> Iterator[Lane]:
    with closing(PostgresStore.open(store, process="p", lanes=LANES)) as opened:
        found = Lane(opened, lanes=range(LANES), process="p")
        found.open()
        yield found


def record(offset: int, after: int) -> Logged:
    """One that becomes a dead letter; `offset` is where reading goes on."""
    cursor = Cursor(TOPIC, "t1", 0, offset, bytes([offset]) * 32)
    fault = ("event.json", "no JSON")
    return Logged(ASKED, cursor, wall_us(), None, bytes([offset]), fault, after)


def taken(lane: Lane, *records: Logged) -> list[str]:
    """`taken`, or the code of the refusal, of each."""
    answers = lane.process(records, wall_us()).answers
    return [answer.alias if isinstance(answer, Refusal) else "taken" for answer in answers]


def cursor_in(store: str) -> int:
    with psycopg.connect(store) as db:
        ((found,),) = db.execute("SELECT next_offset FROM cursors").fetchall()
    return found


def test_a_gap_is_refused_until_it_is_filled(lane: Lane, store: str) -> None:
    """As when a batch was halved and its first half failed, or another owner lost it."""
    assert taken(lane, record(1, 0), record(2, 1)) == ["taken", "taken"]
    assert taken(lane, record(5, 4), record(6, 5)) == ["store.lane_lost"] * 2
    assert cursor_in(store) == 2
    assert taken(lane, record(4, 2), record(5, 4), record(6, 5)) == ["taken"] * 3
    assert cursor_in(store) == 6
    with psycopg.connect(store) as db:
        ((count,),) = db.execute("SELECT count(*) FROM dead_letters").fetchall()
    assert count == 5


def test_another_owner_knows_the_cursor_anew(lane: Lane, store: str) -> None:
    assert taken(lane, record(1, 0)) == ["taken"]
    with closing(PostgresStore.open(store, process="p", lanes=LANES)) as opened:
        other = Lane(opened, lanes=range(LANES), process="p")
        other.open()
        assert taken(other, record(3, 2)) == ["store.lane_lost"]
        assert taken(other, record(2, 1), record(3, 2)) == ["taken"] * 2
    assert cursor_in(store) == 3


def test_an_accepted_loss_moves_the_cursor_under_its_owner(lane: Lane, store: str) -> None:
    """Whoever owns the lane reads the cursor again before it writes."""
    assert taken(lane, record(1, 0)) == ["taken"]
    ledger = LossLedger(store)
    left = Cursor(TOPIC, "t1", 0, 9, NOT_READ)
    assert ledger.accept(left, "me@here", "ticket 7") == 1
    assert ledger.accept(left, "me@here", "ticket 7") is None
    assert taken(lane, record(10, 9)) == ["taken"]
    assert cursor_in(store) == 10
