"""A store of several lanes that several engines share, over the tables and SQL of SQLite.

It stands for a database server: one connection in memory carries the transactions of all processes,
one after the other. `Cluster` says who owns which lane, by the simulated clock.
"""

from __future__ import annotations

import pickle
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from adapters.sqlite import dispatch, writes
from adapters.sqlite import transaction as sql
from adapters.sqlite.transaction import SqliteTransaction
from consumers.parts import lane_of_token
from domain.chain import GENESIS
from domain.cluster import LaneState, View
from domain.ids import lane_of
from domain.ports import (
    Claim,
    ClaimAsk,
    Cursor,
    InboxRow,
    LaneBelief,
    LaneLost,
    LaneWrite,
    Overdue,
    Passed,
    PassedAnswer,
    Reply,
    StoreFailed,
    Verdict,
)

__all__ = ["CURSORS", "SILENCE_MAX_US", "SharedCluster", "SharedDatabase", "SharedStore", "Told"]

SILENCE_MAX_US = 3_000_000
"""An owner that said nothing for so long lives no more, as on PostgreSQL."""

NOBODY = bytes(16)
_PASSED = "passed"
_EXTRA = (
    "CREATE TABLE answers (asker TEXT NOT NULL, ask TEXT NOT NULL, body BLOB NOT NULL)",
    "CREATE TABLE routing (count INTEGER NOT NULL)",
    "INSERT INTO routing VALUES (0)",
    "CREATE TABLE relays (name TEXT, lane INTEGER, position INTEGER, PRIMARY KEY (name, lane))",
    """CREATE TABLE cursors (topic TEXT, topic_id TEXT, partition INTEGER, next_offset INTEGER,
    digest BLOB, lane INTEGER, PRIMARY KEY (topic, partition))""",
)
CURSORS = "SELECT topic, topic_id, partition, next_offset, digest FROM cursors"
_CURSOR = "INSERT OR REPLACE INTO cursors VALUES (?, ?, ?, ?, ?, ?)"
_LANE = "SELECT owner, epoch, head, chain, clock_us FROM lanes WHERE lane = ?"
_CHECK = "UPDATE lanes SET head = head WHERE lane = ? AND epoch = ? AND head = ?"
_DEFINITIONS = "SELECT hash, document FROM definitions ORDER BY registered_us, saga, version"
_STREAM = "SELECT stream FROM dispatches WHERE effect = ?"
_PASS = """
INSERT INTO inbox (lane, root, tenant, stream, kind, body, accepted_us, tries)
VALUES (?, 0, ?, ?, ?, ?, ?, 0)
"""
_CLAIM = "UPDATE lanes SET epoch = epoch + 1, owner = ? WHERE lane = ?"

Told = Callable[[set[tuple[str, str]]], None]


class SharedDatabase:
    """The tables of all processes, in memory. `connection` is that of everybody."""

    def __init__(self, lanes: int, empty: bytes) -> None:
        """`empty` are the bytes of a new store on SQLite."""
        self.lanes = lanes
        self.connection = db = sqlite3.connect(":memory:", isolation_level=None)
        # A file that is read in this way must not say that it has a log beside it.
        db.deserialize(empty[:18] + b"\x01\x01" + empty[20:])
        for statement in _EXTRA:
            db.execute(statement)
        db.execute("UPDATE store SET lanes = ?, incarnation = 1", (lanes,))
        db.execute("UPDATE lanes SET owner = '', epoch = 0")
        _, *row = db.execute("SELECT * FROM lanes").fetchone()
        for lane in range(1, lanes):
            marks = ", ".join("?" * (len(row) + 1))
            db.execute(f"INSERT INTO lanes VALUES ({marks})", (lane, *row))


