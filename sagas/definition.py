"""A definition document as the decider reads it: a tree of nodes with compiled expressions.

`sagas.loading` makes it from a document that passed `sagas.checks`. The checks read a tree of their
own (`sagas.checks.tree`), for a document may still be wrong there; a test holds that both give the
same paths, coverage and gates. Nothing here is stored.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.state import template_of
from sagas.defaults import Retry
from sagas.expressions import Expr
from sagas.schema import SchemaSet, Validator
from sagas.schema_defaults import Filler

__all__ = ["RESULT_KINDS", "Branch", "Clause", "Contract", "Definition", "EventSpec", "Flow",
           "Handler", "Node", "Undo", "Update", "steps_in"]  # fmt: skip

Json = Any

RESULT_KINDS = frozenset({
    "step", "task", "choose", "race", "parallel", "repeat", "for_each", "child", "lock",
})  # fmt: skip
"""Kinds of nodes that yield `results.N` (docs/format.md section 3); a scope does with an `out`."""


@dataclass(slots=True, eq=False)
class Flow:
    """A list of nodes. `role`: main, branch, else, clause, handler or undo of its owner."""

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


@dataclass(slots=True, eq=False)
class Update(Handler):
    """A handler whose event is a client's call. `rules` refuse: condition, code, message.

    `sets` are vars, `moves` timers by the name of their node; `adds` is a list with its items and
    whether it closes; `answers_done` says that the answer comes when its run is done.
    """

    validator: Validator
    rules: tuple[tuple[Expr, str, str], ...]
    sets: tuple[tuple[str, Expr], ...]
    moves: tuple[tuple[str, Expr], ...]
    adds: tuple[str, Expr | None, Expr | None] | None
    answer: Expr | None
    answers_done: bool = False
    filler: Filler | None = None


@dataclass(frozen=True, slots=True)
class Undo:
    """How a step is undone: a contract, its arguments, and when the entry is made."""

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
    result_filler: Filler | None = None

    @property
    def gated(self) -> bool:
        """Class B (approval above A0), R2 or R3: no command without a decision."""
        if self.classes is None:
            return False
        return self.classes["A"] != "A0" or self.classes["R"] in ("R2", "R3")


@dataclass(frozen=True, slots=True)
class EventSpec:
    """An event type that the document uses: its version, schema and the field of its key."""

    type: str
    version: int
    schema: Json
    key: str
    validator: Validator
    filler: Filler | None = None


@dataclass(slots=True, eq=False)
class Node:
    """A node. `template` is its path without instance marks; `x` its expressions.

    `undo_reads` is what the expressions in its undo_flow read of what was there before; `filler`
    fills in what is left out of a result, of a form or of an edit.
    """

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
    updates: tuple[Update, ...] = ()
    undo_flow: Flow | None = None
    undo_reads: tuple[tuple[str, str | None], ...] = ()
    covers: tuple[Node, ...] = ()
    filler: Filler | None = None

    @property
    def is_revoked(self) -> bool:
        """Whether it is a child that undoes itself: what one that says nothing does."""
        said = self.doc.get("on_undo", "contract" if self.undo is not None else "revoke")
        return self.kind == "child" and said == "revoke"

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
        for handler in (*self.handlers, *self.updates):
            yield handler.flow
        if self.undo_flow is not None:
            yield self.undo_flow


@dataclass(slots=True, eq=False)
class Definition:
    """A compiled definition; `by_template` finds a node or handler by its path without marks.

    `calendars` are texts that `sagas.calendars.calendar_of` takes. `params` and `initial` are the
    first values of params and vars, with what their schemas give defaults for.
    """

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
    has_awaits: bool = False
    watched: tuple[Node, ...] = ()
    has_locks: bool = False
    has_run_on: bool = False
    has_exclusive: bool = False
    has_lines: bool = False
    updates: tuple[Update, ...] = ()
    closing_lists: tuple[Node, ...] = ()
    calendars: Mapping[str, str] = field(default_factory=dict[str, str])
    input_filler: Filler | None = None
    params: Mapping[str, Json] = field(default_factory=dict[str, Any])
    initial: Mapping[str, Json] = field(default_factory=dict[str, Any])
    var_fillers: Mapping[str, Filler] = field(default_factory=dict[str, Filler])

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

    def form_at(self, path: str) -> Json:
        """The schema of what a person hands in at the task at `path`; None for anything."""
        form = self.node_at(path).doc.get("form")
        return None if form is None else self.schemas.resolve(form)

    def validator_of(self, schema: Json) -> Validator:
        return self.schemas.validator(schema)


def steps_in(node: Node) -> Iterator[Node]:
    """The steps inside a block, in document order."""
    for flow in node.flows():
        for child in flow.nodes:
            if child.kind == "step":
                yield child
            yield from steps_in(child)
