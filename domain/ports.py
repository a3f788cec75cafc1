"""What the engine needs of the world outside, as Protocols. Adapters fill them.

One lane transaction: `Store.begin` checks and locks the lane row, everything in between reads and
writes under that lock, `Transaction.commit` moves head, chain and clock. Nothing is visible before.
All times are microseconds since the epoch (UTC).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from eventsourcing.persistence import StoredEvent

from domain.events import Ctx
from domain.messages import Mail
from domain.quick import quick

__all__ = [
    "Asked", "Claim", "ClaimAsk", "Clock", "Cursor", "DeadLetter", "Dispatch",
    "InboxRow", "LaneBelief", "LaneLost", "LaneWrite", "Overdue", "Passed",
    "PassedAnswer", "Receipt", "Reply", "SnapshotRow", "Store", "StoreConflict", "StoreFailed",
    "StoredStream", "Transaction", "Verdict", "ViewRow",
]  # fmt: skip

Json = Any


class Clock(Protocol):
    """The database's clock: one for accept times, leases and timers."""

    def now_us(self) -> int: ...


class LaneLost(Exception):
    """The lane row has another epoch or head than this owner believes: drop every cache."""


class StoreConflict(Exception):
    """Another process wrote first (a receipt, a definition, a serialization): do it over.

    Nothing was written. What was read in this transaction may be old, the lane is still ours.
    """


class StoreFailed(Exception):
    """The database refused or failed. `alias` is a code of domain.errors (store.full, ...)."""

    def __init__(self, alias: str, detail: str) -> None:
        super().__init__(f"{alias}: {detail}")
        self.alias = alias
        self.detail = detail


@dataclass(frozen=True, slots=True)
class LaneBelief:
    """What the owner believes the lane row to hold. `chain` is 32 bytes."""

    lane: int
    epoch: int
    head: int
    chain: bytes
    clock_us: int
    incarnation: int


@dataclass(frozen=True, slots=True)
class StoredStream:
    """A stream as it is stored: the newest snapshot (or None) and the events after it.

    `version` and `hash` are those of its last event; 0 and 32 zero bytes if there is none.
    """

    snapshot: StoredEvent | None
    events: Sequence[StoredEvent]
    version: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class SnapshotRow:
    """A snapshot to keep, with the event hash of the version it stands for."""

    event: StoredEvent
    hash: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """An acceptance, unique by (tenant, source, id); `outcome` is the answer to repeat."""

    tenant: str
    source: str
    id: str
    digest: bytes
    root: int
    accepted_us: int
    outcome: Json = None


@dataclass(frozen=True, slots=True)
class Passed:
    """A request on its way to the process that owns `lane`; its answer goes back to `asker`.

    `ask` is drawn by the asker; `request` is one of domain.requests.
    """

    lane: int
    asker: str
    ask: str
    tenant: str
    request: Any
    accepted_us: int


@dataclass(frozen=True, slots=True)
class PassedAnswer:
    """The answer to a passed request: JSON, or {"refused": {"alias", "detail", "errors"}}."""

    asker: str
    ask: str
    body: Json