class SharedStore:
    """Fills `domain.ports.Store` for one process. `told` hears after a commit whom it concerns."""

    def __init__(self, database: SharedDatabase, process: str, told: Told) -> None:
        self.connection = database.connection
        self.lanes = database.lanes
        self.process = process
        self.told = told
        self.incarnation: int = self.connection.execute("SELECT incarnation FROM store").fetchone()[
            0
        ]
        self._served: dict[str, str] = {}

    def belief(self, lane: int) -> LaneBelief:
        """The lane as it is now. Raises LaneLost where another process owns it."""
        owner, *known = self.connection.execute(_LANE, (lane,)).fetchone()
        if owner not in ("", self.process):
            raise LaneLost(f"lane {lane} is owned by {owner}")
        return LaneBelief(lane, *known, incarnation=self.incarnation)

    def begin(self, *beliefs: LaneBelief) -> SharedTransaction:
        """Open a transaction on these lanes, or on none. Raises LaneLost."""
        db = self.connection
        db.execute("BEGIN")
        for belief in beliefs:
            if db.execute(_CHECK, (belief.lane, belief.epoch, belief.head)).rowcount != 1:
                db.execute("ROLLBACK")
                raise LaneLost(f"lane {belief.lane} is not as believed")
        return SharedTransaction(self, beliefs, self._served)

    def definitions(self) -> Iterable[tuple[bytes, bytes]]:
        """Every registered definition."""
        return self.connection.execute(_DEFINITIONS).fetchall()

    def next_due_us(self, *lanes: int) -> int | None:
        """When something of the lanes is due next."""
        from adapters.sqlite.store import _NEXT_DUE

        found = [self.connection.execute(_NEXT_DUE, (lane,)).fetchone()[0] for lane in lanes]
        return min((due for due in found if due is not None), default=None)

    def answers(self, asker: str) -> Sequence[PassedAnswer]:
        """Take what was answered to this process."""
        rows = self.connection.execute(
            "DELETE FROM answers WHERE asker = ? RETURNING ask, body", (asker,)
        ).fetchall()
        return [PassedAnswer(asker, ask, pickle.loads(body)) for ask, body in rows]

    def take_back_tries(self, lanes: Sequence[int], rows: Sequence[int]) -> None:
        """Count a try less of each of these rows of the inbox."""
        from adapters.sqlite.store import _TRY_LESS

        self.connection.executemany(_TRY_LESS, [(row,) for row in rows])

    def close(self) -> None:
        """Leave: what this process had open is rolled back."""
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")


