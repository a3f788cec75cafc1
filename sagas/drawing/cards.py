"""What a picture shows, before anybody says where: cards that hold lanes that hold cards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from sagas import defaults
from sagas.checks.gates import Gate, gates_of
from sagas.checks.tree import Branch, Contract, Document, Handler, Node, Update, objects

__all__ = ["Card", "Lane", "card_of"]

Json = Any


@dataclass(frozen=True, slots=True)
class Lane:
    """A list of cards, one after the other.

    `role`: main, branch, else, clause, handler or update; `notes` are lines below its title.
    """

    title: str
    role: str
    notes: tuple[str, ...] = ()
    cards: tuple[Card, ...] = ()


@dataclass(frozen=True, slots=True)
class Card:
    """A node. `path` is its path, `tone` what stands out of it: effect, gate, pivot, wait, end.

    `marks` are the lines about undoing and allowing; `lanes` its inside, if it is a block.
    """

    path: str
    kind: str
    title: str
    tone: str = "plain"
    notes: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    lanes: tuple[Lane, ...] = field(default=())


def card_of(d: Document) -> Card:
    """The whole definition as one card."""
    doc = d.doc
    starts = [f"starts on {start['event']}" for start in doc.get("starts_on", ())]
    notes = [f"key {doc['key']}", *starts, *_given(doc, "deadline", "early_ttl", "undo_deadline")]
    notes += [f"var {name}" for name in objects(doc, "vars")]
    lanes = _lanes(d.root, gates_of(d))
    return Card("", "saga", f"{doc['saga']} v{doc['version']}", "plain", tuple(notes), (), lanes)


def _card(node: Node, gates: Mapping[str, Gate]) -> Card:
    notes = [*_NOTES.get(node.kind, _no_notes)(node.doc), *_common(node.doc)]
    if node.contract is not None and node.contract.external:
        notes.insert(1, " ".join(c for c in _classes(node.contract) if c is not None))
    return Card(
        node.template, node.kind, node.name, _tone(node), tuple(notes),
        tuple(_marks(node, gates)), _lanes(node, gates),
    )  # fmt: skip


def _classes(contract: Contract) -> tuple[str | None, ...]:
    return contract.a, contract.r, contract.s


def _tone(node: Node) -> str:
    if node.is_pivot:
        return "pivot"
    if node.kind == "approve":
        return "gate"
    if node.kind in ("fulfil", "fail"):
        return "end"
    if node.kind in ("wait_for", "sleep", "await", "task"):
        return "wait"
    if node.kind == "child" or (node.contract is not None and node.contract.external):
        return "effect"
    return "plain"


def _marks(node: Node, gates: Mapping[str, Gate]) -> Iterator[str]:
    gate = gates.get(node.name)
    if gate is not None:
        yield f"allowed by {gate}"
    if node.undo is not None:
        when = objects(node.doc, "undo").get("when", "completed")
        yield f"undo {node.undo.name}" + (" (also when only attempted)" * (when == "attempted"))
    if node.is_pivot:
        yield "pivot: no way back from here"
    elif node.doc.get("irreversible") == "accepted":
        yield f"no undo: {node.doc.get('why', 'accepted')}"
    if node.doc.get("keep"):
        yield "its undo entries are dropped"


def _lanes(node: Node, gates: Mapping[str, Gate]) -> tuple[Lane, ...]:
    def lane(title: str, role: str, flow: Any, *notes: str) -> Lane:
        return Lane(title, role, notes, tuple(_card(n, gates) for n in flow.nodes))

    found: list[Lane] = []
    if node.flow is not None:
        found.append(lane("", "main", node.flow))
    for branch in node.branches:
        trigger = () if branch.trigger is None else (_card(branch.trigger, gates),)
        made = lane(branch.name, "branch", branch.flow, *_branch_notes(branch))
        found.append(Lane(made.title, made.role, made.notes, (*trigger, *made.cards)))
    if node.otherwise is not None:
        found.append(lane("else", "else", node.otherwise))
    for clause in node.clauses:
        title = f"on failure {', '.join(clause.on)}"
        undo = node.doc["on_failure"][clause.number - 1].get("undo", "all")
        found.append(lane(title, "clause", clause.flow, f"undo {undo}"))
    if node.undo_flow is not None:
        found.append(lane("instead of its undos", "clause", node.undo_flow))
    for handler in node.handlers:
        found.append(lane(f"on {handler.name}", "handler", handler.flow, *_handler_notes(handler)))
    for update in node.updates:
        found.append(lane(f"update {update.name}", "update", update.flow, *_update_notes(update)))
    return tuple(found)


def _branch_notes(branch: Branch) -> Iterator[str]:
    if "when" in branch.doc:
        yield f"when {branch.doc['when']}"
    if branch.after:
        yield f"after {', '.join(branch.after)}"


def _handler_notes(handler: Handler) -> Iterator[str]:
    doc = handler.doc
    yield f"event {', '.join(doc.get('events', ()))}"
    yield "interrupts, " + f"undo {doc.get('undo', 'none')}" if handler.interrupts else "beside"
    yield from _given(doc, "when", "after_pivot", "width", "max")


def _update_notes(update: Update) -> Iterator[str]:
    doc = update.doc
    yield from _given(doc, "when")
    for rule in doc.get("validate", ()):
        yield f"refuses {rule['code']}: {rule['if']}"
    for name, expr in objects(doc, "set").items():
        yield f"{name} = {expr}"
    for move in update.moves:
        yield f"moves {move['timer']} to {move['to']}"
    if "add" in doc:
        yield f"adds to {doc['add'].get('to')}"
    yield from _given(doc, "answer")


def _given(doc: Mapping[str, Json], *members: str) -> Iterator[str]:
    """The members that are there, as `name value`."""
    for name in members:
        if name in doc:
            yield f"{name.replace('_', ' ')} {_shown(doc[name])}"


def _shown(value: Json) -> str:
    """A member as text; an object as its members."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        members = cast(dict[str, Json], value)
        return " ".join(f"{name} {_shown(one)}" for name, one in members.items())
    if isinstance(value, list):
        return ", ".join(_shown(one) for one in cast(list[Json], value))
    return str(value)


