"""Replies on their way to the engine: what is there goes at once, what comes meanwhile together."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from ._json import dumps
from ._link import Link
from ._problems import EngineError

__all__ = ["Replies", "spare_of"]

REPLIES_BATCH_MAX = 500
"""Replies in one request."""
REPLY_TIMEOUT_S = 30.0

log = logging.getLogger("troth.worker")

Reply = dict[str, Any]


class Replies:
    """The replies of one participant. `add` never waits; `flushed` says when all were taken."""

    def __init__(self, link: Link, worker: str) -> None:
        self._link = link
        self._worker = worker
        self._waiting: list[Reply] = []
        self._sending = 0
        self._wanted = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def unsent(self) -> int:
        """Replies that no engine has taken yet."""
        return len(self._waiting) + self._sending

    def add(self, reply: Reply) -> None:
        """Send this as soon as possible."""
        self._waiting.append(reply)
        self._idle.clear()
        self._wanted.set()

    async def flushed(self) -> None:
        """Wait until nothing is unsent."""
        await self._idle.wait()

    async def run(self) -> None:
        """Send, until cancelled. Raises EngineError only if the engine does not let us work."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while self._waiting:
                batch = self._waiting[:REPLIES_BATCH_MAX]
                del self._waiting[:REPLIES_BATCH_MAX]
                self._sending = len(batch)
                await self._send(batch)
                self._sending = 0
            self._idle.set()

    async def _send(self, batch: list[Reply]) -> None:
        """Send; a batch that is refused is halved until the reply at fault stands alone."""
        parts = [batch]
        while parts:
            part = parts.pop()
            try:
                body = {"worker": self._worker, "replies": part}
                answer = await self._link.ask("replies", body, timeout_s=REPLY_TIMEOUT_S)
            except EngineError as error:
                if error.status in {401, 403}:
                    raise
                parts += _smaller(part, error.message)
            except (TypeError, ValueError) as error:
                parts += _smaller(part, str(error))
            else:
                _read(part, answer.json["results"])


def _smaller(part: list[Reply], why: str) -> list[list[Reply]]:
    if len(part) > 1:
        middle = len(part) // 2
        return [part[middle:], part[:middle]]
    reply = part[0]
    spare = spare_of(reply, why)
    if spare is None:
        log.error("action=reply_dropped effect=%s reason=%s", reply["effect"], why)
        return []
    log.error("action=reply_refused effect=%s reason=%s", reply["effect"], why)
    return [[spare]]


def spare_of(reply: Reply, why: str) -> Reply | None:
    """What is said instead of a reply that cannot be taken; None if that was it already."""
    if reply.get("code") == "reply" or "outcome" not in reply:
        return None
    wanted = {"done": "unknown", "present": "cannot_tell"}
    outcome = wanted.get(reply["outcome"], reply["outcome"])
    members = ("effect", "attempt", "token", "kind", "commitment")
    said = dumps(why).encode("ascii", "replace").decode()[:1000]
    spare = {name: reply[name] for name in members}
    return {**spare, "outcome": outcome, "code": "reply", "message": f"reply refused: {said}"}


def _read(sent: list[Reply], results: list[dict[str, Any]]) -> None:
    for reply, result in zip(sent, results, strict=False):
        status = result.get("status")
        if status in {"recorded", "repeated"} and "code" not in result:
            continue
        # Late is what a reply is that was sent again after a lost answer: nothing to worry about.
        log.log(
            logging.INFO if status == "late" else logging.WARNING,
            "action=reply_%s effect=%s token=%s outcome=%s code=%s",
            status, reply["effect"], reply["token"], reply["outcome"], result.get("code"),
        )  # fmt: skip
