"""A definition document as the decider reads it: a tree of nodes with compiled expressions.

`load` trusts a document that passed `sagas.checks`; the checks build on the same tree, so that both
see one meaning. Nothing here is stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.durations import duration_us
from domain.state import template_of
from sagas import defaults
from sagas.defaults import Retry
from sagas.expressions import Expect, Expr, compile_expr
from sagas.schema import SchemaSet, Validator

__all__ = ["Branch", "Clause", "Contract", "Definition", "EventSpec", "Flow", "Handler", "Node",
           "Undo", "load"]  # fmt: skip

Json = Any


@dataclass(slots=True, eq=False)
class Flow:
    """A list of nodes. `role`: main, branch, else, clause or handler of its owner."""

    owner: Node
    role: str
    nodes: list[Node] = field(default_factory=list["Node"])
    branch: Branch | None = None
    clause: Clause | None = None
    handler: Handler | None = None


@dataclass(slots=True, eq=False)
class Branch:
    """A branch of choose, race or parallel. `named`: it adds its name to paths."""

    name: str
    named: bool
    index: int
    flow: Flow
    when: Expr | None = None
    out: Expr | None = None
    after: tuple[str, ...] = ()
    trigger: Node | None = None


@dataclass(slots=True, eq=False)
class Clause:
    """A clause of on_failure."""

    name: str
    index: int
    on: tuple[str, ...]
    undo: str
    flow: Flow


@dataclass(slots=True, eq=False)
class Handler:
    """A handler of a scope. Its instance path is the scope's, its name and `@n` for a run."""

    name: str
    template: str
    scope: Node
    events: tuple[str, ...]
    key: Expr
    when: Expr | None
    transient: bool
    interrupt: bool
    undo: str
    after_pivot: bool
    width: int
    max: int
    flow: Flow


@dataclass(frozen=True, slots=True)
class Undo:
    contract: Contract
    args: tuple[tuple[str, Expr], ...]
    when: str
    timeout_us: int
    retry: Json


@dataclass(frozen=True, slots=True)
class Contract:
    """What a participant offers. `classes` is None for a step that touches nothing outside."""

    name: str
    participant: str
    external: bool
    classes: Mapping[str, str] | None
    failures: tuple[str, ...]
    probe: bool
    idempotent: bool
    review: str | None
    command: Json
    result: Json
    result_validator: Validator

    @property
    def gated(self) -> bool:
        """Class B (approval above A0), R2 or R3: no command without a decision."""
        if self.classes is None:
            return False
        return self.classes["A"] != "A0" or self.classes["R"] in ("R2", "R3")


@dataclass(frozen=True, slots=True)
class EventSpec:
    type: str
    version: int
    schema: Json
    key: str
    validator: Validator


@dataclass(slots=True, eq=False)
class Node:
    """A node of the definition. `template` is its path without instance marks; `x` its expressions."""

    kind: str
    name: str
    template: str
    parent: Flow | None
    index: int
    doc: dict[str, Any]
    x: dict[str, Expr] = field(default_factory=dict[str, Expr])
    args: tuple[tuple[str, Expr], ...] = ()
    within_us: int | None = None
    contract: Contract | None = None
    retry: Retry | None = None
    undo: Undo | None = None
    unknown: str = "ask"
    flow: Flow | None = None
    branches: tuple[Branch, ...] = ()
    otherwise: Flow | None = None
    clauses: tuple[Clause, ...] = ()
    handlers: tuple[Handler, ...] = ()
    covers: tuple[Node, ...] = ()

    @property
    def on_expiry(self) -> str:
        return self.doc.get("on_expiry", "fail")

    def flows(self) -> Iterator[Flow]:
        """All flows of a block, in document order."""
        if self.flow is not None:
            yield self.flow
        for branch in self.branches:
            yield branch.flow
        if self.otherwise is not None:
            yield self.otherwise
        for clause in self.clauses:
            yield clause.flow
        for handler in self.handlers:
            yield handler.flow


