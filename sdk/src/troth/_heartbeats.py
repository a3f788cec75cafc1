"""One renewal loop for all leases of a worker; progress out, cancellations in."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterable, Sequence
from typing import Any

from ._lease import Lease
from ._line import Line
from ._problems import EngineError

__all__ = ["beat", "keep_alive"]

TICK_S = 1.0
"""How often leases are looked at; more often while one is shorter than four of these."""
TICK_MIN_S = 0.05
SPACING_S = 0.1
"""The shortest time between two renewals, however much progress is reported."""
RENEW_BELOW = 2 / 3
"""A lease with less than this share of its time left is renewed."""
HEARTBEATS_MAX = 1_000
"""Leases of one request."""
TIMEOUT_S = 5.0

log = logging.getLogger("troth.worker")


async def keep_alive(lines: Sequence[Line], woken: asyncio.Event, worker: str) -> None:
    """Renew what needs it, until cancelled. `woken` is set when a handler reports progress."""
    while True:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(woken.wait(), _tick_s(lines))
        woken.clear()
        for line in lines:
            await beat(line, worker)
        await asyncio.sleep(SPACING_S)


def _tick_s(lines: Sequence[Line]) -> float:
    shortest_s = min((lease.lease_s for line in lines for lease in line.running), default=TICK_S)
    return max(TICK_MIN_S, min(TICK_S, shortest_s / 4))


async def beat(line: Line, worker: str) -> None:
    """Renew the leases of one participant that need it, and take note of the answers."""
    now_s = asyncio.get_running_loop().time()
    _stop_overdue(line.running, now_s)
    due = [lease for lease in line.running if _due(lease, now_s)][:HEARTBEATS_MAX]
    if not due:
        return
    told = [lease for lease in due if lease.fresh_progress]
    body = {"worker": worker, "leases": [_item(lease) for lease in due]}
    try:
        answer = await line.link.once("heartbeats", body, timeout_s=TIMEOUT_S)
    except EngineError as error:
        # The next turn tries again; a lease that ends meanwhile stops nothing that has begun.
        log.warning("action=heartbeat_failed participant=%s %s", line.name, error.message)
        for lease in told:
            lease.fresh_progress = True
        return
    for lease, result in zip(due, answer.json["results"], strict=False):
        # One that was answered meanwhile has no lease any more, and needs none.
        if lease in line.running:
            _take(lease, result, now_s)


def _due(lease: Lease, now_s: float) -> bool:
    if not lease.started or lease.lost or not lease.told:
        return False
    return lease.fresh_progress or lease.until_s - now_s < lease.lease_s * RENEW_BELOW


def _item(lease: Lease) -> dict[str, Any]:
    item: dict[str, Any] = {"effect": lease.effect, "token": lease.token}
    if lease.fresh_progress:
        lease.fresh_progress = False
        # A heartbeat without a text is progress too: the engine counts that it came.
        item["progress"] = lease.progress
    return item


def _take(lease: Lease, result: dict[str, Any], now_s: float) -> None:
    if result.get("status") != "held":
        if lease.pushed is not None:
            # The engine may not have read yet that it runs; the next turn asks again.
            return
        lease.lost = True
        log.warning("action=lease_lost effect=%s token=%s", lease.effect, lease.token)
        return
    lease.renew(result, now_s)
    if result.get("cancelled") and not lease.cancelled:
        log.info("action=cancel_asked effect=%s", lease.effect)
        lease.cancel()


def _stop_overdue(leases: Iterable[Lease], now_s: float) -> None:
    """Give up handlers that run a whole lease longer than their timeout: nobody waits for them."""
    for lease in leases:
        if lease.overdue or lease.ends_s is None or now_s < lease.ends_s + lease.lease_s:
            continue
        lease.overdue = True
        log.error(
            "action=handler_overdue contract=%s effect=%s attempt=%d",
            lease.contract, lease.effect, lease.attempt,
        )  # fmt: skip
        lease.cancel()
