"""The messages that streams decide on: a closed set, each a frozen record of plain JSON.

A message is what happened outside a stream. It can be stored in the inbox (`to_body`) and read back
(`from_body`) by its kind; times are microseconds since the epoch.
"""

from __future__ import annotations

from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, cast
from uuid import UUID

from domain.child_messages import ChildOver, ChildRevoked, ChildStarted, Recall, Revoke, Waive
from domain.events import Ctx
from domain.newer import Unread
from domain.quick import quick
from domain.turn_messages import DropTurn, NoTurn, TakeTurn, YourTurn

__all__ = [
    "Acquire", "Answered", "Arrive", "ChildOver", "ChildRevoked", "ChildStarted", "Control",
    "Decide", "DropTurn", "Granted", "Leftover", "Lost", "Mail", "Message", "NoTurn",
    "NotGranted", "NotStarted", "Offer", "Open", "Recall", "Release", "Revoke", "RunOver",
    "Start", "Started", "Subscribe", "TakeTurn", "TaskAct", "Update", "Waive", "Wake", "Withdrawn",
    "YourTurn", "from_body", "message_of", "to_body",
]  # fmt: skip

Json = Any


@dataclass(frozen=True, slots=True)
class Open:
    """To a commitment: begin. Sent by the saga-key stream that opened the run."""

    KIND: ClassVar[str] = "open"
    tenant: str
    saga: str
    saga_version: int
    definition: str
    key: str
    run: int
    input: Json
    start: Json = None
    parent: Json = None


@dataclass(frozen=True, slots=True)
class Offer:
    """To a commitment: a key stream has an event that one of its takers may want."""

    KIND: ClassVar[str] = "offer"
    key: str
    position: int
    event: Json
    accepted_us: int


@dataclass(frozen=True, slots=True)
class Started:
    """To a commitment: a worker was allowed to act."""

    KIND: ClassVar[str] = "started"
    effect: str
    attempt: int
    token: str
    worker: str


@quick
@dataclass(frozen=True, slots=True)
class Answered:
    """To a commitment: a reply of a participant. `current` is false when its lease was lost."""

    KIND: ClassVar[str] = "answered"
    effect: str
    attempt: int
    token: str
    kind: str
    outcome: str
    worker: str
    result: Json = None
    code: str | None = None
    message: str | None = None
    retry_after_us: int | None = None
    evidence: Json = None
    current: bool = True


@dataclass(frozen=True, slots=True)
class Lost:
    """To a commitment: a started attempt gave no reply. `reason` is lease or timeout."""

    KIND: ClassVar[str] = "lost"
    effect: str
    attempt: int
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class NotStarted:
    """To a commitment: nobody started it in time. `reason` is within or not_after."""

    KIND: ClassVar[str] = "not_started"
    effect: str
    attempt: int
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """To a commitment: an effect that was only offered or reserved will not be started."""

    KIND: ClassVar[str] = "withdrawn"
    effect: str


@dataclass(frozen=True, slots=True)
class Wake:
    """To any stream: its next wake-up is due."""

    KIND: ClassVar[str] = "wake"
    due_us: int


@dataclass(frozen=True, slots=True)
class Decide:
    """To a commitment: a person's answer (approve, edit or reject) to what the digest shows."""

    KIND: ClassVar[str] = "decide"
    approval: str
    answer: str
    digest: str
    by: str
    actor_type: str
    seats: tuple[str, ...]
    reason: str | None = None
    payload: Json = None


@dataclass(frozen=True, slots=True)
class TaskAct:
    """To a commitment: a person claims, releases or completes a task (`action`)."""

    KIND: ClassVar[str] = "task_act"
    task: str
    action: str
    by: str
    actor_type: str
    seats: tuple[str, ...]
    payload: Json = None


@dataclass(frozen=True, slots=True)
class Update:
    """To a commitment: a client asks for a change that its definition offers.

    `name` is that of the update, or its path where several are open; `id` what the client calls
    this one.
    """

    KIND: ClassVar[str] = "update"
    name: str
    id: str
    by: str
    args: Json = None


@dataclass(frozen=True, slots=True)
class Control:
    """To a commitment: cancel, pause, resume, retry, settle, finish or move, by an operator.

    `node` names the node or debt; `outcome` (done, not_done), `result`, `evidence` go with settle,
    the last two also with finish; `to` (microseconds) with move.
    """

    KIND: ClassVar[str] = "control"
    action: str
    by: str
    reason: str
    node: str | None = None
    outcome: str | None = None
    result: Json = None
    evidence: Json = None
    to_us: int | None = None


@dataclass(frozen=True, slots=True)
class Start:
    """To a saga-key stream: somebody wants a commitment of this saga and key.

    `onward` is what follows it when one event goes to several lanes: {"starts": [[stream, start]],
    "takers": [...], "home": stream or None, "arrive": {...}}. Each start passes on to the next,
    the last one to the key stream, which thus knows who took the event.
    `parent` is whose child it is: {"id", "node", "ask", "depth", "wait"}. Such a start may name no
    definition: where it arrives it is that of `saga_version`, or for 0 the latest one.
    """

    KIND: ClassVar[str] = "start"
    tenant: str
    saga: str
    saga_version: int
    definition: str
    key: str
    input: Json
    digest: str
    event: Json = None
    onward: Json = None
    parent: Json = None


