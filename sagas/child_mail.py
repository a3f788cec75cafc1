"""The mail between parents and children, derived from the events of a decide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from domain import events as ev
from domain.commitment import Commitment
from domain.events import Event
from domain.ids import saga_key_id, start_digest
from domain.messages import (
    ChildOver,
    ChildRevoked,
    ChildStarted,
    Control,
    Message,
    Recall,
    Revoke,
    Start,
    Waive,
)

__all__ = ["TO_FAMILY", "child_mail", "waived"]

Json = Any
Posted = tuple[UUID, Message]
TO_FAMILY = frozenset({
    ev.CommitmentOpened, ev.ChildAsked, ev.ChildStopAsked, ev.ChildOpened, ev.ChildRevokeAsked,
    ev.RevokeAsked, ev.CommitmentEnded,
})  # fmt: skip
"""The events that may say something to a child or a parent."""


def child_mail(c: Commitment, event: Event) -> Iterator[Posted]:
    """What an event says to a child, or to the parent of this commitment."""
    match event:
        case ev.CommitmentOpened() if c.parent is not None:
            yield _started(c)
        case ev.ChildAsked():
            yield _start(c, event)
        case ev.ChildStopAsked():
            for node in event.nodes:
                yield from _stop(c, node)
        case ev.ChildOpened() if (child := c.children.get(event.node)) is not None and child.stop:
            yield _cancel(c, event.child)  # it was to stop before anybody knew where it runs
        case ev.ChildRevokeAsked():
            by = f"{c.saga}/{c.key}"
            yield UUID(event.child), Revoke(str(c.id), event.node, by, event.why)
        case ev.RevokeAsked() if event.answer is not None:
            yield _revoked(c, event.parent, event.node, event.answer, event.error)
        case ev.CommitmentEnded() if c.revoking is not None:
            yield _revoked(c, c.revoking["parent"], c.revoking["node"], "revoked", None)
        case ev.CommitmentEnded() if c.parent is not None and c.parent["wait"]:
            yield _outcome(c, event)
        case _:
            pass


def _started(c: Commitment) -> Posted:
    """Said by the child itself: what its parent then asks of it finds it there.

    Its saga-key stream knows earlier; but from another lane, read first, an answer of the parent
    would overtake the opening.
    """
    parent: dict[str, Json] = c.parent
    told = ChildStarted(parent["node"], parent["ask"], str(c.id), c.run, c.saga_version)
    return UUID(parent["id"]), told


def _start(c: Commitment, event: ev.ChildAsked) -> Posted:
    parent = {
        "id": str(c.id), "node": event.node, "ask": event.originator_version,
        "depth": event.depth, "wait": event.wait,
    }  # fmt: skip
    if event.revoke:
        parent["revoke"] = True
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


def _revoked(c: Commitment, parent: str, node: str, status: str, error: Json) -> Posted:
    return UUID(parent), ChildRevoked(node, str(c.id), status, error)


def waived(
    before: Commitment | None, after: Commitment, events: Sequence[Event]
) -> Iterator[Posted]:
    """What children are told that will never be asked to undo themselves: their entry is gone.

    Sealed by a pivot, dropped, or of no use any more because their parent is final.
    """
    known = {e.child for e in before.entries.values()} if before is not None else set[str | None]()
    for event in events:
        if isinstance(event, (ev.ChildOpened, ev.ChildEnded)) and event.undo is not None:
            known.add(event.undo.get("child"))
    if known <= {None}:
        return
    known -= {e.child for e in after.entries.values()}
    known -= {e.child for e in events if isinstance(e, ev.ChildRevokeEnded)}
    for child in sorted(child for child in known if child is not None):
        yield UUID(child), Waive(str(after.id))
