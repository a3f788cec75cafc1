"""One world for each test."""

import pytest

from tests.integration.api.fakes import World


@pytest.fixture
async def world() -> World:
    return World()
