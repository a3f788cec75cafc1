"""The dispatch desk: who holds an attempt, decided row by row under the lane's lock."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterator, Sequence
from heapq import merge
from uuid import UUID

from adapters.sql.dispatches import (
    CANCELLED,
    COLUMNS,
    ENDS,
    NOT_AFTER,
    POSITION,
    RESERVATION,
    START_BY,
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
from domain.ports import Claim, ClaimAsk, Dispatch, LaneBelief, Overdue, Reply, Verdict

__all__ = ["claim", "heartbeat", "start", "sweep", "take_reply", "withdraw"]

_ROW = f"SELECT {COLUMNS} FROM dispatches WHERE effect = ?"  # noqa: S608 - names of our own
_OFFERED = "SELECT 1 FROM dispatches WHERE state = 'offered' AND participant = ? LIMIT 1"
_NEXT_TENANT = """
SELECT tenant FROM dispatches WHERE state = 'offered' AND participant = ? AND contract = ?
AND tenant > ? ORDER BY tenant LIMIT 1
"""
_LINE = f"""
SELECT {COLUMNS}, offered_us FROM dispatches WHERE state = 'offered' AND participant = ?
AND contract = ? AND tenant = ? AND (offered_us, position) > (?, ?)
ORDER BY offered_us, position LIMIT ?
"""  # noqa: S608 - names of our own
_TAKE = """
UPDATE dispatches SET state = ?, worker = ?, reservation = ?, lease_until_us = ?, ends_us = ?
WHERE effect = ?
"""
_EXTEND = "UPDATE dispatches SET lease_until_us = ? WHERE effect = ?"
_WITHDRAW = "DELETE FROM dispatches WHERE effect = ? AND state <> 'started'"
_CANCEL = "UPDATE dispatches SET cancelled = 1 WHERE effect = ?"
_OFFER_AGAIN = """
UPDATE dispatches SET state = 'offered', worker = NULL, lease_until_us = NULL WHERE effect = ?
"""
_GONE = "DELETE FROM dispatches WHERE effect = ?"
_UNSTARTED = "state <> 'started' AND not_after_us IS NOT NULL"
_OVERDUE = tuple(
    f"SELECT {COLUMNS} FROM dispatches WHERE lane = ? AND {due} LIMIT ?"  # noqa: S608 - as above
    for due in (
        "state <> 'offered' AND lease_until_us <= ? ORDER BY lease_until_us",
        "state = 'offered' AND start_by_us <= ? ORDER BY start_by_us",
        f"{_UNSTARTED} AND not_after_us < ? ORDER BY not_after_us",
    )
)
LINE_CHUNK_MIN = 8
"""Offered rows of one tenant and contract that are looked at in one query, at least."""


def claim(
    db: sqlite3.Connection,
    ask: ClaimAsk,
    belief: LaneBelief,
    served: dict[str, str],
    *,
    now_us: int,
    lease_us: int,
) -> Sequence[Claim]:
    """Reserve up to `ask.limit` rows: one of each tenant in turn, each tenant's oldest first.

    `served` remembers which tenant a participant's last turn ended with.
    """
    if db.execute(_OFFERED, (ask.participant,)).fetchone() is None:
        # Most of the time nothing waits: one look instead of one for each contract.
        return []
    after = served.get(ask.participant, "")
    tenants = [ask.tenant] if ask.tenant is not None else _tenants(db, ask, after)
    chunk = max(LINE_CHUNK_MIN, ask.limit // max(1, len(tenants)) + 1)
    turns = deque((tenant, _waiting(db, ask, tenant, chunk)) for tenant in tenants)
    taken: list[Row] = []
    while turns and len(taken) < ask.limit:
        tenant, line = turns.popleft()
        row = next((r for r in line if _may_start(r, now_us)), None)
        if row is not None:
            taken.append(row)
            turns.append((tenant, line))
            served[ask.participant] = tenant
    claims = [_taken(r, ask, belief, now_us=now_us, lease_us=lease_us) for r in taken]
    if claims:
        db.executemany(_TAKE, [_take(r, c, ask.worker) for r, c in zip(taken, claims, strict=True)])
    return claims


def start(
    db: sqlite3.Connection, reply: Reply, belief: LaneBelief, *, now_us: int, lease_us: int
) -> Verdict:
    """Move a reservation to started. Its `timeout` runs from now."""
    row = _held(db, reply, belief)
    if row is None:
        return Verdict("lost")
    why_not = why_no_start(row, now_us)
    if why_not is not None:
        return _verdict(why_not, row)
    dispatch, ends_us = _dispatch(row), now_us + row[TIMEOUT]
    until_us = min(lease_until_us(dispatch, now_us, lease_us), ends_us)
    db.execute(_TAKE, ("started", row[WORKER], row[RESERVATION], until_us, ends_us, row[0]))
    return Verdict("ok", dispatch, row[WORKER], until_us, ends_us)


def heartbeat(
    db: sqlite3.Connection, reply: Reply, belief: LaneBelief, *, now_us: int, lease_us: int
) -> Verdict:
    """Extend a lease: a started one up to its timeout, a reserved one up to when it must start.

    A started step that declared a heartbeat is only extended by progress.
    """
    row = _held(db, reply, belief)
    if row is None:
        return Verdict("lost")
    dispatch = _dispatch(row)
    until_us = extended_us(row, dispatch, reply, now_us, lease_us)
    db.execute(_EXTEND, (until_us, row[0]))
    return Verdict("ok", dispatch, row[WORKER], until_us, row[ENDS], bool(row[CANCELLED]))


def take_reply(db: sqlite3.Connection, reply: Reply, belief: LaneBelief) -> Verdict:
    """Whose reply it is.

    ok or not_started: of the current holder; lost: of an earlier one; fenced: its token was never
    given to this worker.
    """
    row = _held(db, reply, belief)
    if row is not None:
        return _verdict("ok" if row[STATE] == "started" else "not_started", row)
    return Verdict("lost" if _was_given(db, reply, belief) else "fenced")


def _was_given(db: sqlite3.Connection, reply: Reply, belief: LaneBelief) -> bool:
    """Whether a token can be one of an earlier lease.

    Of an effect without a row only the incarnation is known.
    """
    numbers = numbers_of(reply.token)
    if numbers is None:
        return False
    incarnation, lane, position, reservation = numbers
    if lane != belief.lane or not (1 <= incarnation <= belief.incarnation):
        return False
    if position < 1 or reservation < 1:
        return False
    row = _row_of(db, reply)
    if row is None:
        return True
    newest = (belief.incarnation, row[POSITION], row[RESERVATION])
    given = (incarnation, position, reservation)
    return given < newest or (given == newest and row[STATE] == "offered")


def withdraw(db: sqlite3.Connection, effect: str) -> bool:
    """Delete a row that nobody started (True); ask a started one to stop (False)."""
    key = bytes.fromhex(effect)
    if db.execute(_WITHDRAW, (key,)).rowcount:
        return True
    db.execute(_CANCEL, (key,))
    return False


def sweep(db: sqlite3.Connection, lane: int, *, now_us: int, limit: int) -> Sequence[Overdue]:
    """Remove what is overdue, at most `limit` rows, and offer lost reservations again."""
    overdue: dict[bytes, Overdue] = {}
    for query in _OVERDUE:
        room = limit - len(overdue)
        for row in db.execute(query, (lane, now_us, room)).fetchall() if room > 0 else ():
            reason = why_overdue(row, now_us)
            if reason is None:
                db.execute(_OFFER_AGAIN, (row[0],))
            elif row[0] not in overdue:
                overdue[row[0]] = Overdue(_dispatch(row), reason)
    if overdue:
        db.executemany(_GONE, [(effect,) for effect in overdue])
    return list(overdue.values())


def _tenants(db: sqlite3.Connection, ask: ClaimAsk, after: str) -> list[str]:
    """Tenants with offered work, in a circle that begins behind `after`; at most `ask.limit`."""
    found: list[str] = []
    for low, high in ((after, None), ("", after)) if after else (("", None),):
        lines = (_tenants_of(db, ask.participant, c, low, high) for c in ask.contracts)
        for tenant in merge(*lines):
            if len(found) >= ask.limit:
                return found
            if tenant not in found[-1:]:
                found.append(tenant)
    return found


def _tenants_of(
    db: sqlite3.Connection, participant: str, contract: str, low: str, high: str | None
) -> Iterator[str]:
    """Tenants above `low`, up to `high`: one look into the index for each."""
    while True:
        row = db.execute(_NEXT_TENANT, (participant, contract, low)).fetchone()
        if row is None or (high is not None and row[0] > high):
            return
        low = row[0]
        yield low


def _waiting(db: sqlite3.Connection, ask: ClaimAsk, tenant: str, chunk: int) -> Iterator[Row]:
    """A tenant's offered rows over all contracts asked for, oldest first."""
    lines = [_line(db, ask.participant, c, tenant, chunk) for c in ask.contracts]
    return lines[0] if len(lines) == 1 else merge(*lines, key=_place)


