"""The recorders pass the `eventsourcing` library's own test classes, on a lane of PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from unittest import TestCase
from uuid import UUID

import pytest
from eventsourcing.application import Application
from eventsourcing.persistence import OperationalError, StoredEvent, Tracking
from eventsourcing.utils import Environment

from adapters.postgres.factory import PostgresFactory
from adapters.postgres.recorder import PostgresLane
from adapters.postgres.schema import migrate
from adapters.sql.recorder import LaneRecorder
from domain.ids import lane_of
from domain.ports import StoreFailed
from tests.contract import recorder_contract as contract
from tests.contract.store_world import event, stream
from tests.servers import Databases

LANES = 3


@pytest.fixture
def one_lane(databases: Databases) -> Iterator[str]:
    url = databases.create(databases.template("recorder_1", lambda url: migrate(url, 1)))
    yield url
    databases.drop(url)


@pytest.fixture
def three_lanes(databases: Databases) -> Iterator[str]:
    url = databases.create(databases.template("recorder_3", lambda url: migrate(url, LANES)))
    yield url
    databases.drop(url)


@pytest.mark.postgres
class OnPostgres(TestCase):
    """A database of its own for each test."""

    url: str

    @pytest.fixture(autouse=True)
    def _on(self, one_lane: str) -> None:
        self.url = one_lane

    def lane(self) -> PostgresLane:
        lane = PostgresLane(self.url, 0, is_writable=True)
        self.addCleanup(lane.close)
        return lane


class TestAggregateRecorder(OnPostgres, contract.AggregateContract):
    pass


class TestApplicationRecorder(OnPostgres, contract.ApplicationContract):
    pass


class TestTrackingRecorder(OnPostgres, contract.TrackingContract):
    pass


class TestProcessRecorder(OnPostgres, contract.ProcessContract):
    pass


class TestNonInterleaving(OnPostgres, contract.NonInterleavingContract):
    pass


class TestFactory(OnPostgres, contract.FactoryContract):
    def setUp(self) -> None:
        self.env = Environment("TestCase")
        self.env[PostgresFactory.PERSISTENCE_MODULE] = "adapters.postgres.factory"
        self.env[PostgresFactory.STORE_URL] = self.url
        super().setUp()

    def expected_factory_class(self) -> type[PostgresFactory]:
        return PostgresFactory


def name_in(lane: int) -> str:
    return next(n for n in map(str, range(200)) if lane_of(stream(n), LANES) == lane)


def test_a_lane_has_one_owner_and_many_readers(three_lanes: str) -> None:
    owner = PostgresLane(three_lanes, 1, is_writable=True)
    reader = PostgresLane(three_lanes, 1)
    try:
        name = name_in(1)
        wrote = LaneRecorder(owner).insert_events(
            [event(name, 1), event(name, 2)], tracking=Tracking("other", 7)
        )
        assert wrote == [1, 2]
        assert LaneRecorder(reader).max_tracking_id("other") == 7
        found = LaneRecorder(reader).select_notifications(1, 10)
        assert [(n.id, n.originator_id, n.state) for n in found] == [
            (1, stream(name), b"{}"), (2, stream(name), b"{}")
        ]  # fmt: skip
        with pytest.raises(OperationalError, match="reading only"):
            LaneRecorder(reader).insert_events([event(name, 3)])
        with pytest.raises(StoreFailed) as failed:
            PostgresLane(three_lanes, 1, is_writable=True)
        assert failed.value.alias == "store.locked"
    finally:
        reader.close()
        owner.close()
    PostgresLane(three_lanes, 1, is_writable=True).close()


def test_a_stream_of_another_lane_is_refused(three_lanes: str) -> None:
    lane = PostgresLane(three_lanes, 0, is_writable=True)
    try:
        with pytest.raises(OperationalError, match="lives in lane 2"):
            LaneRecorder(lane).insert_events([event(name_in(2), 1)])
        assert LaneRecorder(lane).max_notification_id() is None
    finally:
        lane.close()


@pytest.mark.parametrize("lane", ["3", "99"])
def test_a_lane_that_is_not_there_is_named(three_lanes: str, lane: str) -> None:
    with pytest.raises(StoreFailed) as failed:
        PostgresFactory({"STORE_URL": three_lanes, "STORE_LANE": lane})
    assert failed.value.alias == "store.lanes"


def test_an_application_of_the_library_writes_into_its_lane(one_lane: str) -> None:
    env = {
        "PERSISTENCE_MODULE": "adapters.postgres.factory",
        "STORE_URL": one_lane,
        "STORE_LANE": "0",
        "STORE_WRITABLE": "yes",
    }
    application = Application[UUID](env)
    try:
        stored = StoredEvent(stream("a"), 1, "node.done", b"{}")
        assert application.recorder.insert_events([stored]) == [1]
        assert application.recorder.max_notification_id() == 1
    finally:
        application.close()
