"""The audit chain: every stream is a chain of event hashes, every lane one over all its streams.

Pure byte rules (docs/format.md section 2), so that an export can be verified by anyone, offline.
Anything changed, removed or put in another order is found; a tail that was cut off, or a stream
that was removed as a whole, is found against a checkpoint of the lane taken earlier.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from uuid import UUID

__all__ = [
    "FAULTS_MAX",
    "GENESIS",
    "ChainFault",
    "ChainReport",
    "Checkpoint",
    "LogRow",
    "Verifier",
    "event_hash",
    "lane_chain",
    "verify",
]  # fmt: skip

GENESIS = bytes(32)
"""Before the first event of a stream, and before position 1 of a lane."""

FAULTS_MAX = 100
"""Faults that are named one by one; beyond it they are counted only."""

_PREFIX = b"troth.event.v1\n"


def event_hash(prev: bytes, stream: bytes, version: int, topic: str, state: bytes) -> bytes:
    """The hash of an event, 32 bytes. `prev` is that of its predecessor, `stream` 16 bytes."""
    name = topic.encode()
    return sha256(
        b"%b%b%b%b%b%b%b"
        % (
            _PREFIX,
            prev,
            stream,
            version.to_bytes(8, "big"),
            len(name).to_bytes(2, "big"),
            name,
            state,
        )
    ).digest()


def lane_chain(chain: bytes, position: int, event: bytes) -> bytes:
    """The chain of a lane after an event at `position`; `chain` is that before it."""
    return sha256(chain + position.to_bytes(8, "big") + event).digest()


@dataclass(frozen=True, slots=True)
class LogRow:
    """One row of a lane's log, as it is stored or exported. `stream` is 16 bytes."""

    position: int
    stream: bytes
    version: int
    topic: str
    state: bytes
    prev: bytes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The chain of a lane after `position`, as it was noted at some time."""

    position: int
    chain: bytes


@dataclass(frozen=True, slots=True)
class ChainFault:
    """One thing that is wrong, at a position of the lane; `stream` where one is concerned."""

    position: int
    what: str
    stream: UUID | None = None

    def __str__(self) -> str:
        of = f", stream {self.stream}" if self.stream else ""
        return f"position {self.position}{of}: {self.what}"


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What verifying found. `head` is the last row read with the chain up to it."""

    head: Checkpoint
    events: int
    streams: int
    faults: Sequence[ChainFault]
    faults_total: int

    @property
    def sound(self) -> bool:
        return self.faults_total == 0


@dataclass(slots=True)
class Verifier:
    """Reads one lane's rows in order, holding the last hash of each stream and nothing else.

    Begin at the first row of the lane: a stream's chain can be followed from its version 1 only.
    """

    checkpoints: dict[int, bytes]
    position: int = 0
    chain: bytes = GENESIS
    events: int = 0
    faults: list[ChainFault] = field(default_factory=list[ChainFault])
    faults_total: int = 0
    _last: dict[bytes, tuple[int, bytes]] = field(default_factory=dict[bytes, tuple[int, bytes]])

    def add(self, row: LogRow) -> None:
        """Take the next row of the lane."""
        if row.position != self.position + 1:
            self._fault(row, f"{self.position + 1} was expected: a row is missing or out of order")
        version, last = self._last.get(row.stream, (0, GENESIS))
        if row.version != version + 1:
            self._fault(row, f"version {row.version}, {version + 1} was expected")
        elif row.prev != last:
            self._fault(row, f"version {version} is not what it was when {row.version} was written")
        known = event_hash(row.prev, row.stream, row.version, row.topic, row.state)
        self._last[row.stream] = (row.version, known)
        self.position = row.position
        self.chain = lane_chain(self.chain, row.position, known)
        self.events += 1
        self._compare(row.position)

    def finish(self) -> ChainReport:
        """The report, after the last row. A checkpoint beyond it tells of a tail cut off."""
        for position in sorted(self.checkpoints):
            if position > self.position:
                self._note(
                    ChainFault(position, f"the log ends at {self.position}: its tail is gone")
                )
        head = Checkpoint(self.position, self.chain)
        return ChainReport(head, self.events, len(self._last), self.faults, self.faults_total)

    def _compare(self, position: int) -> None:
        wanted = self.checkpoints.get(position)
        if wanted is not None and wanted != self.chain:
            before = max((p for p in self.checkpoints if p < position), default=0)
            what = f"the chain differs from the checkpoint: changed after position {before}"
            self._note(ChainFault(position, what))
            # From here on a difference means another change.
            self.chain = wanted

    def _fault(self, row: LogRow, what: str) -> None:
        self._note(ChainFault(row.position, what, UUID(bytes=row.stream)))

    def _note(self, fault: ChainFault) -> None:
        self.faults_total += 1
        if len(self.faults) < FAULTS_MAX:
            self.faults.append(fault)


def verify(rows: Iterable[LogRow], checkpoints: Iterable[Checkpoint]) -> ChainReport:
    """Verify the rows of one lane, in order from position 1, against checkpoints taken earlier.

    The lane row itself (head and chain) is a checkpoint: give it, or a change of the last event of
    a stream is not found.
    """
    verifier = Verifier({c.position: c.chain for c in checkpoints})
    for row in rows:
        verifier.add(row)
    return verifier.finish()
