"""The saga-key stream: where all starts of one saga and key meet.

It counts the runs, applies the definition's policy for double starts and opens each run: the
commitment's id derives from tenant, saga, key and run, so a run is opened once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from domain.events import (
    Ctx,
    RunEnded,
    RunOpened,
    SagaKeyOpened,
    StartHeld,
    StartQueued,
    StartRecalled,
    StartRefused,
)
from domain.ids import commitment_id, key_id
from domain.messages import (
    Arrive,
    ChildOver,
    Control,
    Leftover,
    Message,
    Open,
    Recall,
    RunOver,
    Start,
    Subscribe,
    from_body,
    to_body,
)
from domain.saga_key_state import DoubleStart, Run, SagaKey, SagaKeySnapshot, is_of
from domain.streams import Decided, Draft

__all__ = [
    "QUEUE_MAX",
    "DoubleStart",
    "Run",
    "SagaKey",
    "SagaKeySnapshot",
    "decide",
    "refuse_child",
    "takes",
]

Json = Any
QUEUE_MAX = 1_000
"""Starts of one saga and key that wait for their turn (double_start.running: queue)."""

_CONFLICTS = frozenset({"start.conflict", "start.queue_full"})
_MAY_FOLLOW_FAILURE = frozenset({"failed", "compensated", "cancelled"})


def decide(
    state: SagaKey | None,
    message: Message,
    *,
    stream: UUID,
    now_us: int,
    ctx: Ctx,
    policy: DoubleStart,
) -> Decided[SagaKey | None]:
    """What a message does to the saga-key stream; `policy` is that of the start's definition.

    The outcome of a start is {"id", "run", "created"}, with "code" start.replaced where it waits
    for the running one to be cancelled, start.queued where it waits for its turn, and
    start.delivered where its event goes to the running one; or a refusal: start.conflict,
    start.queue_full. The start of a child is answered to its parent.
    """
    draft = _Draft(state, stream, now_us, ctx)
    match message:
        case Start(onward=None):
            return _start(draft, message, policy)
        case Start():
            decided = _start(draft, replace(message, onward=None), policy)
            return replace(decided, mail=[*decided.mail, *_onward(message, decided.outcome)])
        case RunOver():
            return _run_over(draft, message)
        case Leftover(start=Start() as start):
            return _left_over(_start(draft, start, policy), message)
        case Recall():
            return _recall(draft, message)
        case _:
            return Decided((), state)


class _Draft(Draft[SagaKey]):
    """With what the decisions on starts have in common."""

    def opened(self, start: Start) -> SagaKey:
        """The state; a stream without events is opened first."""
        return self.opened_as(
            SagaKey, SagaKeyOpened, tenant=start.tenant, saga=start.saga, key=start.key
        )

    def open_run(self, start: Start, queued: int | None = None) -> dict[str, Any]:
        """Open the next run, or the one whose number was queued, and send it its start."""
        run = queued or self.opened(start).runs + 1
        commitment = commitment_id(start.tenant, start.saga, start.key, run)
        self.add(
            RunOpened, run=run, commitment=str(commitment), definition=start.definition,
            saga_version=start.saga_version, input_digest=start.digest,
        )  # fmt: skip
        opening = Open(
            start.tenant, start.saga, start.saga_version, start.definition, start.key, run,
            start.input, _origin(start.event, self.ctx), start.parent,
        )  # fmt: skip
        self.mail.append((commitment, opening))
        return {"id": str(commitment), "run": run, "created": True}

    def refuse(self, start: Start, code: str, detail: str) -> dict[str, Any]:
        """A start by an event is acknowledged before it is decided, so its refusal is recorded.

        That of a child is answered to its parent.
        """
        if start.event is not None or start.parent is not None:
            self.opened(start)
            origin = _origin(start.event, self.ctx)
            told = origin if start.parent is None else {**origin, "parent": start.parent}
            self.add(StartRefused, code=code, start=told)
        if start.parent is not None:
            status = "conflict" if code in _CONFLICTS else "refused"
            self.tell(start.parent, status, {"code": code, "message": detail})
        return {"code": code, "detail": detail}

    def tell(self, parent: Json, status: str, error: Json = None) -> None:
        """Answer a parent whose child does not begin."""
        over = ChildOver(parent["node"], parent["ask"], status, error=error)
        self.mail.append((UUID(parent["id"]), over))


def _start(draft: _Draft, start: Start, policy: DoubleStart) -> Decided[SagaKey | None]:
    state = draft.state
    if state is None or state.latest is None:
        return draft.decided(draft.open_run(start))
    latest = state.latest
    if latest.status is not None:
        allowed = policy.finished == "allow" or (
            policy.finished == "after_failure" and latest.status in _MAY_FOLLOW_FAILURE
        )
        if allowed:
            return draft.decided(draft.open_run(start))
        detail = f"run {latest.run} of {start.saga}/{start.key} ended {latest.status}"
        return draft.decided(draft.refuse(start, "start.conflict", detail))
    match policy.running:
        case "return" if latest.input_digest == start.digest and start.parent is None:
            return draft.decided({"id": latest.commitment, "run": latest.run, "created": False})
        case "return":
            detail = f"run {latest.run} of {start.saga}/{start.key} runs with another input"
        case "replace":
            return draft.decided(_replace(draft, latest, start))
        case "queue":
            return draft.decided(_queue(draft, latest, start))
        case "deliver" if start.event is not None:
            # The event goes on to the stream of its key, where the running one may take it.
            delivered = {"id": latest.commitment, "run": latest.run, "created": False}
            return draft.decided({**delivered, "code": "start.delivered"})
        case _:
            detail = f"run {latest.run} of {start.saga}/{start.key} is running"
    return draft.decided(draft.refuse(start, "start.conflict", detail))


def takes(outcome: Json) -> bool:
    """Whether a start with this outcome began a run, or will: its event is taken by then."""
    if outcome is None:
        return False
    return bool(outcome.get("created")) or outcome.get("code") == "start.queued"


def _onward(start: Start, outcome: Json) -> list[tuple[UUID, Message]]:
    """Where an event goes after this start: to the next one, or to the stream of its key."""
    onward = start.onward
    takers = [*onward["takers"]]
    if takes(outcome):
        takers.append([start.saga, start.key])
    if onward["starts"]:
        (stream, body), *rest = onward["starts"]
        following = from_body(Start.KIND, body)
        assert isinstance(following, Start)
        more = {**onward, "starts": rest, "takers": takers}
        return [(UUID(stream), replace(following, onward=more))]
    if onward["home"] is None:
        return []
    return [(UUID(onward["home"]), Arrive(**onward["arrive"], takers=takers or None))]


def _replace(draft: _Draft, running: Run, start: Start) -> dict[str, Any]:
    """Cancel the running commitment; the start waits here until it has ended."""
    state = draft.opened(start)
    if state.queue or (
        state.held is not None and (start.parent or state.held["digest"] != start.digest)
    ):
        detail = f"another start of {start.saga}/{start.key} waits already"
        return draft.refuse(start, "start.queue_full", detail)
    run = running.run + 1
    if state.held is None:
        draft.add(StartHeld, run=run, start=to_body(start))
        control = Control("cancel", draft.ctx["actor"] or "", "replaced by a new start")
        draft.mail.append((UUID(running.commitment), control))
    commitment = commitment_id(start.tenant, start.saga, start.key, run)
    return {"id": str(commitment), "run": run, "created": False, "code": "start.replaced"}


def _queue(draft: _Draft, running: Run, start: Start) -> dict[str, Any]:
    """The start waits until every run before it has ended."""
    state = draft.opened(start)
    if len(state.queue) >= QUEUE_MAX:
        detail = f"{QUEUE_MAX:,} starts of {start.saga}/{start.key} wait already"
        return draft.refuse(start, "start.queue_full", detail)
    # Its number is its own for good: the caller is told, though one before it may be recalled.
    run = 1 + (state.queue[-1]["run"] if state.queue else running.run + (state.held is not None))
    draft.add(StartQueued, run=run, start=to_body(start))
    commitment = commitment_id(start.tenant, start.saga, start.key, run)
    return {"id": str(commitment), "run": run, "created": False, "code": "start.queued"}


def _left_over(started: Decided[SagaKey | None], message: Leftover) -> Decided[SagaKey | None]:
    """An event that starts anew is taken: its key stream is told, for the run that had left it."""
    if not takes(started.outcome):
        return started
    taken = Subscribe(
        message.tenant, message.key, message.commitment, message.saga, message.saga_key,
        taken=[message.position], ended=True,
    )  # fmt: skip
    return replace(started, mail=[(key_id(message.tenant, message.key), taken), *started.mail])


def _recall(draft: _Draft, message: Recall) -> Decided[SagaKey | None]:
    """A child that has not begun is withdrawn; one that runs is cancelled by its parent itself."""
    state = draft.state
    if state is None or not any(is_of(s, message) for s in state.waiting):
        return Decided((), state)
    draft.add(StartRecalled, parent=message.parent, node=message.node, ask=message.ask)
    parent = {"id": message.parent, "node": message.node, "ask": message.ask}
    draft.tell(parent, "cancelled")
    return draft.decided()


def refuse_child(
    state: SagaKey | None, start: Start, code: str, detail: str, *,
    stream: UUID, now_us: int, ctx: Ctx,
) -> Decided[SagaKey | None]:  # fmt: skip
    """The start of a child that cannot be: its saga is not known, or its input does not fit."""
    draft = _Draft(state, stream, now_us, ctx)
    return draft.decided(draft.refuse(start, code, detail))


def _run_over(draft: _Draft, message: RunOver) -> Decided[SagaKey | None]:
    state = draft.state
    if state is None or state.running is None or state.running.run != message.run:
        return Decided((), state)
    draft.add(RunEnded, run=message.run, status=message.status)
    if state.waiting:
        run = state.queue[0]["run"] if state.held is None else None
        start = from_body(Start.KIND, state.waiting[0])
        assert isinstance(start, Start)
        draft.open_run(start, run)
    return draft.decided()


def _origin(event: Json, ctx: Ctx) -> Json:
    """What a commitment keeps of its start: whence, and what later messages correlate with.

    The data of an event went into the input.
    """
    known: dict[str, Any] = event or {}
    origin = {name: known[name] for name in ("id", "source", "type", "time") if name in known}
    return {**origin, "correlation": ctx.get("correlation")}
