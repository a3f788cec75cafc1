"""Events of a commitment about its children (docs/format.md section 4)."""

from __future__ import annotations

from typing import Any, ClassVar

from domain.events.base import Event

Json = Any


class ChildAsked(Event):
    """A child is to be started. `version` is None for the latest, chosen where it starts.

    `revoke`: to undo it, it is asked to undo itself.
    """

    TOPIC: ClassVar[str] = "child.asked"
    node: str
    saga: str
    key: str
    input: Json = None
    version: int | None = None
    wait: bool = True
    leave: bool = False
    depth: int = 1
    due_us: int | None = None
    revoke: bool = False


class ChildOpened(Event):
    """The child runs. `done`: its end is not awaited; `undo` is then the entry that undoes it."""

    TOPIC: ClassVar[str] = "child.opened"
    node: str
    child: str
    run: int
    saga_version: int
    done: bool = False
    undo: Json = None


class ChildStopAsked(Event):
    """Children whose parent stops: each is cancelled, or withdrawn if it does not run yet."""

    TOPIC: ClassVar[str] = "child.stop_asked"
    nodes: Json


class ChildLeft(Event):
    """Children that go on by themselves though their part of the parent stops."""

    TOPIC: ClassVar[str] = "child.left"
    nodes: Json


class ChildEnded(Event):
    """The outcome of a child. `status` is how it ended, conflict, or refused (it never ran)."""

    TOPIC: ClassVar[str] = "child.ended"
    node: str
    status: str
    child: str | None = None
    result: Json = None
    error: Json = None
    undo: Json = None


class ChildRevokeAsked(Event):
    """A child is asked to undo itself, for its parent does."""

    TOPIC: ClassVar[str] = "child.revoke_asked"
    node: str
    child: str
    why: Json


class ChildRevokeEnded(Event):
    """What came of it. `status` is revoked, refused (it cannot be undone) or late (not in time)."""

    TOPIC: ClassVar[str] = "child.revoke_ended"
    node: str
    child: str
    status: str
    error: Json = None


# --- of the child ------------------------------------------------------------------------------


class RevokeAsked(Event):
    """The parent undoes itself. A fulfilled child opens again; `answer` where nothing is to do."""

    TOPIC: ClassVar[str] = "commitment.revoke_asked"
    parent: str
    node: str
    why: Json
    answer: str | None = None
    error: Json = None


class RevokeWaived(Event):
    """The parent is final: it will not be revoked, and what undid it may be forgotten."""

    TOPIC: ClassVar[str] = "commitment.revoke_waived"
    parent: str
