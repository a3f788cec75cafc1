"""Random sagas: a flow drawn from all forms of the SDK, traced like any user's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from tests.simulation import pool
from tests.simulation.kids import child_of
from tests.simulation.pool import Noted, Ordered, Paid, Ref, Withdrawn
from troth import (
    A2,
    A3,
    DoubleStart,
    Every,
    Saga,
    approve,
    await_,
    branch,
    cancel,
    each,
    emit,
    fail,
    finish,
    lock,
    new,
    on,
    on_failure,
    otherwise,
    parallel,
    race,
    repeat,
    saga,
    scope,
    set_,
    sleep,
    task,
    undo,
    undo_flow,
    var,
    wait_for,
    when,
)

__all__ = ["random_saga"]

NODES_MAX = 12
DEPTH_MAX = 3
KINDS = ("step", "step", "step", "look", "gate", "gate", "parallel", "when", "wait", "race",
         "repeat", "each", "scope", "lock", "sleep", "await", "task", "emit", "set")  # fmt: skip
KIN = 2
"""One of so many sagas may start children, and may have scopes with an undo_flow."""
KINDS_OF_KIN = ("child", "child", "child", "trip", "trip")
BLOCKS = frozenset({"parallel", "when", "race", "repeat", "each", "scope", "lock"})


def random_saga(rng: Random, name: str, version: int = 1) -> Saga[Any, Any]:
    """A saga of a few nodes. It may break a rule of registration; then another one is drawn."""
    seed = rng.getrandbits(64)
    # Some start children; the draws of all others stay what they were.
    kinds = KINDS if seed % KIN else (*KINDS, *KINDS_OF_KIN)

    def flow(order: Ordered) -> None:
        # A flow may be traced more than once: each time the same.
        _Draw(Random(seed), order, kinds).flow()

    policy: Any = rng.choice([("return", "after_failure"), ("refuse", "allow"),
                                    ("replace", "allow"), ("return", "refuse")])  # fmt: skip
    options: dict[str, Any] = {
        "double_start": DoubleStart(running=policy[0], finished=policy[1]),
        "on_debt": rng.choice(["hold", "continue"]),
        "deadline": rng.choice(["2h", "6h", None]),
        "undo_deadline": rng.choice([None, None, "1h"]),
    }
    return saga(name, version=version, starts_on=Ordered, **options)(flow)


class _Draw:
    """Draws a flow while it is being traced."""

    def __init__(self, rng: Random, order: Ordered, kinds: Sequence[str]) -> None:
        self._rng = rng
        self._kinds = kinds
        self._order = order
        self._names = 0
        self._left = rng.randint(3, NODES_MAX)
        self._counter: Any = None
        self._label: Any = None

    def flow(self) -> None:
        rng, order = self._rng, self._order
        self._counter = var("counter", int, 0)
        self._label = var("label", str, "new")
        if rng.random() < 0.35:
            undo: Any = rng.choice(["all", "none"])
            with on("withdrawal", Withdrawn, order.number, interrupt=True, undo=undo):
                self._ending("gone")
        if rng.random() < 0.4:
            with on("note", Noted, order.number, width=rng.choice([1, 2]), max=20):
                self._step(order.number, rng.choice([pool.look, pool.post]))
                # A decision that was asked for before is about something else now.
                set_(label="noted", name=self._name("set"))
        if rng.random() < 0.25:
            with on_failure(rng.choice(["business:*", "*", "timeout:*"]), undo="all"):
                self._ending("sorry")
        self._list(order.number, 0)
        if rng.random() < 0.35:
            with approve(self._name("final"), level=A3, within="20m"):
                pool.bind.named(self._name("bind"))(order.number)
            if rng.random() < 0.6:
                # What can be cancelled no more, and goes on.
                sleep(self._name("nap"), "10m")

    def _ending(self, code: str) -> None:
        if self._rng.random() < 0.5:
            fail(code, name=self._name("fail"))
        else:
            self._step(self._order.number, pool.post)

    def _name(self, kind: str) -> str:
        self._names += 1
        return f"{kind}_{self._names}"

    def _list(self, known: str, depth: int) -> str:
        for _ in range(self._rng.randint(1, 4)):
            if self._left <= 0:
                break
            self._left -= 1
            known = self._node(known, depth)
        return known

    def _node(self, known: str, depth: int) -> str:
        kind = self._rng.choice(self._kinds)
        if depth >= DEPTH_MAX and kind in BLOCKS:
            kind = "step"
        if kind in ("step", "look"):
            step = pool.look if kind == "look" else self._rng.choice(pool.EFFECTS)
            return self._step(known, step)
        draw: Callable[[str, int], None] = getattr(self, f"_{kind}")
        draw(known, depth)
        return known

    def _step(self, known: str, step: Any) -> str:
        args = (known, self._order.amount) if step is pool.look else (known,)
        step = step.named(self._name("s"))
        if self._rng.random() < 0.15:
            step = step.throttled(pool.DESK)
        if self._rng.random() < 0.1:
            step = step.during(pool.SHIFTS)
        made: Ref = step(*args)
        return made.id

    def _gate(self, known: str, depth: int) -> None:
        rng = self._rng
        level = rng.choice([A2, A2, A3])
        reject: Any = rng.choice(["fail", "continue"])
        expiry: Any = rng.choice(["fail", "continue"])
        with approve(
            self._name("gate"), level=level, within=rng.choice(["5m", "30m", "3h"]),
            on_reject=reject, on_expiry=expiry, valid=rng.choice([None, "30s", "2m", "1h"]),
            escalate=rng.choice([(), (), [("2m", "executive")]]),
        ):  # fmt: skip
            for _ in range(rng.randint(1, 2)):
                # What is approved must be known now: the steps inside do not see each other.
                what = self._label if rng.random() < 0.4 else known
                self._step(what, rng.choice(pool.GATED))

    def _parallel(self, known: str, depth: int) -> None:
        rng = self._rng
        count = rng.randint(2, 3)
        join: Any = rng.choice(["all", "all", "any", 2])
        with parallel(
            self._name("par"), join=join, on_branch=rng.choice(["fail", "collect"]),
            losers=rng.choice(["undo", "keep", "run_on"]),
            exclusive=rng.choice([None, None, "branch", "step"]),
            keep=rng.choice([None, None, True]),
            undo_order=rng.choice([None, None, "reverse"]),
        ):  # fmt: skip
            names: list[str] = []
            for _ in range(count):
                name = self._name("b")
                after = names[:1] if names and rng.random() < 0.3 else []
                with branch(name, after=after):
                    self._step(known, rng.choice(pool.EFFECTS))
                    self._list(known, depth + 1)
                names.append(name)

    def _when(self, known: str, depth: int) -> None:
        name = self._name("when")
        with when(name, self._order.amount > self._rng.randint(0, 100)):
            self._list(known, depth + 1)
            if self._rng.random() < 0.15:
                fail("too-much", name=self._name("fail"))
        with otherwise(name):
            self._list(known, depth + 1)

    def _wait(self, known: str, depth: int) -> None:
        wait_for(
            Paid, self._order.number, within=self._rng.choice(["2m", "20m", "1h"]),
            name=self._name("paid"), on_expiry=self._rng.choice(["fail", "continue"]),
            early=self._rng.choice([None, "transient"]),
            peek=self._rng.choice([None, None, None, True]),
        )  # fmt: skip

    def _race(self, known: str, depth: int) -> None:
        with race(self._name("race")):
            waiting = wait_for(Paid, self._order.number, within=None, name=self._name("first"))
            with branch(self._name("b"), waiting):
                self._list(known, depth + 1)
            with branch(self._name("b"), sleep(self._name("nap"), self._rng.choice(["1m", "15m"]))):
                self._list(known, depth + 1)

    def _repeat(self, known: str, depth: int) -> None:
        rng = self._rng
        every: Any = rng.choice([
            None, None, None, "2m", Every("2m", catch_up="all"), Every("25m", calendar=pool.SHIFTS),
        ])  # fmt: skip
        with repeat(
            self._name("rounds"), max=rng.randint(2, 4), every=every,
            until=self._counter > rng.randint(0, 4), on_max=rng.choice(["fail", "continue"]),
        ):  # fmt: skip
            self._step(known, rng.choice(pool.EFFECTS))
            set_(counter=self._counter + 1, name=self._name("set"))

    def _each(self, known: str, depth: int) -> None:
        rng = self._rng
        numbers = [known + f"-{index}" for index in range(rng.randint(1, 4))]
        join: Any = rng.choice(["all", "all", "any"])
        for number in each(
            self._name("list"), numbers, key=lambda number: number, at_most=4, join=join,
            width=rng.choice([None, 1, 2]), on_item=rng.choice(["fail", "collect"]),
            losers=rng.choice(["undo", "keep", "run_on"]), keep=rng.choice([None, None, True]),
        ):  # fmt: skip
            self._step(number, rng.choice(pool.EFFECTS))
            self._list(number, depth + 1)

    def _scope(self, known: str, depth: int) -> None:
        rng = self._rng
        holds: Any = rng.choice([None, None, None, self._counter < rng.randint(1, 4)])
        name = self._name("scope")
        order: Any = rng.choice([None, None, "reverse"])
        with scope(
            name, deadline=rng.choice([None, "3m", "30m"]), while_=holds, undo_order=order
        ):  # fmt: skip
            if rng.random() < 0.8:
                with on_failure(rng.choice(["*", "business:*"]), undo=rng.choice(["all", "none"])):
                    self._step(known, rng.choice([pool.look, pool.post]))
            self._step(known, rng.choice(pool.EFFECTS))
            self._list(known, depth + 1)
            self._act(name)

    def _act(self, part: str) -> None:
        """Sometimes a part is undone, cancelled or finished from inside itself."""
        chance = self._rng.random()
        if chance < 0.1:
            undo(part, name=self._name("back"))
        elif chance < 0.2:
            cancel(part, name=self._name("drop"))
        elif chance < 0.3:
            finish(part, evidence=self._order.number, name=self._name("enough"))

    def _await(self, known: str, depth: int) -> None:
        expiry: Any = self._rng.choice(["fail", "continue"])
        wanted = self._counter >= self._rng.randint(0, 2)
        await_(self._name("ready"), wanted, within=self._rng.choice(["1m", "20m"]),
               on_expiry=expiry)  # fmt: skip

    def _task(self, known: str, depth: int) -> None:
        # Nobody does it here: it goes on, or fails, when its time is over.
        expiry: Any = self._rng.choice(["fail", "continue", "continue"])
        task(self._name("work"), roles=["legal"], within=self._rng.choice(["1m", "20m"]),
             on_expiry=expiry)  # fmt: skip

    def _lock(self, known: str, depth: int) -> None:
        rng = self._rng
        expiry: Any = rng.choice(["fail", "continue"])
        name = rng.choice(["left", "right"])
        with lock(
            name, permits=2 if name == "right" else None, within=rng.choice(["10m", "2h"]),
            on_expiry=expiry, max_hold=rng.choice([None, None, "30m"]),
            name=self._name("held"),
        ):  # fmt: skip
            self._step(known, rng.choice(pool.EFFECTS))
            if depth < DEPTH_MAX - 1:
                self._list(known, depth + 1)

    def _child(self, known: str, depth: int) -> None:
        child_of(self._rng, known, self._name("kid"))

    def _trip(self, known: str, depth: int) -> None:
        """A scope that is undone by a flow of its own."""
        with scope(self._name("trip")):
            self._step(known, self._rng.choice(pool.EFFECTS))
            with undo_flow():
                self._step(known, pool.post)
                if self._rng.random() < 0.3:
                    sleep(self._name("nap"), "1m")
                if self._rng.random() < 0.7:
                    self._step(known, pool.amend)

    def _sleep(self, known: str, depth: int) -> None:
        sleep(self._name("nap"), self._rng.choice(["5s", "1m", "10m"]))

    def _emit(self, known: str, depth: int) -> None:
        emit(self._name("tell"), Noted, new(Noted, number=self._order.number, text="told"))

    def _set(self, known: str, depth: int) -> None:
        set_(counter=self._counter + 1, name=self._name("set"))
