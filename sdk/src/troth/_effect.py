"""What a handler knows about the effect it performs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic

from typing_extensions import TypeVar

__all__ = ["Effect"]

Deps = TypeVar("Deps", default=None)


async def _no_heartbeat(progress: str | None) -> None:
    """Outside a worker (in a unit test of a handler) nobody listens."""
    del progress


async def _no_evidence(source: str, note: str | None) -> None:
    """Outside a worker nobody collects."""
    del source, note


@dataclass(frozen=True, slots=True)
class Effect(Generic[Deps]):
    """One attempt of one effect, the first parameter of its handler.

    Attributes:
        key: the idempotency key; the same in every attempt, hand it to the other side.
        attempt: 1 for the first.
        deadline: when the attempt counts as lost, None while it is not known.
        trace: the W3C traceparent, empty without one.
        deps: what the participant's `deps=` gave, made once per worker.
        repeated: True if an earlier attempt may have happened.
    """

    key: str
    deps: Deps
    attempt: int = 1
    deadline: datetime | None = None
    trace: str = ""
    repeated: bool = False
    on_heartbeat: Callable[[str | None], Awaitable[None]] = _no_heartbeat
    on_evidence: Callable[[str, str | None], Awaitable[None]] = _no_evidence

    async def heartbeat(self, progress: str | None = None) -> None:
        """Say that the work goes on, at best with a progress people can read (`"40 %"`)."""
        await self.on_heartbeat(progress)

    async def evidence(self, source: str, note: str | None = None) -> None:
        """Add a source (a URI, a document's name) to what proves the effect."""
        await self.on_evidence(source, note)


AnyEffect = Effect[Any]
