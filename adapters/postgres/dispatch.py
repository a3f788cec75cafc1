"""The dispatch desk: who holds an attempt, decided row by row, for every process at once.

A row that was published to a log (`pushed_us`) is held by whoever reads it there, with reservation
0.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import merge

from adapters.postgres import dispatch_sql as sql
from adapters.postgres.arrays import bools, bytes_, longs, texts
from adapters.postgres.link import Db, query
from adapters.sql.dispatches import (
    CANCELLED,
    ENDS,
    POSITION,
    RESERVATION,
    STATE,
    TENANT,
    TIMEOUT,
    WORKER,
    Row,
    claim_of,
    dispatch_of,
    extended_us,
    key_of,
    lease_until_us,
    numbers_of,
    verdict_of,
    why_no_start,
    why_overdue,
)
from domain.ports import Claim, ClaimAsk, Dispatch, Overdue, Reply, Verdict

__all__ = ["Desk"]

PUSHED_LEASE_US = 30_000_000
"""How long a withdrawn attempt that was published may still be answered: somebody may do it."""

LINE_CHUNK_MIN = 4
"""Offered rows of one tenant and contract that are locked in one query, at least."""

LINE_GROWTH = 4
"""How much longer the next query looks when the tenants' lines were too short."""

LINE_SHARES = 2
"""How much of a claim's share one contract of a tenant may be in the first query. What is locked
and not given out is skipped by other processes until the commit."""

# Places in COLUMNS of dispatch_sql, behind those of every database.
_LANE, _PUSHED, _OFFERED = range(19, 22)