@dataclass(slots=True, eq=False)
class Definition:
    """A compiled definition; `by_template` finds a node or handler by its path without marks."""

    saga: str
    version: int
    hash: str
    document: dict[str, Any]
    schemas: SchemaSet
    events: dict[str, EventSpec]
    contracts: dict[str, Contract]
    key: Expr
    input_validator: Validator
    starts: tuple[tuple[str, Expr | None, Expr], ...]
    root: Node
    by_template: dict[str, Node | Handler]
    by_name: dict[str, Node]
    attributes: dict[str, Expr]
    early_ttl_us: int
    debt_due_us: int
    undo_deadline_us: int | None
    on_debt: str
    running: str
    finished: str
    order: dict[str, int]

    @property
    def wanted_types(self) -> set[str]:
        """Event types that some wait or handler of this definition takes."""
        wanted: set[str] = set()
        for found in self.by_template.values():
            if isinstance(found, Handler):
                wanted.update(found.events)
            elif found.kind == "wait_for":
                wanted.update(found.doc["events"])
        return wanted

    def node_at(self, path: str) -> Node:
        """The node of an instance path. Raises KeyError for a path of another definition."""
        found = self.by_template[template_of(path)]
        assert isinstance(found, Node), path
        return found

    def action_at(self, path: str) -> dict[str, Json]:
        """What a person who allows the step at `path` allows: contract, classes and undo."""
        node = self.node_at(path)
        assert node.contract is not None, path
        undo = node.undo.contract.name if node.undo else None
        return {"contract": node.contract.name, "classes": node.contract.classes, "undo": undo}

    def validator_of(self, schema: Json) -> Validator:
        return self.schemas.validator(schema)


def load(document: dict[str, Any], hash: str) -> Definition:
    """Compile a document that passed the checks. Raises ExprError or KeyError if it did not."""
    return _Loader(document, hash).definition()


