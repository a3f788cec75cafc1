"""The sagas that are measured, and their participants: steps that do nothing."""

from __future__ import annotations

from pydantic import BaseModel

from troth import App, Participant, event, saga, wait_for

__all__ = ["PAD", "app", "five_steps", "waiting"]

PAD = "x" * 250
"""Brings a payload to about 300 bytes."""


@event("bench.begun", version=1, key="id")
class Begun(BaseModel):
    id: str
    pad: str


@event("bench.wanted", version=1, key="id")
class Wanted(BaseModel):
    id: str
    pad: str


@event("bench.woken", version=1, key="id")
class Woken(BaseModel):
    id: str


bench = Participant("bench")


@bench.step("one")
async def one(given: Begun) -> Begun:
    return given


@bench.step("two")
async def two(given: Begun) -> Begun:
    return given


@bench.step("three")
async def three(given: Begun) -> Begun:
    return given


@bench.step("four")
async def four(given: Begun) -> Begun:
    return given


@bench.step("five")
async def five(given: Begun) -> Begun:
    return given


@saga("bench-five", version=1, starts_on=Begun)
def five_steps(begun: Begun) -> Begun:
    """Five steps one after the other."""
    first = one(begun)
    second = two(first)
    third = three(second)
    fourth = four(third)
    return five(fourth)


@saga("bench-waiting", version=1, starts_on=Wanted)
def waiting(wanted: Wanted) -> None:
    """Waits for one event."""
    wait_for(Woken, wanted.id, within="30d")


app = App(sagas=[five_steps, waiting], participants=[bench])
