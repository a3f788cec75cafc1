"""A real engine for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.integration.engine.world import EngineWorld, engine_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[EngineWorld]:
    async with engine_world(tmp_path) as made:
        await made.register()
        yield made
