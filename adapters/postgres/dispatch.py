"""The dispatch desk: who holds an attempt, decided row by row, for every process at once.

offered, reserved, started, gone: the stream says what an attempt means, the row says who holds it.
Tokens are `incarnation.lane.position.reservation`, so each holder has a higher one. A row that was
published to a log (`pushed_us`) is held by whoever reads it there, with reservation 0.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import merge
from typing import Any

import orjson

from adapters.postgres import dispatch_sql as sql
from adapters.postgres.arrays import bools, bytes_, longs, texts
from adapters.postgres.link import Db, query
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

# Places in COLUMNS.
_POSITION, _START_BY, _TIMEOUT, _NOT_AFTER = 7, 10, 11, 12
(
    _STATE, _WORKER, _RESERVATION, _LEASE, _ENDS, _CANCELLED, _LANE, _PUSHED, _OFFERED,
) = range(13, 22)  # fmt: skip
_TOKEN_DIGITS_MAX = 18
_TOKEN_PARTS = 4

Row = tuple[Any, ...]


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
        keys = [key for effect in effects if (key := _key(effect)) is not None]
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
        if row[_CANCELLED]:
            return _verdict("cancelled", row)
        if row[_STATE] == "started":
            return _verdict("repeated", row)
        if row[_NOT_AFTER] is not None and now_us > row[_NOT_AFTER]:
            return _verdict("expired", row)
        ends_us = now_us + row[_TIMEOUT]
        dispatch = _dispatch(row)
        lease_until_us = min(_lease_until(dispatch, now_us, lease_us), ends_us)
        values = (reply.worker, lease_until_us, ends_us, row[0])
        query(self.db, sql.START, values)
        self._forget(row[0])
        return Verdict("ok", dispatch, reply.worker, lease_until_us, ends_us)

    def heartbeat(self, reply: Reply, *, now_us: int, lease_us: int) -> Verdict:
        """Extend a lease: a started one up to its timeout, a reserved one up to when it must start.

        A started step that declared a heartbeat is only extended by progress.
        """
        row = self._held(reply)
        if row is None:
            return Verdict("lost")
        dispatch, started = _dispatch(row), row[_STATE] == "started"
        bounds = (row[_ENDS],) if started else (row[_START_BY], row[_NOT_AFTER])
        held_us = row[_LEASE] or 0
        wanted_us = _lease_until(dispatch, now_us, lease_us) if started else now_us + lease_us
        if started and "heartbeat_us" in dispatch.body and not reply.progress:
            wanted_us = held_us
        until_us = max(min([wanted_us, *(b for b in bounds if b is not None)]), held_us)
        query(self.db, sql.EXTEND, (until_us, row[0]))
        self._forget(row[0])
        return Verdict(
            "ok", dispatch, row[_WORKER], until_us, row[_ENDS], cancelled=row[_CANCELLED]
        )

    def take_reply(self, reply: Reply) -> Verdict:
        """Whose reply it is.

        ok or not_started: of the current holder; lost: of an earlier one; fenced: its token was
        never given to this worker. What was published needs no start, unless its class does.
        """
        row = self._held(reply)
        if row is not None:
            may_answer = row[_STATE] == "started" or (row[_STATE] == "offered" and not row[9])
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
            reason = _why(row, now_us)
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
        dispatch = _dispatch(row)
        token = self._token(row, row[_RESERVATION] + 1)
        started = ask.start and not dispatch.needs_start
        lease_until_us, ends_us = now_us + lease_us, None
        if started:
            ends_us = now_us + dispatch.timeout_us
            lease_until_us = min(_lease_until(dispatch, now_us, lease_us), ends_us)
        return Claim(dispatch, token, started, lease_until_us, ends_us)

    def _token(self, row: Row, reservation: int) -> str:
        return f"{self.incarnation}.{row[_LANE]}.{row[_POSITION]}.{reservation}"

    def _held(self, reply: Reply) -> Row | None:
        """The row of an effect if the token and worker of a reply are those that hold it."""
        row = self._row_of(reply)
        if row is None or reply.token != self._token(row, row[_RESERVATION]):
            return None
        if row[_PUSHED] is not None and row[_RESERVATION] == 0 and row[_WORKER] is None:
            return row
        is_taken = row[_STATE] != "offered" and row[_WORKER] == reply.worker
        return row if is_taken else None

    def _was_given(self, reply: Reply) -> bool:
        """Whether a token can be one of an earlier lease.

        Of an effect without a row only the incarnation is known.
        """
        parts = reply.token.split(".")
        if len(parts) != _TOKEN_PARTS:
            return False
        if not all(p.isdecimal() and len(p) <= _TOKEN_DIGITS_MAX for p in parts):
            return False
        incarnation, lane, position, reservation = map(int, parts)
        if not 1 <= incarnation <= self.incarnation or position < 1:
            return False
        row = self._row_of(reply)
        if row is None:
            return True
        newest = (self.incarnation, row[_POSITION], row[_RESERVATION])
        given = (incarnation, position, reservation)
        was_pushed = reservation > 0 or given[:2] != newest[:2] or row[_PUSHED] is not None
        if lane != row[_LANE] or not was_pushed:
            return False
        return given < newest or (given == newest and row[_STATE] == "offered")

    def _row_of(self, reply: Reply) -> Row | None:
        key = _key(reply.effect)
        if key is None:
            return None
        if key not in self._rows:
            self._rows[key] = query(self.db, sql.ROW, (key,)).fetchone()
        return self._rows[key]

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
    return row[_OFFERED], row[_POSITION]


def _key(effect: str) -> bytes | None:
    try:
        return bytes.fromhex(effect)
    except ValueError:
        return None


def _lease_until(dispatch: Dispatch, now_us: int, lease_us: int) -> int:
    """A step that declared a heartbeat must tell of progress within that time."""
    return now_us + min(lease_us, dispatch.body.get("heartbeat_us", lease_us))


def _why(row: Row, now_us: int) -> str | None:
    """Why a row is overdue; None for a reservation that may be offered again."""
    if row[_STATE] == "started":
        return "timeout" if row[_ENDS] <= now_us else "lease"
    if row[_NOT_AFTER] is not None and row[_NOT_AFTER] < now_us:
        return "not_after"
    return "within" if row[_START_BY] is not None and row[_START_BY] <= now_us else None


def _verdict(status: str, row: Row) -> Verdict:
    return Verdict(status, _dispatch(row), row[_WORKER], row[_LEASE], row[_ENDS], row[_CANCELLED])


def _dispatch(row: Row) -> Dispatch:
    effect, stream, tenant, participant, contract, kind, attempt, position, body = row[:9]
    needs_start, start_by_us, timeout_us, not_after_us = row[9:13]
    return Dispatch(
        effect.hex(), stream, tenant, participant, contract, kind, attempt, position,
        orjson.loads(body), needs_start, start_by_us, timeout_us, not_after_us,
    )  # fmt: skip