class _Loader:
    def __init__(self, document: dict[str, Any], hash: str) -> None:
        self.doc = document
        self.hash = hash
        self.schemas = SchemaSet(document.get("schemas", {}))
        self.contracts = {n: self._contract(n, c) for n, c in document.get("contracts", {}).items()}
        self.by_template: dict[str, Node | Handler] = {}
        self.by_name: dict[str, Node] = {}

    def definition(self) -> Definition:
        doc = self.doc
        double = doc.get("double_start", {})
        scope_doc = {k: doc[k] for k in ("deadline", "on_failure", "handlers", "flow") if k in doc}
        root = self._node({"node": "scope", "name": "", **scope_doc}, None, 0, "")
        self._cover(root)
        deadline = doc.get("undo_deadline")
        return Definition(
            saga=doc["saga"], version=doc["version"], hash=self.hash, document=doc,
            schemas=self.schemas, events=self._events(), contracts=self.contracts,
            key=_expr(doc["key"]), input_validator=self.schemas.validator(doc["input"]),
            starts=tuple(
                (s["event"], _maybe(s.get("when"), "bool"), _expr(s["input"]))
                for s in doc.get("starts_on", ())
            ),
            root=root, by_template=self.by_template, by_name=self.by_name,
            attributes={n: _expr(t) for n, t in doc.get("attributes", {}).items()},
            early_ttl_us=duration_us(doc.get("early_ttl", defaults.EARLY_TTL)),
            debt_due_us=duration_us(doc.get("debt_due", defaults.DEBT_DUE)),
            undo_deadline_us=None if deadline is None else duration_us(deadline),
            on_debt=doc.get("on_debt", "hold"), running=double.get("running", "refuse"),
            finished=double.get("finished", "refuse"),
            order={template: i for i, template in enumerate(self.by_template)},
        )  # fmt: skip

    def _events(self) -> dict[str, EventSpec]:
        specs: dict[str, EventSpec] = {}
        for name, spec in self.doc.get("events", {}).items():
            validator = self.schemas.validator(spec["schema"])
            specs[name] = EventSpec(name, spec["version"], spec["schema"], spec["key"], validator)
        return specs

    def _contract(self, name: str, doc: dict[str, Any]) -> Contract:
        external = doc.get("external", False)
        classes = {k: doc[k] for k in ("A", "R", "S")} if external and "A" in doc else None
        result = doc.get("result", {})
        return Contract(
            name, doc["participant"], external, classes, tuple(doc.get("failures", ())),
            doc.get("probe", False), doc.get("idempotent", True), doc.get("review"),
            doc.get("command", {}), result, self.schemas.validator(result),
        )  # fmt: skip

    # --- the tree ----------------------------------------------------------------------------

    def _flow(self, docs: list[Json], flow: Flow, base: str) -> Flow:
        for index, doc in enumerate(docs):
            flow.nodes.append(self._node(doc, flow, index, base))
        return flow

    def _node(self, doc: dict[str, Any], parent: Flow | None, index: int, base: str) -> Node:
        name = doc["name"]
        template = f"{base}/{name}" if base else name
        node = Node(doc["node"], name, template, parent, index, doc)
        self.by_template[template] = node
        self.by_name[name] = node
        for member in _EXPRESSIONS.get(node.kind, ()) + ("when",):
            if isinstance(doc.get(member), str):
                if not (node.kind == "wait_for" and member == "when"):
                    node.x[member] = _expr(doc[member], _expected(node.kind, member))
        if "within" in doc:
            node.within_us = duration_us(doc["within"])
        _KINDS.get(node.kind, _Loader._block)(self, node)
        return node

    def _step(self, node: Node) -> None:
        doc = node.doc
        node.contract = self.contracts[doc["contract"]]
        node.args = _args(doc.get("args", {}))
        node.retry = retry_of(doc.get("retry", {}), defaults.RETRY)
        risky = node.contract.classes is not None and node.contract.classes["R"] in ("R2", "R3")
        node.unknown = doc.get("unknown", "ask" if risky else "retry")
        if "undo" in doc:
            undo = doc["undo"]
            node.undo = Undo(
                self.contracts[undo["contract"]], _args(undo.get("args", {})),
                undo.get("when", "completed"), duration_us(undo.get("timeout", defaults.TIMEOUT)),
                undo.get("retry"),
            )  # fmt: skip

    def _wait(self, node: Node) -> None:
        if "when" in node.doc:
            node.x["guard"] = _expr(node.doc["when"], "bool")
        collect = node.doc.get("collect") or {}
        if "until" in collect:
            node.x["until"] = _expr(collect["until"], "bool")

    def _set(self, node: Node) -> None:
        node.args = _args(node.doc["values"])

    def _leaf(self, node: Node) -> None:
        """Nothing beyond the common members."""

    def _block(self, node: Node) -> None:
        doc, base = node.doc, node.template
        if "flow" in doc:
            node.flow = self._flow(doc["flow"], Flow(node, "main"), base)
        node.branches = tuple(self._branch(node, i, b) for i, b in enumerate(doc.get("branches", ())))
        if "else" in doc:
            node.otherwise = self._flow(doc["else"], Flow(node, "else"), base)
        node.clauses = tuple(
            self._clause(node, i, c) for i, c in enumerate(doc.get("on_failure", ()))
        )
        node.handlers = tuple(self._handler(node, h) for h in doc.get("handlers", ()))
        deadline = doc.get("deadline", {})
        if isinstance(deadline, dict) and "at" in deadline:
            node.x["at"] = _expr(deadline["at"], "timestamp")

    def _branch(self, node: Node, index: int, doc: dict[str, Any]) -> Branch:
        docs = doc.get("flow", [])
        name = doc.get("name") or (docs[0]["name"] if node.kind != "choose" else node.name)
        named = "name" in doc
        base = f"{node.template}/{name}" if named and node.template else node.template or name
        if not named:
            base = node.template
        flow = Flow(node, "branch")
        branch = Branch(
            name, named, index, flow, _maybe(doc.get("when"), "bool"), _maybe(doc.get("out")),
            tuple(doc.get("after", ())),
        )  # fmt: skip
        flow.branch = branch
        if "on" in doc:
            trigger_flow = Flow(node, "trigger", branch=branch)
            branch.trigger = self._node(doc["on"], trigger_flow, 0, base)
        self._flow(docs, flow, base)
        return branch

    def _clause(self, node: Node, index: int, doc: dict[str, Any]) -> Clause:
        flow = Flow(node, "clause")
        name = doc.get("name", f"failure_{index + 1}")
        clause = Clause(name, index, tuple(doc["on"]), doc.get("undo", "all"), flow)
        flow.clause = clause
        self._flow(doc.get("flow", []), flow, node.template)
        return clause

    def _handler(self, node: Node, doc: dict[str, Any]) -> Handler:
        template = f"{node.template}/{doc['name']}" if node.template else doc["name"]
        flow = Flow(node, "handler")
        handler = Handler(
            doc["name"], template, node, tuple(doc["events"]), _expr(doc["key"]),
            _maybe(doc.get("when"), "bool"), doc.get("early") == "transient",
            doc.get("mode", "beside") == "interrupt", doc.get("undo", "none"),
            doc.get("after_pivot", False), doc.get("width", 1),
            doc.get("max", defaults.HANDLER_RUNS_MAX), flow,
        )  # fmt: skip
        flow.handler = handler
        self.by_template[template] = handler
        self._flow(doc.get("flow", []), flow, template)
        return handler

    def _cover(self, node: Node) -> None:
        """Resolve what each approve covers: `for`, or every gated step in its own flow."""
        for flow in node.flows():
            for child in flow.nodes:
                self._cover(child)
        for branch in node.branches:
            if branch.trigger is not None:
                self._cover(branch.trigger)
        if node.kind == "approve":
            names = node.doc.get("for")
            if names is not None:
                node.covers = tuple(self.by_name[n] for n in names if n in self.by_name)
            else:
                node.covers = tuple(n for n in steps_in(node) if n.contract and n.contract.gated)


