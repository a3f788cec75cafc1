"""Events of a scope that is undone by a flow of its own (docs/format.md section 4)."""

from __future__ import annotations

from typing import Any, ClassVar

from domain.events.base import Event

__all__ = ["UndoFlowBegun", "UndoFlowEnded", "UndoReplaced"]

Json = Any


class UndoReplaced(Event):
    """A scope is done: its undo_flow stands for all that was to be undone in it."""

    TOPIC: ClassVar[str] = "undo.replaced"
    node: str
    undo: Json


class UndoFlowBegun(Event):
    """The undo_flow of a scope runs, as a run of its own."""

    TOPIC: ClassVar[str] = "undo.flow_begun"
    node: str
    run: str
    why: Json


class UndoFlowEnded(Event):
    """It is over; with an `error` the scope is not undone. `nodes` were open in it still."""

    TOPIC: ClassVar[str] = "undo.flow_ended"
    node: str
    run: str
    error: Json = None
    nodes: Json = None
