"""The library's infrastructure on a lane, whichever database it lies in."""

from __future__ import annotations

from abc import abstractmethod

from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    InfrastructureFactory,
    ProcessRecorder,
    Transcoder,
)
from eventsourcing.utils import Environment, EnvType, resolve_topic, strtobool

from adapters.sql.recorder import (
    Lane,
    LaneAggregateRecorder,
    LaneRecorder,
    LaneSnapshotRecorder,
)
from domain.mapper import JsonTranscoder

__all__ = ["LaneFactory"]


class LaneFactory(InfrastructureFactory[LaneRecorder]):
    """Recorders on the lane `STORE_LANE` (0 unless set) of the store `STORE_URL`.

    They read only, also beside a running engine, unless `STORE_WRITABLE` is set: then this process
    holds the lane.
    """

    STORE_URL = "STORE_URL"
    STORE_LANE = "STORE_LANE"
    STORE_WRITABLE = "STORE_WRITABLE"

    def __init__(self, env: Environment | EnvType | None) -> None:
        """Raises OSError without a `STORE_URL`, StoreFailed when the lane cannot be held."""
        super().__init__(env)
        url = self.env.get(self.STORE_URL)
        if not url:
            raise OSError(f"no {self.STORE_URL} in the environment")
        writable = strtobool(self.env.get(self.STORE_WRITABLE, "no"))
        lane = int(self.env.get(self.STORE_LANE) or 0)
        self._lane = self.open_lane(url, lane, writable=bool(writable))

    @abstractmethod
    def open_lane(self, url: str, lane: int, *, writable: bool) -> Lane:
        """Open the lane, and take it where it is to be written."""

    def transcoder(self) -> Transcoder:
        """The JSON of troth's events, unless another one is named."""
        topic = self.env.get(self.TRANSCODER_TOPIC)
        return resolve_topic(topic)() if topic else JsonTranscoder()

    def aggregate_recorder(self, purpose: str = "events") -> AggregateRecorder:
        """Streams, or their snapshots with purpose `snapshots`."""
        kind = LaneSnapshotRecorder if purpose == "snapshots" else LaneAggregateRecorder
        return kind(self._lane)

    def application_recorder(self) -> ApplicationRecorder:
        """The lane as an application's log."""
        return LaneRecorder(self._lane)

    def tracking_recorder(
        self, tracking_recorder_class: type[LaneRecorder] | None = None
    ) -> LaneRecorder:
        """The lane's tracking, by a class of one's own if it is given or named."""
        topic = self.env.get(self.TRACKING_RECORDER_TOPIC)
        kind = tracking_recorder_class or (resolve_topic(topic) if topic else LaneRecorder)
        return kind(self._lane)

    def process_recorder(self) -> ProcessRecorder:
        """The lane as a process's log with tracking."""
        return LaneRecorder(self._lane)

    def close(self) -> None:
        """Close the connections and let go of the lane."""
        self._lane.close()