@dataclass(frozen=True, slots=True)
class InboxRow:
    """What waits in a lane: mail (from another lane, or held), or a request passed on."""

    id: int
    item: Mail | Passed
    tries: int


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a partition of a log outside was read: `offset` is the next one.

    `digest` is that of the last record read (32 bytes), to know the log again at a claim.
    """

    topic: str
    topic_id: str
    partition: int
    offset: int
    digest: bytes


@quick
@dataclass(frozen=True, slots=True)
class Dispatch:
    """An attempt to offer: inserted with its intent, deleted when it is settled.

    `body` is the claim of docs/format.md section 7 without token, started, lease and deadline.
    `needs_start`: R2, R3 and class B are only reserved by a claim. `position` is the intent's.
    `heard_us`, told where it is offered: when that was heard of the attempt before it for which it
    is sent again; None if it is commanded, or commanded anew.
    """

    effect: str
    stream: UUID
    tenant: str
    participant: str
    contract: str
    kind: str
    attempt: int
    position: int
    body: Json
    needs_start: bool
    start_by_us: int | None
    timeout_us: int
    not_after_us: int | None
    heard_us: int | None = None


@dataclass(frozen=True, slots=True)
class ClaimAsk:
    """A worker asks for work. At most `limit` claims, fair by tenant, oldest first."""

    participant: str
    worker: str
    contracts: tuple[str, ...]
    limit: int
    start: bool
    tenant: str | None = None


@quick
@dataclass(frozen=True, slots=True)
class Claim:
    """A dispatch that was reserved, or started at once. `ends_us` is when its timeout ends."""

    dispatch: Dispatch
    token: str
    started: bool
    lease_until_us: int
    ends_us: int | None


@quick
@dataclass(frozen=True, slots=True)
class Reply:
    """What a worker sends back about one attempt (docs/format.md section 7).

    `progress`: a heartbeat that tells of progress; without it a lease is only held. `tenant`: whose
    rows its sender may touch, those of others are not there for it; None is everybody's.
    """

    effect: str
    token: str
    worker: str
    progress: bool = False
    tenant: str | None = None


@quick
@dataclass(frozen=True, slots=True)
class Verdict:
    """What the dispatch row says of a start, heartbeat or reply.

    `status` is ok, repeated (the same start again), lost (row gone or an earlier token), fenced (a
    token of a reply that was never given), cancelled,
    expired (after not_after) or not_started. `dispatch` is the row, when there is one.
    """

    status: str
    dispatch: Dispatch | None = None
    worker: str | None = None
    lease_until_us: int | None = None
    ends_us: int | None = None
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Overdue:
    """A dispatch whose time is over: `reason` is lease, timeout, within or not_after."""

    dispatch: Dispatch
    reason: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """Something that could not be accepted, kept with the reason. `raw` is what came."""

    tenant: str
    source: str
    event_id: str
    code: str
    detail: str
    raw: bytes
    at_us: int


@quick
@dataclass(frozen=True, slots=True)
class ViewRow:
    """A row of a view, folded from one stream. `columns` None means: delete the row.

    `table` is current_steps, approvals, debts or parked_events; `key` its primary key columns.
    A row is written only if its version is newer (parked_events has none).
    """

    table: str
    key: dict[str, Any]
    columns: dict[str, Any] | None


@dataclass(slots=True)
class LaneWrite:
    """Everything one transaction writes: filled by the loop, written by the store.

    What belongs to a stream goes to its lane (domain.ids.lane_of); events, snapshots, timers and
    offers only to lanes of this transaction, mail and passed requests to any. Each
    event goes with the hash of its predecessor in the stream. `hashes` are their own, for who knows
    them already: the store makes them when the list is empty.
    """

    events: list[StoredEvent] = field(default_factory=list)
    prevs: list[bytes] = field(default_factory=list)
    hashes: list[bytes] = field(default_factory=list)
    snapshots: list[SnapshotRow] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    outcomes: list[tuple[int, Json]] = field(default_factory=list)
    inbox: list[Mail] = field(default_factory=list)
    passed: list[Passed] = field(default_factory=list)
    answers: list[PassedAnswer] = field(default_factory=list)
    cursors: list[Cursor] = field(default_factory=list)
    inbox_done: list[int] = field(default_factory=list)
    inbox_tried: list[int] = field(default_factory=list)
    offered: list[Dispatch] = field(default_factory=list)
    settled: list[str] = field(default_factory=list)
    timers: dict[UUID, int | None] = field(default_factory=dict)
    views: list[ViewRow] = field(default_factory=list)
    dead_letters: list[DeadLetter] = field(default_factory=list)
    parked_streams: list[tuple[UUID, str, str, str]] = field(default_factory=list)
    released_streams: list[UUID] = field(default_factory=list)


class Transaction(Protocol):
    """One transaction, open and holding the rows of its lanes; without lanes it only hands on.

    `routing` is the store's count of registrations: whoever knows fewer reads the definitions
    again. Reads of the inbox, of timers and of what is overdue are those of its lanes; claims and
    the dispatch rows are the whole store's. Raises StoreConflict besides what each says.
    """

    routing: int
    foresees: bool
    """Whether telling it beforehand what will be asked for spares anything."""

    def foresee(self, *, streams: Sequence[UUID] = (),
                receipts: Sequence[tuple[str, str, str]] = (),
                effects: Sequence[str] = ()) -> None: ...  # fmt: skip
    def load(self, stream: UUID) -> StoredStream: ...
    def receipt(self, tenant: str, source: str, id: str) -> Receipt | None: ...
    def cursor(self, topic: str, partition: int) -> Cursor | None: ...
    def next_root(self) -> int: ...
    def inbox(self, limit: int) -> Sequence[InboxRow]: ...
    def parked(self) -> Sequence[tuple[UUID, str]]: ...
    def due_timers(self, until_us: int, limit: int) -> Sequence[tuple[UUID, int]]: ...

    def claim(self, ask: ClaimAsk, *, now_us: int, lease_us: int) -> Sequence[Claim]: ...
    def start(self, reply: Reply, *, now_us: int, lease_us: int) -> Verdict: ...
    def heartbeat(self, reply: Reply, *, now_us: int, lease_us: int) -> Verdict: ...
    def take_reply(self, reply: Reply) -> Verdict: ...
    def doubts(self, dispatch: Dispatch, *, clock_us: int) -> bool: ...
    def withdraw(self, effect: str) -> bool: ...
    def sweep(self, *, now_us: int, limit: int) -> Sequence[Overdue]: ...

    def register(self, document: bytes, *, hash: bytes, saga: str, version: int, by: str,
                 now_us: int) -> None: ...  # fmt: skip
    def redriven(self, dead_letter: int, status: str, remedy: dict[str, Any]) -> None: ...

    def write(self, write: LaneWrite, *, clock_us: int) -> Sequence[LaneBelief]:
        """Append and move head, chain and clock: the lanes as they are after, in order of lane."""
        ...

    def commit(self) -> None: ...
    def rollback(self) -> None: ...


class Store(Protocol):
    """A store that this process owns lanes of; `lanes` is how many it has in all.

    `incarnation` counts its restores: what was given out before one is refused.
    """

    lanes: int
    incarnation: int

    def belief(self, lane: int) -> LaneBelief: ...
    def begin(self, *beliefs: LaneBelief) -> Transaction:
        """Open a transaction on these lanes (in order of lane), or on none. Raises LaneLost."""
        ...

    def definitions(self) -> Iterable[tuple[bytes, bytes]]: ...
    def next_due_us(self, *lanes: int) -> int | None: ...
    def answers(self, asker: str) -> Sequence[PassedAnswer]:
        """Take what has been answered to this process; empty where nothing is ever passed on."""
        ...

    def take_back_tries(self, lanes: Sequence[int], rows: Sequence[int]) -> None:
        """Count a try less of each of these rows of the inbox, whoever owns the lanes by now.

        What is gone, was never tried or is just being written stays as it is. Raises StoreFailed.
        """
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks: the tenant and actor of a key, with the trace of the request."""

    tenant: str
    actor: str
    actor_type: str
    roles: tuple[str, ...]
    seats: tuple[str, ...] = ()
    trace: str | None = None

    def ctx(self, *, correlation: str | None, causation: str | None) -> Ctx:
        return {
            "tenant": self.tenant, "actor": self.actor, "actor_type": self.actor_type,
            "correlation": correlation, "causation": causation, "trace": self.trace,
        }  # fmt: skip
