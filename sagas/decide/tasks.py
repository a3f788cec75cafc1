"""task: human work. Offered to roles, claimed with a lease, done with a payload (section 3)."""

from __future__ import annotations

from domain import events as ev
from domain import messages as msg
from domain.durations import duration_us
from domain.ids import task_id
from domain.state import Task
from sagas import defaults
from sagas.decide import approvals, escalation, failures, flow, given, stopping
from sagas.decide.machine import Machine, error_of
from sagas.definition import Node

__all__ = ["act", "enter_task", "expire_task", "lease_over"]

_Refusal = tuple[str, str] | None


def enter_task(m: Machine, path: str, node: Node) -> None:
    """Offer the work to everybody of its roles."""
    doc = node.doc
    subject = m.value(node.x["subject"], path) if "subject" in node.x else None
    timers: dict[str, int] = {}
    if node.within_us is not None:
        timers["within"] = flow.due_after(m, path, node.within_us)
    timers |= escalation.timers_of(m, path, node)
    m.emit(
        ev.TaskOffered, node=path, task=task_id(m.c.id, path), roles=list(doc["roles"]),
        lease_us=duration_us(doc.get("claim_lease", defaults.CLAIM_LEASE)),
        subject=flow.bounded(path, subject), not_by=approvals.not_by(m, path, node) or None,
        due_us=timers.get("within"), timers=timers or None,
    )  # fmt: skip


def act(m: Machine, message: msg.TaskAct) -> None:
    """What a person does with a task. What is wrong with it is answered, and changes nothing."""
    found = _find(m, message.task)
    if found is None:
        refusal: _Refusal = ("task.closed", "this task is not open")
    else:
        refusal = _refuse(message, found[1]) or _ACTIONS[message.action](m, message, *found)
    if refusal is not None:
        m.outcome = {"code": refusal[0], "detail": refusal[1]}


def _find(m: Machine, number: str) -> tuple[str, Task] | None:
    for path, instance in m.c.nodes.items():
        if instance.task is not None and instance.task.id == number:
            return path, instance.task
    return None


def _refuse(message: msg.TaskAct, task: Task) -> _Refusal:
    if message.actor_type != "human":
        return "task.actor", f"actor type {message.actor_type} may not do it"
    if message.by in task.not_by:
        return "decision.not_by", "who decided before may not do this"
    if not set(task.roles).intersection(message.seats):
        return "task.role", f"wanted: {' or '.join(task.roles)}"
    return None


def _claim(m: Machine, message: msg.TaskAct, path: str, task: Task) -> _Refusal:
    if task.by not in (None, message.by):
        return "task.claimed", f"{task.by} has it"
    until_us = flow.due_after(m, path, task.lease_us)
    m.emit(ev.TaskClaimed, node=path, task=task.id, by=message.by, lease_until_us=until_us)
    m.outcome = {"status": "claimed", "until": flow.rfc3339(until_us)}
    return None


def _release(m: Machine, message: msg.TaskAct, path: str, task: Task) -> _Refusal:
    if task.by != message.by:
        return "task.not_yours", "you do not have it"
    m.emit(ev.TaskReleased, node=path, task=task.id, by=message.by, reason="given_back")
    m.outcome = {"status": "offered"}
    return None


def _complete(m: Machine, message: msg.TaskAct, path: str, task: Task) -> _Refusal:
    if task.by != message.by:
        return "task.not_yours", "claim it first"
    problem = flow.too_large(message.payload)
    form = m.node(path).doc.get("form")
    problems = [problem] if problem is not None else []
    if not problems and form is not None:
        problems = m.d.validator_of(form).check(message.payload, "payload")
    filler = m.node(path).filler
    if not problems and (problem := given.problem(filler, message.payload)) is not None:
        problems = [problem]
    if problems:
        return "task.payload", "; ".join(problems)
    payload = given.complete(path, filler, message.payload)
    value = {"by": message.by, "at": flow.rfc3339(m.now_us), "payload": payload}
    m.emit(ev.TaskDone, node=path, task=task.id, value=value)
    m.outcome = {"status": "done"}
    flow.done(m, path, m.node(path))
    return None


_ACTIONS = {"claim": _claim, "release": _release, "complete": _complete}


# --- time ------------------------------------------------------------------------------------


def lease_over(m: Machine, path: str) -> None:
    """Who claimed it has not done it in time: it is offered to all again."""
    task = m.c.nodes[path].task
    assert task is not None, path
    assert task.by is not None, path
    m.emit(ev.TaskReleased, node=path, task=task.id, by=task.by, reason="lease")


def expire_task(m: Machine, path: str, node: Node) -> None:
    """`within` is over."""
    if node.on_expiry == "continue":
        stopping.request_stop(m, path, {"kind": "expired"})
    else:
        failures.fail(m, path, error_of("timeout", node.name, "nobody did it in time", path))
