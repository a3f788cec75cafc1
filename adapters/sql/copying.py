"""Copying a store that no engine runs on into a new one: another database, or more or fewer lanes.

Every event goes to the lane of its stream (`lane_of`), in the order of its old lane; of several old
lanes that meet in a new one, lane 0 comes first, then lane 1, and so on. Streams of different old
lanes have no order among each other, so none is lost. Positions count anew from 1, lane chains and
heads with them; streams with their versions and hashes (`prev`) stay as they are, byte for byte.

What names a position follows it: dispatches, current steps, and how far the relay has published.
What the relay had published comes first in each new lane, so that nothing is published again. Only
where Kafka is left for SQLite its cursors stay behind; a later way back publishes from the start,
with the same ids. What names versions of a stream (parked events, snapshots) stays as it is. The
tracking of a projection counts in a log that only its reader knows: it stays too, and is told of.

The new store has the old one's id and the next incarnation, as after a restore: tokens, positions
and leases that the old one gave out are refused. Nothing that is in flight is done twice:

- *offered*: the row is offered as before. One that was pushed over Kafka is published again by the
  relay when its pause is over, and answered by the journal if somebody did it.
- *reserved*: its worker may not start any more (its token is of the old incarnation), so it has
  done nothing. Its lease runs out and the row is offered again, the same attempt.
- *started*: somebody may be doing it now. Row, attempt, worker and lease are kept, so nobody else
  gets it. The worker's heartbeats are refused; its answer is refused, or recorded as a late one
  where lane and position allow it to be recognised: the first `done` of any attempt settles an
  effect. Else the lease runs out, and the sweep says that the attempt is unknown: R0 and R1 are
  tried again with the same key, R2 and R3 are probed or a person is asked. To offer it again here
  instead would be the one way to do it twice; to settle it here would be a guess.

The target is one transaction: until it is whole there is no store in it (see the targets).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Protocol
from uuid import UUID

from adapters.sql.offline import LaneRow, OfflineStore
from adapters.sql.reads import Row
from domain.chain import GENESIS, Checkpoint, event_hash, lane_chain
from domain.errors import refusal
from domain.ids import lane_of
from domain.ports import StoreFailed

__all__ = ["LEFT", "TABLES", "Copied", "Copying", "Identity", "Source", "Target"]

BATCH_ROWS = 2_000
"""Rows that are in memory at a time."""

RELAY, LETTERS = "kafka", "kafka-dead-letters"
"""Names of cursors in `relays`: positions of the log, and the last published dead letter's id."""

TABLES: Mapping[str, str] = {
    "snapshots": "stream, version", "definitions": "hash", "receipts": "tenant, source, id",
    "inbox": "id", "parked_streams": "stream", "dispatches": "effect", "timers": "stream",
    "current_steps": "commitment", "approvals": "id", "debts": "id", "tasks": "id",
    "parked_events": "stream, position", "dead_letters": "id", "tracking": "application",
    "cursors": "topic, partition",
}  # fmt: skip
"""What is copied beside the log, in this order, each with its key."""

LEFT = ("answers", "processes")
"""What is not: answers that nobody waits for, and the processes of an engine that ended."""

NUMBERED = ("inbox", "dead_letters")
"""Tables that number their rows by themselves: no number is given twice, also after a copy."""

_PUBLISHED = "SELECT lane, position FROM relays WHERE name = ?"
_RELAYS = "SELECT name, lane, position FROM relays ORDER BY name, lane"
_WAITING_REQUESTS = "SELECT count(*) FROM inbox WHERE stream IS NULL"
_STARTED = "SELECT count(*), max(lease_until_us) FROM dispatches WHERE state = 'started'"
_DISPATCHES = """
SELECT e.stream, e.version, {columns} FROM dispatches d
LEFT JOIN events e ON e.lane = d.lane AND e.position = d.position ORDER BY d.effect
"""

Place = tuple[bytes, int]
"""A stream and a version: an event, wherever it lies."""
Tell = Callable[[str, int, int | None], None]
"""Is told of a table, how many rows of it were copied, and of how many if that is known."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The row of a store about itself."""

    id: str
    incarnation: int
    created_us: int
    doubt_until_us: int
    restored_us: int


class Source(Protocol):
    """A store that nobody writes to while it is copied. Every method raises StoreFailed."""

    @property
    def identity(self) -> Identity: ...

    @property
    def store(self) -> OfflineStore: ...

    def columns(self, table: str) -> Sequence[str]:
        """The columns of a table; none where this database has no such table."""
        ...

    def last_number(self, table: str) -> int:
        """The highest number that a table has given to a row."""
        ...

    def check(self) -> None:
        """Raise StoreFailed if somebody may have written since."""
        ...

    def close(self) -> None: ...


