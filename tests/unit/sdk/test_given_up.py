"""A producer or consumer that nobody uses any more is stopped, and never waited for long."""

from __future__ import annotations

import asyncio
import logging

import pytest

from troth._bus import give_up


class Client:
    """Its stop ends never, or by an error."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error
        self.stops = 0

    async def stop(self) -> None:
        self.stops += 1
        if self._error is not None:
            raise self._error
        await asyncio.Event().wait()


@pytest.mark.parametrize("error", [None, ConnectionError("gone")])
async def test_one_that_cannot_be_stopped_is_given_up_and_told(
    error: Exception | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "troth")
    client = Client(error)
    async with asyncio.timeout(10):
        await give_up(client, "the consumer of commands.crm", 0.01)
    assert client.stops == 1
    (told,) = caplog.messages
    assert told.startswith("action=bus_given_up what='the consumer of commands.crm'")
