"""Random small definitions that pass registration, for properties of checking, deciding, undoing.

    @given(definitions())
    def test_something(document): ...

`definitions(nodes_max=12, kinds=KINDS - {"repeat"})` limits what comes. A document has

- steps of participant `shop`: `shop/look@1` (nothing outside), `shop/book@1` (R1, with an undo)
  and, inside an approve, `shop/pay@1` (A1 R2, with an undo); each takes `value` (anything), gives
  `{"n": integer}` and may refuse with the code `no`;
- children `kid`, which yield `{"n": integer}`, locks, acts on other parts, and updates `told` and
  `asked`, whose args are an object;
- events `e0` to `e3`, whose data is an object with the key `id`; all keys are `input.id`;
- the input `{"id": text, "n": integer}`, which decides guards, and one var `v`.

Expressions read as much as they may at their place: every name that is surely there, and under
has() those that maybe are. So whoever runs one meets every promise the checks make about names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from tests.strategies.acts import UPDATES, add_acts, add_updates
from tests.strategies.reads import fill

__all__ = ["EVENTS", "KINDS", "definitions", "inputs"]

Json = Any
Draw = Callable[[st.SearchStrategy[Any]], Any]

EVENTS = ("e0", "e1", "e2", "e3")
LEAVES = ("step", "approve", "wait_for", "sleep", "await", "task", "set", "emit", "child")
BLOCKS = ("choose", "race", "parallel", "repeat", "for_each", "scope", "lock", "approve_flow")
ENDS = ("fulfil", "fail")
KINDS = frozenset({*LEAVES, *BLOCKS, *ENDS, "act", "update"})

DEPTH_MAX = 4
FLOW_MAX = 4


def inputs() -> st.SearchStrategy[Json]:
    """Start payloads that fit every definition; the key is `acme`."""
    return st.fixed_dictionaries({"id": st.just("acme"), "n": st.integers(0, 9)})


@st.composite
def definitions(draw: Draw, *, nodes_max: int = 12, kinds: frozenset[str] = KINDS) -> Json:
    """A definition document with at most about `nodes_max` nodes of these kinds."""
    sketch = _Sketch(draw, nodes_max, kinds)
    document = {**_head(), **sketch.scope(0), "vars": {"v": {"schema": {}, "initial": 0}}}
    if "update" in kinds:
        add_updates(draw, document, sketch.updates())
    if "act" in kinds:
        add_acts(draw, document, "'k0'")
    fill(draw, document)
    return document


def _head() -> Json:
    anything = {"type": "object", "properties": {"value": {}}, "additionalProperties": False}
    result = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    step = {"participant": "shop", "command": anything, "result": result, "failures": ["no"]}
    undo = {**step, "result": {}, "failures": []}
    risky = {"external": True, "A": "A1", "R": "R2", "S": "S0"}
    mild = {"external": True, "A": "A0", "R": "R1", "S": "S0", "probe": True}
    payload = {
        "type": "object",
        "properties": {"id": {"type": "string"}, "n": {"type": "integer"}},
        "required": ["id", "n"],
    }
    return {
        "troth": 1, "saga": "random", "version": 1, "key": "input.id", "input": payload,
        "events": {e: {"version": 1, "schema": {"type": "object"}, "key": "id"} for e in EVENTS},
        "contracts": {
            "shop/look@1": step,
            "shop/book@1": step | mild,
            "shop/book@1:undo": undo | mild,
            "shop/pay@1": step | risky,
            "shop/pay@1:undo": undo | risky,
        },
    }  # fmt: skip


# --- the form: nodes with placeholders for expressions ------------------------------------------


class _Sketch:
    """Draws the tree. An expression is `true` or `0` until its place is known."""

    def __init__(self, draw: Draw, nodes_max: int, kinds: frozenset[str]) -> None:
        self._draw = draw
        self._left = nodes_max
        self._kinds = kinds
        self._count = 0

    def _name(self, word: str) -> str:
        self._count += 1
        return f"{word}{self._count}"

    def _flip(self) -> bool:
        return self._draw(st.booleans())

    def _some(self, **members: Json) -> Json:
        """These members, each with an even chance."""
        return {name: value for name, value in members.items() if self._flip()}

    def flow(self, depth: int, *, may_end: bool = False) -> list[Json]:
        """A list of nodes; only a flow beside others may be the end of something."""
        nodes: list[Json] = []
        for _ in range(self._draw(st.integers(1, FLOW_MAX))):
            if self._left <= 0:
                break
            blocks = BLOCKS if depth < DEPTH_MAX else ()
            kinds = [kind for kind in (*LEAVES, *blocks) if kind in self._kinds]
            nodes.append(self._node(self._draw(st.sampled_from(kinds)), depth))
        ends = [kind for kind in ENDS if kind in self._kinds]
        if may_end and ends and self._draw(st.integers(0, 3)) == 0:
            nodes.append(self._node(self._draw(st.sampled_from(ends)), depth))
        return nodes or [{"node": "sleep", "name": self._name("sleep"), "for": "1d"}]

    def _node(self, kind: str, depth: int) -> Json:
        self._left -= 1
        node: Json = {"node": kind, "name": self._name(kind)}
        node |= getattr(self, f"_{kind}")(depth + 1)
        if kind not in ("wait_for", *ENDS) and self._draw(st.integers(0, 4)) == 0:
            node["when"] = "true"
        if kind in BLOCKS and kind != "approve_flow":
            node |= self._some(keep=True)
        if kind in ("parallel", "for_each", "scope"):
            node |= self._some(undo_order="reverse")
        return node

    # Leaves.

    def _step(self, _: int) -> Json:
        return self._of_contract(self._draw(st.sampled_from(["shop/look@1", "shop/book@1"])))

    def _of_contract(self, contract: str) -> Json:
        node: Json = {"contract": contract, "args": {"value": "0"}}
        if contract != "shop/look@1":
            node["undo"] = {"contract": f"{contract}:undo", "args": {"value": "0"}}
            node["undo"] |= self._some(when="attempted")
        retry = {"attempts": 2, "on": ["no"]}
        return node | self._some(retry=retry, within="2d", on_expiry="continue")

    def _approve(self, _: int) -> Json:
        return {"level": "A1", "within": "1d", "for": [], "subject": "0",
                **self._some(on_reject="continue", on_expiry="continue")}  # fmt: skip

    def _approve_flow(self, depth: int) -> Json:
        node = self._approve(depth)
        del node["for"]
        pay = {"node": "step", "name": self._name("pay"), **self._of_contract("shop/pay@1")}
        pay.pop("retry", None)
        return node | {"node": "approve", "flow": [pay, *self.flow(depth)]}

    def _wait_for(self, _: int) -> Json:
        node: Json = {"events": [self._event()], "key": "input.id", "within": "3d"}
        collect = {"until": "true", "max": 2, "quiet": "1h"}
        how = self._some(collect=collect) or self._some(peek=True)
        return node | self._some(when="true", on_expiry="continue") | how

    def _event(self) -> str:
        return self._draw(st.sampled_from(EVENTS))

    def _await(self, _: int) -> Json:
        return {"until": "true", "within": "2d", **self._some(on_expiry="continue")}

    def _task(self, _: int) -> Json:
        form = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
        more = self._some(subject="0", form=form, on_expiry="continue", claim_lease="1h")
        return {"roles": ["legal"], "within": "1d", **more}

    def _sleep(self, _: int) -> Json:
        return {"until": "meta.now"} if self._flip() else {"for": "1d"}

    def _set(self, _: int) -> Json:
        return {"values": {"v": "0"}}

    def _emit(self, _: int) -> Json:
        return {"type": self._event(), "key": "input.id", "data": "{}"}

    def _fulfil(self, _: int) -> Json:
        return {"result": "0"}

    def _fail(self, _: int) -> Json:
        return {"code": "stop", "message": "''"}

    # Blocks.

    def _choose(self, depth: int) -> Json:
        # No guard is always true before it is filled in: else the branches behind it were dead.
        branches = [self._branch(depth) | {"when": "input.n > 0"} for _ in range(self._few())]
        return {"branches": branches, "else": self.flow(depth) if self._flip() else []}

    def _few(self) -> int:
        return self._draw(st.integers(1, 2))

    def _branch(self, depth: int, *, may_end: bool = True) -> Json:
        branch = {"name": self._name("branch"), "flow": self.flow(depth, may_end=may_end)}
        return branch | self._some(out="0")

    def _race(self, depth: int) -> Json:
        branches: list[Json] = []
        for _ in range(2):
            kinds = st.sampled_from(["wait_for", "sleep", "await", "task", "approve"])
            on = self._node(self._draw(kinds), depth)
            if on["node"] != "wait_for":
                on.pop("when", None)
            branches.append(self._branch(depth, may_end=False) | {"on": on})
        return {"branches": branches}

    def _parallel(self, depth: int) -> Json:
        branches = [self._branch(depth, may_end=False) for _ in range(self._few() + 1)]
        for place, branch in enumerate(branches):
            branch.update(self._some(when="true"))
            if place and self._flip():
                branch["after"] = [branches[place - 1]["name"]]
        join = self._draw(st.sampled_from(["all", "all", "any", 2]))
        on_branch = self._draw(st.sampled_from(["fail", "collect"]))
        losers = self._draw(st.sampled_from(["undo", "keep", "run_on"]))
        more = self._some(exclusive=self._draw(st.sampled_from(["branch", "step"])))
        return {
            "branches": branches, "join": join, "on_branch": on_branch, "losers": losers, **more,
        }  # fmt: skip

    def _repeat(self, depth: int) -> Json:
        ends = self._some(**{"while": "true", "until": "true"})
        more = self._some(every={"period": "1d"}, on_max="continue", keep_rounds=True, out="0")
        return {"max": self._draw(st.integers(1, 3)), "flow": self.flow(depth), **ends, **more}

    def _for_each(self, depth: int) -> Json:
        node: Json = {"items": "[0]", "key": "'k'", "max_items": self._draw(st.integers(3, 5))}
        node |= {
            "flow": self.flow(depth),
            "join": self._draw(st.sampled_from(["all", "all", "any"])),
        }
        node |= self._some(
            on_item="collect",
            losers=self._draw(st.sampled_from(["keep", "run_on"])),
            out="0",
            width=2,
            after="[]",
        )
        if self._flip():
            node |= {"open": True, "close_when": "true", "within": "10d"}
            node |= self._some(on_expiry="continue")
        return node

    def _lock(self, depth: int) -> Json:
        """Each of its own name, so that none waits for another the wrong way round."""
        more = self._some(out="0", max_hold="2d", on_expiry="continue")
        return {"lock": self._name("key"), "within": "1d", "flow": self.flow(depth), **more}

    def _child(self, _: int) -> Json:
        result = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
        return {
            "saga": "kid", "key": "input.id", "input": "0", "on_undo": "none", "within": "5d",
            "result": result, **self._some(on_expiry="continue", on_stop="leave"),
        }  # fmt: skip

    def _scope(self, depth: int) -> Json:
        more = self._some(out="0", within="20d", on_expiry="continue")
        return self.scope(depth) | more

    def scope(self, depth: int) -> Json:
        """The members of a scope; the root is one."""
        inner = depth + 1
        events = self._draw(st.lists(st.sampled_from(EVENTS), max_size=2, unique=True))
        clauses = [
            {"on": [on], "undo": undo, "flow": self.flow(inner, may_end=True)}
            for on, undo in self._draw(
                st.lists(st.tuples(_ON, st.sampled_from(["all", "none"])), max_size=1)
            )
        ]
        holds = {"while": "true"} if self._draw(st.integers(0, 3)) == 0 else {}
        return {
            "flow": self.flow(inner),
            **holds,
            "on_failure": clauses,
            "handlers": [self._handler(inner, event) for event in events],
            **self._some(deadline={"after": "30d"}),
        }

    def updates(self) -> list[Json]:
        """The updates of the root."""
        given: list[Json] = []
        for name in UPDATES[: self._draw(st.integers(0, 2))]:
            update: Json = {"name": name, "schema": {"type": "object"}, "flow": self.flow(2)}
            update |= self._some(when="true", set={"v": "0"}, answer="0", answer_when="done")
            given.append(update)
        return given

    def _handler(self, depth: int, event: str) -> Json:
        mode = self._draw(st.sampled_from(["beside", "interrupt"]))
        handler = {"name": self._name("handler"), "events": [event], "key": "input.id"}
        handler |= {"mode": mode, "flow": self.flow(depth, may_end=True)}
        return handler | self._some(when="true", undo="all")


_ON = st.sampled_from(["*", "business", "business:no", "timeout", "rejected", "deadline"])