class Target(Protocol):
    """A new store in the making. Every method raises StoreFailed."""

    @property
    def path(self) -> str: ...

    @property
    def has_bus(self) -> bool:
        """Whether it holds what several processes and Kafka need."""
        ...

    def begin(self, source: Identity) -> None:
        """Make the tables. Raises StoreFailed unless there is nothing yet."""
        ...

    def columns(self, table: str) -> Sequence[str]: ...
    def add(self, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None: ...

    def places(self, events: Sequence[Place]) -> Mapping[Place, tuple[int, int]]:
        """Lane and position of events that were added."""
        ...

    def number_from(self, table: str, last: int) -> None:
        """The next row of a table gets a number above `last`."""
        ...

    def finish(self, identity: Identity, lanes: Sequence[LaneRow]) -> None:
        """Write lanes and store and make everything durable: from now on it is a store."""
        ...

    def close(self) -> None:
        """Let go; what was not finished is as if it had never begun."""
        ...


@dataclass(slots=True)
class Copied:
    """What was copied: rows by table, the lanes of the new store, and what people must know."""

    identity: Identity
    tables: dict[str, int] = field(default_factory=dict[str, int])
    lanes: list[LaneRow] = field(default_factory=list[LaneRow])
    notes: list[str] = field(default_factory=list[str])


class Copying:
    """One copy. `lanes` is how many the target gets. Call `run` once."""

    def __init__(self, source: Source, target: Target, lanes: int, tell: Tell) -> None:
        self._source = source
        self._target = target
        self._count = lanes
        self._tell = tell
        old = source.identity
        self._old = source.store.lanes()
        self._copied = Copied(replace(old, incarnation=old.incarnation + 1))
        self._heads = [Checkpoint(0, GENESIS)] * lanes
        self._clocks = [0] * lanes
        self._published: dict[int, int] = {}
        self._relayed = [0] * lanes

    @property
    def _same_lanes(self) -> bool:
        return self._count == len(self._old)

    def run(self) -> Copied:
        """Copy everything. Raises StoreFailed, and Refusal (TR717, TR730) for what cannot be."""
        self._refuse_passed()
        self._target.begin(self._source.identity)
        self._events()
        for table, key in TABLES.items():
            if self._source.columns(table) and self._target.columns(table):
                self._table(table, key)
        self._relays()
        for table in NUMBERED:
            self._target.number_from(table, self._source.last_number(table))
        epoch = max((row.epoch for row in self._old), default=0) + 1
        self._copied.lanes = [
            LaneRow(lane, head, clock_us, epoch)
            for lane, (head, clock_us) in enumerate(zip(self._heads, self._clocks, strict=True))
        ]
        self._note()
        self._source.check()
        self._target.finish(self._copied.identity, self._copied.lanes)
        return self._copied

    def _refuse_passed(self) -> None:
        """A request on its way to a lane that will not exist any more cannot go there."""
        if "asker" not in self._source.columns("inbox"):
            return
        ((waiting,),) = self._source.store.each(_WAITING_REQUESTS)
        if waiting and not (self._same_lanes and self._target.has_bus):
            path = self._source.store.path
            raise refusal("store.unapplied", f"{path}: {waiting} requests wait to be applied")

    # --- the log ---------------------------------------------------------------------------------

    def _events(self) -> None:
        """The log, verified as it is read: what was published, then the rest."""
        if self._source.columns("relays"):
            self._published = dict(self._source.store.each(_PUBLISHED, (RELAY,)))
        total = sum(row.head.position for row in self._old)
        done, ends = 0, {row.lane: Checkpoint(0, GENESIS) for row in self._old}
        for is_published in (True, False):
            batches = _batches(self._part(ends, is_published=is_published))
            for rows in batches:
                columns = ("lane", "position", "stream", "version", "topic", "state", "prev")
                self._target.add("events", columns, rows)
                done += len(rows)
                self._tell("events", done, total)
            if is_published:
                self._relayed = [head.position for head in self._heads]
        for row in self._old:
            if ends[row.lane] != row.head:
                raise self._broken(row.lane, ends[row.lane], row.head)
        self._copied.tables["events"] = done

    def _part(self, ends: dict[int, Checkpoint], *, is_published: bool) -> Iterator[Row]:
        """Events of one part of every lane, each at its new place; `ends` moves with them."""
        for old in self._old:
            after = ends[old.lane].position
            until = self._published.get(old.lane, 0) if is_published else 2**62
            rows = self._source.store.rows(old.lane, after=after, until=until) if until else ()
            for row in rows:
                end = ends[old.lane]
                if row.position != end.position + 1:
                    raise self._broken(old.lane, end, old.head)
                known = event_hash(row.prev, row.stream, row.version, row.topic, row.state)
                chain = lane_chain(end.chain, row.position, known)
                ends[old.lane] = Checkpoint(row.position, chain)
                lane = self._lane(row.stream)
                position = self._heads[lane].position + 1
                chain = lane_chain(self._heads[lane].chain, position, known)
                self._heads[lane] = Checkpoint(position, chain)
                self._clocks[lane] = max(self._clocks[lane], old.clock_us)
                yield lane, position, row.stream, row.version, row.topic, row.state, row.prev

    def _lane(self, stream: bytes) -> int:
        return lane_of(UUID(bytes=stream), self._count)

    def _broken(self, lane: int, end: Checkpoint, head: Checkpoint) -> Exception:
        what = f"lane {lane} holds other events than its head says, up to {end.position}"
        if end.position != head.position:
            what = f"lane {lane} breaks off at {end.position} of {head.position}"
        path = self._source.store.path
        return refusal("verify.broken", f"{path}: {what}; troth-engine verify says more")

    # --- everything beside it --------------------------------------------------------------------

    def _table(self, table: str, key: str) -> None:
        wanted = self._target.columns(table)
        columns = [name for name in self._source.columns(table) if name in wanted]
        names = ", ".join(columns)
        sql = f"SELECT {names} FROM {table} ORDER BY {key}"  # noqa: S608 - names of our own
        if table == "dispatches":
            sql = _DISPATCHES.format(columns=", ".join(f"d.{name}" for name in columns))
        done = 0
        for batch in _batches(self._source.store.each(sql)):
            self._target.add(table, columns, self._placed(table, columns, batch))
            done += len(batch)
            self._tell(table, done, None)
        self._copied.tables[table] = done

    def _placed(
        self, table: str, columns: Sequence[str], rows: Sequence[Row]
    ) -> Sequence[Sequence[Any]]:
        """Rows with their new lanes and positions."""
        at = {name: number for number, name in enumerate(columns)}
        if table == "dispatches":
            # Before each row stands the event that its position names.
            return self._at_events(table, at, [row[:2] for row in rows], [row[2:] for row in rows])
        if table == "current_steps":
            events = [(row[at["commitment"]], row[at["version"]]) for row in rows]
            return self._at_events(table, at, events, rows)
        if table == "cursors":
            of = (row[at["partition"]] % self._count for row in rows)
            return [_with(row, at["lane"], lane) for row, lane in zip(rows, of, strict=True)]
        if "lane" not in at:
            return rows
        # A request that was passed on has no stream: it is copied only where its lane is the same.
        placed = [
            row if row[at["stream"]] is None
            else _with(row, at["lane"], self._lane(row[at["stream"]]))
            for row in rows
        ]  # fmt: skip
        if table == "snapshots":
            state = self._source.store.state
            return [_with(row, at["state"], state(row[at["state"]])) for row in placed]
        return placed

    def _at_events(
        self, table: str, at: Mapping[str, int], events: Sequence[Any], rows: Sequence[Row]
    ) -> list[Row]:
        """Rows with the places of the events that they name."""
        known = self._target.places([event for event in events if event[0] is not None])
        placed: list[Row] = []
        for row, event in zip(rows, events, strict=True):
            if event not in known:
                raise self._lost(table, row[at["lane"]], row[at["position"]])
            lane, position = known[event]
            placed.append(_with(_with(row, at["lane"], lane), at["position"], position))
        return placed

    def _lost(self, table: str, lane: int, position: int) -> StoreFailed:
        place = f"position {position} of lane {lane}"
        detail = f"{self._source.store.path}: a row of {table} names {place}, which is not there"
        return StoreFailed("store.corrupt", detail)

    def _relays(self) -> None:
        """How far each new lane was published: the part of it that came first."""
        if not (self._source.columns("relays") and self._target.columns("relays")):
            return
        rows: list[tuple[str, int, int]] = []
        for name, lane, position in self._source.store.each(_RELAYS):
            if name == LETTERS:
                rows.append((name, lane, position))
            elif name != RELAY:
                detail = f"{self._source.store.path}: relays knows {name}, this release does not"
                raise StoreFailed("store.format", detail)
        if self._published:
            rows += [(RELAY, lane, position) for lane, position in enumerate(self._relayed)]
        if rows:
            self._target.add("relays", ("name", "lane", "position"), rows)
        self._copied.tables["relays"] = len(rows)

    # --- what people must know -------------------------------------------------------------------

    def _note(self) -> None:
        notes = self._copied.notes
        ((started, _),) = self._source.store.each(_STARTED)
        if started:
            notes.append(
                f"{started} attempts were under way: answers to them are refused or come as late"
                " ones; what stays open is settled as unknown when its lease ends"
            )
        if not self._same_lanes:
            notes.append("readers of the facts over HTTP begin again, without `after`")
            if self._copied.tables.get("tracking"):
                notes.append("tracking was kept as it is: rebuild projections of this very log")
        if self._source.columns("relays") and not self._target.columns("relays"):
            left = any(True for _ in self._source.store.each("SELECT 1 FROM cursors LIMIT 1"))
            if left or self._published:
                notes.append("cursors of Kafka were left behind: SQLite does not read topics")


def _with(row: Row, index: int, value: Any) -> Row:
    return (*row[:index], value, *row[index + 1 :])


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """At most BATCH_ROWS rows at a time, none empty."""
    source = iter(rows)
    while batch := list(islice(source, BATCH_ROWS)):
        yield batch
