"""Parents and children together: what each says to the other goes by mail, as in the engine."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from consumers.core import Core
from consumers.registry import Registry
from domain import messages as msg
from domain.canonical import digest
from domain.ids import commitment_id, saga_key_id
from domain.messages import Message
from domain.ports import Dispatch
from domain.throttle_stream import ThrottleStream
from domain.throttle_stream import wake_us as throttle_wake_us
from tests.semantics.recorded import note
from tests.semantics.world import CTX, START_US, fold, state_of, stored

Json = Any
MAIL_MAX = 10_000


class Family:
    """Runs several sagas over one registry: each stream decides, its mail is delivered in order.

    `is_hasty`: the newest mail comes first, as where lanes are read in an unlucky order.
    """

    is_hasty = False

    def __init__(self, *documents: Json) -> None:
        self.registry = Registry()
        self.core = Core(self.registry)
        self.states: dict[UUID, Any] = {}
        self.events: dict[UUID, list[Any]] = {}
        self.work: dict[str, Dispatch] = {}
        self.now_us = START_US
        self.mail: list[tuple[UUID, Message]] = []
        self.started: set[str] = set()
        for document in documents:
            self.register(document)

    def register(self, document: Json) -> None:
        self.registry.add(document, digest("test", document))

    # --- what happens ------------------------------------------------------------------------

    def start(self, saga: str, payload: Json = None, key: str = "acme", event: Json = None) -> Json:
        """Somebody wants a run of the saga."""
        definition = self.registry.of_saga(saga)
        assert definition is not None, saga
        payload = {"id": key} if payload is None else payload
        start = msg.Start(
            "north", saga, definition.version, definition.hash, key, payload,
            digest("input", payload), event,
        )  # fmt: skip
        return self.send(saga_key_id("north", saga, key), start)

    def done(self, node: str, result: Json = None) -> Family:
        """The participant has done what is commanded: `shop`, or `undo shop`."""
        return self._answer(node, "done", result=result)

    def begins(self, node: str) -> Family:
        """A worker begins with what is commanded: from now on it may have happened."""
        d = self.work[node]
        self.started.add(d.effect)
        self.send(d.stream, msg.Started(d.effect, d.attempt, "1.1.1", "w1"))
        return self

    def failed(self, node: str, code: str) -> Family:
        return self._answer(node, "failed", code=code)

    def _answer(self, node: str, outcome: str, **more: Json) -> Family:
        d = self.work[node]
        answered = msg.Answered(
            d.effect, d.attempt, f"1.{len(self.work)}.1", d.kind, outcome, "w1", **more
        )
        self.send(d.stream, answered)
        return self

    def control(self, saga: str, action: str, run: int = 1, key: str = "acme") -> Family:
        self.send(self.id_of(saga, run, key), msg.Control(action, "ops", "so be it"))
        return self

    def settle(self, saga: str) -> Family:
        """A person saw to the open debt."""
        shown = msg.Control("settle", "ops", "so be it", evidence={"note": "seen to"})
        self.send(self.id_of(saga), shown)
        return self

    def pass_time(self, by_us: int) -> Family:
        """Let time pass; whoever is due is woken, the earliest first."""
        until_us = self.now_us + by_us
        for _ in range(MAIL_MAX):
            due = [
                (at, stream) for stream in self.states
                if (at := self._wake_of(stream)) is not None and at <= until_us
            ]  # fmt: skip
            if not due:
                self.now_us = until_us
                return self
            self.now_us, stream = max(min(due)[0], self.now_us), min(due)[1]
            self.send(stream, msg.Wake(self.now_us))
        raise AssertionError("timers without end")

    def _wake_of(self, stream: UUID) -> int | None:
        state = self.states[stream]
        if isinstance(state, ThrottleStream):
            return throttle_wake_us(state)
        timers = getattr(state, "timers", None)
        return min(timers.values(), default=None) if timers else None

    # --- mail --------------------------------------------------------------------------------

    def send(self, to: UUID, message: Message) -> Json:
        """Decide one message and all mail that follows; the answer is that to the message."""
        outcome = self._step(to, message)
        for _ in range(MAIL_MAX):
            if not self.mail:
                return outcome
            self._step(*self.mail.pop(-1 if self.is_hasty else 0))
        raise AssertionError("mail without end")

    def _step(self, to: UUID, message: Message) -> Json:
        before = self.states.get(to)
        at = {"stream": to, "now_us": self.now_us, "ctx": dict(CTX)}
        step = self.core.step(before, message, **at)
        assert self.core.step(before, message, **at).events == step.events
        note(message, step.events, step.outcome, stored(before), stored(step.state))
        if step.events:
            self.states[to] = step.state
            self.events.setdefault(to, []).extend(step.events)
            self._hold(to)
        self.mail += [(stream, msg.from_body(m.KIND, msg.to_body(m))) for stream, m in step.mail]
        for effect in step.settled:
            self._settled(effect)
        for offered in step.offered:
            self._offered(offered.dispatch)
        for effect in (e for e in step.withdraw if e not in self.started):
            self._settled(effect)
            self.mail.append((to, msg.Withdrawn(effect)))
        return step.outcome

    def _offered(self, d: Dispatch) -> None:
        name = d.body["node"].rpartition("/")[2]
        self.work[name if d.kind == "do" else f"{d.kind} {name}"] = d

    def _settled(self, effect: str) -> None:
        self.work = {n: d for n, d in self.work.items() if d.effect != effect}

    def _hold(self, stream: UUID) -> None:
        state = self.states[stream]
        if type(state).__name__ == "Commitment":
            assert state_of(fold(self.events[stream])) == state_of(state)

    # --- what is seen ------------------------------------------------------------------------

    def id_of(self, saga: str, run: int = 1, key: str = "acme") -> UUID:
        return commitment_id("north", saga, key, run)

    def of(self, saga: str, run: int = 1, key: str = "acme") -> Any:
        """The commitment of that run; None where it never opened."""
        return self.states.get(self.id_of(saga, run, key))

    def status(self, saga: str, run: int = 1, key: str = "acme") -> str | None:
        """Its status, with the code of its error where it has one."""
        found = self.of(saga, run, key)
        if found is None:
            return None
        error = (found.ended or {}).get("error")
        return f"{found.status} {error['class']}:{error['code']}" if error else found.status

    def topics(self, saga: str, prefix: str, run: int = 1) -> list[str]:
        """Its events of one kind, in order: topic and, where it has one, the status."""
        found = self.events.get(self.id_of(saga, run), [])
        return [
            " ".join(x for x in (type(e).TOPIC, getattr(e, "status", None)) if x)
            for e in found if type(e).TOPIC.startswith(prefix)
        ]  # fmt: skip
