"""The recorders pass the `eventsourcing` library's own test classes, on a one-lane store."""

from __future__ import annotations

import tempfile
from pathlib import Path
from unittest import TestCase

from eventsourcing.persistence import AggregateRecorder, ProcessRecorder, TrackingRecorder
from eventsourcing.tests import persistence as library
from eventsourcing.utils import Environment

from adapters.sqlite import SqliteStore, migrate
from adapters.sqlite.factory import SqliteFactory
from adapters.sqlite.recorder import Lane, SqliteAggregateRecorder, SqliteLaneRecorder


class OneLane(TestCase):
    """A store of its own for each test."""

    def lane(self) -> Lane:
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        path = Path(place.name) / "troth.db"
        lane = Lane(str(path), SqliteStore.open(f"sqlite:///{path}", now_us=1))
        self.addCleanup(lane.close)
        return lane


class OneRecorder(OneLane):
    """The whole lane as one recorder."""

    def create_recorder(self) -> SqliteLaneRecorder:
        return SqliteLaneRecorder(self.lane())


class TestAggregateRecorder(OneLane, library.AggregateRecorderTestCase):
    def create_recorder(self) -> AggregateRecorder:
        return SqliteAggregateRecorder(self.lane())


class TestApplicationRecorder(OneRecorder, library.ApplicationRecorderTestCase[SqliteLaneRecorder]):
    def test_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TestTrackingRecorder(OneRecorder, library.TrackingRecorderTestCase):
    pass


class TestProcessRecorder(OneRecorder, library.ProcessRecorderTestCase):
    pass


class TestNonInterleaving(OneRecorder, library.NonInterleavingNotificationIDsBaseCase):
    pass


class LaneRecorderOfOnesOwn(SqliteLaneRecorder):
    """For the factory's tests."""


class TestFactory(library.InfrastructureFactoryTestCase[SqliteFactory]):
    def setUp(self) -> None:
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        url = f"sqlite:///{place.name}/troth.db"
        migrate(url)
        self.env = Environment("TestCase")
        self.env[SqliteFactory.PERSISTENCE_MODULE] = "adapters.sqlite.factory"
        self.env[SqliteFactory.STORE_URL] = url
        super().setUp()

    def expected_factory_class(self) -> type[SqliteFactory]:
        return SqliteFactory

    def expected_aggregate_recorder_class(self) -> type[AggregateRecorder]:
        return SqliteAggregateRecorder

    def expected_application_recorder_class(self) -> type[SqliteLaneRecorder]:
        return SqliteLaneRecorder

    def expected_tracking_recorder_class(self) -> type[TrackingRecorder]:
        return SqliteLaneRecorder

    def tracking_recorder_subclass(self) -> type[TrackingRecorder]:
        return LaneRecorderOfOnesOwn

    def expected_process_recorder_class(self) -> type[ProcessRecorder]:
        return SqliteLaneRecorder
