"""Fixtures of the SDK's tests."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from troth._journal import Journal
from troth._worker import Worker

from .fake_engine import FakeEngine

Serve = Callable[..., contextlib.AbstractAsyncContextManager[Worker]]


@pytest.fixture
def engine() -> Iterator[FakeEngine]:
    """A fake engine that listens."""
    made = FakeEngine().start()
    yield made
    made.kill()


@pytest.fixture
def journal_file(tmp_path: Path) -> Path:
    """Where the journal of this test lies."""
    return tmp_path / "journal.db"


@pytest.fixture
def serve(engine: FakeEngine, journal_file: Path) -> Serve:
    """Run a worker of an app against the fake engine while the block lasts; then drain it."""

    @contextlib.asynccontextmanager
    async def serving(app: Any, **settings: Any) -> AsyncIterator[Worker]:
        settings.setdefault("journal", Journal.at(f"sqlite:///{journal_file}"))
        settings.setdefault("drain_timeout_s", 5.0)
        settings.setdefault("claim_wait_s", 0.1)
        worker = Worker(app, url=engine.url, api_key="key", name="w1", **settings)
        task = asyncio.create_task(worker.serve())
        try:
            yield worker
        finally:
            worker.stop()
            await asyncio.wait_for(task, 10.0)

    return serving


async def apart(wait: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Wait in a thread, so that the worker's event loop goes on."""
    return await asyncio.to_thread(wait, *args, **kwargs)