@dataclass(frozen=True, slots=True)
class RunOver:
    """To a saga-key stream: a run has ended."""

    KIND: ClassVar[str] = "run_over"
    run: int
    status: str


@dataclass(frozen=True, slots=True)
class Arrive:
    """To a key stream: an event was accepted.

    `takers` are pairs [saga, key of the saga] that it has started: those took it already.
    """

    KIND: ClassVar[str] = "arrive"
    tenant: str
    key: str
    event: Json
    ttl_us: int
    takers: Json = None


@dataclass(frozen=True, slots=True)
class Subscribe:
    """To a key stream: what a commitment now waits for, no longer waits for, and has taken.

    `opened` is {path: {"types": [...], "transient": bool}}, `closed` a list of paths, `taken`
    positions of this key stream, `again` the types that its saga starts on, when it has ended.
    """

    KIND: ClassVar[str] = "subscribe"
    tenant: str
    key: str
    commitment: str
    saga: str
    saga_key: str
    opened: Json = None
    closed: Json = None
    taken: Json = None
    ended: bool = False
    again: Json = None


@dataclass(frozen=True, slots=True)
class Leftover:
    """To a saga-key stream: its commitment ended and left this event, which may start anew.

    `key` and `position` say where it is kept. `start` is what it means, worked out on arrival.
    """

    KIND: ClassVar[str] = "leftover"
    tenant: str
    saga: str
    saga_key: str
    commitment: str
    key: str
    position: int
    event: Json
    start: Start | None = None


@dataclass(frozen=True, slots=True)
class Acquire:
    """To the stream of a lock: a node wants it; `undo`: to undo what was done under it."""

    KIND: ClassVar[str] = "acquire"
    tenant: str
    lock: str
    commitment: str
    node: str
    ask: int
    undo: bool = False
    permits: int | None = None


@dataclass(frozen=True, slots=True)
class Release:
    """To the stream of a lock: a node gives it back, or no longer waits for it."""

    KIND: ClassVar[str] = "release"
    commitment: str
    node: str
    ask: int


@dataclass(frozen=True, slots=True)
class Granted:
    """To a commitment: it holds the lock. `ask` is the version at which it asked."""

    KIND: ClassVar[str] = "granted"
    node: str
    ask: int
    fence: int


@dataclass(frozen=True, slots=True)
class NotGranted:
    """To a commitment: too many wait for the lock."""

    KIND: ClassVar[str] = "not_granted"
    node: str
    ask: int


Message = (
    Open | Offer | Started | Answered | Lost | NotStarted | Withdrawn | Wake | Decide | TaskAct
    | Update
    | Control
    | Start | RunOver | Arrive | Subscribe | Recall | Leftover | ChildStarted | ChildOver
    | Revoke | Waive | ChildRevoked
    | Acquire | Release | Granted | NotGranted
    | TakeTurn | DropTurn | YourTurn | NoTurn
)  # fmt: skip

_KINDS: dict[str, Any] = {
    c.KIND: c
    for c in (
        Open, Offer, Started, Answered, Lost, NotStarted, Withdrawn, Wake, Decide, TaskAct, Update,
        Control,
        Start, RunOver, Arrive, Subscribe, Recall, Leftover, ChildStarted, ChildOver,
        Revoke, Waive, ChildRevoked,
        Acquire, Release, Granted, NotGranted,
        TakeTurn, DropTurn, YourTurn, NoTurn,
    )
}  # fmt: skip


def to_body(message: Message) -> dict[str, Any]:
    """The message as a JSON object without members that are None."""
    values: dict[str, Any] = {f.name: getattr(message, f.name) for f in fields(message)}
    if isinstance(message, (Decide, TaskAct)):
        values["seats"] = list(message.seats)
    return {name: value for name, value in values.items() if value is not None}


def message_of(kind: str, body: dict[str, Any]) -> Message:
    """The message of a stored kind and body; an Unread where it is of a later release.

    Whoever takes mail out of the store looks for that before it is decided on.
    """
    try:
        return from_body(kind, body)
    except (KeyError, TypeError):
        return cast("Message", Unread(kind))


def from_body(kind: str, body: dict[str, Any]) -> Message:
    """The message of a stored kind and body.

    Raises KeyError for a kind of a later release, TypeError for a member of one.
    """
    cls = _KINDS[kind]
    values: dict[str, Any] = {f.name: None for f in fields(cls) if f.default is MISSING}
    values |= body
    if kind in (Decide.KIND, TaskAct.KIND):
        values["seats"] = tuple(body.get("seats", ()))
    return cls(**values)


@quick
@dataclass(frozen=True, slots=True)
class Mail:
    """A message on its way to a stream. `root` is the receipt it descends from (0: a timer)."""

    stream: UUID
    tenant: str
    message: Message
    ctx: Ctx
    accepted_us: int
    root: int = 0
