"""Group commit: what many handlers want written to the journal shares one transaction."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from ._journal import Journal
from ._journal_rules import Verdict, Write

__all__ = ["GroupCommit"]

WRITES_MAX = 1_000
"""Writes of one transaction."""
PURGE_EVERY_S = 3600.0

log = logging.getLogger("troth.worker")


class GroupCommit:
    """A journal behind one thread. Writes that come while one runs wait and go together."""

    def __init__(self, journal: Journal) -> None:
        self.kind = journal.kind
        self.journal = journal
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="troth-journal")
        self._waiting: list[tuple[Sequence[Write], asyncio.Future[list[Verdict]]]] = []
        self._running: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect and make the table. Raises what the driver raises."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self.journal.open)

    async def close(self) -> None:
        """Wait for what is being written, then disconnect."""
        if self._running is not None:
            await self._running
        await asyncio.get_running_loop().run_in_executor(self._thread, self.journal.close)
        self._thread.shutdown()

    async def write(self, writes: Sequence[Write]) -> list[Verdict]:
        """The verdicts, once they are on the disk. Raises what the driver raises."""
        future: asyncio.Future[list[Verdict]] = asyncio.get_running_loop().create_future()
        self._waiting.append((writes, future))
        if self._running is None:
            self._running = asyncio.create_task(self._drain())
        return await future

    async def first_worker(self, participant: str) -> None:
        """See Journal.first_worker. Raises what the driver raises."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self.journal.first_worker, participant)

    async def purge(self) -> None:
        """Remove old entries now and then, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                await loop.run_in_executor(self._thread, self.journal.purge)
            except Exception as error:  # noqa: BLE001  drivers have errors of their own
                log.warning("action=journal_not_purged error=%s", error)
            await asyncio.sleep(PURGE_EVERY_S)

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, count = [self._waiting.pop(0)], 0
            count = len(batch[0][0])
            while self._waiting and count + len(self._waiting[0][0]) <= WRITES_MAX:
                batch.append(self._waiting.pop(0))
                count += len(batch[-1][0])
            together = [write for writes, _ in batch for write in writes]
            try:
                verdicts = await loop.run_in_executor(self._thread, self.journal.write, together)
            except Exception as error:  # noqa: BLE001  drivers have errors of their own
                for _, future in batch:
                    _fail(future, error)
                continue
            at = 0
            for writes, future in batch:
                if not future.done():
                    future.set_result(verdicts[at : at + len(writes)])
                at += len(writes)
        self._running = None


def _fail(future: asyncio.Future[list[Verdict]], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
