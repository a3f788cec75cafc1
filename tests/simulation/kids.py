"""Sagas that others start as children: without a pivot, so that they can undo themselves."""

from __future__ import annotations

from random import Random
from typing import Any

from pydantic import BaseModel

from tests.simulation import pool
from troth import DoubleStart, Saga, child, fail, new, saga, scope, sleep, undo_flow

__all__ = ["KIDS", "Part", "child_of"]

KIDS_MAX = 3


class Part(BaseModel):
    """What a child is started with."""

    number: str


def _kid(number: int) -> Saga[Any, Any]:
    """A few steps, perhaps a rest, a part that is undone by a flow, and a failure at the end."""

    def flow(part: Part) -> None:
        _draw(Random(f"kid {number}"), number, part)

    start = DoubleStart(running="refuse", finished="allow")
    return saga(f"kid-{number}", version=1, starts_on=Part, key="number", double_start=start)(flow)


def _draw(rng: Random, number: int, part: Part) -> None:
    for step in range(rng.randint(1, 3)):
        rng.choice(pool.EFFECTS).named(f"k_{step}")(part.number)
    if number > 0:
        sleep("rest", rng.choice(["10s", "5m"]))
        with scope("trip"):
            pool.make.named("there")(part.number)
            with undo_flow():
                pool.post.named("back")(part.number)
                if number > 1:
                    pool.amend.named("amends")(part.number)
    if number > 1:
        fail("broken")


KIDS = tuple(_kid(number) for number in range(KIDS_MAX))


def child_of(rng: Random, known: str, name: str) -> None:
    """A child of the flow that is traced, of a key of its own."""
    undo: Any = rng.choice(["revoke", "revoke", "revoke", "none"])
    stop: Any = rng.choice([None, None, "leave"])
    expiry: Any = rng.choice(["fail", "continue"])
    child(
        rng.choice(KIDS), new(Part, number=known + f"-{name}"), on_undo=undo,
        wait=rng.random() < 0.7, on_stop=stop, name=name,
        within=rng.choice(["2m", "1h"]), on_expiry=expiry,
    )  # fmt: skip