def _common(doc: Mapping[str, Json]) -> Iterator[str]:
    yield from _given(doc, "when", "within", "on_expiry")


def _no_notes(_: Mapping[str, Json]) -> Iterator[str]:
    return iter(())


def _members(*names: str) -> Callable[[Mapping[str, Json]], Iterator[str]]:
    return lambda doc: _given(doc, *names)


def _step(doc: Mapping[str, Json]) -> Iterator[str]:
    yield doc["contract"]
    yield f"timeout {doc.get('timeout', defaults.TIMEOUT)}"
    yield from _given(doc, "heartbeat", "unknown", "throttle", "calendar")
    yield from _given(objects(doc, "retry"), "attempts")


def _wait_for(doc: Mapping[str, Json]) -> Iterator[str]:
    yield f"event {', '.join(doc['events'])}"
    yield from _given(doc, "key", "early", "peek", "collect")


def _child(doc: Mapping[str, Json]) -> Iterator[str]:
    version = f" v{doc['version']}" if "version" in doc else " (latest)"
    yield f"saga {doc['saga']}{version}"
    yield from _given(doc, "key", "wait", "on_stop", "on_undo")


def _set(doc: Mapping[str, Json]) -> Iterator[str]:
    for name, expr in objects(doc, "values").items():
        yield f"{name} = {expr}"


_NOTES: Mapping[str, Callable[[Mapping[str, Json]], Iterator[str]]] = {
    "step": _step,
    "approve": _members("level", "for", "evidence", "needs", "not_by", "escalate", "on_reject"),
    "wait_for": _wait_for,
    "task": _members("roles", "claim_lease", "not_by", "escalate"),
    "sleep": _members("for", "until"),
    "await": _members("until"),
    "set": _set,
    "emit": _members("type", "key"),
    "move": _members("timer", "to"),
    "cancel": _members("target", "item"),
    "finish": _members("target", "item"),
    "undo": _members("of"),
    "add": _members("to", "items", "close"),
    "parallel": _members("join", "on_branch", "losers", "exclusive", "undo_order"),
    "for_each": _members("items", "key", "after", "max_items", "width", "join", "on_item", "losers",
                         "open", "close_when"),
    "repeat": _members("while", "until", "max", "every", "on_max", "keep_rounds"),
    "scope": _members("deadline", "while"),
    "lock": _members("lock", "permits", "max_hold"),
    "child": _child,
    "fulfil": _members("result"),
    "fail": _members("code", "message"),
}  # fmt: skip
