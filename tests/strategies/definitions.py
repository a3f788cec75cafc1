"""Random small definitions that pass registration, for properties of checking, deciding, undoing.

    @given(definitions())
    def test_something(document): ...

`definitions(nodes_max=12, kinds=KINDS - {"repeat"})` limits what comes. A document has

- steps of participant `shop`: `shop/look@1` (nothing outside), `shop/book@1` (R1, with an undo)
  and, inside an approve, `shop/pay@1` (A1 R2, with an undo); each takes `value` (anything), gives
  `{"n": integer}` and may refuse with the code `no`;
- events `e0` to `e3`, whose data is an object with the key `id`; all keys are `input.id`;
- the input `{"id": text, "n": integer}`, which decides guards, and one var `v`.

Expressions read as much as they may at their place: every name that is surely there, and under
has() those that maybe are. So whoever runs one meets every promise the checks make about names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

from sagas.checks.facts import Fact, yields
from sagas.checks.flow import Place, Walk, walk
from sagas.checks.tree import Document, Node
from sagas.checks.visibility import error_at, events_at, lists_at, rounds_at

__all__ = ["EVENTS", "KINDS", "definitions", "inputs"]

Json = Any
Draw = Callable[[st.SearchStrategy[Any]], Any]

EVENTS = ("e0", "e1", "e2", "e3")
LEAVES = ("step", "approve", "wait_for", "sleep", "await", "task", "set", "emit")
BLOCKS = ("choose", "race", "parallel", "repeat", "for_each", "scope", "approve_flow")
ENDS = ("fulfil", "fail")
KINDS = frozenset({*LEAVES, *BLOCKS, *ENDS})

DEPTH_MAX = 4
FLOW_MAX = 4
READS_MAX = 6


def inputs() -> st.SearchStrategy[Json]:
    """Start payloads that fit every definition; the key is `acme`."""
    return st.fixed_dictionaries({"id": st.just("acme"), "n": st.integers(0, 9)})


@st.composite
def definitions(draw: Draw, *, nodes_max: int = 12, kinds: frozenset[str] = KINDS) -> Json:
    """A definition document with at most about `nodes_max` nodes of these kinds."""
    sketch = _Sketch(draw, nodes_max, kinds)
    document = {**_head(), **sketch.scope(0), "vars": {"v": {"schema": {}, "initial": 0}}}
    _fill(draw, document)
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
        branches = [self._branch(depth) | {"when": "true"} for _ in range(self._few())]
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
        node |= self._some(on_item="collect", losers=self._draw(st.sampled_from(["keep", "run_on"])), out="0", width=2, after="[]")
        if self._flip():
            node |= {"open": True, "close_when": "true", "within": "10d"}
            node |= self._some(on_expiry="continue")
        return node

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

    def _handler(self, depth: int, event: str) -> Json:
        mode = self._draw(st.sampled_from(["beside", "interrupt"]))
        handler = {"name": self._name("handler"), "events": [event], "key": "input.id"}
        handler |= {"mode": mode, "flow": self.flow(depth, may_end=True)}
        return handler | self._some(when="true", undo="all")


_ON = st.sampled_from(["*", "business", "business:no", "timeout", "rejected", "deadline"])


# --- the expressions: all that may be read at a place --------------------------------------------


def _fill(draw: Draw, document: Json) -> None:
    d = Document(document)
    found = walk(d)
    for place in found.places:
        holder, member = _holder(place)
        kind = place.node.kind if place.node is not None else ""
        is_list = kind == "for_each" and member in ("items", "key", "after")
        if not is_list and member in ("key", "after", "at"):
            continue
        reads = list(_reads(d, found, place))
        chosen = draw(st.lists(st.sampled_from(reads), max_size=READS_MAX)) if reads else []
        if is_list and place.node is not None:
            # A read more or less makes one item more or less; keys stay unique.
            holder[member] = _of_list(place.node.name, member, chosen[:3])
            continue
        asleep = kind == "sleep" and member == "until"
        holder[member] = _text("moment" if asleep else member, chosen, draw(st.integers(0, 9)))


def _holder(place: Place) -> tuple[Json, str]:
    """The object of the document that holds the expression, and its member there."""
    parts = place.member.split(".")
    if place.handler is not None:
        return place.handler.doc, parts[-1]
    assert place.node is not None
    if parts[0] == "branches":
        branch = next(b for b in place.node.branches if b.name == parts[1])
        return branch.doc, parts[-1]
    holder: Json = place.node.doc
    for part in parts[:-1]:
        holder = holder[part]
    return holder, parts[-1]


def _text(member: str, reads: list[str], bound: int) -> str:
    listed = f"[{', '.join(reads)}]"
    match member:
        case "when" | "while" | "until" | "close_when":
            return f"size({listed}) + input.n > {bound}"
        case "moment":
            return f"size({listed}) > {bound} ? meta.now : meta.started_at"
        case "message":
            return f"string(size({listed}))"
        case "data":
            return f"{{'all': {listed}}}"
        case _:
            return listed


def _of_list(name: str, member: str, reads: list[str]) -> str:
    if member == "items":
        return f"[{', '.join(reads)}]"
    if member == "key":
        return f"'k' + string(each.{name}.index)"
    return f"each.{name}.index == 1 ? ['k0'] : []"


def _reads(d: Document, found: Walk, place: Place) -> Iterator[str]:
    """Everything that the expression of a place may read, guarded where it must be."""
    sure, maybe = _known(found, place)
    for root, name in sorted(maybe):
        if root in ("results", "events", "decisions"):
            read = f"{root}.{name}"
            yield f"dyn({read})" if (root, name) in sure else _guarded(read)
            if (root, name) in sure and (field := _field(d.by_name[name])) is not None:
                yield f"dyn({read}.{field})"
    yield from (f"dyn(round.{name})" for name in rounds_at(place.inside))
    for node in lists_at(place.inside):
        yield from (f"dyn(each.{node.name}.{part})" for part in ("item", "key", "index"))
    if place.member != "set":
        yield "dyn(vars.v) == dyn(0)"
    if events_at(place) is not None:
        yield "dyn(event.type)"
    if error_at(place):
        yield "dyn(error.code)"
    if place.member.startswith("undo."):
        attempted = place.node is not None and place.node.doc["undo"].get("when") == "attempted"
        yield _guarded("result") if attempted else "dyn(result)"
    yield from (f"done('{node.name}')" for node in d.nodes[:2])


def _field(node: Node) -> str | None:
    """A field that what the node yields surely has."""
    if node.continues or "collect" in node.doc:
        return None
    return {
        "choose": "branch",
        "race": "branch",
        "parallel": "failed",
        "for_each": "done",
        "step": "n",
        "wait_for": "type",
        "approve": "decision",
        "task": "by",
        "repeat": "rounds",
    }.get(node.kind)


def _guarded(read: str) -> str:
    if read == "result":
        return "has(result.n) ? dyn(result) : dyn(0)"
    return f"has({read}) ? dyn({read}) : dyn(0)"


def _known(found: Walk, place: Place) -> tuple[frozenset[Fact], frozenset[Fact]]:
    """What is sure and maybe; what a decision binds reads only what is known when it is asked."""
    sure, maybe = place.state.sure, place.state.maybe
    if place.node is not None and place.member.startswith("args."):
        for approve in _covering(place.node):
            sure &= found.before[approve].sure | frozenset(yields(approve))
            maybe = sure
    return sure, maybe


def _covering(node: Node) -> Iterator[Node]:
    if node.contract is not None and node.contract.gated:
        yield from (flow.owner for flow in node.above() if flow.owner.kind == "approve")
