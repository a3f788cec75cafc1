"""Stores for tests of the message loop: the same tests on each of them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.lane_owners import House
from tests.integration.lane_places import Place, PostgresPlace, SqlitePlace
from tests.servers import Databases

EMBEDDED = "embedded"
LANES = {"postgres": 1, "postgres-4": 4}


@pytest.fixture(scope="session")
def postgres_places(databases: Databases) -> Iterator[Callable[[int], PostgresPlace]]:
    """An empty store with so many lanes; one database for all tests of a worker."""
    made: dict[int, PostgresPlace] = {}

    def place(lanes: int) -> PostgresPlace:
        if lanes not in made:
            made[lanes] = PostgresPlace(databases, lanes)
        made[lanes].empty()
        return made[lanes]

    yield place
    for one in made.values():
        one.close()


@pytest.fixture(
    params=[EMBEDDED, *(pytest.param(name, marks=pytest.mark.postgres) for name in LANES)]
)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A file, a PostgreSQL store of one lane, and one of four lanes that one process owns."""
    if request.param == EMBEDDED:
        return SqlitePlace(tmp_path / "troth.db")
    places: Callable[[int], PostgresPlace] = request.getfixturevalue("postgres_places")
    return places(LANES[request.param])


@pytest.fixture
def house(postgres_places: Callable[[int], PostgresPlace]) -> Iterator[House]:
    """Two owners of one store of four lanes."""
    house = House(postgres_places(4))
    yield house
    house.close()
