"""A claim under way: whose lease it is, how long it holds, and what its handler says meanwhile."""

from __future__ import annotations

import asyncio
import contextvars
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Literal, Protocol, cast

__all__ = ["Lease", "Pushed", "cancelled", "current", "heartbeat_now", "lag_of"]

LEASE_MARGIN = 0.1
"""The share of a lease that is not used: the engine's answer was under way that long at most."""
LEASE_S = 30.0
"""The lease of a claim that names none."""
LAG_IGNORED_S = 2.0
"""Clocks that differ less than this are one: the Date of an answer has whole seconds."""
NOTES_MAX = 100
"""How many sources of evidence one attempt may give."""


NO_LAG = timedelta()


def _nobody() -> None:
    """Nobody wants to know of progress."""


class Pushed(Protocol):
    """Where a claim came from that was pushed, and not claimed."""

    intended_us: int | None

    def ended(self, reply: dict[str, Any] | None) -> None:
        """It has this reply, or None: it was let go, and may come again."""
        ...


@dataclass(slots=True, eq=False)
class Lease:
    """One claim (docs/format.md section 7) in this worker.

    `until_s` and `ends_s` are of the worker's monotonic clock: when the lease and the step's
    timeout end. A pushed one has no lease until it was `told` that it runs.
    """

    effect: str
    attempt: int
    token: str
    kind: Literal["do", "undo", "probe"]
    contract: str
    args: dict[str, Any]
    digest: str
    repeatable: bool
    commitment: str
    node: str
    trace: str
    repeated: bool
    undoes: str | None
    started: bool
    lease_s: float
    until_s: float
    deadline: datetime | None = None
    ends_s: float | None = None
    progress: Any = None
    fresh_progress: bool = False
    cancelled: bool = False
    lost: bool = False
    overdue: bool = False
    task: asyncio.Task[Any] | None = None
    notes: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    wake: Callable[[], object] = _nobody
    pushed: Pushed | None = None
    told: bool = True

    @classmethod
    def of(
        cls,
        claim: dict[str, Any],
        now_s: float,
        lag: timedelta = NO_LAG,
        wake: Callable[[], object] = _nobody,
    ) -> Lease:
        """The lease of a claim that was answered at `now_s`; `wake` is called on progress.

        Raises KeyError if it is no claim.
        """
        lease = cls(
            effect=claim["effect"],
            attempt=claim["attempt"],
            token=claim["token"],
            kind=claim["kind"],
            contract=claim["contract"],
            args=claim["args"],
            digest=claim.get("digest") or "",
            repeatable=repeatable(claim.get("classes")),
            commitment=claim["commitment"],
            node=claim.get("node") or "",
            trace=claim.get("trace") or "",
            repeated=bool(claim.get("repeated")),
            undoes=claim.get("undoes"),
            started=bool(claim.get("started")),
            lease_s=LEASE_S,
            until_s=0.0,
            wake=wake,
        )
        lease.renew(claim, now_s, lag)
        return lease

    def push(self, pushed: Pushed) -> None:
        """It came by a topic: nobody counts its time until it says that it runs."""
        self.pushed, self.told, self.until_s = pushed, False, math.inf

    def renew(self, answer: dict[str, Any], now_s: float, lag: timedelta = NO_LAG) -> None:
        """Take lease and deadline from a claim, or from the answer to a start."""
        self.lease_s = float(answer.get("lease_s") or self.lease_s)
        self.until_s = now_s + self.lease_s * (1 - LEASE_MARGIN)
        deadline = answer.get("deadline")
        if deadline is not None:
            self.deadline = datetime.fromisoformat(deadline)
            here = self.deadline - lag
            left_s = (here - datetime.now(UTC)).total_seconds()
            self.ends_s = now_s + left_s

    def cancel(self) -> None:
        """Ask the handler to stop: an async one is cancelled, a plain one may ask."""
        self.cancelled = True
        if self.task is not None:
            self.task.cancel()

    def holds(self, now_s: float) -> bool:
        """Whether the worker may act now."""
        return not self.lost and not self.cancelled and now_s < self.until_s

    async def say(self, progress: str | None) -> None:
        """What `Effect.heartbeat` does."""
        self.tell(progress)
        # Lets a cancellation reach a handler that never waits for anything else.
        await asyncio.sleep(0)

    def tell(self, progress: str | None) -> None:
        self.progress = progress
        self.fresh_progress = True
        self.wake()

    async def note(self, source: str, note: str | None) -> None:
        """What `Effect.evidence` does. Raises ValueError beyond NOTES_MAX sources."""
        if len(self.notes) >= NOTES_MAX:
            raise ValueError(f"an attempt may give {NOTES_MAX} sources of evidence")
        self.notes.append({"source": source} if note is None else {"source": source, "note": note})

    def reply(self, outcome: dict[str, Any]) -> dict[str, Any]:
        """The reply with this outcome."""
        return {
            "effect": self.effect,
            "attempt": self.attempt,
            "token": self.token,
            "kind": self.kind,
            "commitment": self.commitment,
            **outcome,
        }


def repeatable(classes: Any) -> bool:
    """R0, R1 and steps without classes may run again; of anything else we do not know it."""
    if classes is None:
        return True
    return cast(dict[str, Any], classes).get("R") in {"R0", "R1"}


def lag_of(date: str | None) -> timedelta:
    """How far the engine's clock is ahead of ours, by the Date of its answer."""
    if date is None:
        return NO_LAG
    try:
        lag = parsedate_to_datetime(date) - datetime.now(UTC)
    except (TypeError, ValueError):
        return NO_LAG
    return lag if abs(lag.total_seconds()) > LAG_IGNORED_S else NO_LAG


current: contextvars.ContextVar[Lease | None] = contextvars.ContextVar("troth_lease", default=None)


def cancelled() -> bool:
    """Whether the engine asks the running handler to stop; for plain functions, between steps.

    An async handler is cancelled instead. False outside a worker.
    """
    lease = current.get()
    return lease is not None and lease.cancelled


def heartbeat_now(progress: str | None = None) -> None:
    """`Effect.heartbeat` for plain functions, which cannot await. Does nothing outside a worker."""
    lease = current.get()
    if lease is not None:
        lease.tell(progress)
