"""Where an accepted event goes: to the sagas it starts, then to the stream of its key.

The key stream is told who took the event by being started with it, so it is the last to hear.
Starts in lanes of other owners are told one after the other: each passes the event on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from consumers.batch import Batch
from domain.events import Ctx
from domain.ids import saga_key_id
from domain.messages import Arrive, Mail, Start, to_body
from domain.saga_key import takes

__all__ = ["Carried", "deliver"]

Json = Any


@dataclass(frozen=True, slots=True)
class Carried:
    """What every message of one acceptance carries."""

    tenant: str
    ctx: Ctx
    accepted_us: int
    root: int

    def to(self, stream: UUID, message: Start | Arrive) -> Mail:
        return Mail(stream, self.tenant, message, self.ctx, self.accepted_us, self.root)


def deliver(
    batch: Batch, carried: Carried, starts: Sequence[Start], home: UUID, arrive: Arrive | None
) -> None:
    """Send the starts, then `arrive` to `home`, with those that opened a run as its takers.

    While older mail is left in the inbox all of it goes behind that: it could be for the same key.
    """
    waits = batch.line.is_behind
    takers: list[list[str]] = []
    elsewhere: list[tuple[UUID, Start]] = []
    for start in starts:
        to = saga_key_id(carried.tenant, start.saga, start.key)
        if waits or not batch.owns(to):
            elsewhere.append((to, start))
            continue
        applied = batch.send(carried.to(to, start))
        if takes(applied.outcome):
            takers.append([start.saga, start.key])
    if elsewhere:
        last = _chained(carried, elsewhere, takers, home, arrive)
    elif arrive is not None:
        last = carried.to(home, replace(arrive, takers=takers or None))
    else:
        return
    if waits:
        batch.write.inbox.append(last)
    else:
        batch.send(last)


def _chained(
    carried: Carried,
    elsewhere: Sequence[tuple[UUID, Start]],
    takers: list[list[str]],
    home: UUID,
    arrive: Arrive | None,
) -> Mail:
    (first, start), *rest = elsewhere
    onward: dict[str, Json] = {
        "starts": [[str(stream), to_body(one)] for stream, one in rest],
        "takers": takers,
        "home": None if arrive is None else str(home),
        "arrive": None if arrive is None else to_body(arrive),
    }
    return carried.to(first, replace(start, onward=onward))
