"""The messages between a parent, its child, and the saga-key stream that starts the child."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

__all__ = ["ChildOver", "ChildRevoked", "ChildStarted", "Recall", "Revoke", "Waive"]

Json = Any


@dataclass(frozen=True, slots=True)
class Recall:
    """To a saga-key stream: a parent stops, and the child it asked for need not begin."""

    KIND: ClassVar[str] = "recall"
    parent: str
    node: str
    ask: int


@dataclass(frozen=True, slots=True)
class ChildStarted:
    """To a parent: its child runs. `ask` is the version at which the parent asked for it."""

    KIND: ClassVar[str] = "child_started"
    node: str
    ask: int
    id: str
    run: int
    saga_version: int


@dataclass(frozen=True, slots=True)
class ChildOver:
    """To a parent: how its child ended; conflict or refused if it never began."""

    KIND: ClassVar[str] = "child_over"
    node: str
    ask: int
    status: str
    id: str | None = None
    result: Json = None
    error: Json = None


@dataclass(frozen=True, slots=True)
class Revoke:
    """To a child: its parent undoes itself, and so must the child. `why` as in an undo."""

    KIND: ClassVar[str] = "revoke"
    parent: str
    node: str
    by: str
    why: Json


@dataclass(frozen=True, slots=True)
class Waive:
    """To a child: its parent is final, and will never revoke it."""

    # As it was called at first: mail is stored under this name, and sent to older engines.
    KIND: ClassVar[str] = "keep"
    parent: str


@dataclass(frozen=True, slots=True)
class ChildRevoked:
    """To a parent: its child is undone, or (`refused`, with why) it cannot be."""

    KIND: ClassVar[str] = "child_revoked"
    node: str
    id: str
    status: str
    error: Json = None
