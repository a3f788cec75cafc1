"""Kafka beside the lanes of one process: what comes in, what goes out, and its topics."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import structlog

from adapters.kafka.cluster import Cluster
from adapters.kafka.options import COMMANDS, KafkaOptions
from adapters.kafka.sink import KafkaSink
from adapters.kafka.source import KafkaSource
from adapters.kafka.topics import check, migrate
from adapters.postgres.cursors import PostgresCursors
from adapters.postgres.outbox import PostgresOutbox
from adapters.sql.gauges import Gauge
from consumers.desk import LaneDesk
from consumers.intake import Intake
from consumers.publishing import Publishing, Topics
from consumers.reading import ReadAs, of_event, of_reply
from consumers.relay import Relay
from consumers.times import DeskClock
from domain.errors import Refusal, refusal
from domain.source import SourceDown
from engine.offline import name_of
from engine.settings import Settings

__all__ = ["KafkaBus", "kafka_options", "migrate_topics"]

AGAIN_FIRST_S, AGAIN_CAP_S = 0.5, 1.0
"""Between looks at topics of a broker that cannot be reached."""
_log = structlog.get_logger("engine")


def kafka_options(settings: Settings) -> KafkaOptions:
    """How to reach the cluster of the settings. Raises Refusal."""
    more: dict[str, Any] = {}
    if settings.kafka_sasl_password is not None:
        more["sasl_password"] = settings.kafka_sasl_password.get_secret_value()
    return KafkaOptions.from_url(settings.bus_url, **more)


def migrate_topics(settings: Settings, lanes: int) -> list[str]:
    """Make the topics that are missing; a line for each. Raises Refusal."""

    async def make() -> list[str]:
        options = kafka_options(settings)
        cluster = Cluster(options)
        await cluster.open()
        try:
            return await migrate(cluster, options, lanes, settings.kafka_participants)
        finally:
            await cluster.close()

    try:
        return asyncio.run(make())
    except SourceDown as down:
        raise refusal("bus.down", str(down)) from down


class KafkaBus:
    """Implements `engine.shapes.Bus`: intake and relay of the lanes that this process owns."""

    def __init__(
        self, settings: Settings, *, process: str, clock: DeskClock, incarnation: int, lanes: int
    ) -> None:
        """Raises Refusal for settings that cannot be."""
        self._options = kafka_options(settings)
        self._settings = settings
        self._lanes = lanes
        self._clock = clock
        url = settings.store_url
        self._cursors = PostgresCursors(url, process)
        self._outbox = PostgresOutbox(url, f"troth {process} relay")
        self._publishing = _publishing(settings, self._options, incarnation)
        self._intake: Intake | None = None
        self._relay: Relay | None = None
        self._desk: LaneDesk | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._checked = asyncio.Event()
        self._doubt = ""

    async def start(self, desk: LaneDesk) -> None:
        """Begin to read and to publish.

        Raises Refusal for topics that are not as they must be. Brokers that are gone are waited
        for, and timers with them; what topics are like is then seen by readiness.
        """
        desk.read_until(0)
        try:
            await self._check()
        except SourceDown as down:
            self._doubt = str(down)
            _log.warning("bus_down", why=self._doubt)
        who = ReadAs(self._settings.kafka_tenants or None, self._settings.kafka_tenant)
        options, now_us = self._options, self._clock.now_us
        self._intake = Intake(
            KafkaSource(options, self._lanes, now_us=now_us),
            desk,
            self._cursors.of,
            {
                options.events: partial(of_event, who=who),
                options.replies: partial(of_reply, who=who),
            },
        )
        self._relay = Relay(
            self._outbox, KafkaSink(options), self._publishing, desk.lanes, now_us=now_us
        )
        desk.when_lanes_change(self._relay.lanes_changed)
        desk.when_committed(self._relay.wake)
        self._desk = desk
        self._tasks = [
            asyncio.create_task(self._checking(self._intake.run), name="intake"),
            asyncio.create_task(self._once_checked(self._relay.run), name="relay"),
        ]

    async def _checking(self, run: Callable[[], Coroutine[None, None, None]]) -> None:
        """Run it once the topics are as they must be."""
        pause_s = AGAIN_FIRST_S
        while not self._checked.is_set():
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, AGAIN_CAP_S)
            try:
                await self._check()
            except SourceDown as down:
                self._doubt = str(down)
            except Refusal as refused:
                self._doubt = f"{refused.code.number} {refused.detail}"
                _log.error("bus_refused", why=self._doubt)
        await run()

    async def _once_checked(self, run: Callable[[], Coroutine[None, None, None]]) -> None:
        await self._checked.wait()
        await run()

    async def _check(self) -> None:
        cluster = Cluster(self._options)
        await cluster.open()
        try:
            await check(cluster, self._options, self._lanes, self._settings.kafka_participants)
        finally:
            await cluster.close()
        self._checked.set()

    async def stop(self) -> None:
        """End both; what was not published or read yet waits for the next owner."""
        for task in self._tasks:
            task.cancel()
        for ended in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                _log.error("bus_failed", fault=f"{type(ended).__name__}: {ended}")
        self._cursors.close()

    def fault(self) -> str | None:
        """Why the bus is not ready, if it is not."""
        for task in self._tasks:
            if task.done() and not task.cancelled():
                return f"{task.get_name()} ended: {task.exception()}"
        if not self._checked.is_set():
            return f"kafka: {self._doubt}"
        for part in (self._intake, self._relay):
            if part is not None and not (state := part.state())["ready"]:
                return f"kafka: {state['reason']}"
        return None

    def gauges(self) -> dict[str, list[Gauge]]:
        """Lag of what comes in and of what goes out."""
        if self._intake is None or self._relay is None or self._desk is None:
            return {}
        return {
            "kafka_lag_records": [
                ({"topic": part.topic, "partition": str(part.number)}, lag)
                for part, lag in self._intake.lag().items()
            ],
            "kafka_lost_records": [
                (
                    {"topic": one["topic"], "partition": str(one["partition"])},
                    one["earliest"] - one["next"],
                )
                for one in self._intake.state()["lost"]
            ],
            "relay_lag_events": [
                ({"lane": str(lane)}, lag)
                for lane, lag in self._relay.lag(self._desk.lane.heads).items()
            ],
            "relay_failures_total": [({}, self._relay.failures)],
            "relay_published_total": [({}, self._relay.published)],
        }


def _publishing(settings: Settings, options: KafkaOptions, incarnation: int) -> Publishing:
    topics = Topics(
        options.facts, f"{options.prefix}{COMMANDS}", options.replies, options.dead_letters
    )
    store = name_of(settings.store_url)
    return Publishing(
        topics, "urn:troth:engine", store, incarnation, settings.kafka_participants,
        settings.kafka_journals,
    )  # fmt: skip
