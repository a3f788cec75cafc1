"""Expressions for random definitions: each reads as much as its place may, and no more."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import strategies as st

from sagas.checks.facts import Fact, yields
from sagas.checks.flow import Place, Walk, walk
from sagas.checks.tree import Document, Node
from sagas.checks.visibility import error_at, events_at, lists_at, rounds_at

__all__ = ["fill"]

Json = Any
Draw = Callable[[st.SearchStrategy[Any]], Any]
READS_MAX = 6


def fill(draw: Draw, document: Json) -> None:
    """Write into every place an expression over what may be read there."""
    d = Document(document)
    found = walk(d)
    for place in found.places:
        holder, member = _holder(place)
        kind = place.node.kind if place.node is not None else ""
        is_list = kind == "for_each" and member in ("items", "key", "after")
        if not is_list and member in ("key", "after", "at", "item"):
            continue
        if place.member.startswith("add."):
            continue
        reads = list(_reads(d, found, place))
        chosen = draw(st.lists(st.sampled_from(reads), max_size=READS_MAX)) if reads else []
        if is_list and place.node is not None:
            # A read more or less makes one item more or less; keys stay unique.
            holder[member] = _of_list(place.node.name, member, chosen[:3])
            continue
        asleep = (kind == "sleep" and member == "until") or member == "to"
        holder[member] = _text("moment" if asleep else member, chosen, draw(st.integers(0, 9)))


def _holder(place: Place) -> tuple[Json, str]:
    """The object of the document that holds the expression, and its member there."""
    parts = place.member.split(".")
    holder: Json = place.handler.doc if place.handler is not None else None
    if place.node is not None and parts[0] == "branches":
        branch = next(b for b in place.node.branches if b.name == parts[1])
        return branch.doc, parts[-1]
    if place.node is not None:
        holder = place.node.doc
    for part in parts[:-1]:
        holder = holder[int(part) if isinstance(holder, list) else part]
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
    own: set[Fact] = set()
    if place.node is not None and place.member.startswith(("args.", "undo.")):
        own = {("decisions", approve.name) for approve in _covering(place.node)}
    for root, name in sorted(maybe):
        if root in ("results", "events", "decisions"):
            read = f"{root}.{name}"
            if (root, name) in own:  # of that decision only what it says is put in
                yield f"dyn({read}.decision)"
                continue
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
    node, member = place.node, place.member
    if node is not None and (member.startswith("args.") or member in ("items", "key")):
        for approve in _covering(node):
            sure &= found.before[approve].sure | frozenset(yields(approve))
            maybe = sure
    return sure, maybe


def _covering(node: Node) -> Iterator[Node]:
    """The approves around a gated step, or around a list that holds one: it names the items."""
    inner = (node, *node.inside())
    if any(part.contract is not None and part.contract.gated for part in inner):
        yield from (flow.owner for flow in node.above() if flow.owner.kind == "approve")
