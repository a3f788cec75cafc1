"""A commitment and what it talks to, where mail takes its time and others want the same locks."""

from __future__ import annotations

from collections import deque
from random import Random
from typing import Any
from uuid import NAMESPACE_DNS, UUID, uuid5

from domain import lock_stream as ls
from domain import messages as msg
from sagas.decide import decide
from tests.semantics.seen import line
from tests.semantics.world import CTX, START_US, World, from_snapshot, stored
from tests.simulation.judge import Violation
from tests.simulation.walks.drawn import HASH, Drawn
from tests.simulation.walks.watch import Watch

__all__ = ["HOUR_US", "PARENT", "Town"]

Json = Any
HOUR_US = 3_600_000_000
PARENT = "00000000-0000-8000-8000-000000000000"
DESK, KIDS = "desk", "kids"
TWICE_EVERY = 11
"""One message of so many is decided a second time, on the state as its snapshot gives it back."""
SHOWN = {"effect": 6, "undoes": 6}
RIVALS_MAX, RIVALS_OF_LOCK_MAX = 2, 2
_QUIET = frozenset({"token", "worker", "tenant", "saga", "definition", "by", "reason", "evidence"})


class Town(World):
    """A world whose mail waits by its source until it is delivered, in the order of that source."""

    def __init__(self, drawn: Drawn, *, is_child: bool) -> None:
        super().__init__(drawn.definition)
        self.is_child = is_child
        self.post: dict[str, deque[msg.Message]] = {}
        self.rivals: dict[tuple[UUID, str], msg.Granted] = {}
        self.watch = Watch(drawn, self.id)
        self.lines: list[str] | None = None
        self.sent = 0

    def open(self) -> Town:
        """The first message; a child has a parent that may revoke it after its end."""
        parent: Json = None
        if self.is_child:
            parent = {"id": PARENT, "node": "kid", "ask": 3, "depth": 1,
                      "wait": True, "revoke": True}  # fmt: skip
        about = ("north", self.d.saga, self.d.version, HASH, self.key, 1, self.payload)
        self.send(msg.Open(*about, None, parent))
        return self

    def say(self, text: str) -> None:
        """A line of the trace, where one is kept."""
        if self.lines is not None:
            self.lines.append(text)

    # --- one message, and what it makes others say later -----------------------------------------

    def send(self, message: msg.Message) -> Json:
        """Decide one message; the mail that follows waits. Its own answer is returned."""
        self.sent += 1
        if self.lines is not None:
            fields = {n: v for n, v in msg.to_body(message).items() if n not in _QUIET and v}
            told = " ".join(f"{n}={str(v)[: SHOWN.get(n, 60)]}" for n, v in fields.items())
            self.say(f"> {(self.now_us - START_US) / HOUR_US:.2f} h {message.KIND} {told}")
        queue: list[msg.Message] = []
        self.outcome = self._step(message, queue)
        for withdrawn in queue:
            self.mail(DESK, withdrawn)
        if not self.post:
            self.watch.rests(self.now, self.dispatches, self.started, self.wake_us)
        return self.outcome

    def _step(self, message: msg.Message, queue: list[msg.Message]) -> Json:
        before = self.c
        at = {"stream": self.id, "now_us": self.now_us, "ctx": dict(CTX)}
        again = None
        if before is not None and self.sent % TWICE_EVERY == 0:
            again = stored(before), decide(self.d, from_snapshot(before), message, **at)
        decided = decide(self.d, before, message, **at)
        if again is not None and again[0] != stored(before):
            raise Violation("decides alike", "what was decided changed the state before it")
        if again is not None and again[1].events != decided.events:
            raise Violation("decides alike", "by way of its snapshot it decides something else")
        self.c = decided.state
        self.events += decided.events
        try:
            self.watch.see(decided.events)
        finally:
            if self.lines is not None:
                self.lines += [
                    f"    {e.originator_version} {line(self, e)}" for e in decided.events
                ]
        self._follow(before, decided.state, decided.events, queue)
        return decided.outcome

    def mail(self, source: str, *messages: msg.Message) -> None:
        """It is under way, behind all that its source said before."""
        if messages:
            self.post.setdefault(source, deque()).extend(messages)

    def deliver(self, source: str) -> None:
        message = self.post[source].popleft()
        if not self.post[source]:
            del self.post[source]
        self.send(message)

    def _to_lock(self, to: UUID, message: msg.Message) -> list[msg.Message]:
        decided = ls.decide(self.locks.get(to), message, stream=to, now_us=self.now_us, ctx=CTX)
        self.locks[to] = decided.state
        for stream, mail in decided.mail:
            if stream == self.id:
                self.mail(str(to), mail)
            elif isinstance(mail, msg.Granted):
                self.rivals[to, str(stream)] = mail
        return []

    def _to_throttle(self, to: UUID, message: msg.Message) -> list[msg.Message]:
        self.mail(str(to), *super()._to_throttle(to, message))
        return []

    def _to_key(self, to: UUID, message: msg.Message) -> list[msg.Message]:
        self.mail(str(to), *super()._to_key(to, message))
        return []

    def _to_kid(self, message: msg.Start | msg.Recall) -> list[msg.Message]:
        self.mail(KIDS, *super()._to_kid(message))
        return []

    # --- others ----------------------------------------------------------------------------------

    def rival(self, rng: Random) -> None:
        """Somebody else wants a lock, or gives one back."""
        if self.rivals and rng.random() < 0.7:
            self.give_back(rng.choice(list(self.rivals)))
        elif self.locks and len(self.rivals) < RIVALS_MAX:
            to = rng.choice(list(self.locks))
            state = self.locks[to]
            own = str(self.id)
            if (
                sum(c.commitment != own for c in (*state.holders, *state.queue))
                < RIVALS_OF_LOCK_MAX
            ):
                other = str(uuid5(NAMESPACE_DNS, f"rival {self.sent}"))
                permits = 2 if state.lock == "right" else None
                self._to_lock(
                    to, msg.Acquire("north", state.lock, other, "k", self.sent, False, permits)
                )

    def give_back(self, rival: tuple[UUID, str]) -> None:
        """A rival that has a lock needs it no more."""
        granted = self.rivals.pop(rival)
        to, stream = rival
        self._to_lock(to, msg.Release(stream, granted.node, granted.ask))
