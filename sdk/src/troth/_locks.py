"""Locks that a flow holds while a part of it runs."""

from __future__ import annotations

from typing import Any, Literal, Protocol, cast

from ._expressions import Expr
from ._text import check_duration, check_stored_name, node_name_of
from ._tracer import Block, current

__all__ = ["Held", "lock"]


class Held(Protocol):
    """`with lock(...) as held:`; `fence` rises with every holder, `out` is there afterwards."""

    @property
    def fence(self) -> int: ...

    @property
    def out(self) -> Any: ...


def lock(
    lock: str,
    *,
    within: str,
    max_hold: str | None = None,
    permits: int | None = None,
    on_expiry: Literal["fail", "continue"] | None = None,
    keep: bool | None = None,
    name: str | None = None,
) -> Block[Held]:
    """A part that runs while this commitment holds the lock of its tenant: alone, or one of a few.

    What is done inside is undone under the lock too: it is taken again for that.

    Args:
        lock: its name; sagas that name the same one wait for each other, in order.
        within: the longest wait for it.
        max_hold: the longest time inside; then the part stops, and fails as a timeout.
        permits: how many may hold it at once, 1 to 1,000; one unless said.
        on_expiry: "continue" goes on without the part when the lock did not come in time.
        keep: True drops the undo entries inside once it is done.
        name: of the node; by default that of the lock.
    """
    tracer = current("lock")
    check_stored_name(lock, "a lock")
    part = tracer.node("lock", name or node_name_of(lock))
    part.give(
        lock=lock,
        within=check_duration(within, "within="),
        max_hold=None if max_hold is None else check_duration(max_hold, "max_hold="),
        permits=permits,
        on_expiry=on_expiry,
        keep=keep,
    )
    path = f"results.{part.name}"
    fields = {"fence": (Expr(f"{path}.fence"), int), "out": (Expr(f"{path}.out"), Any)}
    value = tracer.record(Expr(path), part.name, fields)
    return tracer.open(Block("lock", part, part.flow(), cast(Held, value), tracer, out_of=part))
