"""The store on PostgreSQL: the connection of one writer thread, beside those of other processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import orjson

from adapters.postgres.arrays import longs
from adapters.postgres.dispatch import Desk
from adapters.postgres.faults import FAULTS, guarded, store_failed
from adapters.postgres.link import Db, Link
from adapters.postgres.schema import check_form
from adapters.postgres.telling import Told
from adapters.postgres.transaction import PostgresTransaction
from adapters.sql.log_rows import DEFINITIONS
from domain.ports import LaneBelief, LaneLost, PassedAnswer, StoreFailed

__all__ = ["PostgresStore"]

WAIT_FOR_ROW_MS = 5_000
"""How long a statement of the writer waits for a row that another process holds."""

IDLE_MS = 15_000
"""A writer that says nothing for so long within a transaction is ended by the server: one that was
stopped without holding a lane (nobody takes over from it) must not keep a receipt for ever."""

END_TIMEOUT_MS = 5_000
"""How long an ended backend of ours may take to be gone."""

_LANE = "SELECT owner, epoch, head, chain, clock_us FROM lanes WHERE lane = %s"
# Locked in order of lane, so that two owners of the same lanes wait, but never crosswise.
_HOLD = """
SELECT l.lane, (SELECT routing FROM store) FROM unnest(%s, %s, %s) AS b (lane, epoch, head)
JOIN lanes l ON l.lane = b.lane WHERE l.epoch = b.epoch AND l.head = b.head
ORDER BY l.lane FOR NO KEY UPDATE OF l
"""
_ROUTING = "SELECT routing FROM store"
_NEXT_DUE = """
SELECT min(due.at_us) FROM unnest(%s) AS l (number), LATERAL (
  SELECT (SELECT due_us FROM timers t WHERE t.lane = l.number AND NOT EXISTS
    (SELECT 1 FROM parked_streams p WHERE p.stream = t.stream) ORDER BY due_us LIMIT 1) AS at_us
  UNION ALL
  (SELECT lease_until_us FROM dispatches WHERE lane = l.number AND state <> 'offered'
    ORDER BY lease_until_us LIMIT 1)
  UNION ALL
  (SELECT start_by_us FROM dispatches WHERE lane = l.number AND state = 'offered'
    AND start_by_us IS NOT NULL ORDER BY start_by_us LIMIT 1)
  UNION ALL
  (SELECT not_after_us + 1 FROM dispatches WHERE lane = l.number AND state <> 'started'
    AND not_after_us IS NOT NULL ORDER BY not_after_us LIMIT 1)) due
"""
_ANSWERS = "DELETE FROM answers WHERE asker = %s RETURNING ask, body"
_TRY_LESS = """
UPDATE inbox SET tries = tries - 1 WHERE (lane, id) IN (
  SELECT lane, id FROM inbox WHERE lane = ANY(%s) AND id = ANY(%s) AND tries > 0
  FOR UPDATE SKIP LOCKED)
