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

from adapters.sql.gauges import Gauge
from api.app import build_app
from api.key import Keys
from api.limits import Limits
from consumers.desk import LaneDesk
from consumers.lane import Lane
from consumers.limits import DeskLimits, LaneLimits
from engine.settings import Settings
from engine.shapes import Role, Shape, shape_of

__all__ = ["Engine", "Role", "build_engine"]

US_PER_S = 1_000_000

_log = structlog.get_logger("engine")


GC_ALLOCATIONS, GC_MIDDLE, GC_OLD = 50_000, 20, 50
"""How seldom the collector runs: a batch makes many objects and hardly a cycle."""


@dataclass(slots=True)
class Engine:
    """One process of an engine: an HTTP application over the lanes it owns, of a store.

    `start` it on the loop it serves.
    """

    app: FastAPI
    desk: LaneDesk
    shape: Shape
    drain_timeout_s: float
    _begun_s: float = field(default_factory=time.monotonic)

    async def start(self) -> None:
        """Open the lanes and begin to write. Raises StoreFailed."""
        await self.desk.start()
        await self.shape.start(self.desk)

    def serving(self) -> None:
        """Requests are taken from now on."""
        # What is loaded by now stays: the collector need not look at it again. It took 8 % of W1.
        gc.freeze()
        gc.set_threshold(GC_ALLOCATIONS, GC_MIDDLE, GC_OLD)
        self.desk.serving()
        _log.info(
            "engine_started",
            store=self.shape.store.path,
            pid=os.getpid(),
            after_s=round(time.monotonic() - self._begun_s, 3),
        )

    async def stop(self) -> None:
        """After the last answer: finish what is queued, release the lanes, close the store."""
        await self.shape.stop()
        ended = await self.desk.stop(self.drain_timeout_s)
        self.shape.close(ended)
        _log.info("engine_stopped", orderly=ended)


def build_engine(
    settings: Settings,
    keys: Keys,
    *,
    role: Role = Role.ALL,
    event_clock: bool = False,
    debug: bool = False,
) -> Engine:
    """An engine on the store of the settings; one on SQLite is made if it is not there.

    `role`: whether this process owns lanes, where several may. `event_clock`: accept times come
    from the events (`dev --clock events`). Raises StoreFailed, and Refusal for a bus that is not
    as it must be.
    """
    shape = shape_of(settings, role)
    lane = Lane(
        shape.store,
        limits=_lane_limits(settings),
        lanes=shape.lanes,
        event_time=event_clock,
        process=shape.process,
    )
    desk = LaneDesk(
        lane,
        shape.clock,
        ownership=shape.ownership,
        heads=shape.reader.heads,
        beside=shape.fault,
        limits=DeskLimits(batch_messages_max=settings.batch_messages_max),
    )
    told = partial(_gauges, desk, shape)
    has_api = role is not Role.LANES
    app = build_app(desk, shape.reader, keys, _limits(settings), told, has_api=has_api, debug=debug)
    return Engine(app, desk, shape, settings.drain_timeout_s)


def _lane_limits(settings: Settings) -> LaneLimits:
    return LaneLimits(
        payload_bytes_max=settings.payload_bytes_max,
        lease_us=int(settings.lease_s * US_PER_S),
    )


def _limits(settings: Settings) -> Limits:
    return Limits(event_bytes_max=settings.event_bytes_max)


def _gauges(desk: LaneDesk, shape: Shape) -> dict[str, list[Gauge]]:
    """What is true now, for whoever scrapes /metrics."""
    state: dict[str, Any] = desk.state()
    return {
        "lane_head": [({"lane": str(one["lane"])}, one["head"]) for one in state["lanes"]],
        "lane_lag_messages": [({}, state["lag"])],
        "lane_commit_seconds": [({}, desk.round_s)],
        "claims_waiting": [({}, state["claims_waiting"])],
        "requests_passed_on": [({}, state["passed_on"])],
        "parked_streams": [({}, state["parked"])],
        **shape.gauges.read(shape.clock.now_us()),
        **shape.bus_gauges(),
    }
