"""The recorders pass the `eventsourcing` library's own test classes, on a store on SQLite."""

from __future__ import annotations

import tempfile
from pathlib import Path
from unittest import TestCase

import pytest
from eventsourcing.utils import Environment

from adapters.sqlite import SqliteStore, migrate
from adapters.sqlite.factory import SqliteFactory
from adapters.sqlite.recorder import SqliteLane
from domain.ports import StoreFailed
from tests.contract import recorder_contract as contract


class OnSqlite(TestCase):
    """A file of its own for each test."""

    def lane(self) -> SqliteLane:
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        path = Path(place.name) / "troth.db"
        lane = SqliteLane(str(path), SqliteStore.open(f"sqlite:///{path}", now_us=1))
        self.addCleanup(lane.close)
        return lane


class TestAggregateRecorder(OnSqlite, contract.AggregateContract):
    pass


class TestApplicationRecorder(OnSqlite, contract.ApplicationContract):
    pass


class TestTrackingRecorder(OnSqlite, contract.TrackingContract):
    pass


class TestProcessRecorder(OnSqlite, contract.ProcessContract):
    pass


class TestNonInterleaving(OnSqlite, contract.NonInterleavingContract):
    pass


class TestFactory(contract.FactoryContract):
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


def test_a_file_has_no_second_lane(tmp_path: Path) -> None:
    env = {"STORE_URL": f"sqlite:///{tmp_path}/troth.db", "STORE_LANE": "1"}
    with pytest.raises(StoreFailed) as failed:
        SqliteFactory(env)
    assert failed.value.alias == "store.lanes"
