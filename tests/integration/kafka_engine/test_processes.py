"""Processes that are killed or stopped, and a database that is restarted, under load."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.postgres.schema import migrate
from tests.integration.kafka_engine.world import LANES, Market, made_topics, market, until_all
from tests.integration.processes.world import Child, until
from tools.servers import Postgres

EARLY = [f"a{n:02}" for n in range(15)]
LATE = [f"b{n:02}" for n in range(15)]
GOES_ON_MAX_S = 10.0


@pytest.fixture
def lone(tmp_path: Path, own_postgres: Postgres, kafka_bootstrap: str) -> Iterator[Market]:
    migrate(own_postgres.address, LANES)
    with market(tmp_path, own_postgres.address, kafka_bootstrap) as found:
        asyncio.run(made_topics(found))
        yield found


def crew_of(shop: Market) -> tuple[Child, Child, Child]:
    """An API and two owners of lanes, and participants."""
    here = shop.here
    api, first, second = here.serve(), here.work(), here.work()
    until(lambda: here.is_shared(first, second))
    shop.register(api)
    shop.participants(api.url)
    return api, first, second


def test_one_of_two_processes_is_killed(shop: Market) -> None:
    """The other goes on with its partitions; each record and effect counts once."""
    api, killed, other = crew_of(shop)
    with shop.speaker(api) as speaker:
        shop.order(*EARLY)
        killed.end(signal.SIGKILL)
        killed_s = time.monotonic()
        shop.order(*LATE)
        until_all(speaker, "waiting", len(EARLY + LATE))
        assert time.monotonic() - killed_s < GOES_ON_MAX_S
        shop.confirm(*EARLY, *LATE)
        until_all(speaker, "fulfilled", len(EARLY + LATE))
    assert shop.is_written_once([*EARLY, *LATE])
    assert shop.here.is_gapless()
    assert other.logged("engine_failed") == []


def test_a_stopped_process_wakes_as_a_zombie_and_loses(shop: Market) -> None:
    """It finds its lanes and partitions gone, gets a share anew, and nothing is there twice."""
    api, zombie, other = crew_of(shop)
    here = shop.here
    with shop.speaker(api) as speaker:
        shop.order(*EARLY)
        zombie.send(signal.SIGSTOP)
        shop.order(*LATE)
        until(lambda: here.shares(other) == [LANES])
        until_all(speaker, "waiting", len(EARLY + LATE))
        zombie.send(signal.SIGCONT)
        shop.confirm(*EARLY, *LATE)
        until(lambda: here.is_shared(zombie, other))
        until_all(speaker, "fulfilled", len(EARLY + LATE))
    assert shop.is_written_once([*EARLY, *LATE])
    assert here.is_gapless()
    assert zombie.process.poll() is None
    until(lambda: zombie.ready() and other.ready())


def test_a_database_that_is_restarted_loses_nothing(lone: Market, own_postgres: Postgres) -> None:
    engine = lone.here.serve("--with-lanes")
    lone.register(engine)
    lone.participants(engine.url)
    with lone.speaker(engine) as speaker:
        lone.order(*EARLY)
        until_all(speaker, "waiting", 1)
        own_postgres.kill()
        lone.order(*LATE)
        own_postgres.restart()
        until_all(speaker, "waiting", len(EARLY + LATE))
        lone.confirm(*EARLY, *LATE)
        until_all(speaker, "fulfilled", len(EARLY + LATE))
        until(engine.ready)
    assert lone.is_written_once([*EARLY, *LATE])
    assert lone.here.is_gapless()
