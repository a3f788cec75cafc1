"""The library's infrastructure on a lane: `PERSISTENCE_MODULE=adapters.sqlite.factory`."""

from __future__ import annotations

from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    InfrastructureFactory,
    ProcessRecorder,
    Transcoder,
)
from eventsourcing.utils import Environment, EnvType, resolve_topic, strtobool

from adapters.clock import wall_us
from adapters.sqlite.files import path_of
from adapters.sqlite.recorder import (
    Lane,
    SqliteAggregateRecorder,
    SqliteLaneRecorder,
    SqliteSnapshotRecorder,
)
from adapters.sqlite.store import SqliteStore
from domain.mapper import JsonTranscoder

__all__ = ["SqliteFactory"]


class SqliteFactory(InfrastructureFactory[SqliteLaneRecorder]):
    """Recorders on the store of `STORE_URL`.

    They read only, also beside a running engine, unless `STORE_WRITABLE` is set: then this process
    holds the store.
    """

    STORE_URL = "STORE_URL"
    STORE_WRITABLE = "STORE_WRITABLE"

    def __init__(self, env: Environment | EnvType | None) -> None:
        """Raises OSError without a `STORE_URL`, StoreFailed when the store cannot be held."""
        super().__init__(env)
        url = self.env.get(self.STORE_URL)
        if not url:
            raise OSError(f"no {self.STORE_URL} in the environment: sqlite:///PATH")
        writable = strtobool(self.env.get(self.STORE_WRITABLE, "no"))
        store = SqliteStore.open(url, now_us=wall_us()) if writable else None
        self._lane = Lane(str(path_of(url)), store)

    def transcoder(self) -> Transcoder:
        """The JSON of troth's events, unless another one is named."""
        topic = self.env.get(self.TRANSCODER_TOPIC)
        return resolve_topic(topic)() if topic else JsonTranscoder()

    def aggregate_recorder(self, purpose: str = "events") -> AggregateRecorder:
        """Streams, or their snapshots with purpose `snapshots`."""
        kind = SqliteSnapshotRecorder if purpose == "snapshots" else SqliteAggregateRecorder
        return kind(self._lane)

    def application_recorder(self) -> ApplicationRecorder:
        """The lane as an application's log."""
        return SqliteLaneRecorder(self._lane)

    def tracking_recorder(
        self, tracking_recorder_class: type[SqliteLaneRecorder] | None = None
    ) -> SqliteLaneRecorder:
        """The lane's tracking, by a class of one's own if it is given or named."""
        topic = self.env.get(self.TRACKING_RECORDER_TOPIC)
        kind = tracking_recorder_class or (resolve_topic(topic) if topic else SqliteLaneRecorder)
        return kind(self._lane)

    def process_recorder(self) -> ProcessRecorder:
        """The lane as a process's log with tracking."""
        return SqliteLaneRecorder(self._lane)

    def close(self) -> None:
        """Close the connections and let go of the store."""
        self._lane.close()
