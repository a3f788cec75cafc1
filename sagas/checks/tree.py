"""The document as the rules see it: nodes, flows, branches, and their paths.

`sagas.definition` makes the same tree for deciding and trusts the document. This one is made from
a document that has the form of a definition and may be wrong in everything else: a contract that
is not there, a name used twice, an expression that does not compile. A test compares the paths.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

__all__ = [
    "Branch",
    "Clause",
    "Contract",
    "Document",
    "Flow",
    "Handler",
    "Node",
    "Update",
    "frame_of",
    "objects",
]

Json = Any


@dataclass(slots=True, eq=False)
class Flow:
    """A list of nodes.

    `role`: main, branch, else, trigger, clause, handler or undo of its owner.
    """

    owner: Node
    role: str
    nodes: list[Node] = field(default_factory=list["Node"])
    branch: Branch | None = None
    clause: Clause | None = None
    handler: Handler | None = None


@dataclass(slots=True, eq=False)
class Branch:
    """A branch of choose, race or parallel."""

    name: str
    named: bool
    index: int
    doc: Mapping[str, Json]
    flow: Flow
    trigger: Node | None = None

    @property
    def after(self) -> list[str]:
        return self.doc.get("after", [])


@dataclass(slots=True, eq=False)
class Clause:
    """A clause of on_failure; `number` counts from 1."""

    number: int
    on: list[str]
    flow: Flow


@dataclass(slots=True, eq=False)
class Handler:
    """A handler of a scope."""

    name: str
    template: str
    order: int
    scope: Node
    doc: Mapping[str, Json]
    flow: Flow

    @property
    def interrupts(self) -> bool:
        return self.doc.get("mode") == "interrupt"


@dataclass(slots=True, eq=False)
class Update(Handler):
    """An update of a scope; its flow runs beside, as that of a handler does."""

    @property
    def answers_done(self) -> bool:
        """Whether its answer comes, and is read, when its run is done."""
        return self.doc.get("answer_when") == "done"

    @property
    def moves(self) -> list[dict[str, str]]:
        """Its moves: one, or several as a list."""
        found: Any = self.doc.get("move", [])
        return cast("list[dict[str, str]]", found if isinstance(found, list) else [found])


@dataclass(slots=True, eq=False)
class Node:
    """A node. `order` is its place in the document; the root is a scope without a name."""

    kind: str
    name: str
    template: str
    order: int
    parent: Flow | None
    index: int
    doc: Mapping[str, Json]
    contract: Contract | None = None
    undo: Contract | None = None
    flow: Flow | None = None
    branches: tuple[Branch, ...] = ()
    otherwise: Flow | None = None
    clauses: tuple[Clause, ...] = ()
    handlers: tuple[Handler, ...] = ()
    updates: tuple[Update, ...] = ()
    undo_flow: Flow | None = None
    covers: tuple[Node, ...] = ()

    @property
    def label(self) -> str:
        """How messages name it."""
        return self.name or "the saga"

    @property
    def continues(self) -> bool:
        """Whether it goes on with `{expired: true}` when its time is over."""
        return "within" in self.doc and self.doc.get("on_expiry") == "continue"

    @property
    def is_pivot(self) -> bool:
        """A step after which there is only forward: declared, or R3 that says nothing."""
        said = self.doc.get("irreversible")
        if said is None and self.contract is not None and "undo" not in self.doc:
            return self.contract.r == "R3"
        return said == "pivot"

    def flows(self) -> Iterator[Flow]:
        """All flows of a block in document order; the trigger of a race is a flow of one node."""
        if self.flow is not None:
            yield self.flow
        for branch in self.branches:
            if branch.trigger is not None and branch.trigger.parent is not None:
                yield branch.trigger.parent
            yield branch.flow
        if self.otherwise is not None:
            yield self.otherwise
        for clause in self.clauses:
            yield clause.flow
        for handler in (*self.handlers, *self.updates):
            yield handler.flow
        if self.undo_flow is not None:
            yield self.undo_flow

    def inside(self) -> Iterator[Node]:
        """All nodes inside this block, in document order."""
        for flow in self.flows():
            for node in flow.nodes:
                yield node
                yield from node.inside()

    def above(self) -> Iterator[Flow]:
        """The flows around this node, the innermost first."""
        flow = self.parent
        while flow is not None:
            yield flow
            flow = flow.owner.parent


@dataclass(frozen=True, slots=True)
class Contract:
    """A contract of the document; classes are None where it does not give them."""

    name: str
    participant: str
    external: bool
    a: str | None
    r: str | None
    s: str | None
    doc: Mapping[str, Json]

    @property
    def gated(self) -> bool:
        """Class B (approval above A0), R2 or R3: no command without a decision."""
        return self.external and (self.a not in (None, "A0") or self.r in ("R2", "R3"))

    @property
    def classes(self) -> str:
        """The classes that make it gated, for messages: `A2 R2`."""
        return " ".join(c for c in (self.a, self.r) if c is not None)


_OF_THE_ROOT = ("deadline", "while", "on_failure", "handlers", "updates", "flow")


class Document:
    """The tree with its tables. `by_name` has the first node of each name."""

    def __init__(self, doc: dict[str, Any]) -> None:
        self.doc = doc
        self.contracts = {n: _contract(n, c) for n, c in objects(doc, "contracts").items()}
        self.events = objects(doc, "events")
        self.nodes: list[Node] = []
        self.handlers: list[Handler] = []
        self.updates: list[Update] = []
        self.by_name: dict[str, Node] = {}
        self._count = 0
        scope = {k: doc[k] for k in _OF_THE_ROOT if k in doc}
        self.root = self._node({"node": "scope", "name": "", **scope}, None, 0, "")
        self.nodes.sort(key=lambda node: node.order)
        self._cover()

    @property
    def steps(self) -> Iterator[Node]:
        return (node for node in self.nodes if node.kind == "step")

    def handler_named(self, name: str) -> Handler | None:
        return next((h for h in self.handlers if h.name == name), None)

    def _next(self) -> int:
        self._count += 1
        return self._count

    def _flow(self, docs: list[Json], flow: Flow, base: str) -> Flow:
        for index, doc in enumerate(docs):
            flow.nodes.append(self._node(doc, flow, index, base))
        return flow

    def _node(self, doc: Mapping[str, Json], parent: Flow | None, index: int, base: str) -> Node:
        name = doc["name"]
        template = f"{base}/{name}" if base else name
        node = Node(doc["node"], name, template, self._next(), parent, index, doc)
        if parent is not None:
            self.nodes.append(node)
            self.by_name.setdefault(name, node)
        node.contract = self.contracts.get(doc.get("contract", ""))
        node.undo = self.contracts.get(objects(doc, "undo").get("contract", ""))
        if "flow" in doc:
            node.flow = self._flow(doc["flow"], Flow(node, "main"), template)
        branches = doc.get("branches", ())
        node.branches = tuple(self._branch(node, i, b) for i, b in enumerate(branches))
        if "else" in doc:
            node.otherwise = self._flow(doc["else"], Flow(node, "else"), template)
        clauses = doc.get("on_failure", ())
        node.clauses = tuple(self._clause(node, i, c) for i, c in enumerate(clauses))
        node.handlers = tuple(self._handler(node, h) for h in doc.get("handlers", ()))
        node.updates = tuple(self._update(node, u) for u in doc.get("updates", ()))
        if "undo_flow" in doc:
            node.undo_flow = self._flow(doc["undo_flow"], Flow(node, "undo"), template)
        return node

    def _branch(self, node: Node, index: int, doc: Mapping[str, Json]) -> Branch:
        docs = doc.get("flow", [])
        named = "name" in doc
        name = doc["name"] if named else node.name
        if not named and node.kind != "choose" and docs:
            name = docs[0]["name"]
        base = f"{node.template}/{name}" if named else node.template
        flow = Flow(node, "branch")
        branch = Branch(name, named, index, doc, flow)
        flow.branch = branch
        if "on" in doc:
            trigger = Flow(node, "trigger", branch=branch)
            trigger.nodes.append(self._node(doc["on"], trigger, 0, base))
            branch.trigger = trigger.nodes[0]
        self._flow(docs, flow, base)
        return branch

    def _clause(self, node: Node, index: int, doc: Mapping[str, Json]) -> Clause:
        flow = Flow(node, "clause")
        flow.clause = Clause(index + 1, doc["on"], flow)
        self._flow(doc.get("flow", []), flow, node.template)
        return flow.clause

    def _handler(self, node: Node, doc: Mapping[str, Json]) -> Handler:
        name = doc["name"]
        template = f"{node.template}/{name}" if node.template else name
        flow = Flow(node, "handler")
        handler = flow.handler = Handler(name, template, self._next(), node, doc, flow)
        self.handlers.append(handler)
        self._flow(doc.get("flow", []), flow, template)
        return handler

    def _update(self, node: Node, doc: Mapping[str, Json]) -> Update:
        name = doc["name"]
        template = f"{node.template}/{name}" if node.template else name
        flow = Flow(node, "handler")
        update = Update(name, template, self._next(), node, doc, flow)
        flow.handler = update
        self.updates.append(update)
        self._flow(doc.get("flow", []), flow, template)
        return update

    def _cover(self) -> None:
        """What each approve covers: `for`, or every gated step in its own flow."""
        for node in self.nodes:
            if node.kind != "approve":
                continue
            names = node.doc.get("for")
            if names is None:
                inside = (n for n in node.inside() if n.kind == "step")
                node.covers = tuple(n for n in inside if n.contract and n.contract.gated)
            else:
                found = (self.by_name.get(name) for name in names)
                node.covers = tuple(n for n in found if n is not None and n.kind == "step")


def frame_of(node: Node) -> list[Node | Handler]:
    """The repeats and handlers around a node, the outermost first: its data lives in them."""
    frame: list[Node | Handler] = []
    for flow in node.above():
        if flow.handler is not None:
            frame.append(flow.handler)
        elif flow.owner.kind == "repeat":
            frame.append(flow.owner)
    return frame[::-1]


def objects(doc: Mapping[str, Json], member: str) -> dict[str, Json]:
    """A member of the document that is an object; empty where it is not given."""
    return doc.get(member) or {}


def _contract(name: str, doc: Mapping[str, Json]) -> Contract:
    external = bool(doc.get("external", False))
    a, r, s = (doc.get(letter) if external else None for letter in ("A", "R", "S"))
    return Contract(name, doc["participant"], external, a, r, s, doc)
