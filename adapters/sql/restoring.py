"""Telling a store that it was restored from a backup: what it does not know, it must not assume.

Tokens, leases and positions that it gave out in the time that was lost are refused from then on, by
its incarnation. Effects that may not simply be repeated and that wait to be done stand as started,
with a lease that is over: nobody is given them, their outcome is unknown, and they are probed or a
person is asked. Until the doubt ends the same happens to those that are commanded anew, and to a
next attempt for which the copy waits, because the time that was lost may have commanded them: the
idempotency key is the same. What is sent again because of something that was heard since then is
not in doubt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from domain.ports import Dispatch

__all__ = ["DOUBT", "Restored", "is_doubted", "mark"]

DOUBT = "SELECT doubt_until_us, restored_us FROM store"

# What the copy holds was heard by then, also where the clock of a lane was ahead of ours.
_STORE = """
UPDATE store SET incarnation = incarnation + 1, doubt_until_us = ?,
  restored_us = (SELECT max(at_us) FROM (SELECT clock_us AS at_us FROM lanes
    UNION ALL SELECT CAST(? AS BIGINT)) AS reached)
"""
_DOUBTED = """
UPDATE dispatches SET state = 'started', worker = NULL, lease_until_us = ?, ends_us = ?
WHERE needs_start = {true} AND kind = 'do' AND state <> 'started'
"""
_INCARNATION = "SELECT incarnation FROM store"
_STARTED = "SELECT count(*) FROM dispatches WHERE state = 'started'"

Run = Callable[[str, Sequence[Any]], int]
Value = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class Restored:
    """A store that knows that it was restored: its incarnation, and how much is looked into."""

    incarnation: int
    unsure: int
    """Effects whose outcome will be asked: a probe, or a person."""


def mark(run: Run, value: Value, *, true: str, now_us: int, doubt_until_us: int) -> Restored:
    """Mark it within one transaction of the caller's.

    Args:
        run: executes a statement with `?` for a value.
        value: the one number that a query gives.
        true: how the database writes that a column holds.
        now_us: the store's clock.
        doubt_until_us: until when effects that are commanded anew are looked into first.
    """
    run(_STORE, (doubt_until_us, now_us))
    run(_DOUBTED.format(true=true), (now_us, now_us))
    return Restored(value(_INCARNATION), value(_STARTED))


def is_doubted(d: Dispatch, clock_us: int, until_us: int, restored_us: int) -> bool:
    """Whether the lost time may have made an attempt that is offered now.

    Only what is not begun without being asked for can be in doubt. Not only a first attempt: of one
    that was taken back, and is commanded anew, the lost time may have done this, and so it may the
    next attempt where the copy waits for it. Not what was heard of since.
    """
    is_news = d.heard_us is not None and d.heard_us > restored_us
    return d.needs_start and d.kind == "do" and clock_us < until_us and not is_news
