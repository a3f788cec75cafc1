"""Events of what is neither a step nor an event: awaited conditions, and work for people."""

from __future__ import annotations

from typing import Any, ClassVar

from domain.events.base import Event

Json = Any


class AwaitOpened(Event):
    """A node rests until its condition holds; it is read after every move."""

    TOPIC: ClassVar[str] = "await.opened"
    node: str
    due_us: int | None = None


class TaskOffered(Event):
    """Work for a person. `timers`: when it is over, and when others are called too, by name."""

    TOPIC: ClassVar[str] = "task.offered"
    node: str
    task: str
    roles: Json
    lease_us: int
    subject: Json = None
    not_by: Json = None
    due_us: int | None = None
    timers: Json = None


class TaskClaimed(Event):
    """A person took it, until the lease ends; the same person again makes the lease longer."""

    TOPIC: ClassVar[str] = "task.claimed"
    node: str
    task: str
    by: str
    lease_until_us: int


class TaskReleased(Event):
    """It is offered to all again: given back (`reason` is given_back), or the lease ended."""

    TOPIC: ClassVar[str] = "task.released"
    node: str
    task: str
    by: str
    reason: str


class TaskEscalated(Event):
    """Nobody has done it so far: others may claim it too."""

    TOPIC: ClassVar[str] = "task.escalated"
    node: str
    task: str
    to: str


class TaskDone(Event):
    """A person did it. `value` is what the node yields: by, at and payload."""

    TOPIC: ClassVar[str] = "task.done"
    node: str
    task: str
    value: Json


class TimerMoved(Event):
    """A running timer (`path:kind`) has another due time."""

    TOPIC: ClassVar[str] = "timer.moved"
    node: str
    timer: str
    due_us: int


class UpdateAccepted(Event):
    """A client changed something: all at once. `update` is the id under which it asked.

    `moves` are due times by timer, `adds` is {node, items, close} of an open list, `run` the run of
    its flow.
    """

    TOPIC: ClassVar[str] = "update.accepted"
    node: str
    update: str
    by: str
    args: Json = None
    values: Json = None
    moves: Json = None
    adds: Json = None
    run: str | None = None
