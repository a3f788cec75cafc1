"""How far each lane has come, as far as this process knows, and who waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

__all__ = ["Heads"]


class Heads:
    """Heads of lanes: they only rise. Use `wait` and `see` on one event loop.

    `read` asks the store, for lanes of other owners; `poll_s` is how often.
    """

    def __init__(self, read: Callable[[], Mapping[int, int]] | None, poll_s: float) -> None:
        self.known: dict[int, int] = {}
        self._read = read
        self._poll_s = poll_s
        self._waiting: list[tuple[int, int, asyncio.Future[bool]]] = []

    def begin(self, own: Mapping[int, int]) -> None:
        """Take in what the store holds, and what the owner of `own` knows. Raises StoreFailed."""
        self.known |= {} if self._read is None else self._read()
        self.known |= own

    def of(self, lane: int) -> int:
        """The head of a lane; 0 while nothing is known of it."""
        return self.known.get(lane, 0)

    def would_move(self, heads: Mapping[int, int]) -> bool:
        """Whether any of these is news."""
        return any(self.of(lane) < head for lane, head in heads.items())

    def see(self, heads: Mapping[int, int]) -> bool:
        """Take in what was seen, also late: whether any head rose."""
        rose = self.would_move(heads)
        for lane, head in heads.items():
            self.known[lane] = max(self.of(lane), head)
        for lane, position, reached in self._waiting:
            if position <= self.of(lane) and not reached.done():
                reached.set_result(True)
        return rose

    async def wait(
        self, lane: int, position: int, timeout_s: float, is_ours: Callable[[], bool]
    ) -> bool:
        """Whether a lane reached `position` within the time.

        Where it is not ours nobody tells us, so the store is looked at.
        """
        loop = asyncio.get_running_loop()
        until_s = loop.time() + timeout_s
        while self.known.get(lane, -1) < position and not is_ours() and self._read is not None:
            self.see(await asyncio.to_thread(self._read))
            left_s = until_s - loop.time()
            if self.of(lane) >= position or left_s <= 0:
                break
            await asyncio.sleep(min(self._poll_s, left_s))
        if self.known.get(lane, -1) >= position:
            return True
        return await self._told(lane, position, until_s - loop.time())

    async def _told(self, lane: int, position: int, timeout_s: float) -> bool:
        reached: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        entry = (lane, position, reached)
        self._waiting.append(entry)
        try:
            return await asyncio.wait_for(reached, max(0.0, timeout_s))
        except TimeoutError:
            return False
        finally:
            self._waiting = [one for one in self._waiting if one is not entry]
