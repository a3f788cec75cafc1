"""People of a walk: who decides, does tasks, runs the engine, and the parent of a child."""

from __future__ import annotations

from random import Random
from typing import Any

from domain import messages as msg
from domain.state import Asked, Effect
from tests.simulation.walks.town import HOUR_US, PARENT, Town
from tests.simulation.walks.workers import Workers

__all__ = ["People"]

Json = Any
SEATED = (
    (("manager",), "mia"), (("legal", "function_head", "finance"), "bob"),
    (("function_head",), "cyd"), (("executive", "board"), "eve"),
)  # fmt: skip
REVOKED = {"class": "business", "code": "no", "message": "no", "node": "kid"}
ALL = (
    "pause",
    "resume",
    "resume",
    "settle",
    "settle",
    "retry",
    "retry",
    "finish",
    "move",
    "cancel",
)
MILD = ("settle", "retry", "pause", "resume")
TASKS = ("claim", "complete", "release", "claim", "complete")


class People:
    """They see what the commitment asks of people, and answer or steer it."""

    def __init__(self, town: Town, workers: Workers) -> None:
        self.town = town
        self._workers = workers
        self._waived = False

    @property
    def asked(self) -> list[Asked]:
        """The questions that are open."""
        nodes = self.town.now.nodes.values()
        return [i.asked for i in nodes if i.asked is not None and not i.branch]

    @property
    def unknown(self) -> list[tuple[str, Effect]]:
        """What may have happened, and nobody asks a participant about."""
        effects = self.town.now.effects.items()
        return [(k, e) for k, e in effects if e.state == "unknown" and e.next == "ask"]

    def decide(self, answer: str, rng: Random) -> None:
        """Everybody with a seat answers one question, as long as it is open."""
        approval = rng.choice(self.asked).approval
        for seats, by in SEATED:
            asked = next((a for a in self.asked if a.approval == approval), None)
            if asked is None:
                return
            self.town.send(msg.Decide(asked.approval, answer, asked.digest, by, "human", seats,
                                      "because"))  # fmt: skip

    def work(self, rng: Random) -> None:
        """Somebody does something with a task."""
        task = rng.choice([i.task for i in self.town.now.nodes.values() if i.task is not None])
        self.town.send(msg.TaskAct(task.id, rng.choice(TASKS), "mia", "human", ("legal",)))

    def control(self, action: str, node: str | None = None, **more: Json) -> None:
        self.town.send(msg.Control(action, "ops", "so be it", node, **more))

    def settle(self, debt: str) -> None:
        """What is owed has been put right by hand."""
        self.control("settle", debt, outcome="done", evidence=["letter"])

    def operate(self, rng: Random) -> None:
        """Something that operators do, where there is something to do it with."""
        c = self.town.now
        action = rng.choice(ALL if rng.random() < 0.5 else MILD)
        match action:
            case "settle":
                unknown = [(k, e) for k, e in c.effects.items() if e.state == "unknown"]
                if c.debts and (not unknown or rng.random() < 0.6):
                    self.settle(rng.choice(list(c.debts)))
                elif unknown:
                    self._workers.settle(*rng.choice(unknown), rng)
            case "retry":
                waits = [e.node for e in c.effects.values() if e.state in ("backoff", "unknown")]
                if names := [*c.debts, *waits]:
                    self.control("retry", rng.choice(names))
            case "finish":
                if names := [path for path in c.nodes if path]:
                    self.control("finish", rng.choice(names), evidence=["letter"])
            case "move":
                if names := [name.rpartition(":")[0] for name in c.timers]:
                    by_us = rng.choice([0, -HOUR_US, HOUR_US, 9 * HOUR_US])
                    self.control("move", rng.choice(names), to_us=self.town.now_us + by_us)
            case _:
                self.control(action)

    def parent(self, rng: Random) -> None:
        """A parent undoes what its child did, or will never ask it to any more."""
        if self._waived:
            return
        if rng.random() < 0.8:
            self.town.send(msg.Revoke(PARENT, "kid", "ops", REVOKED))
        else:
            self._waived = True
            self.town.send(msg.Waive(PARENT))
