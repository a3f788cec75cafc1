"""The mail between parents and children, derived from the events of a decide."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

from domain import events as ev
from domain.commitment import Commitment
from domain.events import Event
from domain.ids import saga_key_id, start_digest
from domain.messages import ChildOver, Control, Message, Recall, Start

__all__ = ["child_mail"]

Json = Any
Posted = tuple[UUID, Message]


def child_mail(c: Commitment, event: Event) -> Iterator[Posted]:
    """What an event says to a child, or to the parent of this commitment."""
    match event:
        case ev.ChildAsked():
            yield _start(c, event)
        case ev.ChildStopAsked():
            for node in event.nodes:
                yield from _stop(c, node)
        case ev.ChildOpened() if (child := c.children.get(event.node)) is not None and child.stop:
            yield _cancel(c, event.child)  # it was to stop before anybody knew where it runs
        case ev.CommitmentEnded() if c.parent is not None and c.parent["wait"]:
            yield _outcome(c, event)
        case _:
            pass


def _start(c: Commitment, event: ev.ChildAsked) -> Posted:
    parent = {
        "id": str(c.id), "node": event.node, "ask": event.originator_version,
        "depth": event.depth, "wait": event.wait,
    }  # fmt: skip
    start = Start(
        c.tenant, event.saga, event.version or 0, "", event.key, event.input,
        start_digest(event.saga, None, event.input), parent=parent,
    )  # fmt: skip
    return saga_key_id(c.tenant, event.saga, event.key), start


def _stop(c: Commitment, node: str) -> Iterator[Posted]:
    child = c.children.get(node)
    if child is None:
        return
    if child.id is not None:
        yield _cancel(c, child.id)
    else:
        yield saga_key_id(c.tenant, child.saga, child.key), Recall(str(c.id), node, child.ask)


def _cancel(c: Commitment, child: str) -> Posted:
    by = f"{c.saga}/{c.key}"
    return UUID(child), Control("cancel", by, f"{by} stops")


def _outcome(c: Commitment, event: ev.CommitmentEnded) -> Posted:
    parent: dict[str, Json] = c.parent
    over = ChildOver(
        parent["node"], parent["ask"], event.status, str(c.id), event.result, event.error
    )
    return UUID(parent["id"]), over