@dataclass(slots=True)
class Desk:
    """The dispatch rows within one transaction, each locked when it is read.

    `served` remembers which tenant a participant's last turn ended with: only fairness hangs on it.
    """

    db: Db
    incarnation: int
    served: dict[str, str]
    _rows: dict[bytes, Row | None] = field(default_factory=dict[bytes, Row | None])

    def foresee(self, effects: Sequence[str]) -> None:
        """Read the rows of effects that will be asked for, in one round trip."""
        keys = [key for effect in effects if (key := key_of(effect)) is not None]
        # In one order, so that two processes do not wait for each other crosswise.
        keys = sorted(key for key in set(keys) if key not in self._rows)
        if keys:
            self._rows.update(dict.fromkeys(keys))
            found = query(self.db, sql.ROWS, (bytes_(keys),))
            self._rows.update({row[0]: row for row in found})

    def claim(self, ask: ClaimAsk, *, now_us: int, lease_us: int) -> Sequence[Claim]:
        """Reserve up to `ask.limit` rows: one of each tenant in turn, each tenant's oldest first.

        What was published to a log is not given out here: whoever reads it there has it.
        """
        tenants = [ask.tenant] if ask.tenant is not None else self._tenants(ask)
        if not tenants:
            return ()
        share = LINE_SHARES * ask.limit // (len(tenants) * len(ask.contracts)) + 1
        chunk = min(max(LINE_CHUNK_MIN, share), ask.limit)
        taken: list[Row] = []
        is_whole = False
        while len(taken) < ask.limit and not is_whole:
            # Once more when some lines are longer: what is locked already comes again.
            lines, is_whole = self._lines(ask, tenants, chunk, now_us)
            taken = _in_turns(lines, ask.limit)
            is_whole = is_whole or chunk >= ask.limit
            chunk = min(chunk * LINE_GROWTH, ask.limit)
        if not taken:
            return ()
        self.served[ask.participant] = taken[-1][2]
        claims = [self._taken(row, ask, now_us=now_us, lease_us=lease_us) for row in taken]
        values = (
            ask.worker, bytes_([row[0] for row in taken]), bools([c.started for c in claims]),
            longs([c.lease_until_us for c in claims]), longs([c.ends_us for c in claims]),
        )  # fmt: skip
        query(self.db, sql.TAKE, values)
        self._forget(*(row[0] for row in taken))
        return claims

    def start(self, reply: Reply, *, now_us: int, lease_us: int) -> Verdict:
        """Move a reservation to started. Its `timeout` runs from now."""
        row = self._held(reply)
        if row is None:
            return Verdict("lost")
        why_not = why_no_start(row, now_us)
        if why_not is not None:
            return _verdict(why_not, row)
        dispatch, ends_us = _dispatch(row), now_us + row[TIMEOUT]
        until_us = min(lease_until_us(dispatch, now_us, lease_us), ends_us)
        query(self.db, sql.START, (reply.worker, until_us, ends_us, row[0]))
        self._forget(row[0])
        return Verdict("ok", dispatch, reply.worker, until_us, ends_us)

    def heartbeat(self, reply: Reply, *, now_us: int, lease_us: int) -> Verdict:
        """Extend a lease: a started one up to its timeout, a reserved one up to when it must start.

        A started step that declared a heartbeat is only extended by progress.
        """
        row = self._held(reply)
        if row is None:
            return Verdict("lost")
        dispatch = _dispatch(row)
        until_us = extended_us(row, dispatch, reply, now_us, lease_us)
        query(self.db, sql.EXTEND, (until_us, row[0]))
        self._forget(row[0])
        return Verdict("ok", dispatch, row[WORKER], until_us, row[ENDS], row[CANCELLED])

    def take_reply(self, reply: Reply) -> Verdict:
        """Whose reply it is.

        ok or not_started: of the current holder; lost: of an earlier one; fenced: its token was
        never given to this worker. What was published needs no start, unless its class does.
        """
        row = self._held(reply)
        if row is not None:
            may_answer = row[STATE] == "started" or (row[STATE] == "offered" and not row[9])
            return _verdict("ok" if may_answer else "not_started", row)
        return Verdict("lost" if self._was_given(reply) else "fenced")

    def withdraw(self, effect: str) -> bool:
        """Delete a row that nobody started (True); ask a started one to stop (False)."""
        key = bytes.fromhex(effect)
        self._forget(key)
        if query(self.db, sql.WITHDRAW, (key,)).rowcount:
            return True
        query(self.db, sql.CANCEL, (PUSHED_LEASE_US, key))
        return False

    def sweep(self, lanes: Sequence[int], *, now_us: int, limit: int) -> Sequence[Overdue]:
        """Remove what is overdue, at most `limit` rows, and offer lost reservations again."""
        overdue: dict[bytes, Overdue] = {}
        again: list[bytes] = []
        values = {"lanes": longs(lanes), "now_us": now_us, "limit": limit}
        with self.db.pipeline():
            found = [query(self.db, statement, values) for statement in sql.OVERDUE]
        for row in (row for rows in found for row in rows.fetchall()):
            reason = why_overdue(row, now_us)
            if reason is None:
                again.append(row[0])
            elif row[0] not in overdue and len(overdue) < limit:
                overdue[row[0]] = Overdue(_dispatch(row), reason)
        if again:
            query(self.db, sql.OFFER_AGAIN, (bytes_(again),))
        if overdue:
            query(self.db, sql.GONE, (bytes_(list(overdue)),))
        self._forget(*again, *overdue)
        return list(overdue.values())

    def _tenants(self, ask: ClaimAsk) -> list[str]:
        """Tenants with offered work, in a circle that begins behind the one served last."""
        values = {
            "participant": ask.participant, "contracts": texts(ask.contracts),
            "after": self.served.get(ask.participant, ""), "limit": ask.limit,
        }  # fmt: skip
        return [tenant for (tenant,) in query(self.db, sql.TENANTS, values)]

    def _lines(
        self, ask: ClaimAsk, tenants: Sequence[str], chunk: int, now_us: int
    ) -> tuple[list[list[Row]], bool]:
        """The oldest rows of each tenant over all contracts asked for, locked, oldest first.

        At most `chunk` of each contract; and whether that was all.
        """
        values = {
            "participant": ask.participant, "contracts": texts(ask.contracts),
            "tenants": texts(tenants), "now_us": now_us, "chunk": chunk,
        }  # fmt: skip
        found: dict[str, dict[str, list[Row]]] = {tenant: {} for tenant in tenants}
        for row in query(self.db, sql.LINES, values):
            found[row[2]].setdefault(row[4], []).append(row)
        lines = [_oldest(list(by_contract.values()), chunk) for by_contract in found.values()]
        longest = max((len(line) for c in found.values() for line in c.values()), default=0)
        return lines, longest < chunk

    def _taken(self, row: Row, ask: ClaimAsk, *, now_us: int, lease_us: int) -> Claim:
        token = self._token(row, row[RESERVATION] + 1)
        return claim_of(_dispatch(row), token, ask, now_us=now_us, lease_us=lease_us)

    def _token(self, row: Row, reservation: int) -> str:
        return f"{self.incarnation}.{row[_LANE]}.{row[POSITION]}.{reservation}"

    def _held(self, reply: Reply) -> Row | None:
        """The row of an effect if the token and worker of a reply are those that hold it."""
        row = self._row_of(reply)
        if row is None or reply.token != self._token(row, row[RESERVATION]):
            return None
        if row[_PUSHED] is not None and row[RESERVATION] == 0 and row[WORKER] is None:
            return row
        is_taken = row[STATE] != "offered" and row[WORKER] == reply.worker
        return row if is_taken else None

    def _was_given(self, reply: Reply) -> bool:
        """Whether a token can be one of an earlier lease.

        Of an effect without a row only the incarnation is known.
        """
        numbers = numbers_of(reply.token)
        if numbers is None:
            return False
        incarnation, lane, position, reservation = numbers
        if not 1 <= incarnation <= self.incarnation or position < 1:
            return False
        row = self._row_of(reply)
        if row is None:
            return True
        newest = (self.incarnation, row[POSITION], row[RESERVATION])
        given = (incarnation, position, reservation)
        was_pushed = reservation > 0 or given[:2] != newest[:2] or row[_PUSHED] is not None
        if lane != row[_LANE] or not was_pushed:
            return False
        return given < newest or (given == newest and row[STATE] == "offered")

    def _row_of(self, reply: Reply) -> Row | None:
        key = key_of(reply.effect)
        if key is None:
            return None
        if key not in self._rows:
            self._rows[key] = query(self.db, sql.ROW, (key,)).fetchone()
        row = self._rows[key]
        return row if row is not None and reply.tenant in (None, row[TENANT]) else None

    def _forget(self, *keys: bytes) -> None:
        for key in keys:
            self._rows.pop(key, None)

    def forget(self, effects: Sequence[str]) -> None:
        """These rows were written: read them again."""
        self._forget(*map(bytes.fromhex, effects))


def _oldest(lines: Sequence[list[Row]], chunk: int) -> list[Row]:
    """One line of several, up to where the first of them may go on with rows not seen."""
    for line in lines:
        line.sort(key=_place)
    ends = [_place(line[-1]) for line in lines if len(line) >= chunk]
    merged = merge(*lines, key=_place)
    return [row for row in merged if not ends or _place(row) <= min(ends)]


def _in_turns(lines: Sequence[list[Row]], limit: int) -> list[Row]:
    """One row of each tenant in turn, up to `limit`."""
    turns: deque[Iterator[Row]] = deque(iter(line) for line in lines)
    taken: list[Row] = []
    while turns and len(taken) < limit:
        line = turns.popleft()
        row = next(line, None)
        if row is not None:
            taken.append(row)
            turns.append(line)
    return taken


def _place(row: Row) -> tuple[int, int]:
    """Where a row stands in the line: since when it is offered, then its position in the lane."""
    return row[_OFFERED], row[POSITION]


def _verdict(status: str, row: Row) -> Verdict:
    return verdict_of(status, row, _dispatch(row))


def _dispatch(row: Row) -> Dispatch:
    return dispatch_of(row, row[1])
