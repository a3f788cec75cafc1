"""What differs between the shapes of an engine: its store, its clock, who owns lanes, its bus."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from adapters.sql.gauges import Gauge, Gauges
from adapters.sql.reader import SqlReader
from consumers.desk import LaneDesk
from consumers.owning import Ownership
from consumers.times import DeskClock
from domain.ports import Store
from engine.settings import Settings
from projections.audit import text_of

__all__ = ["Bus", "Role", "Shape", "shape_of"]


class Role(Enum):
    """What a process does where several share a store: all of it, the API only, the lanes only."""

    ALL = "all"
    API = "api"
    LANES = "lanes"


class OpenStore(Store, Protocol):
    """A store with its place, for the log."""

    @property
    def path(self) -> str: ...


class Bus(Protocol):
    """What runs beside the lanes, on the loop: inputs and outputs of another program."""

    async def start(self, desk: LaneDesk) -> None: ...
    async def stop(self) -> None: ...
    def fault(self) -> str | None: ...
    def gauges(self) -> dict[str, list[Gauge]]: ...


class Ears(Protocol):
    """A thread that waits for word of other processes, or sends it."""

    def start(self) -> None: ...
    def close(self) -> None: ...


@dataclass(slots=True)
class Shape:
    """The parts of one shape. `lanes` are owned from the start; `process` is "" where alone."""

    store: OpenStore
    reader: SqlReader
    gauges: Gauges
    clock: DeskClock
    lanes: Sequence[int]
    process: str = ""
    ownership: Ownership | None = None
    bus: Bus | None = None
    ears: Sequence[Ears] = ()
    _desks: list[LaneDesk] = field(default_factory=list)

    def heard(self, kind: str, what: str) -> None:
        """Another process did something that concerns us; from any thread."""
        if kind == "shares":
            if self.ownership is not None and what != self.process:
                self.ownership.look()
            return
        for desk in self._desks:
            if kind == "missed":
                desk.poke("lane", "")
                desk.poke("work", "*")
                desk.poke("answer", self.process)
            elif kind == "answer" and what != self.process:
                continue
            elif kind != "lane" or int(what) in desk.lanes():
                desk.poke(kind, what)

    async def start(self, desk: LaneDesk) -> None:
        """The desk runs: let it hear, and begin what runs beside it."""
        self._desks.append(desk)
        for ear in self.ears:
            ear.start()
        if self.bus is not None:
            await self.bus.start(desk)

    def fault(self) -> str | None:
        """Why what runs beside the desk is not ready, if it is not."""
        return None if self.bus is None else self.bus.fault()

    async def stop(self) -> None:
        """End what brings work."""
        if self.bus is not None:
            await self.bus.stop()

    def close(self, ended: bool) -> None:
        """Close everything; the store only when its writer has ended."""
        for ear in self.ears:
            ear.close()
        self.reader.close()
        self.gauges.close()
        if ended:
            self.store.close()

    def bus_gauges(self) -> dict[str, list[Gauge]]:
        """Lag of inputs and outputs, where there are any."""
        return {} if self.bus is None else self.bus.gauges()


def shape_of(settings: Settings, role: Role) -> Shape:
    """The parts for the store and bus of the settings. Raises StoreFailed and Refusal."""
    if settings.store_url.startswith("sqlite:"):
        return _embedded(settings)
    return _postgres(settings, role)


def _embedded(settings: Settings) -> Shape:
    from adapters.clock import SystemClock
    from adapters.sqlite.gauges import SqliteGauges
    from adapters.sqlite.reader import SqliteReader
    from adapters.sqlite.store import LANES, SqliteStore

    clock, url = SystemClock(), settings.store_url
    store = SqliteStore.open(url, now_us=clock.now_us(), lanes=settings.lanes or LANES)
    try:
        return Shape(store, SqliteReader(url, text_of), SqliteGauges(url), clock, lanes=(0,))
    except BaseException:
        store.close()
        raise


def _postgres(settings: Settings, role: Role) -> Shape:
    from adapters.postgres.clock import DatabaseClock
    from adapters.postgres.cluster import PostgresCluster
    from adapters.postgres.gauges import PostgresGauges
    from adapters.postgres.listener import Listener, Notifier
    from adapters.postgres.reader import PostgresReader
    from adapters.postgres.store import PostgresStore

    url, process = settings.store_url, _process_name()
    works = role is not Role.API
    clock = DatabaseClock()
    notifier = Notifier(url, process)
    store = PostgresStore.open(url, process=process, lanes=settings.lanes, on_commit=notifier.tell)
    bus: Bus | None = None
    if settings.has_kafka and works:
        from engine.kafka_bus import KafkaBus

        bus = KafkaBus(
            settings, process=process, clock=clock, incarnation=store.incarnation, lanes=store.lanes
        )
    cluster = PostgresCluster(
        url, process=process, backend=lambda: store.backend, works=works, clock=clock
    )
    shape = Shape(
        store,
        PostgresReader(url, text_of),
        PostgresGauges(url),
        clock,
        lanes=(),
        process=process,
        ownership=Ownership(cluster, process, works=works),
        bus=bus,
    )
    listener = Listener(url, process, shape.heard, notifier.is_own)
    shape.ears = (notifier, listener)
    return shape


def _process_name() -> str:
    """A name that no other process has: for people host and pid, for the rest chance."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