"""
_BACKEND = """
SELECT pid, (extract(epoch FROM backend_start) * 1000000)::bigint
FROM pg_stat_activity WHERE pid = pg_backend_pid()
"""
_END = """
SELECT pg_terminate_backend(pid, %s) FROM pg_stat_activity WHERE pid = %s
AND (extract(epoch FROM backend_start) * 1000000)::bigint = %s
"""
_NOTE_BACKEND = "UPDATE lanes SET backend = %s WHERE owner = %s AND backend <> %s"


class PostgresStore:
    """Implements `domain.ports.Store`. Use it from one thread at a time.

    Every method raises StoreFailed when the database fails or refuses: store.gone when it cannot
    be reached, and then the next call connects again. `lanes` is how many the store has;
    `on_commit` is told after each commit whom it concerns in other processes.
    """

    def __init__(self, link: Link, process: str, on_commit: Callable[[Told], None]) -> None:
        self.path = link.path
        self.process = process
        self.lanes = 0
        self.incarnation = 0
        self.on_commit = on_commit
        self._link = link
        self._backend: tuple[int, int] | None = None
        # Whom each participant's work was last given to: only fairness hangs on it.
        self._served: dict[str, str] = {}

    @classmethod
    def open(
        cls,
        url: str,
        *,
        process: str,
        lanes: int | None = None,
        on_commit: Callable[[Told], None] = lambda _: None,
    ) -> PostgresStore:
        """Open the store of `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`; it claims no lane.

        `process` names this process among all that share the store, and is used by no other.
        `lanes` None takes the number that the store has. Raises StoreFailed: store.gone,
        store.format (`troth-engine migrate` makes the tables), store.lanes or store.failed.
        """
        settings = (
            f"-c lock_timeout={WAIT_FOR_ROW_MS} -c idle_in_transaction_session_timeout={IDLE_MS}"
        )

        def begin_life(db: Db) -> None:
            store.begin_connection(db, lanes)

        link = Link(url, f"troth {process}", prepare=begin_life, settings=settings)
        store = cls(link, process, on_commit)
        link.db()
        return store

    @property
    def backend(self) -> str:
        """The server's process behind the writer, for `lanes.backend`."""
        return "" if self._backend is None else "{}:{}".format(*self._backend)

    def begin_connection(self, db: Db, lanes: int | None) -> None:
        """Look at the store from a new connection, and end the one before it.

        An ended backend has either committed or rolled back: nothing is unclear any more.
        """
        found = check_form(db, self.path, lanes)
        if self.lanes and (found.lanes, found.incarnation) != (self.lanes, self.incarnation):
            detail = f"{self.path} is another store than before: start the engine again"
            raise StoreFailed("store.format", detail)
        self.lanes, self.incarnation = found.lanes, found.incarnation
        if self._backend is not None:
            db.execute(_END, (END_TIMEOUT_MS, *self._backend))
        pid, began_us = db.execute(_BACKEND).fetchone() or (0, 0)
        self._backend = (pid, began_us)
        db.execute(_NOTE_BACKEND, (self.backend, self.process, self.backend))
        if (db.execute("SHOW synchronous_commit").fetchone() or ("",))[0] == "off":
            # An answer may only be given for what survives.
            db.execute("SET synchronous_commit = on")

    @guarded
    def belief(self, lane: int) -> LaneBelief:
        """The lane as the database holds it now. Raises LaneLost where another process owns it."""
        row = self._link.db().execute(_LANE, (lane,), binary=True).fetchone()
        if row is None:
            raise StoreFailed("store.lanes", f"there is no lane {lane}")
        owner, *known = row
        if owner not in ("", self.process):
            raise LaneLost(f"lane {lane} is owned by {owner}")
        return LaneBelief(lane, *known, incarnation=self.incarnation)

    def begin(self, *beliefs: LaneBelief) -> PostgresTransaction:
        """Open a transaction on these lanes, or on none.

        Raises LaneLost when one is not as believed.
        """
        db = self._link.db()
        try:
            with db.pipeline():
                db.execute("BEGIN")
                found = self._hold(db, beliefs)
            rows = found.fetchall()
        except FAULTS as error:
            self._leave(db)
            raise store_failed(error, self.path) from error
        if beliefs and len(rows) != len(beliefs):
            self._leave(db)
            held = {row[0] for row in rows}
            lost = [
                f"{b.lane} (epoch {b.epoch}, head {b.head})" for b in beliefs if b.lane not in held
            ]
            raise LaneLost(f"not as believed: lane {', '.join(lost)}")
        desk = Desk(db, self.incarnation, self._served)
        return PostgresTransaction(
            db, self.path, beliefs, rows[0][-1], lanes=self.lanes, desk=desk, tell=self.on_commit
        )

    def _hold(self, db: Db, beliefs: Sequence[LaneBelief]) -> Any:
        if not beliefs:
            return db.execute(_ROUTING, binary=True)
        columns = [(b.lane, b.epoch, b.head) for b in beliefs]
        values = [longs(column) for column in zip(*columns, strict=True)]
        return db.execute(_HOLD, values, binary=True)

    def _leave(self, db: Db) -> None:
        try:
            db.execute("ROLLBACK")
        except FAULTS:
            # The server rolls back whoever leaves; the next call connects again.
            db.close()

    @guarded
    def definitions(self) -> Iterable[tuple[bytes, bytes]]:
        """Every registered definition: its hash and its document, as registered."""
        return self._link.db().execute(DEFINITIONS, binary=True).fetchall()

    @guarded
    def next_due_us(self, *lanes: int) -> int | None:
        """When something of the lanes is due next: a timer, a lease, or the end of a wait."""
        row = self._link.db().execute(_NEXT_DUE, (longs(lanes),), binary=True).fetchone()
        return None if row is None else row[0]

    @guarded
    def answers(self, asker: str) -> Sequence[PassedAnswer]:
        """Take what has been answered to this process."""
        rows = self._link.db().execute(_ANSWERS, (asker,), binary=True).fetchall()
        return [PassedAnswer(asker, ask, orjson.loads(body)) for ask, body in rows]

    @guarded
    def take_back_tries(self, lanes: Sequence[int], rows: Sequence[int]) -> None:
        """Count a try less of each of these rows, but for what somebody is writing right now."""
        self._link.db().execute(_TRY_LESS, (longs(lanes), longs(rows)))

    def close(self) -> None:
        """Close the connection; an open transaction is rolled back."""
        self._link.drop()
