"""The three shapes of the engine: what each needs, and the settings that choose it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks import servers

__all__ = ["SHAPES", "Place", "Shape", "place"]

PARTICIPANT = "bench"
"""As benchmarks/saga.py names it."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A row of the table below.

    Attributes:
        store, bus: kinds of server, None where the shape has none.
        transport: how participants are reached, `http` or `kafka`.
        lanes: as many as a store of this shape has by default.
        processes: several engine processes can share the work.
    """

    name: str
    store: str | None
    bus: str | None
    transport: str
    lanes: int
    processes: bool


SHAPES = {
    shape.name: shape
    for shape in (
        Shape("embedded", None, None, "http", 1, False),
        Shape("postgres", "postgres", None, "http", 16, True),
        Shape("kafka", "postgres", "kafka", "kafka", 16, True),
    )
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where one engine lives: its folder, and an empty database and topics of its own."""

    shape: Shape
    folder: Path
    store_url: str
    broker: str | None = None

    def settings(self) -> dict[str, str]:
        """The engine's TROTH_ variables that choose the shape."""
        bus = {"embedded": "in-process", "postgres": "postgres"}.get(self.shape.name)
        if bus is None:
            bus = f"kafka://{self.broker}/{self.topic_prefix}"
        found = {"TROTH_STORE_URL": self.store_url, "TROTH_BUS_URL": bus}
        if self.broker is not None:
            # One worker has one journal: commands of repeatable steps are pushed to it.
            found |= {"TROTH_KAFKA_PARTICIPANTS": PARTICIPANT, "TROTH_KAFKA_JOURNALS": PARTICIPANT}
        return found

    @property
    def topic_prefix(self) -> str:
        """Of the topics of this place: no run reads what another one left."""
        return f"{urlsplit(self.store_url).path.strip('/')}."

    def stored_bytes(self) -> int:
        """What the store takes on disk now."""
        if self.shape.store is None:
            return servers.sqlite_bytes(self.sqlite_path)
        return servers.postgres_bytes(self.store_url)

    @property
    def sqlite_path(self) -> Path:
        """The file of an embedded store."""
        return self.folder / "troth.db"


@contextlib.contextmanager
def place(shape: Shape, folder: Path) -> Iterator[Place]:
    """An empty place for an engine of this shape. Raises ServerMissing."""
    with contextlib.ExitStack() as stack:
        store_url = f"sqlite:///{folder / 'troth.db'}"
        if shape.store == "postgres":
            store_url = stack.enter_context(servers.database())
        broker = servers.broker() if shape.bus == "kafka" else None
        yield Place(shape, folder, store_url, broker)
