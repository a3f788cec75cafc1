"""Rows of dispatches: their columns, and what every database decides alike about who holds one.

offered, reserved, started, gone: the stream says what an attempt means, the row says who holds
it. Tokens are `incarnation.lane.position.reservation`, so each holder has a higher one.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson

from domain.ports import Claim, ClaimAsk, Dispatch, Reply, Verdict

__all__ = [
    "CANCELLED", "COLUMNS", "ENDS", "LEASE", "NOT_AFTER", "POSITION", "RESERVATION", "START_BY",
    "STATE", "TENANT", "TIMEOUT", "WORKER", "Row", "claim_of", "dispatch_of", "extended_us",
    "key_of", "lease_until_us", "numbers_of", "verdict_of", "why_no_start", "why_overdue",
]  # fmt: skip

COLUMNS = (
    "effect, stream, tenant, participant, contract, kind, attempt, position, body, needs_start,"
    " start_by_us, timeout_us, not_after_us, state, worker, reservation, lease_until_us, ends_us,"
    " cancelled"
)
# Places in COLUMNS.
TENANT, POSITION, START_BY, TIMEOUT, NOT_AFTER = 2, 7, 10, 11, 12
STATE, WORKER, RESERVATION, LEASE, ENDS, CANCELLED = range(13, 19)
_TOKEN_DIGITS_MAX = 18
_TOKEN_PARTS = 4

Row = tuple[Any, ...]


def dispatch_of(row: Row, stream: UUID) -> Dispatch:
    """The dispatch of a row; `stream` as an id, which each database writes in its own way."""
    effect, _, tenant, participant, contract, kind, attempt, position, body = row[:9]
    needs_start, start_by_us, timeout_us, not_after_us = row[9:13]
    return Dispatch(
        effect.hex(), stream, tenant, participant, contract, kind, attempt, position,
        orjson.loads(body), bool(needs_start), start_by_us, timeout_us, not_after_us,
    )  # fmt: skip


def claim_of(dispatch: Dispatch, token: str, ask: ClaimAsk, *, now_us: int, lease_us: int) -> Claim:
    """A row given out: started at once where both sides allow it, else reserved."""
    started = ask.start and not dispatch.needs_start
    until_us, ends_us = now_us + lease_us, None
    if started:
        ends_us = now_us + dispatch.timeout_us
        until_us = min(lease_until_us(dispatch, now_us, lease_us), ends_us)
    return Claim(dispatch, token, started, until_us, ends_us)


def lease_until_us(dispatch: Dispatch, now_us: int, lease_us: int) -> int:
    """A step that declared a heartbeat must tell of progress within that time."""
    return now_us + min(lease_us, dispatch.body.get("heartbeat_us", lease_us))


def extended_us(row: Row, dispatch: Dispatch, reply: Reply, now_us: int, lease_us: int) -> int:
    """Until when a heartbeat extends the lease of a row: never less than it was.

    A started one up to its timeout, and where a heartbeat was declared only by progress; a reserved
    one up to when it must start.
    """
    started, held_us = row[STATE] == "started", row[LEASE] or 0
    bounds = (row[ENDS],) if started else (row[START_BY], row[NOT_AFTER])
    wanted_us = lease_until_us(dispatch, now_us, lease_us) if started else now_us + lease_us
    if started and "heartbeat_us" in dispatch.body and not reply.progress:
        wanted_us = held_us
    return max(min([wanted_us, *(b for b in bounds if b is not None)]), held_us)


def why_no_start(row: Row, now_us: int) -> str | None:
    """Why a row that is held may not be started now: cancelled, repeated or expired."""
    if row[CANCELLED]:
        return "cancelled"
    if row[STATE] == "started":
        return "repeated"
    return "expired" if row[NOT_AFTER] is not None and now_us > row[NOT_AFTER] else None


def why_overdue(row: Row, now_us: int) -> str | None:
    """Why a row is overdue; None for a reservation that may be offered again."""
    if row[STATE] == "started":
        return "timeout" if row[ENDS] <= now_us else "lease"
    if row[NOT_AFTER] is not None and row[NOT_AFTER] < now_us:
        return "not_after"
    return "within" if row[START_BY] is not None and row[START_BY] <= now_us else None


def key_of(effect: str) -> bytes | None:
    """An effect's id as it is stored; None for what is no id."""
    try:
        return bytes.fromhex(effect)
    except ValueError:
        return None


def numbers_of(token: str) -> tuple[int, int, int, int] | None:
    """Incarnation, lane, position and reservation of a token; None for what is no token."""
    parts = token.split(".")
    if len(parts) != _TOKEN_PARTS:
        return None
    if not all(part.isdecimal() and len(part) <= _TOKEN_DIGITS_MAX for part in parts):
        return None
    incarnation, lane, position, reservation = map(int, parts)
    return incarnation, lane, position, reservation


def verdict_of(status: str, row: Row, dispatch: Dispatch) -> Verdict:
    """What is said of a row as it stands."""
    return Verdict(status, dispatch, row[WORKER], row[LEASE], row[ENDS], bool(row[CANCELLED]))
