"""The rows that are written with the events: current step, approvals and debts of one commitment.

Folded from the commitment alone, so that a rebuild gives equal rows; no clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from domain import events as ev
from domain.commitment import Commitment
from domain.durations import duration_text
from domain.events import Event
from domain.evolve import in_flight
from domain.ports import ViewRow
from domain.seats import missing_seats
from domain.state import (
    HOURS,
    ITS_TURN,
    TURN,
    Asked,
    Child,
    Debt,
    Effect,
    Instance,
    template_of,
)
from projections.tasks import Forms, task_rows, tasks_in
from projections.times import iso

__all__ = ["TRAIL_MAX", "Shape", "current_step", "rows"]

Json = Any
# The row shows where it is; the whole way is the audit trail.
TRAIL_MAX = 50


class Shape(Forms, Protocol):
    """What a view needs of a definition: document order, and what a step is."""

    order: dict[str, int]

    def action_at(self, path: str) -> dict[str, Json]: ...


def rows(
    shape: Shape, before: Commitment | None, after: Commitment,
    events: Sequence[Event], *, position: int, lane: int,
) -> list[ViewRow]:  # fmt: skip
    """The view rows of a commitment after `events`, the last of which has `position`."""
    body = current_step(shape, after)
    found = [
        ViewRow(
            "current_steps", {"commitment": after.id.bytes},
            {
                "tenant": after.tenant, "saga": after.saga, "key": after.key, "run": after.run,
                "status": body["status"], "step": body["step"], "version": after.version,
                "lane": lane, "position": position, "since_us": after.clock_us, "body": body,
            },
        )
    ]  # fmt: skip
    if any(isinstance(event, _OPENING) for event in events) or _has_open_items(before):
        found += _open_items(shape, before, events)
    return found


_OPENING = (ev.ApprovalAsked, ev.DebtOpened, ev.TaskOffered)


def _has_open_items(c: Commitment | None) -> bool:
    return c is not None and (bool(c.debts) or any(i.asked or i.task for i in c.nodes.values()))


def _open_items(shape: Shape, before: Commitment | None, events: Sequence[Event]) -> list[ViewRow]:
    """The rows of approvals, tasks and debts, folded event by event.

    So they are the same however the events were grouped into messages: a rebuild from the stream
    alone gives equal rows.
    """
    state = None if before is None else before.fork()
    found: dict[tuple[str, str], ViewRow] = {}
    for event in events:
        asked, debts = _asked_in(state), dict(state.debts) if state is not None else {}
        tasks = tasks_in(state)
        state = event.mutate(state)
        assert isinstance(state, Commitment)
        for row in (
            *_approval_rows(shape, asked, state, event),
            *_debt_rows(debts, state),
            *task_rows(shape, tasks, state, event),
        ):
            found[row.table, row.key["id"]] = row
    return list(found.values())


# --- current step ----------------------------------------------------------------------------


def current_step(shape: Shape, c: Commitment) -> dict[str, Any]:
    """The current step as docs/format.md section 9 shows it, without its position."""
    waits = _waits(shape, c)
    steps = list(dict.fromkeys(w["node"] for w in waits if w["node"]))
    ended = c.ended or {}
    return {
        "id": str(c.id), "saga": c.saga, "saga_version": c.saga_version,
        "definition": c.definition, "tenant": c.tenant, "key": c.key, "run": c.run,
        "status": c.status, "step": steps[0] if steps else "", "steps": steps,
        "since": iso(c.clock_us), "version": c.version, "events_taken": c.events_taken,
        "started_at": iso(c.started_us),
        "ended_at": iso(ended.get("at_us")),
        "next_wakeup": iso(min(c.timers.values(), default=None)),
        "result": ended.get("result"), "error": ended.get("error") or _error(c),
        "waits_for": waits, "nodes": _nodes(c), "undo": _undo(c), "debts": sorted(c.debts),
        "approvals": [i.asked.approval for i in c.nodes.values() if i.asked and not i.branch],
    }  # fmt: skip


def _error(c: Commitment) -> Json:
    if c.held is not None:
        return c.held["error"]
    for undoing in c.undoing.values():
        return undoing.cause.get("error")
    return None


def _undo(c: Commitment) -> list[str]:
    """What a cancel would undo now, the newest first."""
    return [p for p, _ in sorted(c.entries.items(), key=lambda item: -item[1].seq)]


def _nodes(c: Commitment) -> list[Json]:
    trail = list(c.trail.items())[-TRAIL_MAX:]
    return [
        {"node": path, "state": t.state, "at": iso(t.at_us), "took_s": t.took_us / 1_000_000}
        | ({"attempt": t.attempt} if t.attempt else {})
        for path, t in trail
    ]  # fmt: skip


def _waits(shape: Shape, c: Commitment) -> list[Json]:
    if c.is_over:
        return [_debt(c, d) for d in sorted(c.debts)]
    found: list[tuple[int, Json]] = []
    order = shape.order
    for path, instance in c.nodes.items():
        wait = _wait_of(c, path, instance)
        if wait is not None:
            found.append((order.get(template_of(path), 0), wait))
    for effect in c.effects.values():
        if effect.kind == "undo" and in_flight(effect):
            wait = _effect_wait(c, effect.node, effect)
            found.append((order.get(template_of(effect.node), 0), wait))
    for path, entry in c.entries.items():
        if entry.child is not None and entry.state == "undoing":
            wait = _wait(path, "child", f"undo: {entry.child[:8]}, which undoes itself", None)
            found.append((order.get(template_of(path), 0), wait))
    for path, hold in c.locks.items():
        if hold.undo and hold.fence is None:
            wait = _wait(path, "lock", f"undo: lock {hold.lock}, held by another", None)
            found.append((order.get(template_of(path), 0), wait))
    for path, child in c.children.items():
        if path not in c.nodes:  # its node has failed, and its part waits for it
            wait = _wait(path, "child", _child(child), None)
            found.append((order.get(template_of(path), 0), wait))
    for debt in c.debts:
        found.append((len(order), _debt(c, debt)))
    return [wait for _, wait in sorted(found, key=lambda item: item[0])]


def _wait(node: str, kind: str, detail: str, until_us: int | None) -> Json:
    return {"node": node, "kind": kind, "detail": detail, "until": iso(until_us)}


def _wait_of(c: Commitment, path: str, instance: Instance) -> Json:
    until_us = c.timers.get(f"{path}:within")
    if instance.asked is not None and instance.branch is None:
        return _wait(path, "approval", _wanted(instance.asked), until_us)
    if instance.kind == "wait":
        sub = c.subs.get(path)
        detail = f"{', '.join(sub.types)}, key {sub.key}" if sub else "an event"
        return _wait(path, "event", detail, until_us)
    if instance.task is not None:
        task = instance.task
        who = f"{task.by} has it" if task.by else f"open for {' or '.join(task.roles)}"
        return _wait(path, "task", who, until_us)
    if instance.kind == "await":
        return _wait(path, "condition", "its condition to hold", until_us)
    if instance.kind == "sleep":
        return _wait(path, "timer", "sleeps", c.timers.get(f"{path}:sleep"))
    if f"{path}:hours" in c.timers or instance.branch == HOURS:
        return _wait(path, "hours", "office hours", c.timers.get(f"{path}:hours"))
    if path in c.places or instance.branch == TURN:
        where = f" in throttle {c.places[path].throttle}" if path in c.places else ""
        return _wait(path, "throttle", f"its turn{where}", until_us)
    if instance.kind == "step" and instance.effect in c.effects:
        return _effect_wait(c, path, c.effects[instance.effect])
    if instance.branch == ITS_TURN:
        return _wait(path, "turn", "its turn, behind other steps of its parallel", until_us)
    if instance.branch == "locking" and path in c.locks:
        return _wait(path, "lock", f"lock {c.locks[path].lock}, held by another", until_us)
    if instance.kind == "child" and path in c.children:
        return _wait(path, "child", _child(c.children[path]), until_us)
    if instance.branch == "open" and not any(p.startswith(f"{path}[") for p in c.nodes):
        return _wait(path, "items", "the list is open and takes more", until_us)
    if instance.branch == "resting":
        return _wait(path, "timer", "the next round", c.timers.get(f"{path}:round"))
    return None


def _wanted(asked: Asked) -> str:
    """The level, the seats that are free, and who was called because nobody took them."""
    called = f"; escalated to {', '.join(asked.escalated)}" if asked.escalated else ""
    return f"{asked.level}: {', '.join(missing_seats(asked))}{called}"


def _child(child: Child) -> str:
    where = f"{child.saga}/{child.key}" + (f"#{child.run}" if child.run is not None else "")
    if child.stop:
        return f"{where} is cancelled"
    return where if child.run is not None else f"{where} begins"


def _effect_wait(c: Commitment, path: str, effect: Effect) -> Json:
    undo = "undo: " if effect.kind == "undo" else ""
    if effect.state == "backoff":
        timer = "undo_retry" if effect.kind == "undo" else "retry"
        message = (effect.error or {}).get("message", "")
        detail = f"{undo}attempt {effect.attempt + 1} after: {message}"
        return _wait(path, "retry", detail, c.timers.get(f"{path}:{timer}"))
    if effect.state == "unknown":
        who = "a person says whether it happened" if effect.next == "ask" else "a probe"
        return _wait(path, "unknown", who, None)
    state = "runs" if effect.state == "started" else f"attempt {effect.attempt}"
    return _wait(path, "participant", f"{undo}{effect.participant}, {state}", effect.start_by_us)


def _debt(c: Commitment, number: str) -> Json:
    debt = c.debts[number]
    text = f"{number}: {debt.kind}, {debt.error['message']}"
    return _wait(debt.node, "debt", text, debt.due_us)


# --- approvals and debts ---------------------------------------------------------------------


def _asked_in(c: Commitment | None) -> dict[str, tuple[str, Instance]]:
    """The approvals a commitment has, by their id, with node and instance."""
    if c is None:
        return {}
    return {i.asked.approval: (p, i) for p, i in c.nodes.items() if i.asked is not None}


def _approval_rows(
    shape: Shape, old: dict[str, tuple[str, Instance]], after: Commitment, event: Event
) -> list[ViewRow]:
    """A row for each approval that an event changed; one that closed keeps what it asked for."""
    new = _asked_in(after)
    found: list[ViewRow] = []
    for number in old | new:
        path, instance = new.get(number) or old[number]
        closed_before = number not in new and instance.branch is not None
        if closed_before or old.get(number) == new.get(number):
            continue
        is_open = number in new and instance.branch is None
        status = "open" if is_open else _HOW_CLOSED.get(type(event), "withdrawn")
        body = _approval_body(shape, after, number, path, instance)
        body |= {"status": status, "decision": getattr(event, "decision", None)}
        columns = {
            "tenant": after.tenant, "commitment": after.id.bytes, "status": status,
            "asked_us": instance.since_us, "version": after.version, "body": body,
        }  # fmt: skip
        found.append(ViewRow("approvals", {"id": number}, columns))
    return found


_HOW_CLOSED: dict[type[Event], str] = {
    ev.ApprovalGranted: "granted", ev.ApprovalRejected: "rejected",
}  # fmt: skip


def _approval_body(
    shape: Shape, c: Commitment, number: str, path: str, instance: Instance
) -> dict[str, Any]:
    asked = instance.asked
    assert asked is not None
    return {
        "id": number, "commitment": str(c.id), "saga": c.saga, "key": c.key, "run": c.run,
        "tenant": c.tenant, "node": path, "level": asked.level, "digest": asked.digest,
        "covers": [_covered(shape, p, asked) for p in asked.digests],
        "subject": asked.subject if asked.payload is None else asked.payload,
        "evidence": asked.evidence, "seats": dict(asked.seats), "missing": missing_seats(asked),
        "escalated": list(asked.escalated),
        "asked_at": iso(instance.since_us), "due": iso(asked.due_us), "asked": asked.asked,
        "valid": duration_text(asked.valid_us) if asked.valid_us else None,
    }  # fmt: skip


def _covered(shape: Shape, path: str, asked: Asked) -> Json:
    return shape.action_at(path) | {
        "node": path, "args": asked.args.get(path), "digest": asked.digests[path],
    }  # fmt: skip


def _debt_rows(old: dict[str, Debt], after: Commitment) -> list[ViewRow]:
    found: list[ViewRow] = []
    for number, debt in after.debts.items():
        if old.get(number) != debt:
            found.append(_debt_row(after, number, debt, "open"))
    for number, debt in old.items():
        if number not in after.debts:
            found.append(_debt_row(after, number, debt, "settled"))
    return found


def _debt_row(c: Commitment, number: str, debt: Debt, status: str) -> ViewRow:
    body = {
        "id": number, "commitment": str(c.id), "saga": c.saga, "key": c.key, "run": c.run,
        "tenant": c.tenant, "node": debt.node, "kind": debt.kind, "error": debt.error,
        "owner": debt.owner, "opened": iso(debt.opened_us), "due": iso(debt.due_us),
        "status": status,
    }  # fmt: skip
    columns = {
        "tenant": c.tenant, "commitment": c.id.bytes, "status": status,
        "opened_us": debt.opened_us, "version": c.version, "body": body,
    }  # fmt: skip
    return ViewRow("debts", {"id": number}, columns)
