"""What /metrics shows of a store is the same on a file and on a database, lane by lane."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from adapters.postgres.gauges import PostgresGauges
from adapters.postgres.schema import migrate
from adapters.postgres.store import PostgresStore
from adapters.sqlite import SqliteStore
from adapters.sqlite.gauges import SqliteGauges
from domain.ports import DeadLetter, LaneWrite
from tests.contract.store_world import commit, dispatch, mail, step_row, stream
from tests.integration.postgres.test_reader import LANES, names_of
from tests.servers import Databases

SECOND = 1_000_000


@pytest.fixture
def url(databases: Databases) -> Iterator[str]:
    made = databases.create(databases.template("reader_3", lambda url: migrate(url, LANES)))
    yield made
    databases.drop(made)


def work(names: list[str]) -> LaneWrite:
    """Two that wait, one that has ended, an offer, mail, a timer and a dead letter."""
    write = LaneWrite(
        offered=[dispatch(names[0])],
        inbox=[mail(names[1])],
        timers={stream(names[0]): 1 * SECOND},
        dead_letters=[DeadLetter("north", "crm", "1", "event.schema", "no", b"raw", 1)],
    )
    for name, status in zip(names, ("waiting", "waiting", "fulfilled"), strict=True):
        write.views.append(step_row(name, 1, status=status))
    return write


def test_both_kinds_of_store_show_the_same(url: str, tmp_path: Path) -> None:
    file, names = f"sqlite:///{tmp_path}/troth.db", names_of(0, 3)
    with (
        closing(SqliteStore.open(file, now_us=1)) as one,
        closing(PostgresStore.open(url, process="test")) as other,
    ):
        commit(one, work(names))
        commit(other, work(names))
    with closing(SqliteGauges(file)) as one, closing(PostgresGauges(url)) as other:
        told, same = one.read(3 * SECOND), other.read(3 * SECOND)
    assert told["commitments_open"] == [({"saga": "loan", "status": "waiting"}, 2)]
    assert told["timer_delay_seconds"] == [({}, 2.0)]
    assert told["steps_unserved"] == [({"participant": "crm"}, 1)]
    lanes = [({"lane": str(lane)}, int(lane == 0)) for lane in range(LANES)]
    assert (told.pop("lane_inbox_messages"), same.pop("lane_inbox_messages")) == (lanes[:1], lanes)
    tables = {labels["table"] for labels, size in same.pop("table_bytes") if size > 0}
    assert {"events", "inbox", "lanes"} <= tables
    assert {labels["table"] for labels, _ in same.pop("table_dead_rows")} == tables
    assert same == told
