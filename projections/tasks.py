"""The rows of tasks: what waits for a person, who has it, and what was done."""

from __future__ import annotations

from typing import Any, Protocol

from domain import events as ev
from domain.commitment import Commitment
from domain.events import Event
from domain.ports import ViewRow
from domain.state import Instance
from projections.times import iso

__all__ = ["Forms", "task_rows", "tasks_in"]

Json = Any
Tasks = dict[str, tuple[str, Instance]]


class Forms(Protocol):
    """What the view needs of a definition."""

    def form_at(self, path: str) -> Json: ...


def tasks_in(c: Commitment | None) -> Tasks:
    """The open tasks of a commitment by their id, with node and instance."""
    if c is None:
        return {}
    return {i.task.id: (p, i) for p, i in c.nodes.items() if i.task is not None}


def task_rows(forms: Forms, old: Tasks, after: Commitment, event: Event) -> list[ViewRow]:
    """A row for each task that an event changed; one that closed keeps what it asked for."""
    new = tasks_in(after)
    found: list[ViewRow] = []
    for number in old | new:
        if old.get(number) == new.get(number):
            continue
        path, instance = new.get(number) or old[number]
        task = instance.task
        assert task is not None, path
        if number in new:
            status = "claimed" if task.by else "offered"
        else:
            status = "done" if isinstance(event, ev.TaskDone) else "withdrawn"
        body = {
            "id": number, "commitment": str(after.id), "saga": after.saga, "key": after.key,
            "run": after.run, "tenant": after.tenant, "node": path, "status": status,
            "roles": list(task.roles), "escalated": list(task.escalated),
            "not_by": list(task.not_by), "subject": task.subject,
            "form": forms.form_at(path), "by": task.by, "lease_until": iso(task.lease_until_us),
            "offered_at": iso(instance.since_us), "due": iso(after.timers.get(f"{path}:within")),
            "done": getattr(event, "value", None) if status == "done" else None,
        }  # fmt: skip
        columns = {
            "tenant": after.tenant, "commitment": after.id.bytes, "status": status,
            "offered_us": instance.since_us, "version": after.version, "body": body,
        }  # fmt: skip
        found.append(ViewRow("tasks", {"id": number}, columns))
    return found
