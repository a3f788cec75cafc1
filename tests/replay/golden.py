"""Golden histories: a recorded stream, the state it folds to, and what is decided on it next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from eventsourcing.persistence import StoredEvent

from domain import messages as msg
from domain.commitment import Commitment, CommitmentSnapshot
from domain.events import Event
from domain.mapper import event_mapper
from domain.ports import Dispatch
from sagas.decide import decide
from sagas.loading import load
from tests.semantics.family import Family
from tests.semantics.language import Story
from tests.semantics.world import CTX

Json = Any
DAY_US = 86_400_000_000
ALL_SEATS = ("manager", "function_head", "legal", "executive")
LOST = {"class": "business", "code": "no", "message": "no"}
_MAPPER = event_mapper()


@dataclass(frozen=True, slots=True)
class Kin:
    """One commitment of several that talk to each other."""

    family: Family
    saga: str
    key: str = "acme"


@dataclass(frozen=True, slots=True)
class _Told:
    """What a story left behind: the stream, and what may come next to it."""

    document: Json
    stream: UUID
    events: list[Event]
    state: Commitment
    now_us: int
    open: list[Dispatch]
    kids: dict[tuple[str, int], Json]


def _told(story: Story | Kin) -> _Told:
    if isinstance(story, Kin):
        f, stream = story.family, story.family.id_of(story.saga, 1, story.key)
        definition, state = f.registry.of_saga(story.saga), f.of(story.saga, 1, story.key)
        assert definition is not None
        work = [d for d in f.work.values() if d.stream == stream]
        document = dict(definition.document)
        return _Told(document, stream, f.events[stream], state, f.now_us, work, {})
    w = story.w
    work = list(w.dispatches.values())
    return _Told(dict(w.d.document), w.id, w.events, w.now, w.now_us, work, w.kids)


def record(story: Story | Kin) -> Json:
    """A history as JSON: definition, stored events, state, and the next decisions."""
    told = _told(story)
    following = [
        {"message": {"kind": m.KIND, "body": msg.to_body(m)}, "now_us": now_us}
        for m, now_us in _next_messages(told)
    ]
    history: Json = {
        "definition": told.document,
        "stream": str(told.stream),
        "events": [_stored(e) for e in told.events],
    }
    state = fold(history)
    history["state"] = state_of(state)
    history["next"] = [n | next_of(history, state, n) for n in following]
    return orjson.loads(orjson.dumps(history))


def _next_messages(told: _Told) -> list[tuple[msg.Message, int]]:
    """One of every kind that may come next."""
    now_us = told.now_us + 1
    found: list[msg.Message] = [msg.Control("cancel", "ops", "so be it")]
    for d in told.open:
        found += [
            msg.Answered(d.effect, d.attempt, "1.9.1", d.kind, outcome, "w1", {"id": "c-1"})
            for outcome in ("done", "failed", "transient", "unknown")
        ]
        found.append(msg.Lost(d.effect, d.attempt, d.kind, "lease"))
    for debt in told.state.debts:
        found.append(msg.Control("settle", "ops", "so be it", debt, "done", None, ["letter"]))
        found.append(msg.Control("retry", "ops", "so be it", debt))
    for path, sub in told.state.subs.items():
        event = {"id": path, "source": "s", "type": sub.types[0], "time": None, "data": {}}
        found.append(msg.Offer(sub.key, 999, event, now_us))
    found += [*_of_people(told), *_of_children(told)]
    return [*((m, now_us) for m in found), (msg.Wake(now_us), now_us + 90 * DAY_US)]


def _of_people(told: _Told) -> Iterator[msg.Message]:
    """What persons may say: yes and no to every question, and whatever a task takes."""
    for instance in told.state.nodes.values():
        asked, task = instance.asked, instance.task
        if asked is not None and not instance.branch:
            for answer in ("approve", "reject"):
                yield msg.Decide(
                    asked.approval, answer, asked.digest, "pat", "human", ALL_SEATS, "so be it"
                )
        if task is not None:
            for action in ("claim", "release", "complete"):
                by = task.by or "pat"
                yield msg.TaskAct(task.id, action, by, "human", tuple(task.roles), {"claimed": "x"})


def _of_children(told: _Told) -> Iterator[msg.Message]:
    """How each child may begin, or end."""
    for (node, ask), kid in told.kids.items():
        if kid["id"] is None:
            yield msg.ChildStarted(node, ask, str(told.stream), 1, 1)
            yield msg.ChildOver(node, ask, "conflict", error=LOST)
        else:
            yield msg.ChildOver(node, ask, "fulfilled", kid["id"], {"name": "x"})
            yield msg.ChildOver(node, ask, "failed", kid["id"], None, LOST)


def _stored(event: Event) -> Json:
    stored = _MAPPER.to_stored_event(event)
    return {"topic": stored.topic, "state": orjson.loads(stored.state)}


def fold(history: Json) -> Commitment:
    """The state of the recorded events, read as a store would read them."""
    stream = UUID(history["stream"])
    state: Any = None
    for version, item in enumerate(history["events"], start=1):
        raw = StoredEvent(stream, version, item["topic"], orjson.dumps(item["state"]))
        read: Any = _MAPPER.to_domain_event(raw)
        state = read.mutate(state)
    return state


def state_of(c: Commitment) -> Json:
    """The state as its snapshot stores it."""
    return orjson.loads(orjson.dumps(CommitmentSnapshot.take(c).state))


def next_of(history: Json, state: Commitment, following: Json) -> Json:
    """What this build decides on a message that may come next."""
    definition = load(history["definition"], state.definition)
    message = msg.from_body(following["message"]["kind"], following["message"]["body"])
    decided = decide(
        definition, state, message, stream=UUID(history["stream"]), now_us=following["now_us"],
        ctx=dict(CTX),
    )  # fmt: skip
    events = orjson.loads(orjson.dumps([_stored(e) for e in decided.events]))
    return {"events": events, "outcome": decided.outcome}


def onto(recorded: Json, got: Json) -> Json:
    """`got` without the members that did not exist when the history was recorded.

    The keys of maps (paths, effects, vars) are data: there a new one is a difference.
    """
    if not isinstance(recorded, dict) or not isinstance(got, dict):
        return got
    return {
        name: onto_records(recorded[name], value) if name in RECORDS else value
        for name, value in got.items() if name in recorded
    }  # fmt: skip


RECORDS = frozenset({
    "nodes", "trail", "effects", "entries", "subs", "bindings", "stops", "undoing", "debts",
})  # fmt: skip


def onto_records(recorded: Json, got: Json) -> Json:
    """The same for the frozen records in a map, and for the records that these hold."""
    return {
        key: _onto_record(recorded[key], record) if key in recorded else record
        for key, record in got.items()
    }


def _onto_record(recorded: Json, got: Json) -> Json:
    if not isinstance(recorded, dict) or not isinstance(got, dict):
        return got
    return {
        name: _onto_record(recorded[name], value) if name in NESTED else value
        for name, value in got.items() if name in recorded
    }  # fmt: skip


NESTED = frozenset({"asked", "task"})
