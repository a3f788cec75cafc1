"""Situations that chance alone draws too seldom: sagas of which a world gets a few at times."""

from __future__ import annotations

from typing import Any

from tests.simulation import pool
from tests.simulation.pool import Noted, Ordered
from troth import (
    A2,
    A3,
    DoubleStart,
    Saga,
    approve,
    branch,
    emit,
    fail,
    lock,
    new,
    on_failure,
    parallel,
    saga,
    scope,
    set_,
    sleep,
    var,
    wait_for,
    when,
)

__all__ = ["PLOTS"]

AGAIN = DoubleStart(running="replace", finished="allow")
ONCE = DoubleStart(running="return", finished="after_failure")


@saga("plot-relabel", version=1, starts_on=Ordered, double_start=ONCE)
def relabel(order: Ordered) -> None:
    """What was approved has become something else before its turn comes."""
    label = var("label", str, "new")
    with approve("gate", level=A2, within="3h", on_expiry="continue", on_reject="continue"):
        pool.charge.named("first")(order.number)
        set_(label="other", name="change")
        pool.file.named("second")(label)


@saga("plot-sealed", version=1, starts_on=Ordered, double_start=ONCE)
def sealed(order: Ordered) -> None:
    """A pivot, and undoing after it: what came before it stays."""
    with on_failure("*", undo="all"):
        emit("sorry", Noted, new(Noted, number=order.number, text="sorry"))
    pool.make.named("before")(order.number)
    with approve("final", level=A3, within="3h"):
        pool.bind.named("bind")(order.number)
    pool.build.named("after")(order.number)
    with when("much", order.amount > 20):
        fail("late")


def _waits(order: Ordered) -> None:
    wait_for(Noted, order.number, within="2h", name="told", on_expiry="continue")
    pool.make.named("then")(order.number)


@saga("plot-left-waits", version=1, starts_on=Ordered, double_start=ONCE)
def left_waits(order: Ordered) -> None:
    """Two wait for one event."""
    _waits(order)


@saga("plot-right-waits", version=1, starts_on=Ordered, double_start=ONCE)
def right_waits(order: Ordered) -> None:
    """The other one, which also tells it."""
    with parallel("both"):
        with branch("hears"):
            _waits(order)
        with branch("tells"):
            sleep("first", "2m")
            emit("tell", Noted, new(Noted, number=order.number, text="both"))


def _holds(order: Ordered) -> None:
    with scope("hurried", deadline="40s"), lock("left", within="10m", name="held"):
        pool.build.named("one")(order.number)
        pool.grab.named("two")(order.number)
        sleep("a_while", "20s")


@saga("plot-holds", version=1, starts_on=Ordered, double_start=AGAIN)
def holds(order: Ordered) -> None:
    """Two want one lock, and are stopped while they hold it."""
    _holds(order)


@saga("plot-holds-too", version=1, starts_on=Ordered, double_start=AGAIN)
def holds_too(order: Ordered) -> None:
    """The other one, at the same time."""
    _holds(order)


@saga("plot-unsure", version=1, starts_on=Ordered, double_start=AGAIN)
def unsure(order: Ordered) -> None:
    """Much of which nobody knows whether it happened, with a start that follows."""
    with approve("gate", level=A2, within="3h", on_expiry="continue", on_reject="continue"):
        pool.charge.named("one")(order.number)
        pool.charge.named("two")(order.number)
        pool.charge.named("three")(order.number)
    sleep("a_while", "5m")


PLOTS: tuple[tuple[Saga[Any, Any], ...], ...] = (
    (relabel,), (sealed,), (left_waits, right_waits), (holds, holds_too), (unsure,),
)  # fmt: skip
"""Each with all sagas that play in it."""
