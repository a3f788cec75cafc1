"""The runs that updates begin: their end, and what they answer then."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from api.edge import Edge
from api.waits import APPLIED_POLL_S, moved
from domain.ids import lane_of
from domain.positions import read_position
from domain.state import is_kept, is_under

__all__ = ["followed", "run_of"]

Json = Any
PAGE = 200
"""Events that are read at once."""


@dataclass(slots=True)
class _Run:
    """What the events so far say of a run; `is_known` once it has begun."""

    name: str
    is_known: bool = False
    status: str = "running"
    answer: Json = None

    def see(self, event: Json) -> None:
        data = event["data"]
        match event["type"].rpartition(".")[0]:
            case "update.accepted":
                self.is_known = self.is_known or data.get("run") == self.name
            case "node.done" if data["node"] == self.name:
                self.status, self.answer = "done", data.get("value")
            case "node.failed" if data["node"] == self.name:
                self.status = "stopped"
            case "node.stopped" if self.name in data["nodes"]:
                self.status = "stopped"
            case "part.stopping" if not data.get("pending") and self._lies_in(data):
                self.status = "stopped"
            case "commitment.ended":
                self.status = "stopped"
            case _:
                pass

    def _lies_in(self, stop: Json) -> bool:
        return is_under(self.name, stop["target"]) and not is_kept(
            self.name, tuple(stop.get("keep") or ())
        )

    @property
    def is_over(self) -> bool:
        return self.is_known and self.status != "running"

    def told(self) -> Json:
        """As it is answered: {"run", "status": running, done or stopped, "answer"?}."""
        answer = {"answer": self.answer} if self.status == "done" else {}
        return {"run": self.name, "status": self.status, **answer}


class _Seen(Protocol):
    """What looks at the events of a commitment until it knows enough."""

    @property
    def is_known(self) -> bool: ...

    @property
    def is_over(self) -> bool: ...

    def see(self, event: Json) -> None: ...


async def run_of(
    edge: Edge, tenant: str, commitment: UUID, name: str, *, after: int, timeout_s: float
) -> Json | None:
    """What became of a run that began after a version, waiting so long for its end.

    `{"run", "status", "answer"?}`; None where no run of that name began.
    """
    run = _Run(name)
    await followed(edge, tenant, commitment, run, after=after, timeout_s=timeout_s)
    return run.told() if run.is_known else None


async def followed(
    edge: Edge, tenant: str, commitment: UUID, seen: _Seen, *, after: int, timeout_s: float
) -> None:
    """Show the events behind a version, as they come, until `seen` is over or not known.

    Ends after `timeout_s`, or when the engine stops.
    """
    clock = asyncio.get_running_loop().time
    until = clock() + timeout_s
    while True:
        # Read before the events: what comes between the two is not missed.
        _, heads = read_position(edge.position())
        after = await _read(edge, tenant, commitment, seen, after)
        left_s = until - clock()
        if seen.is_over or not seen.is_known or left_s <= 0 or edge.draining.is_set():
            return
        lane = lane_of(commitment, len(heads))
        owned = {one["lane"] for one in edge.desk.state()["lanes"]}
        # Where another process owns the lane nobody tells us of its head.
        wait_s = left_s if lane in owned else min(left_s, APPLIED_POLL_S)
        await moved(edge, {lane: heads[lane]} if lane in owned else {}, wait_s)


async def _read(edge: Edge, tenant: str, commitment: UUID, seen: _Seen, after: int) -> int:
    """Show all events behind a version; how far they were seen."""
    while not seen.is_over:
        found: Json = await edge.read(
            edge.reader.history, tenant, commitment, after=after, limit=PAGE
        )
        for event in found["events"] if found is not None else ():
            after = event["version"]
            if not seen.is_over:
                seen.see(event)
        if found is None or found["next"] is None:
            break
    return after
