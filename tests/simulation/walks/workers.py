"""Workers of a walk: what happens outside, what is told of it, and what is told late or never."""

from __future__ import annotations

from random import Random
from typing import Any

from domain import messages as msg
from domain.ports import Dispatch
from domain.state import Effect
from tests.simulation.walks.town import Town

__all__ = ["Workers"]

Json = Any
What = tuple[str, int, str]
RESULT, OTHER_RESULT = 7, 8
FOR_GOOD = 10_000
"""Beyond every attempt: what was undone happens no more."""
PROBED = ("done", "done", "absent", "absent", "cannot_tell", "transient")


class Workers:
    """They hold attempts, also such as the engine gave up. `acted`: what happened, by its key.

    Honest ones never deny what happened, and say the same result each time.
    """

    def __init__(self, town: Town, *, honest: bool, good: int) -> None:
        self.town = town
        self.held: dict[What, Dispatch] = {}
        self.acted: dict[str, int] = {}
        self.barred: dict[str, int] = {}
        self._honest = honest
        self._good = good

    def outcomes(self, d: Dispatch) -> list[str]:
        """What a worker may say of a command; the more of it the likelier."""
        if d.kind == "probe":
            return [*PROBED]
        more = ["failed", "transient", "unknown", "failed" if d.kind == "undo" else "not_done"]
        return ["done"] * self._good + more

    def begin(self, d: Dispatch) -> bool:
        """Take an offered command; False where it may not be begun any more."""
        town = self.town
        if d.effect in town.started or self._too_late(d) is not None:
            return False
        town.started.add(d.effect)
        town.watch.leases.started.add((d.effect, d.attempt, d.kind))
        self.held[d.effect, d.attempt, d.kind] = d
        if d.needs_start:
            town.send(msg.Started(d.effect, d.attempt, "1.1.1", "w1"))
        return True

    def _too_late(self, d: Dispatch) -> str | None:
        now_us = self.town.now_us
        if d.not_after_us is not None and d.not_after_us < now_us:
            return "not_after"
        return "within" if d.start_by_us is not None and d.start_by_us <= now_us else None

    def sweep(self) -> None:
        """The engine takes back what nobody began in time."""
        town = self.town
        for key, d in list(town.dispatches.items()):
            reason = self._too_late(d)
            if reason is not None and key in town.dispatches and key not in town.started:
                del town.dispatches[key]
                town.send(msg.NotStarted(key, d.attempt, d.kind, reason))

    def act(self, d: Dispatch) -> bool:
        """It happens outside, once for its key; False where it is barred."""
        if d.kind == "do" and d.attempt <= self.barred.get(d.effect, 0):
            return d.effect in self.acted
        if d.kind == "undo":
            self.barred[d.body["undoes"]] = FOR_GOOD
        self.acted.setdefault(d.effect, RESULT)
        return True

    def reply(self, d: Dispatch, outcome: str, rng: Random) -> None:
        """Who holds this attempt answers; it counts while its row is there."""
        town, what = self.town, (d.effect, d.attempt, d.kind)
        current = self.is_current(d)
        outcome = self._probe(d, outcome) if d.kind == "probe" else self._told(d, outcome)
        self.held.pop(what, None)
        if current:
            town.watch.leases.replied.add(what)
        result = None
        if outcome in ("done", "present") and d.kind != "undo":
            result = self.acted.get(d.effect)
        if not self._honest and not current and rng.random() < 0.3:
            result = OTHER_RESULT
        code = "no" if outcome == "failed" else None
        town.say(
            f"  {outcome} {d.kind} {d.body['node']} attempt {d.attempt}" + " late" * (not current)
        )
        token = f"1.{len(town.events)}.1"
        town.send(msg.Answered(d.effect, d.attempt, token, d.kind, outcome, "w1", result, code,
                               current=current))  # fmt: skip

    def is_current(self, d: Dispatch) -> bool:
        """Whether the engine still waits for the answer to this attempt."""
        row = self.town.dispatches.get(d.effect)
        same = row is not None and (row.attempt, row.kind) == (d.attempt, d.kind)
        return same and d.effect in self.town.started

    def _told(self, d: Dispatch, outcome: str) -> str:
        if outcome == "done":
            return "done" if self.act(d) else "not_done"
        denies = outcome in ("failed", "not_done", "transient")
        return "done" if denies and self._honest and d.effect in self.acted else outcome

    def _probe(self, d: Dispatch, outcome: str) -> str:
        """A look into the books; what is not in them is barred from then on."""
        if outcome not in ("done", "absent"):
            return outcome
        if d.effect in self.acted:
            return "present"
        if outcome == "done" and d.attempt > self.barred.get(d.effect, 0):
            self.acted[d.effect] = RESULT
            return "present"
        self.barred[d.effect] = max(d.attempt, self.barred.get(d.effect, 0))
        self.town.watch.books.absent.add(d.effect)
        return "absent"

    def lose(self, d: Dispatch) -> None:
        """The engine gives a lease up; who held it may still act, and say so."""
        town = self.town
        del town.dispatches[d.effect]
        town.started.discard(d.effect)
        town.send(msg.Lost(d.effect, d.attempt, d.kind, "lease"))

    def late(self) -> list[Dispatch]:
        """Attempts that are held and not waited for any more."""
        return [d for d in self.held.values() if not self.is_current(d)]

    def settle(self, key: str, effect: Effect, rng: Random) -> None:
        """A person looks into the books, and bars what did not happen."""
        was_begun = any(k == key for k, _, _ in self.town.watch.leases.started)
        may_act = was_begun and effect.attempt > self.barred.get(key, 0)
        outcome = "not_done"
        if key in self.acted or (may_act and rng.random() < 0.5):
            self.acted.setdefault(key, RESULT)
            outcome = "done"
        else:
            self.barred[key] = max(effect.attempt, self.barred.get(key, 0))
        self.town.send(msg.Control("settle", "ops", "so be it", effect.node, outcome,
                                   self.acted.get(key), ["letter"]))  # fmt: skip
