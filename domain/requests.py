"""What the edges ask of the engine, and how it answers: the port between `api` and `consumers`.

A request is applied in one lane transaction and answered only after its commit. An answer is a JSON
object, or a `Refusal` (raised by `Desk.submit`).
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol
from uuid import UUID

from domain.newer import Unread
from domain.ports import Asked, ClaimAsk, Cursor

__all__ = [
    "ClaimRequest", "ControlRequest", "DecideRequest", "Desk", "HeartbeatsRequest", "Logged",
    "Publish", "Reader", "RedriveRequest", "RegisterRequest", "RepliesRequest", "Request",
    "StartRequest", "StartsRequest", "TaskRequest", "UpdateRequest", "passed_of", "request_body",
    "request_of",
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
    """Answer: {"id", "key", "run", "status", "created": bool, "position"}.

    Where the lane's owner did not answer in time: {"status": "accepted", "receipt"}; so too for
    decisions and controls.
    """

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
class TaskRequest:
    """A person claims, releases or completes (with `payload`) a task.

    Answer: {"by", "status", "recorded", "until"?}; status is claimed, offered or done.
    """

    asked: Asked
    commitment: UUID
    task: str
    action: str
    payload: Json = None


@dataclass(frozen=True, slots=True)
class UpdateRequest:
    """A client asks for a change that the definition offers; the same `id` gets the same answer.

    Answer: {"id", "status": "accepted", "answer", "run"?, "recorded", "repeated": bool}. One that
    answers when its run is done: status done, or accepted and the `version` behind which it began.
    """

    asked: Asked
    commitment: UUID
    name: str
    id: str
    args: Json = None


@dataclass(frozen=True, slots=True)
class ControlRequest:
    """`action`: cancel, pause, resume, retry, settle, finish, move or release.

    `to` is the time of a move, RFC 3339. Answer: {"status", "position"}.
    """

    asked: Asked
    commitment: UUID
    action: str
    reason: str
    node: str | None = None
    outcome: str | None = None
    result: Json = None
    evidence: Json = None
    to: str | None = None


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


@dataclass(frozen=True, slots=True)
class Logged:
    """What a record of a log outside asks: applied in the transaction that moves the cursor.

    `accepted_us` is the record's time in that log, `after` the cursor that it follows: it is
    refused while the lane's is behind that, so that nothing in between is skipped. A record that
    cannot be read comes with `fault` (alias and detail) instead of a request: it becomes a dead
    letter of `raw`.
    """

    asked: Asked
    cursor: Cursor
    accepted_us: int
    request: Publish | StartsRequest | HeartbeatsRequest | RepliesRequest | None
    raw: bytes
    fault: tuple[str, str] | None = None
    after: int = 0


Request = (
    Publish | StartRequest | DecideRequest | TaskRequest | UpdateRequest | ControlRequest
    | RegisterRequest | ClaimRequest | StartsRequest | HeartbeatsRequest | RepliesRequest
    | RedriveRequest | Logged
)  # fmt: skip

_KINDS: dict[str, Any] = {
    "publish": Publish, "start": StartRequest, "decide": DecideRequest,
    "task": TaskRequest, "update": UpdateRequest, "control": ControlRequest,
    "starts": StartsRequest, "heartbeats": HeartbeatsRequest, "replies": RepliesRequest,
}  # fmt: skip
_NAMES = {kind: name for name, kind in _KINDS.items()}


def request_body(request: Any) -> tuple[str, Json]:
    """A request that is passed on, as its kind and a JSON object. Raises KeyError for others."""
    kind = _NAMES[type(request)]
    body = asdict(request)
    if isinstance(request, Publish):
        body["raw"] = b64encode(request.raw).decode()
    if "commitment" in body:
        body["commitment"] = str(body["commitment"])
    return kind, body


def passed_of(kind: str, body: Json) -> Any:
    """The request of a stored kind and body; an Unread where it is of a later release."""
    try:
        return request_of(kind, body)
    except (KeyError, TypeError):
        return Unread(kind)


def request_of(kind: str, body: Json) -> Any:
    """The request of `request_body`.

    Raises KeyError for a kind of a later release, TypeError for a member of one.
    """
    cls = _KINDS[kind]
    values: dict[str, Any] = dict(body)
    asked: dict[str, Any] = dict(values["asked"])
    asked["roles"], asked["seats"] = tuple(asked["roles"]), tuple(asked["seats"])
    values["asked"] = Asked(**asked)
    if "raw" in values:
        values["raw"] = b64decode(values["raw"])
    if "commitment" in values:
        values["commitment"] = UUID(values["commitment"])
    if "items" in values:
        values["items"] = tuple(values["items"])
    return cls(**values)


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

    async def wait_position(self, lane: int, position: int, timeout_s: float) -> bool:
        """Whether the head of a lane reached `position` within the time."""
        ...

    def state(self) -> Json:
        """For readiness: {"ready": bool, "reason"?, "position", "incarnation", "lanes", "lag"}.

        `lanes` are those this process owns: {"lane", "head"}.
        """
        ...

    def position(self) -> str:
        """A position that was reached in every lane, at least: `1:0:18846` or `1:0:18846,1:77`."""
        ...


class Reader(Protocol):
    """Reads of committed state; each answer is true for a position not below that of its call.

    Rows are plain JSON objects as in docs/format.md section 9; another tenant's things are None.
    `is_quick`: one thing is read in less time than it takes to wake another thread.
    """

    is_quick: bool

    def position(self) -> str: ...
    def commitment(self, tenant: str, commitment: UUID) -> Json | None: ...
    def by_key(self, tenant: str, saga: str, key: str, run: int | None) -> Json | None: ...
    def search(self, tenant: str, *, saga: str | None, status: str | None, step: str | None,
               key: str | None, cursor: str | None, limit: int) -> Json: ...  # fmt: skip
    def counts(self, tenant: str, saga: str | None) -> Json: ...
    def history(self, tenant: str, commitment: UUID, *, after: int, limit: int) -> Json | None: ...
    def approvals(self, tenant: str, *, status: str | None, cursor: str | None,
                  limit: int, escalated: str | None = None) -> Json: ...  # fmt: skip
    def approval(self, tenant: str, approval: str) -> Json | None: ...
    def tasks(self, tenant: str, *, status: str | None, cursor: str | None, limit: int,
              escalated: str | None = None) -> Json: ...  # fmt: skip
    def task(self, tenant: str, task: str) -> Json | None: ...
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
    def facts(self, tenant: str, *, after: str, limit: int) -> Json: ...
    def applied(self, tenant: str, event_id: str) -> bool | None:
        """Whether an accepted event was applied everywhere; None if it is not known."""
        ...
