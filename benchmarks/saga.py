"""The sagas that are measured, and their participants: steps that do nothing."""

from __future__ import annotations

import os
from functools import cache

from pydantic import BaseModel

from troth import A0, R1, S1, App, Effect, Participant, Refused, event, saga, wait_for

__all__ = ["BULK_SETS", "COUNTS", "GROWING", "PAD", "PERFORMED", "app"]

PAD = "x" * 250
"""Brings a payload to about 300 bytes."""

COUNTS = "BENCH_COUNTS"
"""Names the file to which every run of an effect's handler appends a line."""

PERFORMED = 5
"""Effects of one counted saga."""


class Load(BaseModel):
    """What every event and every result carries."""

    id: str
    pad: str


@event("bench.begun", version=1, key="id")
class Begun(Load):
    pass


@event("bench.counted", version=1, key="id")
class Counted(Load):
    pass


@event("bench.doomed", version=1, key="id")
class Doomed(Load):
    pass


@event("bench.wanted", version=1, key="id")
class Wanted(Load):
    pass


@event("bench.woken", version=1, key="id")
class Woken(BaseModel):
    id: str


bench = Participant("bench")


@bench.step("one")
async def one(given: Load) -> Load:
    return given


@bench.step("two")
async def two(given: Load) -> Load:
    return given


@bench.step("three")
async def three(given: Load) -> Load:
    return given


@bench.step("four")
async def four(given: Load) -> Load:
    return given


@bench.step("five")
async def five(given: Load) -> Load:
    return given


@bench.effect("book", A0, R1, S1)
async def book(fx: Effect, given: Load) -> Load:
    """Something outside: recorded in the participant's journal, and counted."""
    _count("book", fx.key, given.id)
    return given


@book.undo
async def unbook(fx: Effect, given: Load) -> None:
    _count("unbook", fx.key, given.id)


@bench.step("refuse", refuses=["no"])
async def refuse(given: Load) -> Load:
    raise Refused("no", given.id)


@saga("bench-five", version=1, starts_on=Begun)
def five_steps(begun: Begun) -> Load:
    """Five steps one after the other."""
    return five(four(three(two(one(begun)))))


@saga("bench-counted", version=1, starts_on=Counted)
def five_effects(counted: Counted) -> Load:
    """Five effects one after the other, each counted by its key."""
    first = book.named("first")(counted)
    second = book.named("second")(first)
    third = book.named("third")(second)
    fourth = book.named("fourth")(third)
    return book.named("fifth")(fourth)


@saga("bench-doomed", version=1, starts_on=Doomed)
def four_undone(doomed: Doomed) -> Load:
    """Four effects, a step that fails for good, four compensations."""
    first = book.named("first")(doomed)
    second = book.named("second")(first)
    third = book.named("third")(second)
    fourth = book.named("fourth")(third)
    return refuse(fourth)


@saga("bench-waiting", version=1, starts_on=Wanted)
def waiting(wanted: Wanted) -> None:
    """Waits for one event."""
    wait_for(Woken, wanted.id, within="30d")


@cache
def _counts() -> int | None:
    """The open file of counts, if somebody counts."""
    path = os.environ.get(COUNTS)
    return None if path is None else os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def _count(kind: str, key: str, id: str) -> None:
    """Append one line, at once: what the process did must be readable after it was killed."""
    file = _counts()
    if file is not None:
        os.write(file, f"{kind} {key} {id}\n".encode())


app = App(
    sagas=[five_steps, five_effects, four_undone, waiting],
    participants=[bench],
)

BULK_SETS = 100
"""A handler may run a thousand times: one run makes so many events, to grow by 100,000."""


def _set(name: str) -> dict[str, object]:
    return {"node": "set", "name": name, "values": {"n": "vars.n + 1"}}


_TICK = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
GROWING = {
    "troth": 1, "saga": "bench-growing", "version": 1, "key": "input.id", "input": _TICK,
    "starts_on": [{"event": "bench.grown", "input": "event.data"}],
    "double_start": {"running": "return", "finished": "after_failure"},
    "events": {
        "bench.grown": {"version": 1, "schema": _TICK, "key": "id"},
        "bench.tick": {"version": 1, "schema": _TICK, "key": "id"},
        "bench.bulk": {"version": 1, "schema": _TICK, "key": "id"},
        "bench.end": {"version": 1, "schema": _TICK, "key": "id"},
    },
    "contracts": {},
    "vars": {"n": {"schema": {"type": "integer"}, "initial": 0}},
    "handlers": [
        {"name": "tick", "events": ["bench.tick"], "key": "input.id", "max": 1_000,
         "flow": [_set("count")]},
        {"name": "bulk", "events": ["bench.bulk"], "key": "input.id", "max": 1_000,
         "flow": [_set(f"count_{n}") for n in range(BULK_SETS)]},
    ],
    "flow": [{"node": "wait_for", "name": "end", "events": ["bench.end"], "key": "input.id",
              "within": "30d"}],
}  # fmt: skip
"""A commitment that grows by each event, in the form the engine stores."""
