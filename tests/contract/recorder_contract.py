"""The `eventsourcing` library's own test classes, over a lane of some store."""

from __future__ import annotations

from typing import Any
from unittest import TestCase

from eventsourcing.persistence import AggregateRecorder, ProcessRecorder, TrackingRecorder
from eventsourcing.tests import persistence as library

from adapters.sql.factory import LaneFactory
from adapters.sql.recorder import Lane, LaneAggregateRecorder, LaneRecorder

__all__ = [
    "AggregateContract", "ApplicationContract", "FactoryContract", "LaneRecorderOfOnesOwn",
    "NonInterleavingContract", "ProcessContract", "TrackingContract",
]  # fmt: skip


class OneLane(TestCase):
    """A store of its own for each test."""

    def lane(self) -> Lane:
        raise NotImplementedError


class OneRecorder(OneLane):
    """The whole lane as one recorder."""

    def create_recorder(self) -> LaneRecorder:
        return LaneRecorder(self.lane())


class AggregateContract(OneLane, library.AggregateRecorderTestCase):
    def create_recorder(self) -> AggregateRecorder:
        return LaneAggregateRecorder(self.lane())


class ApplicationContract(OneRecorder, library.ApplicationRecorderTestCase[LaneRecorder]):
    def test_subscribe(self) -> None:
        self.optional_test_insert_subscribe()


class TrackingContract(OneRecorder, library.TrackingRecorderTestCase):
    pass


class ProcessContract(OneRecorder, library.ProcessRecorderTestCase):
    pass


class NonInterleavingContract(OneRecorder, library.NonInterleavingNotificationIDsBaseCase):
    pass


class LaneRecorderOfOnesOwn(LaneRecorder):
    """For the factory's tests."""


class FactoryContract(library.InfrastructureFactoryTestCase[Any]):
    """`env` names the module and the store before `setUp`."""

    def expected_factory_class(self) -> type[LaneFactory]:
        raise NotImplementedError

    def expected_aggregate_recorder_class(self) -> type[AggregateRecorder]:
        return LaneAggregateRecorder

    def expected_application_recorder_class(self) -> type[LaneRecorder]:
        return LaneRecorder

    def expected_tracking_recorder_class(self) -> type[TrackingRecorder]:
        return LaneRecorder

    def tracking_recorder_subclass(self) -> type[TrackingRecorder]:
        return LaneRecorderOfOnesOwn

    def expected_process_recorder_class(self) -> type[ProcessRecorder]:
        return LaneRecorder
