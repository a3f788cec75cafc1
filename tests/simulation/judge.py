"""What no event of a commitment may ever say, and what must hold of one that waits.

A simulated world judges by it what its store committed, a walk what it has just decided.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from consumers.registry import Registry
from domain import events as ev
from domain.commitment import Commitment
from tests.simulation.books import Books
from tests.simulation.gates import Gates
from tests.simulation.oracles import Oracles
from tests.simulation.store import Leases

__all__ = ["RESTS", "Judge", "Violation", "goes_on", "hold", "timers_have_fired"]

RESTS = ("paused", "held")


class Violation(AssertionError):
    """An invariant does not hold. `name` is that of the invariant."""

    def __init__(self, name: str, detail: str) -> None:
        super().__init__(f"{name}: {detail}")
        self.name = name
        self.detail = detail

    def __reduce__(self) -> tuple[type[Violation], tuple[str, str]]:
        """So that another process can hand it over."""
        return Violation, (self.name, self.detail)


def hold(name: str, fault: str | None) -> None:
    """Raises Violation where there is a fault."""
    if fault is not None:
        raise Violation(name, fault)


class Judge:
    """Sees every event of every commitment once, in order, with the state before it."""

    def __init__(self, registry: Registry, leases: Leases, books: Books) -> None:
        self.leases = leases
        self.gates = Gates()
        self.oracles = Oracles(registry, leases, books)
        self.taken: set[tuple[str, ...]] = set()

    def see(self, id_: UUID, before: Commitment, event: Any, at_us: int) -> None:
        """What an event may never say, by the state before it."""
        if before.is_over and isinstance(event, (ev.EffectIntended, ev.EffectRetried)):
            raise Violation("ends", f"{id_} commands {event.effect[:8]} after its end")
        match event:
            case ev.TimerFired() if event.due_us > at_us:
                raise Violation("timers", f"{event.timer} of {event.node} fired early")
            case ev.TimerFired() if before.timers.get(f"{event.node}:{event.timer}") is None:
                raise Violation("timers", f"{event.timer} of {event.node} was not armed")
            case ev.EventTaken() if not event.peek:
                key = (before.tenant, before.saga, before.key, event.key, str(event.position))
                if key in self.taken:
                    raise Violation("events once", f"{before.saga} {before.key} took {key} twice")
                self.taken.add(key)
            case ev.EffectUnknown():
                self._was_started(before, event)
            case ev.AttemptFailed() if event.unanswered:
                self._was_started(before, event)
            case ev.EffectIntended() | ev.EffectRetried():
                no_second_attempt(before, event)
            case ev.EffectDone() if event.kind == "undo":
                if before.effects[event.effect].state == "done":
                    raise Violation("undone once", f"{event.node} is undone twice")
            case _:
                pass
        hold("gates", self.gates.see(id_, event, at_us))
        hold("rules", self.oracles.see(id_, before, event))

    def _was_started(self, before: Commitment, event: Any) -> None:
        effect = before.effects[event.effect]
        attempts = {event.attempt, *effect.unanswered}
        if not any((event.effect, n, effect.kind) in self.leases.started for n in attempts):
            detail = f"{effect.node} attempt {event.attempt}"
            raise Violation("unknown only from started", detail)


def no_second_attempt(before: Commitment, event: Any) -> None:
    """No R2 or R3 has two attempts of which one is unsettled."""
    old = before.effects.get(event.effect)
    if old is None or getattr(event, "kind", "do") != "do" or old.kind != "do":
        return
    risky = old.classes is not None and old.classes["R"] in ("R2", "R3")
    if risky and (old.state == "unknown" or old.unanswered or old.state == "started"):
        detail = f"{old.node} is commanded again while attempt {old.attempt} is {old.state}"
        raise Violation("no second attempt", detail)


def timers_have_fired(c: Commitment) -> None:
    if c.status in RESTS or c.is_over:
        return
    late = [name for name, due_us in c.timers.items() if due_us <= c.clock_us]
    if late:
        raise Violation("timers", f"{c.saga} {c.key}: {late} were due and did not fire")


def goes_on(c: Commitment, rows: dict[str, tuple[str, int, str]]) -> None:
    """Every command in flight has its row, and a commitment that is open has what moves it."""
    for key, effect in c.effects.items():
        if effect.state in ("offered", "started") and key not in rows:
            raise Violation("dispatches", f"{effect.node} is {effect.state} without a row")
        is_probed = key in rows or f"{effect.node}:probe_retry" in c.timers
        if effect.state == "unknown" and effect.next == "probe" and not is_probed:
            raise Violation("dispatches", f"{effect.node} is to be probed without a row")
        names = (f"{effect.node}:{name}" for name in ("retry", "undo_retry", "hours"))
        waits = effect.node in c.places or any(name in c.timers for name in names)
        if effect.state == "backoff" and not waits:
            raise Violation("wake-ups", f"{effect.node} waits for a retry without a timer")
    asks = any(e.state == "unknown" and e.next == "ask" for e in c.effects.values())
    asked = any(n.asked is not None and n.branch is None for n in c.nodes.values())
    # The streams of children, locks and throttles answer every question once.
    others = c.children or any(hold.fence is None for hold in c.locks.values()) or c.places
    others = others or any(e.child and e.state == "undoing" for e in c.entries.values())
    if not (c.is_over or c.timers or rows or c.subs or c.debts or asks or asked or others):
        raise Violation("wake-ups", f"{c.saga} {c.key} is {c.status} and nothing will move it")
