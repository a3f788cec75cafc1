"""What is held of every event of a walk, of the commitment while it rests, and of its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from domain import events as ev
from domain.commitment import Commitment
from domain.events import Event
from domain.ports import Dispatch
from domain.state import RUN_ON, in_flight, is_kept, is_spared, is_under, template_of
from domain.streams import us_of
from sagas.definition import Node
from sagas.explore.undone import Broken
from tests.simulation.books import Books
from tests.simulation.bounds import beyond
from tests.simulation.judge import (
    RESTS,
    Judge,
    Violation,
    goes_on,
    hold,
    timers_have_fired,
)
from tests.simulation.store import Leases
from tests.simulation.walks.drawn import Drawn
from tests.strategies.undo_oracle import UndoOracle

__all__ = ["Watch"]

Json = Any
_OPENS = (
    ev.EffectIntended, ev.NodeEntered, ev.WaitOpened, ev.HandlerOpened, ev.SleepStarted,
    ev.AwaitOpened, ev.TaskOffered, ev.ApprovalAsked, ev.LockWanted, ev.ChildAsked, ev.TurnWanted,
)  # fmt: skip


class Watch:
    """Sees every event once. `leases` and `books` are told by who works."""

    def __init__(self, drawn: Drawn, id_: UUID) -> None:
        self.leases, self.books = Leases(), Books()
        self.undo = UndoOracle(drawn.document)
        self.topics: Counter[str] = Counter()
        self._drawn = drawn
        self._id = id_
        self._judge = Judge(drawn.registry, self.leases, self.books)
        self._shadow: Commitment | None = None

    @property
    def covered(self) -> set[tuple[str, str]]:
        """Kinds of nodes, each with a status of the commitment and an event."""
        return self._judge.oracles.covered

    def see(self, events: Sequence[Event]) -> None:
        """What was decided on one message."""
        for event in events:
            stored: Any = event
            self.topics[stored.TOPIC] += 1
            before = self._shadow
            if before is not None:
                self._see(before, event)
            if isinstance(event, ev.RevokeAsked) and not event.answer:
                self.undo.ended = None
            self._shadow = stored.mutate(before)
        try:
            self.undo.read(
                [e for e in events if not isinstance(e, ev.RevokeAsked | ev.RevokeWaived)]
            )
        except Broken as broken:
            raise Violation("undone in order", str(broken)) from broken

    def _see(self, before: Commitment, event: Any) -> None:
        if isinstance(event, ev.CommitmentHeld):
            raise Violation("held", f"{event.node} {event.error}")
        self._judge.see(self._id, before, event, us_of(event.timestamp))
        hold("nothing begins in what stops", _begins(before, event))
        if isinstance(event, ev.EffectIntended) and event.kind == "undo":
            do = before.effects.get(event.undoes or "")
            if do is not None and in_flight(do):
                raise Violation("undone once", f"{event.node} is undone while it is {do.state}")

    def rests(
        self, c: Commitment, rows: Mapping[str, Dispatch], started: Collection[str],
        wake_us: int | None,
    ) -> None:  # fmt: skip
        """Nothing is under way to it: all that is open has what moves it."""
        hold("bounds", beyond(self._drawn.definition, c))
        if c.is_over:
            if rows or wake_us is not None:
                raise Violation("ends", "a command or a wake-up after the end")
            return
        if c.status in RESTS or c.deferred:
            return
        timers_have_fired(c)
        held: dict[str, tuple[str, int, str]] = {}
        for key, row in rows.items():
            effect = c.effects.get(key)
            wanted = ("unknown",) if row.kind == "probe" else ("offered", "started")
            if effect is None or effect.state not in wanted or effect.attempt != row.attempt:
                raise Violation("dispatches", f"a row for {effect} ({row.kind} {row.attempt})")
            held[key] = (row.kind, row.attempt, "started" if key in started else "offered")
        goes_on(c, held)
        begun = {(key, row.attempt, row.kind) for key, row in rows.items() if key in started}
        if begun & self._judge.oracles.taken_back:
            raise Violation("stops", "what was to stop before anybody began was begun")
        hold("what is open lies in what is open", self._homeless(c))

    # --- what is open ----------------------------------------------------------------------------

    def _homeless(self, c: Commitment) -> str | None:
        """A node, an effect or a timer that lies in nothing that is open."""
        stopped = [*c.stops, *c.undoing, *(p for p, i in c.nodes.items() if i.branch == RUN_ON)]
        open_ = [path for path in c.nodes if path]
        open_ += [e.node for e in c.effects.values() if e.kind == "do" and in_flight(e)]
        for path in open_:
            if any(is_under(path, part) for part in stopped):
                continue
            around = self._around(path)
            if around is not None and around not in c.nodes:
                return f"{path} is open, and {around} is not"
        there = {e.node for e in c.effects.values()}
        known = (c.nodes, there, c.locks, c.children, c.undoing, c.subs, c.places, c.entries)
        for name in c.timers:
            path = name.rpartition(":")[0]
            if path and not any(path in some for some in known):
                return f"{name} is a timer of nothing"
        return None

    def _around(self, path: str) -> str | None:
        """The block or the run of a handler that a path lies in."""
        up = path
        while up := up.rpartition("/")[0]:
            last = up.rpartition("/")[2]
            if "@" in last:
                return None if up.endswith("@0") else up
            if isinstance(self._drawn.definition.by_template.get(template_of(up)), Node):
                return up[: up.rindex("#")] if "#" in last else up
        return None


def _begins(before: Commitment, event: Any) -> str | None:
    """What begins in a part that stops, though nothing keeps it."""
    if not before.stops or not isinstance(event, _OPENS):
        return None
    path = event.node
    match event:
        case ev.EffectIntended() if event.kind != "do":
            return None
        case ev.LockWanted() if event.undo:
            return None
        case ev.NodeEntered() if path in before.nodes or not path:
            return None
        case _:
            pass
    for part, stop in before.stops.items():
        if stop.pending or not is_under(path, part):
            continue
        if not is_kept(path, stop.keep) and not is_spared(path, part):
            return f"{type(event).__name__} of {path} in {part or 'the root'}"
    return None
