"""Fixtures of the SDK's tests on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.sdk.fake_engine import FakeEngine


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    """A fake engine that listens."""
    made = FakeEngine().start()
    yield made
    made.kill()
