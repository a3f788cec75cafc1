"""A commitment with all it talks to, in memory: key streams, dispatches, timers, a clock.

It runs a definition through decide and outputs as the lane loop does, one message at a time, and
holds after every message what must hold of any: that the handed-in state is untouched, that the
same message decides the same, that the events fold to the state, that a snapshot gives it back, and
that an unfinished commitment waits for something.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

import orjson

from domain import events as ev
from domain import key_stream as ks
from domain import lock_stream as ls
from domain import messages as msg
from domain import throttle_stream as ts
from domain.commitment import Commitment, CommitmentSnapshot
from domain.events import Event
from domain.ids import commitment_id, key_id
from domain.mapper import event_mapper
from domain.ports import Dispatch
from projections.current_step import current_step, rows
from sagas.decide import decide
from sagas.definition import Definition
from sagas.loading import load
from sagas.outputs import outputs
from tests.semantics.recorded import note

Json = Any
START_US = 1_700_000_000_000_000
TTL_US = 7 * 86_400_000_000
MESSAGES_MAX = 10_000
CTX = {
    "tenant": "north", "actor": "ann", "actor_type": "human", "correlation": "c1",
    "causation": "m1", "trace": None,
}  # fmt: skip
_MAPPER = event_mapper()


def state_of(c: Commitment) -> dict[str, Json]:
    """All that a commitment is, without what the library keeps beside it."""
    return {name: v for name, v in vars(c).items() if name not in ("_pending_events", "_ceiling")}


def stored(state: Any) -> Json:
    """The state of a commitment as its snapshot stores it; None of any other stream."""
    if not isinstance(state, Commitment):
        return None
    return orjson.loads(orjson.dumps(CommitmentSnapshot.take(state).state))


def fold(events: list[Event]) -> Commitment:
    """The commitment from zero, read back from stored bytes."""
    state: Any = None
    for event in events:
        read: Any = _MAPPER.to_domain_event(_MAPPER.to_stored_event(event))
        state = read.mutate(state)
    return state


def from_snapshot(c: Commitment) -> Commitment:
    """The commitment from the bytes of its snapshot."""
    snapshot = CommitmentSnapshot.take(c)
    raw = orjson.dumps(snapshot.state)
    fields = (snapshot.originator_id, snapshot.originator_version, snapshot.timestamp)
    return CommitmentSnapshot(*fields, snapshot.topic, orjson.loads(raw)).mutate(None)


class World:
    """Runs one commitment. `dispatches` is the desk: what is offered or started, by effect."""

    def __init__(
        self, document: dict[str, Json] | Definition, payload: Json = None, key: str = "acme"
    ) -> None:
        is_loaded = isinstance(document, Definition)
        self.d: Definition = document if is_loaded else load(document, "hash")
        self.id = commitment_id("north", self.d.saga, key, 1)
        self.now_us = START_US
        self.c: Commitment | None = None
        self.events: list[Event] = []
        self.dispatches: dict[str, Dispatch] = {}
        self.started: set[str] = set()
        self.commands: list[Dispatch] = []
        self.keys: dict[UUID, Any] = {}
        self.locks: dict[UUID, Any] = {}
        self.throttles: dict[UUID, Any] = {}
        self.kids: dict[tuple[str, int], Json] = {}
        self.revoking: dict[str, str] = {}
        self.wake_us: int | None = None
        self.outcome: Json = None
        self.facts: list[Json] = []
        self.tasks: dict[str, Json] = {}
        self.approvals: dict[str, Json] = {}
        self.arrived = 0
        self.key = key
        self.payload = {"id": key} if payload is None else payload

    def open(self) -> World:
        self.send(msg.Open("north", self.d.saga, self.d.version, "hash", self.key, 1, self.payload))
        return self

    @property
    def now(self) -> Commitment:
        assert self.c is not None
        return self.c

    # --- one message -------------------------------------------------------------------------

    def send(self, message: msg.Message) -> Json:
        """Decide one message and all the mail that follows from it; its own answer is returned."""
        queue: list[msg.Message] = [message]
        outcome: Json = None
        for count in range(MESSAGES_MAX):
            if not queue:
                self.outcome = outcome
                return outcome
            answer = self._step(queue.pop(0), queue)
            outcome = answer if count == 0 else outcome
            if not queue:
                self._waits_for_something()
        raise AssertionError("mail without end")

    def _step(self, message: msg.Message, queue: list[msg.Message]) -> Json:
        before = self.c
        raw = None if before is None else orjson.dumps(CommitmentSnapshot.take(before).state)
        at = {"stream": self.id, "now_us": self.now_us, "ctx": dict(CTX)}
        decided = decide(self.d, before, message, **at)
        assert before is None or orjson.dumps(CommitmentSnapshot.take(before).state) == raw
        assert decide(self.d, before, message, **at).events == decided.events
        self.c = decided.state
        self.events += decided.events
        note(message, decided.events, decided.outcome, stored(before), stored(self.c))
        self._follow(before, decided.state, decided.events, queue)
        self._hold()
        return decided.outcome

    def _follow(
        self, before: Commitment | None, after: Commitment, events: list[Event],
        queue: list[msg.Message],
    ) -> None:  # fmt: skip
        out = outputs(before, after, events)
        for row in rows(self.d, before, after, events, position=len(self.events), lane=0):
            if row.table == "tasks" and row.columns is not None:
                self.tasks[row.key["id"]] = row.columns["body"]
            elif row.table == "approvals" and row.columns is not None:
                self.approvals[row.key["id"]] = row.columns["body"]
        self.facts += [e.fact for e in events if isinstance(e, ev.FactEmitted)]
        for effect in out.settled:
            self.dispatches.pop(effect, None)
            self.started.discard(effect)
        for offered in out.offered:
            dispatch = offered.dispatch
            assert dispatch.effect not in self.dispatches, "two commands of one effect at once"
            self.dispatches[dispatch.effect] = dispatch
            self.commands.append(dispatch)
        for effect in out.withdraw:
            if effect in self.dispatches and effect not in self.started:
                del self.dispatches[effect]
                queue.append(msg.Withdrawn(effect))
        self.wake_us = out.wake_us
        for to, mail in out.mail:
            if isinstance(mail, msg.Subscribe):
                queue += self._to_key(to, mail)
            elif isinstance(mail, msg.Acquire | msg.Release):
                queue += self._to_lock(to, mail)
            elif isinstance(mail, msg.TakeTurn | msg.DropTurn):
                queue += self._to_throttle(to, mail)
            elif isinstance(mail, msg.Start | msg.Recall):
                queue += self._to_kid(mail)
            elif isinstance(mail, msg.Revoke):
                self.revoking[mail.node] = str(to)

    def _to_lock(self, to: UUID, message: msg.Message) -> list[msg.Message]:
        decided = ls.decide(self.locks.get(to), message, stream=to, now_us=self.now_us, ctx=CTX)
        self.locks[to] = decided.state
        return [mail for stream, mail in decided.mail if stream == self.id]

    def _to_throttle(self, to: UUID, message: msg.Message) -> list[msg.Message]:
        decided = ts.decide(self.throttles.get(to), message, stream=to, now_us=self.now_us, ctx=CTX)
        self.throttles[to] = decided.state
        return [mail for stream, mail in decided.mail if stream == self.id]

    def _to_kid(self, message: msg.Start | msg.Recall) -> list[msg.Message]:
        """Children are there by name only: `kid_says` tells what they do."""
        if isinstance(message, msg.Start):
            asked = message.parent["node"], message.parent["ask"]
            self.kids[asked] = {"id": None, "wait": message.parent["wait"]}
            return []
        kid = self.kids.get((message.node, message.ask))
        if kid is None or kid["id"] is not None:
            return []
        del self.kids[message.node, message.ask]
        return [msg.ChildOver(message.node, message.ask, "cancelled")]

    def kid_undoes(self, node: str, status: str = "revoked") -> None:
        """A child that was asked to has undone itself; refused: it cannot."""
        error = {"class": "business", "code": "cancel.past_pivot", "message": "no", "node": "x"}
        told = None if status == "revoked" else error
        self.send(msg.ChildRevoked(node, self.revoking.pop(node), status, told))

    def kid_says(self, asked: tuple[str, int], status: str, result: Json = 7) -> None:
        """A child begins (also before its end), and ends with a status; conflict: it never does."""
        kid, error = self.kids[asked], {"class": "business", "code": "no", "message": "no"}
        if status == "conflict" and kid["id"] is None:
            del self.kids[asked]
            self.send(msg.ChildOver(*asked, "conflict", error=error))
            return
        if kid["id"] is None:
            kid["id"] = str(commitment_id("north", "kid", "-".join(map(str, asked)), 1))
            if not kid["wait"]:
                del self.kids[asked]
            self.send(msg.ChildStarted(*asked, kid["id"], 1, 1))
        elif status in ("fulfilled", "failed", "cancelled"):
            del self.kids[asked]
            told = None if status == "fulfilled" else error
            self.send(msg.ChildOver(*asked, status, kid["id"], None if told else result, told))

    def _to_key(self, to: UUID, message: msg.Message) -> list[msg.Message]:
        decided = ks.decide(self.keys.get(to), message, stream=to, now_us=self.now_us, ctx=CTX)
        self.keys[to] = decided.state
        return [mail for stream, mail in decided.mail if stream == self.id]

    def _hold(self) -> None:
        c = self.now
        assert c.ceiling is None or c.ceiling >= len(orjson.dumps(CommitmentSnapshot.take(c).state))
        assert state_of(fold(self.events)) == state_of(c)
        assert state_of(from_snapshot(c)) == state_of(c)
        assert [e.originator_version for e in self.events] == list(range(1, len(self.events) + 1))

    def _waits_for_something(self) -> None:
        if self.now.is_over:
            assert not self.dispatches, "a command after the end"
            assert self.wake_us is None
        else:
            assert self.waits(), f"nothing moves it: {self.now.status}"

    def waits(self) -> list[str]:
        """What an unfinished commitment waits for: one of these must be there."""
        c = self.now
        found = ["wake-up"] * (self.wake_us is not None) + ["dispatch"] * bool(self.dispatches)
        found += ["child"] * bool(c.children or self.revoking)
        found += ["lock"] * any(hold.fence is None for hold in c.locks.values())
        found += ["throttle"] * any(not place.given for place in c.places.values())
        found += ["event"] * any(p in c.subs for p in c.nodes)
        asked = any((i.asked and not i.branch) or i.task for i in c.nodes.values())
        unknown = any(e.state == "unknown" and e.next == "ask" for e in c.effects.values())
        person = asked or unknown or bool(c.debts) or c.paused or c.held is not None
        return found + ["person"] * bool(person)

    # --- what happens ------------------------------------------------------------------------

    def dispatch(self, node: str, kind: str | None = None) -> Dispatch:
        """The open command of a node, by its path or its name."""
        for d in self.dispatches.values():
            if kind in (None, d.kind) and node in (d.body["node"], d.body["node"].split("/")[-1]):
                return d
        raise AssertionError(f"no command for {node}; open: {self.offered()}")

    def offered(self) -> list[str]:
        """Open commands: the node's path, for an undo or a probe with that word before it."""
        return [command_name(d) for d in self.dispatches.values()]

    def answer(self, d: Dispatch, outcome: str, **more: Json) -> Json:
        token = f"1.{len(self.events)}.1"
        kind = more.pop("kind", d.kind)
        return self.send(msg.Answered(d.effect, d.attempt, token, kind, outcome, "w1", **more))

    def start(self, d: Dispatch) -> None:
        self.started.add(d.effect)
        self.send(msg.Started(d.effect, d.attempt, "1.1.1", "w1"))

    def arrive(self, type_: str, data: Json = None, key: str | None = None) -> None:
        """An event is accepted into the stream of its key."""
        self.arrived += 1
        event = {
            "id": f"e{self.arrived}", "source": "test", "type": type_, "data": data or {},
            "time": "2026-01-01T00:00:00Z",
        }  # fmt: skip
        key = self.key if key is None else key
        arrive = msg.Arrive("north", key, event, TTL_US)
        for offer in self._to_key(key_id("north", key), arrive):
            self.send(offer)

    def pass_time(self, until_us: int) -> None:
        """Let time pass; every wake-up on the way is sent when it is due."""
        for _ in range(MESSAGES_MAX):
            due = [(at, i) for i, (at, _) in enumerate(self._wakes()) if at <= until_us]
            if not due:
                self.now_us = max(self.now_us, until_us)
                return
            at, throttle = self._wakes()[min(due)[1]]
            self.now_us = max(self.now_us, at)
            if throttle is None:
                self.send(msg.Wake(self.now_us))
                continue
            for turn in self._to_throttle(throttle, msg.Wake(self.now_us)):
                self.send(turn)
        raise AssertionError("timers without end")

    @property
    def due_us(self) -> int | None:
        """When something is due next: of the commitment, or of a throttle that it waits in."""
        return min((at for at, _ in self._wakes()), default=None)

    def _wakes(self) -> list[tuple[int, UUID | None]]:
        """When the commitment is due, and the throttles that it waits in."""
        own: list[tuple[int, UUID | None]] = []
        if self.wake_us is not None:
            own.append((self.wake_us, None))
        found = ((ts.wake_us(state), stream) for stream, state in self.throttles.items())
        return own + [(at, stream) for at, stream in found if at is not None]

    def shown(self) -> dict[str, Json]:
        return current_step(self.d, self.now)


def command_name(d: Dispatch) -> str:
    return d.body["node"] if d.kind == "do" else f"{d.kind} {d.body['node']}"