def _line(
    db: sqlite3.Connection, participant: str, contract: str, tenant: str, chunk: int
) -> Iterator[Row]:
    offered_us, position = -1, -1
    while True:
        values = (participant, contract, tenant, offered_us, position, chunk)
        rows = db.execute(_LINE, values).fetchall()
        yield from rows
        if len(rows) < chunk:
            return
        offered_us, position = _place(rows[-1])


def _place(row: Row) -> tuple[int, int]:
    """Where a row stands in the line: since when it is offered, then its position in the lane."""
    return row[-1], row[POSITION]


def _may_start(row: Row, now_us: int) -> bool:
    """Whether a row may still be given out; the sweep reports the others."""
    if row[NOT_AFTER] is not None and now_us > row[NOT_AFTER]:
        return False
    return row[START_BY] is None or now_us < row[START_BY]


def _taken(row: Row, ask: ClaimAsk, belief: LaneBelief, *, now_us: int, lease_us: int) -> Claim:
    token = _token(belief, row[POSITION], row[RESERVATION] + 1)
    return claim_of(_dispatch(row), token, ask, now_us=now_us, lease_us=lease_us)


def _take(row: Row, claimed: Claim, worker: str) -> Row:
    state = "started" if claimed.started else "reserved"
    return (
        state, worker, row[RESERVATION] + 1, claimed.lease_until_us, claimed.ends_us, row[0]
    )  # fmt: skip


def _held(db: sqlite3.Connection, reply: Reply, belief: LaneBelief) -> Row | None:
    """The row of an effect if the token and worker of a reply are those that hold it."""
    row = _row_of(db, reply)
    if row is None or row[STATE] == "offered" or row[WORKER] != reply.worker:
        return None
    return row if reply.token == _token(belief, row[POSITION], row[RESERVATION]) else None


def _token(belief: LaneBelief, position: int, reservation: int) -> str:
    return f"{belief.incarnation}.{belief.lane}.{position}.{reservation}"


def _row_of(db: sqlite3.Connection, reply: Reply) -> Row | None:
    effect = key_of(reply.effect)
    row = None if effect is None else db.execute(_ROW, (effect,)).fetchone()
    return row if row is not None and reply.tenant in (None, row[TENANT]) else None


def _verdict(status: str, row: Row) -> Verdict:
    return verdict_of(status, row, _dispatch(row))


def _dispatch(row: Row) -> Dispatch:
    return dispatch_of(row, UUID(bytes=row[1]))
