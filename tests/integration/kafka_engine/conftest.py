"""A market on the run's servers, with its tables and topics, and no process yet."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.postgres.schema import migrate
from tests.integration.kafka_engine.world import LANES, Market, made_topics, market
from tests.integration.processes.world import Child
from tests.servers import Databases


@pytest.fixture
def store(databases: Databases) -> Iterator[str]:
    """A database with tables."""
    made = databases.create(databases.template("market", lambda url: migrate(url, LANES)))
    yield made
    databases.drop(made)


@pytest.fixture(scope="module")
def open_market(
    tmp_path_factory: pytest.TempPathFactory, databases: Databases, kafka_bootstrap: str
) -> Iterator[tuple[Market, Child]]:
    """A market with an engine, for tests that leave it as it was."""
    store = databases.create(databases.template("market", lambda url: migrate(url, LANES)))
    folder = tmp_path_factory.mktemp("market")
    with market(folder, store, kafka_bootstrap) as found:
        asyncio.run(made_topics(found))
        engine = found.here.serve("--with-lanes")
        found.register(engine)
        yield found, engine
    databases.drop(store)


@pytest.fixture
def shop(tmp_path: Path, store: str, kafka_bootstrap: str) -> Iterator[Market]:
    with market(tmp_path, store, kafka_bootstrap) as found:
        asyncio.run(made_topics(found))
        yield found
