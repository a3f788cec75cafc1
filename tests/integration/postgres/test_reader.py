"""The reader of a database shows what every reader shows, of one lane and of several."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, LiteralString
from uuid import UUID

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from adapters.postgres.pool import ReadPool
from adapters.postgres.reader import PostgresReader
from adapters.postgres.schema import migrate
from adapters.postgres.store import PostgresStore
from domain.ids import lane_of
from domain.ports import LaneWrite, Receipt, StoreFailed
from domain.requests import Reader
from projections.audit import text_of
from tests.contract.reader_contract import ReaderContract, fact, search, state
from tests.contract.store_world import commit, event, events, mail, step_row, stream
from tests.servers import Databases

LANES = 3


def names_of(lane: int, count: int = 1) -> list[str]:
    """Names of streams that live in a lane."""
    return [n for n in map(str, range(200)) if lane_of(stream(n), LANES) == lane][:count]


@pytest.fixture
def one_lane(databases: Databases) -> Iterator[str]:
    url = databases.create(databases.template("reader_1", lambda url: migrate(url, 1)))
    yield url
    databases.drop(url)


@pytest.fixture
def three_lanes(databases: Databases) -> Iterator[str]:
    url = databases.create(databases.template("reader_3", lambda url: migrate(url, LANES)))
    yield url
    databases.drop(url)


@pytest.fixture
def opened() -> Iterator[Callable[[str], PostgresStore]]:
    made: list[PostgresStore] = []

    def open_store(url: str) -> PostgresStore:
        made.append(PostgresStore.open(url, process="test"))
        return made[-1]

    yield open_store
    for store in made:
        store.close()


class TestReader(ReaderContract):
    """On a database of one lane."""

    @pytest.fixture
    def store(self, one_lane: str, opened: Callable[[str], PostgresStore]) -> PostgresStore:
        return opened(one_lane)

    @pytest.fixture
    def reader(self, one_lane: str) -> Iterator[PostgresReader]:
        found = PostgresReader(one_lane, text_of)
        _: Reader = found  # the type checker holds it to the port
        yield found
        found.close()


class TestLanes:
    """On a database of three lanes."""

    @pytest.fixture
    def store(self, three_lanes: str, opened: Callable[[str], PostgresStore]) -> PostgresStore:
        return opened(three_lanes)

    @pytest.fixture
    def reader(self, three_lanes: str) -> Iterator[PostgresReader]:
        found = PostgresReader(three_lanes, text_of)
        yield found
        found.close()

    @staticmethod
    def commit(store: PostgresStore, write: LaneWrite) -> None:
        transaction = store.begin(*[store.belief(lane) for lane in range(LANES)])
        transaction.write(write, clock_us=1)
        transaction.commit()

    def test_a_position_names_every_lane(
        self, store: PostgresStore, reader: PostgresReader
    ) -> None:
        assert reader.position() == "1:0:0,1:0,2:0"
        (first, second), (third,) = names_of(1, 2), names_of(2)
        self.commit(store, events(event(first, 1), event(second, 1), event(third, 1)))
        assert reader.position() == "1:0:0,1:2,2:1"

    def test_an_answer_has_the_position_of_its_own_lane(
        self, store: PostgresStore, reader: PostgresReader
    ) -> None:
        (name,) = names_of(2)
        write = events(event(name, 1, state(node="n")))
        write.views.append(step_row(name, 1, lane=2, position=1, body={}))
        self.commit(store, write)
        assert (reader.commitment("north", stream(name)) or {})["position"] == "1:2:1"
        history = reader.history("north", stream(name), after=0, limit=9)
        assert (history or {})["events"][0]["position"] == "1:2:1"

    def test_facts_of_all_lanes_are_read_on_by_one_token(
        self, store: PostgresStore, reader: PostgresReader
    ) -> None:
        """By time between lanes, and none is passed over whatever the limit."""
        wanted: list[str] = []
        for number in range(12):
            (name,) = names_of(number % LANES)
            at = f"2026-11-30T09:41:{number:02}.000000Z"
            version = number // LANES + 1
            made = fact(f"f{number}", "south" if number == 4 else "north", at)
            self.commit(store, events(event(name, version, made, "fact.emitted")))
            wanted += [f"f{number}"] if number != 4 else []
        found, token = [], ""
        for _ in range(len(wanted) + 1):
            page = reader.facts("north", after=token, limit=1)
            found += [item["id"] for item in page["items"]]
            token = page["next"]
        assert (found, token) == (wanted, "0:4,1:4,2:4")
        late = reader.facts("north", after="1:3", limit=99)
        assert [item["id"] for item in late["items"]].count("f1") == 0
        assert late["items"][0]["position"] == "1:0:1"

    def test_an_acceptance_waits_for_the_mail_of_every_lane(
        self, store: PostgresStore, reader: PostgresReader
    ) -> None:
        root = 2**52 - 1
        receipt = Receipt("north", "crm", "e1", b"d", root, 1)
        posts = [mail(names_of(lane)[0], root=root) for lane in (0, 2)]
        self.commit(store, LaneWrite(receipts=[receipt], inbox=posts))
        transaction = store.begin(*[store.belief(lane) for lane in range(LANES)])
        letters = [row.id for row in transaction.inbox(9)]
        transaction.rollback()
        for letter in letters:
            assert reader.applied("north", "e1") is False
            self.commit(store, LaneWrite(inbox_done=[letter]))
        assert reader.applied("north", str(root)) is True


def test_a_state_that_cannot_be_read_is_told_as_damage(one_lane: str) -> None:
    reader = PostgresReader(one_lane, text_of)
    try:
        with closing(PostgresStore.open(one_lane, process="test")) as store:
            write = events(event("a", 1, state(node="n")))
            write.views.append(step_row("a", 1))
            commit(store, write)
        with psycopg.connect(one_lane, autocommit=True) as admin:
            admin.execute(r"UPDATE events SET state = '\x0102'")
        with pytest.raises(StoreFailed) as failed:
            reader.history("north", stream("a"), after=0, limit=9)
        assert failed.value.alias == "store.corrupt"
    finally:
        reader.close()


def test_a_reader_cannot_write(one_lane: str) -> None:
    pool = ReadPool(one_lane)
    try:
        with pytest.raises(StoreFailed), pool.connection() as db:
            db.execute("DELETE FROM events")
    finally:
        pool.close()


def test_a_read_goes_on_after_its_connections_were_ended(one_lane: str) -> None:
    """As by a restart or a failover of the server: the caller learns nothing of it."""
    reader = PostgresReader(one_lane, text_of)
    try:
        with psycopg.connect(one_lane, autocommit=True) as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND application_name = 'troth reader'"
            )
        assert reader.commitment("north", UUID(int=1)) is None
    finally:
        reader.close()


def test_a_server_that_is_away_is_told_within_a_bounded_time(one_lane: str) -> None:
    """Nobody listens on the port."""
    url = make_conninfo(one_lane, port=1)
    with pytest.raises(StoreFailed) as failed:
        PostgresReader(url, text_of)
    assert failed.value.alias == "store.gone"


def test_a_page_costs_what_it_shows(one_lane: str) -> None:
    """No statement of a reader scans a table; what it sorts is what it found by an index."""
    reader = PostgresReader(one_lane, text_of)
    seen: list[str] = []
    ask = ReadPool._once

    def note(pool: ReadPool, sql: LiteralString, values: Any) -> Any:
        with pool.connection() as db:
            plan = db.execute("EXPLAIN " + sql, values).fetchall()
        seen.append("\n".join(line for (line,) in plan))
        return ask(pool, sql, values)

    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ReadPool, "_once", note)
            reader.by_key("north", "loan", "k", None)
            reader.commitment("north", UUID(int=1))
            search(reader, status="waiting")
            search(reader, saga="loan")
            reader.facts("north", after="", limit=5)
            reader.applied("north", "x")
            reader.approvals("north", status="open", cursor=None, limit=5)
            reader.parked("north", reason="early", cursor=None, limit=5)
    finally:
        reader.close()
    for plan in seen:
        assert "Seq Scan" not in plan, plan
