"""Situations that chance alone draws too seldom: sagas of which a world gets a few at times."""

from __future__ import annotations

from random import Random
from typing import Any

from tests.simulation import pool
from tests.simulation.dice import Dice
from tests.simulation.kinds import Kinds
from tests.simulation.pool import Noted, Ordered
from troth import (
    A2,
    A3,
    DoubleStart,
    Saga,
    approve,
    branch,
    each,
    emit,
    fail,
    lock,
    new,
    on_failure,
    parallel,
    repeat,
    saga,
    scope,
    set_,
    sleep,
    var,
    wait_for,
    when,
)

__all__ = ["is_changing", "plots_of"]

PLOTTED = 0.6
"""The share of worlds in which one of the first plots is played."""
PLOTTED_MORE = 0.5
"""The share of those in which one of the others is, drawn apart: it shifts no other draw."""
PLOTTED_LATE = 0.2
"""The share of worlds in which somebody is late, drawn apart once more."""
CHANGED, CHANGED_RESTORED = 0.15, 0.5
"""The share of worlds that try again while what it is about changes; of those put back, more."""

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


@saga("plot-bounded", version=1, starts_on=Ordered, double_start=ONCE)
def bounded(order: Ordered) -> None:
    """As many rounds as there may be, and more items than may be open."""
    counter = var("counter", int, 0)
    with repeat("rounds", max=2, until=counter > 9, on_max="continue"):
        pool.make.named("one")(order.number)
        set_(counter=counter + 1, name="count")
    numbers = [order.number + f"-{index}" for index in range(4)]
    for number in each("list", numbers, key=lambda number: number, at_most=4, width=2):
        pool.build.named("item")(number)


@saga("plot-stale", version=1, starts_on=Ordered, double_start=ONCE)
def stale(order: Ordered) -> None:
    """Decisions that are about to end, or have, when their turn comes."""
    with approve(
        "gate", level=A2, within="6h", valid="62s", on_expiry="continue", on_reject="continue"
    ):
        pool.file.named("at_once")(order.number)
        sleep("a_while", "1m")
        pool.charge.named("later")(order.number)
        pool.wire.named("last")(order.number)


@saga("plot-binding", version=1, starts_on=Ordered, double_start=ONCE)
def binding(order: Ordered) -> None:
    """Much that binds for good, of which nobody may know whether it happened."""
    with on_failure("*", undo="all"):
        emit("sorry", Noted, new(Noted, number=order.number, text="sorry"))
    with approve("gate", level=A3, within="6h"):
        pool.bind.named("one")(order.number)
        pool.bind.named("two")(order.number)
        pool.bind.named("three")(order.number)


def _hurry(order: Ordered, name: str) -> None:
    with scope(name, deadline="40s"):
        with on_failure("*", undo="all"):
            pool.look.named(name + "_sorry")(order.number, order.amount)
        pool.wire.named(name + "_wire")(order.number)
        pool.charge.named(name + "_charge")(order.number)


@saga("plot-hurried", version=1, starts_on=Ordered, double_start=ONCE)
def hurried(order: Ordered) -> None:
    """Parts whose time is over while something is under way in them."""
    with approve("gate", level=A2, within="6h", on_expiry="continue", on_reject="continue"):
        _hurry(order, "first")
        _hurry(order, "second")
        _hurry(order, "third")


def _dawdles(number: str, name: str) -> None:
    with scope(name):
        with on_failure("*", undo="none"):
            pool.post.named(name + "_sorry")(number)
        pool.dawdle.named(name + "_dawdle")(number)


@saga("plot-given-up", version=1, starts_on=Ordered, double_start=ONCE)
def given_up(order: Ordered) -> None:
    """What is done when it was given up, and is neither undone nor awaited: soon, or at the end."""
    _dawdles(order.number, "first")
    _dawdles(order.number, "second")
    numbers = [order.number + f"-{index}" for index in range(3)]
    for number in each("list", numbers, key=lambda number: number, at_most=3, width=2):
        _dawdles(number, "item")
    sleep("a_while", "1m")
    _dawdles(order.number, "last")


def _changes(label: Any, counter: Any) -> None:
    """What others read is another one every half minute."""
    with repeat("rounds", max=8, until=counter > 9, on_max="continue"):
        sleep("a_while", "30s")
        set_(counter=counter + 1, label=label + "+", name="change")


@saga("plot-coaxed", version=1, starts_on=Ordered, double_start=AGAIN)
def coaxed(order: Ordered) -> None:
    """What is often not done at once, and is decided anew when what it is about has changed."""
    label, counter = var("label", str, "new"), var("counter", int, 0)
    with approve("gate", level=A2, within="6h", on_expiry="continue", on_reject="continue"):
        pool.coax.named("one")(order.number)
        pool.coax.named("two")(order.number)
    with parallel("both"):
        with branch("asks"), approve(
            "again", level=A2, within="6h", valid="20s", on_expiry="continue",
            on_reject="continue",
        ):  # fmt: skip
            pool.coax.named("three")(label)
        with branch("changes"):
            _changes(label, counter)


@saga("plot-owed", version=1, starts_on=Ordered, double_start=ONCE)
def owed(order: Ordered) -> None:
    """Debts past a pivot, which are retried when what they are about has changed."""
    label, counter = var("label", str, "new"), var("counter", int, 0)
    with approve("final", level=A3, within="6h"):
        pool.bind.named("bind")(order.number)
    with parallel("both"):
        with branch("owes"):
            pool.balk.named("one").within("6h")(label)
            pool.balk.named("two").within("6h")(label)
        with branch("changes"):
            _changes(label, counter)


Played = tuple[Saga[Any, Any], ...]

PLOTS: tuple[Played, ...] = (
    (relabel,), (sealed,), (left_waits, right_waits), (holds, holds_too), (unsure,),
)  # fmt: skip
"""Each with all sagas that play in it."""
MORE: tuple[Played, ...] = ((bounded,), (stale,), (binding,), (hurried,))
LATE: Played = (given_up,)
CHANGING: Played = (coaxed, owed)


def is_changing(seed: int, kinds: Kinds) -> bool:
    """Whether a world plays what is tried again while what it is about changes."""
    share = CHANGED_RESTORED if kinds.is_restored else CHANGED
    return Random(f"changing {seed}").random() < share


def plots_of(dice: Dice, kinds: Kinds) -> Played:
    """What is played in a world."""
    found = dice.pick(PLOTS) if dice.chance(PLOTTED) else ()
    rng = Random(f"plots {dice.seed}")
    if rng.random() < PLOTTED_MORE:
        found = (*found, *rng.choice(MORE))
    if Random(f"late {dice.seed}").random() < PLOTTED_LATE:
        found = (*found, *LATE)
    return (*found, *CHANGING) if is_changing(dice.seed, kinds) else found
