"""Random definitions that pass by the engine's rules, for property tests of decide.

Names are unique; every wait has the type `ping` and every handler `poke`, so that a driver can move
any of them. Expressions never err.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from tests.semantics import language as say
from tests.strategies.acts import UPDATES, add_acts, add_updates

Json = Any
NODES_MAX = 14
DEPTH_MAX = 3
MORNINGS = {
    "zone": "Europe/Berlin",
    "hours": {day: ["00:00-12:00"] for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")},
}
ONE_TRY = {"attempts": 2, "first": "1s", "jitter": 0}


@dataclass(frozen=True, slots=True)
class Shape:
    """How large and how deep a definition may be, and of which blocks; more of some: more often."""

    nodes_max: int = NODES_MAX
    depth_max: int = DEPTH_MAX
    blocks: Sequence[str] = ()


class _Names:
    def __init__(self, shape: Shape) -> None:
        self.count = 0
        self._shape = shape

    def next(self, letter: str) -> str:
        self.count += 1
        return f"{letter}{self.count}"

    @property
    def is_used_up(self) -> bool:
        return self.count >= self._shape.nodes_max

    def blocks(self, depth: int) -> Sequence[Any]:
        """What may stand at a depth beside single nodes."""
        if depth >= self._shape.depth_max or self.is_used_up:
            return ()
        return [_NAMED[name] for name in self._shape.blocks] or _BLOCKS


@st.composite
def documents(draw: st.DrawFn, shape: Shape = Shape()) -> Json:
    """A definition: a flow of a few nodes, perhaps with handlers, debts that hold or are passed."""
    names = _Names(shape)
    members: dict[str, Json] = {"on_debt": draw(st.sampled_from(["hold", "continue"]))}
    if draw(st.integers(0, 9)) == 0:
        members["undo_order"] = "reverse"
    flow = _flow(draw, names, 0)
    if draw(st.integers(0, 3)) == 0:
        members["handlers"] = [_handler(draw, names, 1)]
    asked = UPDATES[: draw(st.sampled_from([0, 0, 1, 2]))]
    members["updates"] = [
        say.update(
            n, *_flow(draw, names, 1, 0), answer="meta.key",
            answer_when=draw(st.sampled_from(["accepted", "done"])),
        )
        for n in asked
    ]  # fmt: skip
    document = say.saga(*flow, calendars={"mornings": MORNINGS}, **members)
    add_updates(draw, document, document.pop("updates"))
    add_acts(draw, document)
    return document


def _flow(draw: st.DrawFn, names: _Names, depth: int, least: int = 1) -> list[Json]:
    return [_node(draw, names, depth) for _ in range(draw(st.integers(least, 3)))]


def _node(draw: st.DrawFn, names: _Names, depth: int) -> Json:
    make = draw(st.sampled_from([_step] * 4 + [_leaf, _child, *names.blocks(depth)]))
    node: Json = make(draw, names, depth)
    if node["node"] in KEEPING and draw(st.integers(0, 7)) == 0:
        node["keep"] = True
    if node["node"] in _LINED and draw(st.integers(0, 5)) == 0:
        node["undo_order"] = "reverse"
    return node


def _step(draw: st.DrawFn, names: _Names, depth: int) -> Json:
    undo = draw(st.sampled_from([None, True, True, True, {"when": "attempted"}]))
    members: dict[str, Json] = {"retry": ONE_TRY}
    if undo is None:
        members["irreversible"] = draw(st.sampled_from(["accepted"] * 5 + ["pivot"]))
    unknown = draw(st.sampled_from(["retry", "retry", "probe", "ask"]))
    risk = draw(st.sampled_from(["R0", "R1"]))
    # It begins at 22:13: this calendar is closed then, and the throttle lets one in an hour.
    if draw(st.integers(0, 7)) == 0:
        members["calendar"] = "mornings"
    if draw(st.integers(0, 5)) == 0:
        members["throttle"] = {"name": "desk", "max": 1, "per": "1h"}
    return say.step(names.next("a"), undo=undo, unknown=unknown, probe=unknown == "probe",
                    risk=risk, **members)  # fmt: skip


def _leaf(draw: st.DrawFn, names: _Names, depth: int) -> Json:
    name = names.next("l")
    kind = draw(st.integers(0, 7))
    if kind == 0:
        return say.sleep(name, "1h")
    if kind == 1:
        return say.announce(name, "told")
    if kind == 2 and depth > 0:
        return say.fail(name, "no")
    if kind == 3 and depth > 0 and draw(st.booleans()):
        return say.fulfil(name)
    if kind == 4:
        late = draw(st.sampled_from(["fail", "continue"]))
        return say.task(name, within="2h", claim_lease="30m", on_expiry=late)
    if kind == 5:
        return say.milestone(name, "meta.now > meta.started_at", within="2h")
    looks: Json = {"peek": True} if draw(st.integers(0, 3)) == 0 else {}
    late = draw(st.sampled_from(["fail", "continue"]))
    return say.wait(name, "ping", within="2h", on_expiry=late, **looks)


def _gated(draw: st.DrawFn, names: _Names, depth: int) -> Json:
    inner = say.step(names.next("a"), risk="R2", undo=draw(st.sampled_from([True, None])),
                     unknown="ask", irreversible="accepted", retry=ONE_TRY,
                     args={"id": "input.id"})  # fmt: skip
    if "undo" in inner:
        del inner["irreversible"]
    flow = [inner, *(_flow(draw, names, depth + 1) if draw(st.booleans()) else [])]
    late: Json = {"escalate": [{"after": "30m", "to": "executive"}]} if draw(st.booleans()) else {}
    return say.approve(names.next("q"), *flow, valid="3h", **late,
                       on_reject=draw(st.sampled_from(["fail", "continue"])))  # fmt: skip


def _parallel(draw: st.DrawFn, names: _Names, depth: int) -> Json:
    name = names.next("p")
    branches: list[Json] = []
    for index in range(draw(st.integers(2, 3))):
        members: dict[str, Json] = {}
        if index and draw(st.integers(0, 3)) == 0:
            members["after"] = [branches[draw(st.integers(0, index - 1))]["name"]]
        if draw(st.integers(0, 5)) == 0:
            members["when"] = "false"
        flow = _flow(draw, names, depth + 1)
        branches.append(say.branch(names.next("b"), *flow, **members))
    return say.parallel(
        name, *branches, join=draw(st.sampled_from(["all", "all", "any", 2])),
        on_branch=draw(st.sampled_from(["fail", "collect"])),
        losers=draw(st.sampled_from(["undo", "keep", "run_on"])),
        exclusive=draw(st.sampled_from(["none", "none", "none", "branch", "step"])),
    )  # fmt: skip


def _scope(draw: st.DrawFn, names: _Names, depth: int) -> Json:
    name = names.next("s")
    flow = _flow(draw, names, depth + 1)
    members: dict[str, Json] = {}
    if draw(st.booleans()):
        on = draw(st.sampled_from(["*", "business", "contradicted"]))
        clause = say.on_failure(on, *_flow(draw, names, depth + 1, 0))
        members["on_failure"] = [clause | {"undo": draw(st.sampled_from(["all", "none"]))}]
    if draw(st.integers(0, 2)) == 0:
        members["handlers"] = [_handler(draw, names, depth + 1)]
    if draw(st.integers(0, 3)) == 0:
        members["deadline"] = {"after": "3h"}
    if draw(st.integers(0, 5)) == 0:
        members["while"] = f"!done('{flow[-1]['name']}')" if draw(st.booleans()) else "true"
    if draw(st.integers(0, 3)) == 0:
        steps = range(draw(st.integers(1, 2)))
        members["undo_flow"] = [say.step(names.next("u")) for _ in steps]
    return say.scope(name, *flow, **members)


def _handler(draw: st.DrawFn, names: _Names, depth: int) -> Json:
    mode = draw(st.sampled_from(["beside", "beside", "interrupt"]))
    return say.handler(
        names.next("h"), "poke", *_flow(draw, names, depth + 1, 0), mode=mode, max=3,
        undo=draw(st.sampled_from(["none", "all"])) if mode == "interrupt" else "none",
        width=draw(st.integers(1, 2)),
    )  # fmt: skip


def _repeat(draw: st.DrawFn, names: _Names, depth: int) -> Json:
    everies: list[Json] = [
        {"period": "1h"}, {"period": "1h", "catch_up": "all"}, {"calendar": "mornings"},
        {"period": "5h", "calendar": "mornings"}, {"months": 1},
    ]  # fmt: skip
    members = {"every": draw(st.sampled_from(everies))} if draw(st.booleans()) else {}
    return say.repeat(names.next("r"), *_flow(draw, names, depth + 1), max=2, **members)


def _each(draw: st.DrawFn, names: _Names, depth: int) -> Json:
    """A list of two or three items, perhaps in an order, perhaps with a width, perhaps open."""
    name = names.next("f")
    keys = draw(st.sampled_from([["i1", "i2"], ["i1", "i2", "i3"]]))
    members: dict[str, Json] = {"items": repr(keys)}
    if draw(st.integers(0, 2)) == 0:
        members["after"] = f"each.{name}.index == 1 ? ['i1'] : []"
    if draw(st.booleans()):
        members["width"] = draw(st.integers(1, 2))
    if draw(st.integers(0, 3)) == 0:
        more = say.add(names.next("l"), name, "[each." + name + ".item + 'x']", close="true")
        members |= {"open": True, "close_when": "size(input.id) == 0", "within": "9h"}
        flow = [more | {"when": f"each.{name}.index == 0"}, *_flow(draw, names, depth + 1)]
    else:
        flow = _flow(draw, names, depth + 1)
    return say.each(
        name, *flow, join=draw(st.sampled_from(["all", "all", "any", 2])),
        on_item=draw(st.sampled_from(["fail", "collect"])),
        losers=draw(st.sampled_from(["undo", "keep", "run_on"])), **members,
    )  # fmt: skip


def _lock(draw: st.DrawFn, names: _Names, depth: int) -> Json:
    """Of two names, so that a part waits for the lock that another one has; two may hold right."""
    name = names.next("k")
    members: Json = {"max_hold": "3h"} if draw(st.integers(0, 2)) == 0 else {}
    of = draw(st.sampled_from(["left", "right"]))
    if of == "right":
        members |= {"permits": 2}
    return say.lock(
        name, *_flow(draw, names, depth + 1), of=of,
        within="3h", on_expiry=draw(st.sampled_from(["fail", "continue"])), **members,
    )  # fmt: skip


def _child(draw: st.DrawFn, names: _Names, depth: int) -> Json:
    name = names.next("d")
    kind = draw(st.sampled_from(["revoke", "none", "contract"]))
    node = say.child(
        name, undo=kind == "contract", wait=draw(st.sampled_from([True, True, False])),
        on_stop=draw(st.sampled_from(["cancel", "leave"])), within="4h",
        on_expiry=draw(st.sampled_from(["fail", "continue"])),
    )  # fmt: skip
    return node | {"on_undo": kind}


def _choose(draw: st.DrawFn, names: _Names, depth: int) -> Json:
    name, yes = names.next("c"), names.next("b")
    taken = {"name": yes, "when": draw(st.sampled_from(["true", "false"])),
             "flow": _flow(draw, names, depth + 1)}  # fmt: skip
    return say.choose(name, taken, otherwise=_flow(draw, names, depth + 1, 0))


def _race(draw: st.DrawFn, names: _Names, depth: int) -> Json:
    name = names.next("x")
    ping = say.wait(names.next("l"), "ping")
    pause = say.sleep(names.next("l"), "90m")
    return say.race(
        name, say.branch(names.next("b"), *_flow(draw, names, depth + 1, 0), on=ping),
        say.branch(names.next("b"), *_flow(draw, names, depth + 1, 0), on=pause),
    )  # fmt: skip


_LINED = frozenset({"parallel", "for_each", "scope"})
KEEPING = frozenset({"choose", "race", "parallel", "repeat", "for_each", "scope", "lock"})
_BLOCKS = (_parallel, _parallel, _scope, _scope, _repeat, _each, _choose, _race, _gated, _lock)
_NAMED = {make.__name__.lstrip("_"): make for make in _BLOCKS}