class SharedTransaction(SqliteTransaction):
    """A transaction on several lanes: the SQL of one lane, for each of them."""

    def __init__(
        self, store: SharedStore, beliefs: Sequence[LaneBelief], served: dict[str, str]
    ) -> None:
        nobody = LaneBelief(-1, 0, 0, GENESIS, 0, store.incarnation)
        super().__init__(store.connection, beliefs[0] if beliefs else nobody, "shared", served)
        self._store = store
        self._held = {belief.lane: belief for belief in beliefs}
        self._lanes = store.lanes
        self._told: set[tuple[str, str]] = set()
        self.routing = self._db.execute("SELECT count FROM routing").fetchone()[0]

    # --- reads -------------------------------------------------------------------------------

    def inbox(self, limit: int) -> Sequence[InboxRow]:
        rows: list[Any] = []
        for lane in self._held:
            found = self._db.execute(sql._INBOX, (lane, limit + 1)).fetchall()
            if len(found) > limit:
                found = self._db.execute(sql._INBOX_FAIR, (lane, limit)).fetchall()
            rows += found
        return [_row(row) for row in sorted(rows)[:limit]]

    def parked(self) -> Sequence[tuple[UUID, str]]:
        rows = [row for n in self._held for row in self._db.execute(sql._PARKED, (n,))]
        return [(UUID(bytes=stream), reason) for stream, reason in rows]

    # Where there is no log outside, there is no cursor.
    def cursor(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, topic: str, partition: int
    ) -> Cursor | None:
        row = self._db.execute(f"{CURSORS} WHERE topic = ? AND partition = ?", (topic, partition))
        found = row.fetchone()
        return None if found is None else Cursor(*found)

    def due_timers(self, until_us: int, limit: int) -> Sequence[tuple[UUID, int]]:
        due: list[tuple[int, bytes]] = []
        for lane in self._held:
            rows = self._db.execute(sql._DUE, (lane, until_us, limit)).fetchall()
            due += [(due_us, stream) for stream, due_us in rows]
        return [(UUID(bytes=stream), due_us) for due_us, stream in sorted(due)[:limit]]

    # --- dispatches: rows of all lanes, tokens of theirs -------------------------------------

    def claim(self, ask: ClaimAsk, *, now_us: int, lease_us: int) -> Sequence[Claim]:
        found = dispatch.claim(
            self._db, ask, self._belief, self._served, now_us=now_us, lease_us=lease_us
        )
        return [replace(c, token=self._token(c)) for c in found]

    def _token(self, claim: Claim) -> str:
        incarnation, _, position, reservation = claim.token.split(".")
        lane = lane_of(claim.dispatch.stream, self._lanes)
        return f"{incarnation}.{lane}.{position}.{reservation}"

    def _of(self, reply: Reply) -> LaneBelief:
        """A belief that names the lane of an effect, or of the token where there is none."""
        lane = lane_of_token({"token": reply.token})
        if len(reply.effect) == 64:
            row = self._db.execute(_STREAM, (bytes.fromhex(reply.effect),)).fetchone()
            lane = lane if row is None else lane_of(UUID(bytes=row[0]), self._lanes)
        known = lane is not None and lane < self._lanes
        return replace(self._belief, lane=lane if known else -1)

    def start(self, reply: Reply, *, now_us: int, lease_us: int) -> Verdict:
        return dispatch.start(self._db, reply, self._of(reply), now_us=now_us, lease_us=lease_us)

    def heartbeat(self, reply: Reply, *, now_us: int, lease_us: int) -> Verdict:
        return dispatch.heartbeat(
            self._db, reply, self._of(reply), now_us=now_us, lease_us=lease_us
        )

    def take_reply(self, reply: Reply) -> Verdict:
        return dispatch.take_reply(self._db, reply, self._of(reply))

    def sweep(self, *, now_us: int, limit: int) -> Sequence[Overdue]:
        found: list[Overdue] = []
        for lane in self._held:
            if len(found) < limit:
                found += dispatch.sweep(self._db, lane, now_us=now_us, limit=limit - len(found))
        return found

    # --- writes ------------------------------------------------------------------------------

    def register(self, document: bytes, **more: Any) -> None:
        super().register(document, **more)
        self._db.execute("UPDATE routing SET count = (SELECT count(*) FROM definitions)")

    def write(self, write: LaneWrite, *, clock_us: int) -> Sequence[LaneBelief]:
        """Write every lane's part. Raises LaneLost, and StoreFailed for a lane not held."""
        parts = _parts(write, self._lanes)
        if stray := [n for n, p in parts.items() if n not in self._held and p.events]:
            raise StoreFailed("store.failed", f"an event lives in lane {stray[0]}, not held")
        for lane, belief in self._held.items():
            part = parts.get(lane, LaneWrite())
            self._held[lane] = writes.append(self._db, belief, part, clock_us)
        nowhere = LaneBelief(-1, 0, 0, GENESIS, clock_us, self._store.incarnation)
        writes.rest(self._db, nowhere, _common(write))
        for lane, part in parts.items():
            after = self._held.get(lane, replace(nowhere, lane=lane))
            writes.rest(self._db, after, part)
        self._db.executemany(
            _CURSOR, [(*_place(c), c.partition % self._lanes) for c in write.cursors]
        )
        self._pass_on(write)
        self._hear(write, parts)
        return tuple(self._held.values())

    def _pass_on(self, write: LaneWrite) -> None:
        for p in write.passed:
            body = pickle.dumps(p)
            values = (p.lane, p.tenant, NOBODY, _PASSED, body, p.accepted_us)
            self._db.execute(_PASS, values)
        for a in write.answers:
            values = (a.asker, a.ask, pickle.dumps(a.body))
            self._db.execute("INSERT INTO answers VALUES (?, ?, ?)", values)

    def _hear(self, write: LaneWrite, parts: dict[int, LaneWrite]) -> None:
        self._told |= {("lane", str(n)) for n, part in parts.items() if part.inbox}
        self._told |= {("lane", str(p.lane)) for p in write.passed}
        self._told |= {("work", d.participant) for d in write.offered}
        self._told |= {("answer", a.asker) for a in write.answers}

    def commit(self) -> None:
        super().commit()
        if self._told:
            self._store.told(self._told)


