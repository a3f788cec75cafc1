"""From a definition document to the tree that the decider reads (`sagas.definition`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from domain.canonical import canonical
from domain.durations import duration_us
from domain.state import RUN_ON
from sagas import defaults
from sagas.calendars import calendar_text
from sagas.defaults import Retry
from sagas.definition import (
    Branch,
    Clause,
    Contract,
    Definition,
    EventSpec,
    Flow,
    Handler,
    Node,
    Undo,
    Update,
    steps_in,
)
from sagas.expressions import Expect, Expr, compile_expr
from sagas.schema import SchemaSet
from sagas.schema_defaults import Filler

__all__ = ["load", "moves_of", "retry_of"]

Json = Any
_NUMBER = b'"number"'


def load(document: dict[str, Any], hash: str) -> Definition:
    """Compile a document that passed the checks. Raises ExprError or KeyError if it did not."""
    definition = Loader(document, hash).definition()
    if _NUMBER in canonical(document):
        # Only then are types wanted, and the checker is loaded.
        from sagas.checks.apply import apply_types

        apply_types(definition)
    return definition


class Loader:
    """Compiles one document; each kind of node has its method."""

    def __init__(self, document: dict[str, Any], hash: str) -> None:
        self.doc = document
        self.hash = hash
        self.schemas = SchemaSet(document.get("schemas", {}))
        self.contracts = {n: self._contract(n, c) for n, c in document.get("contracts", {}).items()}
        self.by_template: dict[str, Node | Handler] = {}
        self.by_name: dict[str, Node] = {}
        self.updates: list[Update] = []

    def definition(self) -> Definition:
        doc = self.doc
        double = doc.get("double_start", {})
        scope_doc = {
            k: doc[k]
            for k in ("deadline", "while", "on_failure", "handlers", "updates", "flow")
            if k in doc
        }
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
            updates=tuple(self.updates),
            watched=(
                *((root,) if "while" in root.x else ()),
                *(n for n in self.by_name.values() if n.kind == "scope" and "while" in n.x),
            ),
            has_awaits=any(node.kind == "await" for node in self.by_name.values()),
            has_locks=any(node.kind == "lock" for node in self.by_name.values()),
            has_exclusive=any(n.doc.get("exclusive") == "step" for n in self.by_name.values()),
            has_lines="undo_order" in doc
            or any("undo_order" in node.doc for node in self.by_name.values()),
            has_run_on=any(n.doc.get("losers") == RUN_ON for n in self.by_name.values()),
            closing_lists=tuple(n for n in self.by_name.values() if "close_when" in n.x),
            calendars={n: calendar_text(c) for n, c in doc.get("calendars", {}).items()},
            input_filler=self.schemas.filler(doc["input"]),
            params=self._first("params", "default"), initial=self._first("vars", "initial"),
            var_fillers={n: f for n in doc.get("vars", {}) if (f := self._filler("vars", n))},
        )  # fmt: skip

    def _filler(self, group: str, name: str) -> Filler | None:
        return self.schemas.filler(self.doc[group][name]["schema"])

    def _first(self, group: str, member: str) -> dict[str, Json]:
        """The first values of params or vars, complete."""
        found: dict[str, Json] = {}
        for name, said in self.doc.get(group, {}).items():
            filler = self._filler(group, name)
            found[name] = said[member] if filler is None else filler.fill(said[member])
        return found

    def _events(self) -> dict[str, EventSpec]:
        specs: dict[str, EventSpec] = {}
        for name, spec in self.doc.get("events", {}).items():
            schema = spec["schema"]
            specs[name] = EventSpec(
                name, spec["version"], schema, spec["key"], self.schemas.validator(schema),
                self.schemas.filler(schema),
            )  # fmt: skip
        return specs

    def _contract(self, name: str, doc: dict[str, Any]) -> Contract:
        external = doc.get("external", False)
        classes = {k: doc[k] for k in ("A", "R", "S")} if external and "A" in doc else None
        result = doc.get("result", {})
        return Contract(
            name, doc["participant"], external, classes, tuple(doc.get("failures", ())),
            doc.get("probe", False), doc.get("idempotent", True), doc.get("review"),
            doc.get("command", {}), result, self.schemas.validator(result),
            self.schemas.filler(result),
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
            guard = node.kind == "wait_for" and member == "when"
            if isinstance(doc.get(member), str) and not guard:
                node.x[member] = _expr(doc[member], _expected(node.kind, member))
        if "within" in doc:
            node.within_us = duration_us(doc["within"])
        given = doc.get(_GIVEN.get(node.kind, ""))
        if given is not None:
            node.filler = self.schemas.filler(given)
        _KINDS.get(node.kind, Loader.block)(self, node)
        return node

    def step(self, node: Node) -> None:
        """What a step names: contract, arguments, retry, undo."""
        doc = node.doc
        node.contract = self.contracts[doc["contract"]]
        node.filler = node.contract.result_filler
        node.args = _args(doc.get("args", {}))
        node.retry = retry_of(doc.get("retry", {}), defaults.RETRY)
        risky = node.contract.classes is not None and node.contract.classes["R"] in ("R2", "R3")
        node.unknown = doc.get("unknown", "ask" if risky else "retry")
        if "key" in doc.get("throttle", {}):
            node.x["throttle.key"] = _expr(doc["throttle"]["key"], "key")
        self.undone_by(node)

    def undone_by(self, node: Node) -> None:
        """How a step, or a child, is undone by a contract."""
        if "undo" in node.doc:
            undo = node.doc["undo"]
            node.undo = Undo(
                self.contracts[undo["contract"]], _args(undo.get("args", {})),
                undo.get("when", "completed"), duration_us(undo.get("timeout", defaults.TIMEOUT)),
                undo.get("retry"),
            )  # fmt: skip

    def wait(self, node: Node) -> None:
        """The guard and the end of a collecting wait."""
        if "when" in node.doc:
            node.x["guard"] = _expr(node.doc["when"], "bool")
        collect: dict[str, Any] = node.doc.get("collect") or {}
        if "until" in collect:
            node.x["until"] = _expr(collect["until"], "bool")

    def set(self, node: Node) -> None:
        """Values by var."""
        node.args = _args(node.doc["values"])

    def leaf(self, node: Node) -> None:
        """Nothing beyond the common members."""

    def block(self, node: Node) -> None:
        """Flows, branches, clauses and handlers, in document order."""
        doc, base = node.doc, node.template
        if "flow" in doc:
            node.flow = self._flow(doc["flow"], Flow(node, "main"), base)
        node.branches = tuple(
            self._branch(node, i, b) for i, b in enumerate(doc.get("branches", ()))
        )
        if "else" in doc:
            node.otherwise = self._flow(doc["else"], Flow(node, "else"), base)
        node.clauses = tuple(
            self._clause(node, i, c) for i, c in enumerate(doc.get("on_failure", ()))
        )
        node.handlers = tuple(self._handler(node, h) for h in doc.get("handlers", ()))
        node.updates = tuple(self._update(node, u) for u in doc.get("updates", ()))
        if "undo_flow" in doc:
            node.undo_flow = self._flow(doc["undo_flow"], Flow(node, "undo"), base)
            node.undo_reads = undo_reads(node.undo_flow)
        if isinstance(doc.get("join"), dict):
            node.x["join.until"] = _expr(doc["join"]["until"], "bool")
        deadline: dict[str, Any] = doc.get("deadline") or {}
        if "at" in deadline:
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

    def _update(self, node: Node, doc: dict[str, Any]) -> Update:
        template = f"{node.template}/{doc['name']}" if node.template else doc["name"]
        flow = Flow(node, "handler")
        adds: dict[str, Any] | None = doc.get("add")
        update = Update(
            doc["name"], template, node, (), _expr("''"), _maybe(doc.get("when"), "bool"), False,
            False, "none", False, defaults.HANDLER_WIDTH_MAX, defaults.HANDLER_RUNS_MAX, flow,
            self.schemas.validator(doc.get("schema", {})),
            tuple((_expr(r["if"], "bool"), r["code"], r["message"])
                  for r in doc.get("validate", ())),
            _args(doc.get("set", {})),
            tuple((mv["timer"], _expr(mv["to"], "timestamp")) for mv in moves_of(doc)),
            None if adds is None else (
                adds["to"], _maybe(adds.get("items")), _maybe(adds.get("close"), "bool")
            ),
            _maybe(doc.get("answer")), doc.get("answer_when") == "done",
            self.schemas.filler(doc.get("schema", {})),
        )  # fmt: skip
        flow.handler = update
        self.by_template[template] = update
        self.updates.append(update)
        self._flow(doc.get("flow", []), flow, template)
        return update

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


_EXPRESSIONS: dict[str, tuple[str, ...]] = {
    "approve": ("subject",), "wait_for": ("key",), "sleep": ("until",), "emit": ("key", "data"),
    "repeat": ("while", "until", "out"), "scope": ("while", "out"), "fulfil": ("result",),
    "fail": ("message",), "await": ("until",), "child": ("key", "input"), "lock": ("out",),
    "for_each": ("items", "key", "after", "close_when", "out"), "add": ("items", "close"),
    "task": ("subject",), "cancel": ("item",), "finish": ("item", "evidence"), "move": ("to",),
}  # fmt: skip
# Where a node says what comes in from outside.
_GIVEN = {"approve": "edit", "task": "form", "child": "result"}
_KINDS = {
    "task": Loader.leaf,
    "cancel": Loader.leaf, "finish": Loader.leaf, "undo": Loader.leaf, "move": Loader.leaf,
    "step": Loader.step, "wait_for": Loader.wait, "set": Loader.set,
    "add": Loader.leaf, "await": Loader.leaf, "child": Loader.undone_by,
    "sleep": Loader.leaf, "emit": Loader.leaf, "fulfil": Loader.leaf, "fail": Loader.leaf,
}  # fmt: skip


_REMEMBERED = frozenset({"results", "events", "decisions", "vars", "each", "event", "args"})


def undo_reads(flow: Flow) -> tuple[tuple[str, str | None], ...]:
    """What an undo_flow reads that was there before it ran: (root, name), each once."""
    inside = list(_nodes_in(flow))
    own = {node.name for node in inside}
    found: dict[tuple[str, str | None], None] = {}
    for node in inside:
        exprs = [*node.x.values(), *(expr for _, expr in node.args)]
        exprs += [e for b in node.branches for e in (b.when, b.out) if e is not None]
        for expr in exprs:
            for root, name in expr.reads:
                if root in _REMEMBERED and name not in own:
                    found[root, name] = None
    return tuple(found)


def _nodes_in(flow: Flow) -> Iterator[Node]:
    for node in flow.nodes:
        yield node
        for inner in node.flows():
            yield from _nodes_in(inner)


def moves_of(update: Mapping[str, Any]) -> list[dict[str, str]]:
    """The moves of an update: one, or several as a list."""
    found: Any = update.get("move", [])
    return cast("list[dict[str, str]]", found if isinstance(found, list) else [found])


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
    ("for_each", "items"): "list", ("for_each", "key"): "key", ("for_each", "after"): "list",
    ("for_each", "close_when"): "bool", ("add", "items"): "list", ("add", "close"): "bool",
    ("sleep", "until"): "timestamp", ("repeat", "while"): "bool", ("repeat", "until"): "bool",
    ("scope", "while"): "bool", ("await", "until"): "bool", ("move", "to"): "timestamp",
}  # fmt: skip


def _expected(kind: str, member: str) -> Expect:
    return "bool" if member == "when" else _EXPECTED.get((kind, member), "json")


def _expr(text: str, expect: Expect = "json") -> Expr:
    return compile_expr(text, None, expect=expect)


def _maybe(text: str | None, expect: Expect = "json") -> Expr | None:
    return None if text is None else _expr(text, expect)


def _args(docs: Mapping[str, str]) -> tuple[tuple[str, Expr], ...]:
    return tuple((name, _expr(text)) for name, text in docs.items())