def steps_in(node: Node) -> Iterator[Node]:
    """The steps inside a block, in document order."""
    for flow in node.flows():
        for child in flow.nodes:
            if child.kind == "step":
                yield child
            yield from steps_in(child)


_EXPRESSIONS: dict[str, tuple[str, ...]] = {
    "approve": ("subject",), "wait_for": ("key",), "sleep": ("until",), "emit": ("key", "data"),
    "repeat": ("while", "until", "out"), "scope": ("out",), "fulfil": ("result",),
    "fail": ("message",),
}  # fmt: skip
_KINDS = {
    "step": _Loader._step, "wait_for": _Loader._wait, "set": _Loader._set,
    "sleep": _Loader._leaf, "emit": _Loader._leaf, "fulfil": _Loader._leaf, "fail": _Loader._leaf,
}  # fmt: skip


def retry_of(doc: Mapping[str, Any], base: Retry) -> Retry:
    """The declared retry over its defaults."""
    return Retry(
        doc.get("attempts", base.attempts),
        duration_us(doc["first"]) if "first" in doc else base.first_us,
        float(doc.get("factor", base.factor)),
        duration_us(doc["cap"]) if "cap" in doc else base.cap_us,
        float(doc.get("jitter", base.jitter)),
        tuple(doc.get("on", base.on)),
    )


# What is not JSON: an expression of another kind errs, it is never taken for true or for a time.
_EXPECTED: dict[tuple[str, str], Expect] = {
    ("sleep", "until"): "timestamp", ("repeat", "while"): "bool", ("repeat", "until"): "bool",
}  # fmt: skip


def _expected(kind: str, member: str) -> Expect:
    return "bool" if member == "when" else _EXPECTED.get((kind, member), "json")


def _expr(text: str, expect: Expect = "json") -> Expr:
    return compile_expr(text, None, expect=expect)


def _maybe(text: str | None, expect: Expect = "json") -> Expr | None:
    return None if text is None else _expr(text, expect)


def _args(docs: Mapping[str, str]) -> tuple[tuple[str, Expr], ...]:
    return tuple((name, _expr(text)) for name, text in docs.items())
