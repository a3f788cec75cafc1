"""A store on PostgreSQL with its tables, and no process yet."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.processes.world import Site, site


@pytest.fixture
def here(tmp_path: Path, fresh_database: str) -> Iterator[Site]:
    with site(tmp_path, fresh_database) as found:
        found.migrate()
        yield found