def _row(row: tuple[Any, ...]) -> InboxRow:
    if row[3] == _PASSED:
        passed: Passed = pickle.loads(row[4])
        return InboxRow(row[0], passed, row[7])
    return sql._inbox_row(row)


def _parts(write: LaneWrite, lanes: int) -> dict[int, LaneWrite]:
    """What goes into the rows of each lane."""
    found: dict[int, LaneWrite] = {}

    def part(stream: Any) -> LaneWrite:
        return found.setdefault(lane_of(stream, lanes), LaneWrite())

    for place, event in enumerate(write.events):
        to = part(event.originator_id)
        to.events.append(event)
        to.prevs.append(write.prevs[place])
        if write.hashes:
            to.hashes.append(write.hashes[place])
    for kept in write.snapshots:
        part(kept.event.originator_id).snapshots.append(kept)
    for mail in write.inbox:
        part(mail.stream).inbox.append(mail)
    for offered in write.offered:
        part(offered.stream).offered.append(offered)
    for stream, due_us in write.timers.items():
        part(stream).timers[stream] = due_us
    for parked in write.parked_streams:
        part(parked[0]).parked_streams.append(parked)
    return found


def _common(write: LaneWrite) -> LaneWrite:
    """What belongs to no lane, or leaves by its own key."""
    return LaneWrite(
        receipts=write.receipts, outcomes=write.outcomes, inbox_done=write.inbox_done,
        inbox_tried=write.inbox_tried, settled=write.settled, views=write.views,
        dead_letters=write.dead_letters, released_streams=write.released_streams,
    )  # fmt: skip


def _place(cursor: Cursor) -> tuple[Any, ...]:
    return cursor.topic, cursor.topic_id, cursor.partition, cursor.offset, cursor.digest


class SharedCluster:
    """Fills `domain.cluster.Cluster` for one process.

    `silent` says of each process since when it is silent, in microseconds, or None: heartbeats are
    a second apart, and simulating each would cost more than all the rest.
    """

    def __init__(
        self, database: SharedDatabase, process: str, now_us: Callable[[], int],
        silent: dict[str, int | None],
    ) -> None:  # fmt: skip
        self._db = database.connection
        self._process = process
        self._now_us = now_us
        self._silent = silent

    def _lives(self, process: str) -> bool:
        if process not in self._silent:
            return False
        since_us = self._silent[process]
        return since_us is None or self._now_us() - since_us <= SILENCE_MAX_US

    def beat(self) -> View:
        """See the others."""
        self._silent[self._process] = None
        rows = self._db.execute("SELECT lane, owner, epoch, head FROM lanes ORDER BY lane")
        states = [
            LaneState(lane, owner, epoch, head, bool(owner) and not self._lives(owner))
            for lane, owner, epoch, head in rows
        ]
        return View(states, sorted(name for name in self._silent if self._lives(name)))

    def claim(self, lane: int) -> LaneBelief | None:
        """Take a lane that is released, overdue or ours."""
        owner = self._db.execute(_LANE, (lane,)).fetchone()[0]
        if owner not in ("", self._process) and self._lives(owner):
            return None
        self._db.execute(_CLAIM, (self._process, lane))
        _, *known = self._db.execute(_LANE, (lane,)).fetchone()
        incarnation = self._db.execute("SELECT incarnation FROM store").fetchone()[0]
        return LaneBelief(lane, *known, incarnation=incarnation)

    def release(self, *lanes: int) -> None:
        """Give lanes away."""
        for lane in lanes:
            self._db.execute(
                "UPDATE lanes SET owner = '' WHERE lane = ? AND owner = ?", (lane, self._process)
            )

    def leave(self) -> None:
        """Release every lane and be gone."""
        self._db.execute("UPDATE lanes SET owner = '' WHERE owner = ?", (self._process,))
        self._silent.pop(self._process, None)
