"""Streams in memory: what the lane's owner knows of each, the least recently used dropped first.

What is here belongs to one epoch and one belief: after a failed or lost commit all of it is
dropped, so an entry may be changed in place while a batch is put together.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from eventsourcing.persistence import Mapper

from domain.chain import GENESIS
from domain.ports import LaneLost, StoreFailed, Transaction
from domain.streams import us_of

__all__ = ["UNKNOWN", "Entry", "Streams"]

UNKNOWN = -1
"""A wake-up that is in the store and was not looked up."""


class Entry:
    """One stream: its state, the version and hash of its last event, its last time and wake-up.

    `stored_version` is the version before the batch that is being put together.
    """

    __slots__ = (
        "clock_us", "hash", "snapshot_version", "state", "stored_version", "stream", "version",
        "wake_us",
    )  # fmt: skip

    def __init__(self, stream: UUID) -> None:
        self.stream = stream
        self.state: Any = None
        self.version = 0
        self.hash = GENESIS
        self.clock_us = 0
        self.snapshot_version = 0
        self.stored_version = 0
        self.wake_us: int | None = None


class Streams:
    """A bounded cache over the store."""

    def __init__(self, mapper: Mapper[UUID], cached_max: int) -> None:
        self._mapper = mapper
        self._cached_max = cached_max
        self._entries: dict[UUID, Entry] = {}

    def __contains__(self, stream: UUID) -> bool:
        return stream in self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def clear(self) -> None:
        """Forget everything: what is believed may not be what is stored."""
        self._entries.clear()

    def drop(self, stream: UUID) -> None:
        """Forget one stream."""
        self._entries.pop(stream, None)

    def take(self, tx: Transaction, stream: UUID) -> Entry:
        """The entry of a stream, read from the store if it is not here; out of the cache.

        Raises what folding raises when a stored event cannot be read.
        """
        entry = self._entries.pop(stream, None)
        return entry if entry is not None else self._load(tx, stream)

    def tenant_of(self, tx: Transaction, stream: UUID) -> str | None:
        """Whose a stream is; None if it has no events yet, or cannot be folded."""
        state = self.peek(tx, stream)
        return None if state is None else state.tenant

    def peek(self, tx: Transaction, stream: UUID) -> Any:
        """The state of a stream; None if it has no events yet, or cannot be folded."""
        try:
            return self._load(tx, stream).state
        except (LaneLost, StoreFailed):
            raise
        except Exception:  # noqa: BLE001 - that it cannot be folded may be why somebody asks
            return None

    def keep(self, entries: dict[UUID, Entry]) -> None:
        """Put the entries of a committed batch in, as the most recently used."""
        cached = self._entries
        for stream, entry in entries.items():
            entry.stored_version = entry.version
            if entry.state is not None and not getattr(entry.state, "is_over", False):
                cached[stream] = entry
        while len(cached) > self._cached_max:
            del cached[next(iter(cached))]

    def _load(self, tx: Transaction, stream: UUID) -> Entry:
        stored = tx.load(stream)
        entry = Entry(stream)
        state: Any = None
        if stored.snapshot is not None:
            snapshot: Any = self._mapper.to_domain_event(stored.snapshot)
            state = snapshot.mutate(None)
            entry.snapshot_version = stored.snapshot.originator_version
        for row in stored.events:
            event: Any = self._mapper.to_domain_event(row)
            state = event.mutate(state)
        if state is not None:
            entry.state = state
            entry.clock_us = us_of(state.modified_on)
            entry.wake_us = UNKNOWN
        entry.version = entry.stored_version = stored.version
        entry.hash = stored.hash
        return entry
