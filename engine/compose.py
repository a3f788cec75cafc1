"""The composition root: from settings to an engine, every part made here and handed in."""

from __future__ import annotations

import gc
import os
import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog
from fastapi import FastAPI

from adapters.clock import SystemClock
from adapters.sqlite.gauges import Gauge, SqliteGauges
from adapters.sqlite.reader import SqliteReader
from adapters.sqlite.store import SqliteStore
from api.app import build_app
from api.key import Keys
from api.limits import Limits
from consumers.desk import LaneDesk
from consumers.lane import Lane
from consumers.limits import DeskLimits, LaneLimits
from engine.settings import Settings
from projections.audit import text_of

__all__ = ["Engine", "build_engine"]

US_PER_S = 1_000_000

_log = structlog.get_logger("engine")


GC_ALLOCATIONS, GC_MIDDLE, GC_OLD = 50_000, 20, 50
"""How seldom the collector runs: a batch makes many objects and hardly a cycle."""


@dataclass(slots=True)
class Engine:
    """One engine: an HTTP application over a lane of a store. `start` it on the loop it serves."""

    app: FastAPI
    desk: LaneDesk
    store: SqliteStore
    reader: SqliteReader
    gauges: SqliteGauges
    drain_timeout_s: float
    _begun_s: float = field(default_factory=time.monotonic)

    async def start(self) -> None:
        """Open the lane and begin to write. Raises StoreFailed."""
        await self.desk.start()

    def serving(self) -> None:
        """Requests are taken from now on."""
        # What is loaded by now stays: the collector need not look at it again. It took 8 % of W1.
        gc.freeze()
        gc.set_threshold(GC_ALLOCATIONS, GC_MIDDLE, GC_OLD)
        self.desk.serving()
        _log.info(
            "engine_started",
            store=self.store.path,
            pid=os.getpid(),
            after_s=round(time.monotonic() - self._begun_s, 3),
        )

    async def stop(self) -> None:
        """After the last answer: finish what is queued, close the store, let go of its lock."""
        ended = await self.desk.stop(self.drain_timeout_s)
        self.reader.close()
        self.gauges.close()
        if ended:
            self.store.close()
        _log.info("engine_stopped", orderly=ended)


def build_engine(
    settings: Settings, keys: Keys, *, event_clock: bool = False, debug: bool = False
) -> Engine:
    """An engine on the store of the settings, made if it is not there. Raises StoreFailed.

    `event_clock`: accept times come from the events (`dev --clock events`).
    """
    clock = SystemClock()
    store = SqliteStore.open(settings.store_url, now_us=clock.now_us(), lanes=settings.lanes)
    try:
        reader = SqliteReader(settings.store_url, text_of)
    except BaseException:
        store.close()
        raise
    lane = Lane(store, limits=_lane_limits(settings), event_time=event_clock)
    desk = LaneDesk(lane, clock, limits=DeskLimits(batch_messages_max=settings.batch_messages_max))
    gauges = SqliteGauges(settings.store_url)
    told = partial(_gauges, desk, gauges, clock)
    app = build_app(desk, reader, keys, _limits(settings), told, debug=debug)
    return Engine(app, desk, store, reader, gauges, settings.drain_timeout_s)


def _lane_limits(settings: Settings) -> LaneLimits:
    return LaneLimits(
        payload_bytes_max=settings.payload_bytes_max,
        lease_us=int(settings.lease_s * US_PER_S),
    )


def _limits(settings: Settings) -> Limits:
    return Limits(event_bytes_max=settings.event_bytes_max)


def _gauges(desk: LaneDesk, gauges: SqliteGauges, clock: SystemClock) -> dict[str, list[Gauge]]:
    """What is true now, for whoever scrapes /metrics."""
    state: dict[str, Any] = desk.state()
    heads = [({"lane": str(one["lane"])}, one["head"]) for one in state["lanes"]]
    return {
        "lane_head": heads,
        "lane_lag_messages": [({}, state["lag"])],
        "lane_commit_seconds": [({}, desk.round_s)],
        "claims_waiting": [({}, state["claims_waiting"])],
        "parked_streams": [({}, state["parked"])],
        **gauges.read(clock.now_us()),
    }
