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

from adapters.postgres.arrays import bools, bytes_, longs, texts
from adapters.postgres.link import Db, query
from domain.ports import Claim, ClaimAsk, Dispatch, Overdue, Reply, Verdict

__all__ = ["Desk"]

PUSHED_LEASE_US = 30_000_000
"""How long a withdrawn attempt that was published may still be answered: somebody may do it."""

LINE_CHUNK_MIN = 8
"""Offered rows of one tenant and contract that are locked in one query, at least."""

_COLUMNS = (
    "effect, stream, tenant, participant, contract, kind, attempt, position, body, needs_start,"
    " start_by_us, timeout_us, not_after_us, state, worker, reservation, lease_until_us, ends_us,"
    " cancelled, lane, pushed_us, offered_us"
)
_POSITION, _START_BY, _TIMEOUT, _NOT_AFTER = 7, 10, 11, 12
(
    _STATE, _WORKER, _RESERVATION, _LEASE, _ENDS, _CANCELLED, _LANE, _PUSHED, _OFFERED,
) = range(13, 22)  # fmt: skip
_TOKEN_DIGITS_MAX = 18
_TOKEN_PARTS = 4

_ROW = f"SELECT {_COLUMNS} FROM dispatches WHERE effect = %s FOR UPDATE"  # noqa: S608 - names of our own
_ROWS = f"SELECT {_COLUMNS} FROM dispatches WHERE effect = ANY(%s) FOR UPDATE"  # noqa: S608 - as above
# One look into the index for each tenant: those behind the one served last, then round to it.
_NEXT = """
SELECT min(found.tenant) FROM unnest(%(contracts)s) AS c (name), LATERAL (
  SELECT d.tenant FROM dispatches d WHERE d.state = 'offered'
  AND d.participant = %(participant)s AND d.contract = c.name AND d.tenant > {above}
  ORDER BY d.tenant LIMIT 1) found
"""
_CIRCLE = """
{name} (tenant, place) AS (
  SELECT ({first}), 1 UNION ALL
  SELECT ({next}), place + 1 FROM {name} WHERE tenant IS NOT NULL AND place < %(limit)s)
"""
_TENANTS = "WITH RECURSIVE {behind}, {round} {select}".format(
    behind=_CIRCLE.format(
        name="behind",
        first=_NEXT.format(above="%(after)s"),
        next=_NEXT.format(above="behind.tenant"),
    ),
    round=_CIRCLE.format(
        name="round", first=_NEXT.format(above="''"), next=_NEXT.format(above="round.tenant")
    ),
    select="""
SELECT tenant FROM (SELECT 1 AS half, tenant FROM behind UNION ALL
  SELECT 2, tenant FROM round WHERE tenant <= %(after)s) AS found
WHERE tenant IS NOT NULL ORDER BY half, tenant LIMIT %(limit)s
""",
)
_LINES = f"""
SELECT line.* FROM unnest(%(tenants)s) AS t (name), unnest(%(contracts)s) AS c (name), LATERAL (
  SELECT {_COLUMNS} FROM dispatches WHERE state = 'offered' AND participant = %(participant)s
  AND contract = c.name AND tenant = t.name AND pushed_us IS NULL
  AND (start_by_us IS NULL OR start_by_us > %(now_us)s)
  AND (not_after_us IS NULL OR not_after_us >= %(now_us)s)
  ORDER BY offered_us, position LIMIT %(chunk)s FOR UPDATE SKIP LOCKED) line
"""  # noqa: S608 - as above
_TAKE = """
UPDATE dispatches d SET state = CASE WHEN n.started THEN 'started' ELSE 'reserved' END,
  worker = %s, reservation = d.reservation + 1, lease_until_us = n.lease_until_us,
  ends_us = n.ends_us
FROM unnest(%s, %s, %s, %s) AS n (effect, started, lease_until_us, ends_us)
WHERE d.effect = n.effect
"""
_START = """
UPDATE dispatches SET state = 'started', worker = %s, lease_until_us = %s, ends_us = %s
WHERE effect = %s
"""
_EXTEND = "UPDATE dispatches SET lease_until_us = %s WHERE effect = %s"
_WITHDRAW = """
DELETE FROM dispatches WHERE effect = %s AND state <> 'started'
AND (state <> 'offered' OR pushed_us IS NULL)
"""
# A published attempt may be under way, and nobody said so: it counts as started.
_CANCEL = """
UPDATE dispatches SET cancelled = true, state = 'started',
  lease_until_us = CASE WHEN state = 'started' THEN lease_until_us
    ELSE now.us + least(%s, timeout_us) END,
  ends_us = CASE WHEN state = 'started' THEN ends_us ELSE now.us + timeout_us END
FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS us) AS now
WHERE effect = %s
"""
_OFFER_AGAIN = """
UPDATE dispatches SET state = 'offered', worker = NULL, lease_until_us = NULL
WHERE effect = ANY(%s)
"""
_GONE = "DELETE FROM dispatches WHERE effect = ANY(%s)"
_UNSTARTED = "state <> 'started' AND not_after_us IS NOT NULL"
# A row that somebody is just now taking or holding is looked at by the next sweep.
_OVERDUE = tuple(
    f"SELECT due.* FROM unnest(%(lanes)s) AS l (number), LATERAL ("  # noqa: S608 - as above
    f"SELECT {_COLUMNS} FROM dispatches WHERE lane = l.number AND {due}"
    " LIMIT %(limit)s FOR UPDATE SKIP LOCKED) due"
    for due in (
        "state <> 'offered' AND lease_until_us <= %(now_us)s ORDER BY lease_until_us",
        "state = 'offered' AND start_by_us <= %(now_us)s ORDER BY start_by_us",
        f"{_UNSTARTED} AND not_after_us < %(now_us)s ORDER BY not_after_us",
    )
)

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
            found = self.db.execute(_ROWS, (bytes_(keys),), binary=True)
            self._rows.update({row[0]: row for row in found})

    def claim(self, ask: ClaimAsk, *, now_us: int, lease_us: int) -> Sequence[Claim]:
        """Reserve up to `ask.limit` rows: one of each tenant in turn, each tenant's oldest first."""
        tenants = [ask.tenant] if ask.tenant is not None else self._tenants(ask)
        if not tenants:
            return ()
        chunk = min(max(LINE_CHUNK_MIN, ask.limit // len(tenants) + 1), ask.limit)
        lines = self._lines(ask, tenants, chunk, now_us)
        taken = _in_turns(lines, ask.limit)
        if len(taken) < ask.limit and any(chunk <= len(line) for line in lines.values()):
            # Some tenants had less than their share: what is locked already comes again.
            taken = _in_turns(self._lines(ask, tenants, ask.limit, now_us), ask.limit)
        if not taken:
            return ()
        self.served[ask.participant] = taken[-1][2]
        claims = [self._taken(row, ask, now_us=now_us, lease_us=lease_us) for row in taken]
        values = (
            ask.worker, bytes_([row[0] for row in taken]), bools([c.started for c in claims]),
            longs([c.lease_until_us for c in claims]), longs([c.ends_us for c in claims]),
        )  # fmt: skip
        self.db.execute(_TAKE, values, binary=True)
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
        self.db.execute(_START, values, binary=True)
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
        self.db.execute(_EXTEND, (until_us, row[0]), binary=True)
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
        if self.db.execute(_WITHDRAW, (key,), binary=True).rowcount:
            return True
        self.db.execute(_CANCEL, (PUSHED_LEASE_US, key), binary=True)
        return False

    def sweep(self, lanes: Sequence[int], *, now_us: int, limit: int) -> Sequence[Overdue]:
        """Remove what is overdue, at most `limit` rows, and offer lost reservations again."""
        overdue: dict[bytes, Overdue] = {}
        again: list[bytes] = []
        values = {"lanes": longs(lanes), "now_us": now_us, "limit": limit}
        with self.db.pipeline():
            found = [query(self.db, sql, values) for sql in _OVERDUE]
        for row in (row for rows in found for row in rows.fetchall()):
            reason = _why(row, now_us)
            if reason is None:
                again.append(row[0])
            elif row[0] not in overdue and len(overdue) < limit:
                overdue[row[0]] = Overdue(_dispatch(row), reason)
        if again:
            self.db.execute(_OFFER_AGAIN, (bytes_(again),), binary=True)
        if overdue:
            self.db.execute(_GONE, (bytes_(list(overdue)),), binary=True)
        self._forget(*again, *overdue)
        return list(overdue.values())

    def _tenants(self, ask: ClaimAsk) -> list[str]:
        """Tenants with offered work, in a circle that begins behind the one served last."""
        values = {
            "participant": ask.participant, "contracts": texts(ask.contracts),
            "after": self.served.get(ask.participant, ""), "limit": ask.limit,
        }  # fmt: skip
        return [tenant for (tenant,) in query(self.db, _TENANTS, values)]

    def _lines(
        self, ask: ClaimAsk, tenants: Sequence[str], chunk: int, now_us: int
    ) -> dict[str, list[Row]]:
        """The oldest rows of each tenant over all contracts asked for, locked, oldest first."""
        values = {
            "participant": ask.participant, "contracts": texts(ask.contracts),
            "tenants": texts(tenants), "now_us": now_us, "chunk": chunk,
        }  # fmt: skip
        found: dict[str, dict[str, list[Row]]] = {tenant: {} for tenant in tenants}
        for row in self.db.execute(_LINES, values, binary=True):
            found[row[2]].setdefault(row[4], []).append(row)
        return {
            tenant: list(merge(*(sorted(line, key=_place) for line in lines.values()), key=_place))
            for tenant, lines in found.items()
        }

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
            self._rows[key] = self.db.execute(_ROW, (key,), binary=True).fetchone()
        return self._rows[key]

    def _forget(self, *keys: bytes) -> None:
        for key in keys:
            self._rows.pop(key, None)

    def forget(self, effects: Sequence[str]) -> None:
        """What was known of these rows is no longer true: they were written."""
        self._forget(*map(bytes.fromhex, effects))


def _in_turns(lines: dict[str, list[Row]], limit: int) -> list[Row]:
    """One row of each tenant in turn, up to `limit`."""
    turns: deque[Iterator[Row]] = deque(iter(line) for line in lines.values())
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
