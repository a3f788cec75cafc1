"""What the edges ask of the engine, and how it answers: the port between `api` and `consumers`.

A request is applied in one lane transaction and answered only after its commit. An answer is a JSON
object, or a `Refusal` (raised by `Desk.submit`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from domain.ports import Asked, ClaimAsk

__all__ = [
    "ClaimRequest", "ControlRequest", "DecideRequest", "Desk", "HeartbeatsRequest", "Publish",
    "Reader", "RedriveRequest", "RegisterRequest", "RepliesRequest", "Request", "StartRequest",
    "StartsRequest",
]  # fmt: skip

Json = Any


@dataclass(frozen=True, slots=True)
class Publish:
    """One CloudEvent.

    `event` is its structured form (attributes and `data`), `raw` what a dead letter keeps of it:
    the bytes that came, in binary mode its structured form.

    Answer: {"id", "status": "accepted"|"repeated", "root", "position", "reached"?}; `reached` is
    [saga, key] of a commitment that it started or that took it.
    """

    asked: Asked
    event: Json
    raw: bytes


@dataclass(frozen=True, slots=True)
class StartRequest:
    """Answer: {"id", "key", "run", "status", "created": bool, "position"}."""

    asked: Asked
    saga: str
    input: Json
    version: int | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class DecideRequest:
    """A person's approve, edit or reject.

    Answer: {"by", "actor_type", "digest", "recorded", "status", "missing": [seats]}; status is
    granted, seat_taken or rejected.
    """

    asked: Asked
    commitment: UUID
    approval: str
    answer: str
    digest: str
    reason: str | None = None
    payload: Json = None


@dataclass(frozen=True, slots=True)
class ControlRequest:
    """`action`: cancel, pause, resume, retry, settle, release. Answer: {"status", "position"}."""

    asked: Asked
    commitment: UUID
    action: str
    reason: str
    node: str | None = None
    outcome: str | None = None
    result: Json = None
    evidence: Json = None


@dataclass(frozen=True, slots=True)
class RegisterRequest:
    """Answer: {"saga", "version", "hash", "created": bool}; faults come as `Refusal.errors`."""

    asked: Asked
    document: Json


@dataclass(frozen=True, slots=True)
class ClaimRequest:
    """Answer: {"claims": [...]}; waits up to `wait_s` seconds for the first one."""

    asked: Asked
    ask: ClaimAsk
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class StartsRequest:
    """`items` as in docs/format.md section 7. Answer: {"results": [...]} in the same order."""

    asked: Asked
    worker: str
    items: tuple[Json, ...]


@dataclass(frozen=True, slots=True)
class HeartbeatsRequest:
    """As `StartsRequest`."""

    asked: Asked
    worker: str
    items: tuple[Json, ...]


@dataclass(frozen=True, slots=True)
class RepliesRequest:
    """As `StartsRequest`."""

    asked: Asked
    worker: str
    items: tuple[Json, ...]


@dataclass(frozen=True, slots=True)
class RedriveRequest:
    """Redrive (with `event`, perhaps edited) or discard a dead letter. Answer: {"status", ...}."""

    asked: Asked
    dead_letter: int
    reason: str
    event: Json = None


Request = (
    Publish | StartRequest | DecideRequest | ControlRequest | RegisterRequest | ClaimRequest
    | StartsRequest | HeartbeatsRequest | RepliesRequest | RedriveRequest
)  # fmt: skip


class Desk(Protocol):
    """The engine as the edges see it."""

    async def submit(self, request: Request) -> Json:
        """The answer, after the commit. Raises Refusal."""
        ...

    async def submit_all(self, requests: Sequence[Request]) -> list[Json]:
        """The answers, in order, each a Refusal or data; taken in as few commits as it can be.

        Raises Refusal when there is no room for all of them.
        """
        ...

    async def wait_position(self, position: int, timeout_s: float) -> bool:
        """Whether the lane's head reached `position` within the time."""
        ...

    def state(self) -> Json:
        """For readiness: {"ready": bool, "reason"?, "head", "lane", "incarnation", "lag"}."""
        ...


class Reader(Protocol):
    """Reads of committed state; each answer is true for a position not below that of its call.

    Rows are plain JSON objects as in docs/format.md section 9; another tenant's things are None.
    """

    def position(self) -> str: ...
    def commitment(self, tenant: str, commitment: UUID) -> Json | None: ...
    def by_key(self, tenant: str, saga: str, key: str, run: int | None) -> Json | None: ...
    def search(self, tenant: str, *, saga: str | None, status: str | None, step: str | None,
               key: str | None, cursor: str | None, limit: int) -> Json: ...  # fmt: skip
    def counts(self, tenant: str, saga: str | None) -> Json: ...
    def history(self, tenant: str, commitment: UUID, *, after: int, limit: int) -> Json | None: ...
    def approvals(self, tenant: str, *, status: str | None, cursor: str | None,
                  limit: int) -> Json: ...  # fmt: skip
    def approval(self, tenant: str, approval: str) -> Json | None: ...
    def debts(self, tenant: str, *, status: str | None, cursor: str | None, limit: int) -> Json: ...
    def parked(self, tenant: str, *, reason: str | None, cursor: str | None,
               limit: int) -> Json: ...  # fmt: skip
    def parked_streams(self, tenant: str, *, cursor: str | None, limit: int) -> Json: ...
    def parked_stream(self, tenant: str, stream: UUID) -> Json | None: ...
    def dead_letters(self, tenant: str, *, status: str | None, cursor: str | None,
                     limit: int) -> Json: ...  # fmt: skip
    def dead_letter(self, tenant: str, number: int) -> Json | None: ...
    def definition(self, saga: str, version: int | None) -> Json | None: ...
    def definitions(self) -> Json: ...
    def facts(self, tenant: str, *, after: int, limit: int) -> Json: ...
    def applied(self, tenant: str, event_id: str) -> bool | None:
        """Whether an accepted event was applied everywhere; None if it is not known."""
        ...
