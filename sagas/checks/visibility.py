"""Whether what an expression reads is there when it is evaluated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sagas.checks.facts import Fact, is_late_only, root_of, yields
from sagas.checks.flow import Place
from sagas.checks.paths import selections_of
from sagas.checks.report import Report
from sagas.checks.tree import Document, Flow, Node, Update, objects
from sagas.expressions import Expr, Read
from sagas.schema_refs import closest

__all__ = ["Sights", "events_at", "label_of", "lists_at", "rounds_at"]

Json = Any
_FACTS = frozenset({"results", "events", "decisions"})
_OUTS = frozenset({"choose", "race", "parallel", "repeat"})
_LATE: tuple[tuple[str | int, ...], ...] = ((), ("expired",))
_ASKED = frozenset({"active", "done", "deadline"})


def rounds_at(flow: Flow | None) -> Iterator[str]:
    """The repeats around a place."""
    for around in _flows(flow):
        if around.owner.kind == "repeat":
            yield around.owner.name


def lists_at(flow: Flow | None) -> Iterator[Node]:
    """The for_each around a place."""
    for around in _flows(flow):
        if around.owner.kind == "for_each":
            yield around.owner


def events_at(place: Place) -> list[str] | None:
    """The types of `event` at this place, or None where there is no event."""
    if place.node is not None and place.node.kind == "wait_for" and place.member == "when":
        return place.node.doc["events"]
    for around in _flows(place.inside):
        if around.handler is not None and not isinstance(around.handler, Update):
            return around.handler.doc["events"]
    return None


def args_at(place: Place) -> Json:
    """The schema of `args` at this place, or None outside of updates."""
    for around in _flows(place.inside):
        if isinstance(around.handler, Update):
            return around.handler.doc.get("schema", {})
    return None


def error_at(place: Place) -> bool:
    return any(
        around.clause is not None or around.role == "undo" for around in _flows(place.inside)
    )


def _flows(flow: Flow | None) -> Iterator[Flow]:
    while flow is not None:
        yield flow
        flow = flow.owner.parent


def label_of(place: Place) -> str:
    """How a message names the place: `argument company of pay`, `when of size`."""
    owner = place.handler.name if place.handler else place.node.label if place.node else ""
    head, _, rest = place.member.partition(".")
    match head:
        case "args":
            return f"{owner}: argument `{rest}`"
        case "undo":
            return f"undo of {owner}: argument `{rest.partition('.')[2]}`"
        case "values":
            return f"{owner}: `{rest}`"
        case "attributes":
            return f"attribute {rest}"
        case "branches":
            branch, _, member = rest.partition(".")
            return f"{member} of {owner}" if branch == owner else f"{member} of branch {branch}"
        case _:
            return f"{place.member} of {owner}" if owner else place.member


class Sights:
    """Says for each read of each place what is wrong with it."""

    def __init__(self, d: Document) -> None:
        self._d = d
        self._vars = objects(d.doc, "vars")
        self._params = objects(d.doc, "params")

    def check(self, place: Place, expr: Expr, report: Report) -> bool:
        """Add what the expression reads and cannot; whether all of it is in reach."""
        fine = True
        for read in expr.reads:
            found = self._problem(place, read, read in expr.guarded)
            if found is not None:
                alias, text, do = found
                at = place.handler or place.node
                report.add(alias, at, f"{label_of(place)}: {text}", do)
                fine = False
        return fine and self._in_time(place, expr, report) and self._given(place, expr, report)

    def _in_time(self, place: Place, expr: Expr, report: Report) -> bool:
        """A node that goes on when its time is over may have yielded `{expired: true}` only."""
        nodes = [self._d.by_name.get(name or "") for root, name in expr.reads if root in _FACTS]
        doubtful = [
            node
            for node in nodes
            if node is not None and node.continues and ("timely", node.name) not in place.state.sure
        ]
        if not doubtful:
            return True
        found = selections_of(place.text)
        guarded = {path.name for path in found.asked}
        for node in doubtful:
            below = any(p.name == node.name and p.steps not in _LATE for p in found.read)
            if below and node.name not in guarded:
                text = (
                    f"{node.name} may have come to the end of its time: then it is only `expired`"
                )
                do = f"ask has({root_of(node)}.{node.name}.expired) before"
                report.add("def.maybe_unset", place.handler or place.node,
                           f"{label_of(place)}: {text}", do)  # fmt: skip
                return False
        return True

    def _given(self, place: Place, expr: Expr, report: Report) -> bool:
        """A block gives an `out` only on those ways through it that have one."""
        nodes = {n: self._d.by_name.get(n or "") for root, n in expr.reads if root == "results"}
        if not any(node is not None and node.kind in _OUTS for node in nodes.values()):
            return True
        found = selections_of(place.text)
        asked = {(path.name, path.steps[:1]) for path in found.asked}
        for path in found.read:
            node = nodes.get(path.name) if path.root == "results" else None
            if node is None or node is place.node or (path.name, path.steps[:1]) in asked:
                continue
            fact = _out_of(node, path.steps)
            if fact is not None and fact not in place.state.sure:
                text = f"`results.{node.name}.out` {_why_no_out(node, fact)}"
                do = "give an out on each way that goes on, or ask has() before"
                report.add("def.maybe_unset", place.handler or place.node,
                           f"{label_of(place)}: {text}", do)  # fmt: skip
                return False
        return True

    def _problem(
        self, place: Place, read: Read, guarded: bool
    ) -> tuple[str, str, str | None] | None:
        root, name = read
        match root:
            case "results" | "events" | "decisions":
                return self._fact(place, root, name or "", guarded)
            case "vars" | "params":
                known = self._vars if root == "vars" else self._params
                if name not in known:
                    text = f"`{root}.{name}` is not declared{closest(name or '', known)}"
                    return "def.unbound", text, f"declare it in {root}, or correct its name"
            case "round":
                return self._round(place, name or "")
            case "each":
                return self._each(place, name or "")
            case "calendar" if name not in objects(self._d.doc, "calendars"):
                known = objects(self._d.doc, "calendars")
                text = f"there is no calendar {name}{closest(name or '', known)}"
                return "def.calendar", text, "declare it in calendars, or correct its name"
            case "event" if events_at(place) is None:
                return "def.unbound", "`event` exists only in guards and handlers of events", None
            case "args" if args_at(place) is None:
                return "def.unbound", "`args` exists only in updates", None
            case "error" if not error_at(place):
                return "def.unbound", "`error` exists only in flows of on_failure", None
            case "result" if not place.member.startswith("undo."):
                return "def.unbound", "`result` exists only in the arguments of an undo", None
            case _ if root in _ASKED:
                return self._asked(place, root, name or "")
            case _:
                pass
        return None

    def _round(self, place: Place, name: str) -> tuple[str, str, str | None] | None:
        around = list(rounds_at(place.inside))
        if name in around:
            return None
        node = self._d.by_name.get(name)
        if node is not None and node.kind == "repeat":
            return "def.not_visible", f"`round.{name}` exists only inside {name}", None
        return "def.unbound", f"`round.{name}`: no repeat of that name{closest(name, around)}", None

    def _each(self, place: Place, name: str) -> tuple[str, str, str | None] | None:
        around = [node.name for node in lists_at(place.inside)]
        if name in around:
            return None
        node = self._d.by_name.get(name)
        if node is not None and node.kind == "for_each":
            return "def.not_visible", f"`each.{name}` exists only inside {name}", None
        return (
            "def.unbound",
            f"`each.{name}`: no for_each of that name{closest(name, around)}",
            None,
        )

    def _asked(self, place: Place, root: str, name: str) -> tuple[str, str, str | None] | None:
        """active, done and deadline want a node; a deadline is there while its node is open."""
        node = self._d.by_name.get(name)
        handler = self._d.handler_named(name)
        known = [
            *self._d.by_name,
            *(h.name for h in self._d.handlers),
            *(u.name for u in self._d.updates),
        ]
        if node is None and handler is None:
            text = f"{root}('{name}'): no node of that name{closest(name, known)}"
            return "def.unbound", text, "name a node of this definition"
        if root != "deadline":
            return None
        asks = isinstance(place.handler, Update) and not _is_late_answer(place)
        if node is not None and _timed(node) and asks:
            return None  # it is refused while that time does not run
        if node is None or not _timed(node):
            return "def.unbound", f"{name} has no within, no deadline and is no sleep", None
        if _is_open(node, place):
            return None
        text = f"deadline('{name}') is there only while {name} is open"
        return "def.maybe_unset", text, f"ask for it inside {name}"

    # --- what nodes yield -------------------------------------------------------------------------

    def _fact(
        self, place: Place, root: str, name: str, guarded: bool
    ) -> tuple[str, str, str | None] | None:
        if (root, name) in place.state.sure:
            return None
        node = self._d.by_name.get(name)
        if node is None or ((root, name) not in yields(node) and not _when_expired(node, root)):
            return self._unbound(root, name, node)
        hidden = (root, name) not in place.state.maybe
        reason = _why(place, node, hidden=hidden)
        if hidden and _is_too_soon(place, node):
            text = f"`{root}.{name}` is known only when the run of the update is done"
            return "def.not_visible", text, "write answer_when: done"
        if hidden:
            text = f"`{root}.{name}` {reason or 'is known only later'}"
            do = None if reason is not None else f"move this behind {name}"
            return "def.not_visible", text, do
        if guarded:
            return None
        text = f"`{root}.{name}` {reason or 'is set only on some paths'}"
        return "def.maybe_unset", text, "guard it with has(), or yield it by out"

    def _unbound(self, root: str, name: str, node: Node | None) -> tuple[str, str, str | None]:
        if node is None:
            known = [other for n in self._d.nodes for r, other in yields(n) if r == root]
            text = f"`{root}.{name}`: no node of that name{closest(name, known)}"
            return "def.unbound", text, None
        right = root_of(node)
        if right != root and yields(node):
            text = f"`{root}.{name}`: {name} is a {node.kind}; {right}.{name}?"
            return "def.unbound", text, f"write {right}.{name}"
        what = "has no out" if node.kind == "scope" else f"is a {node.kind} and yields nothing"
        return "def.unbound", f"`{root}.{name}`: {name} {what}", None


def _out_of(node: Node, steps: tuple[str | int, ...]) -> Fact | None:
    """The fact that what is read of an `out` is there; None where it is there always."""
    if node.kind not in _OUTS or steps[:1] != ("out",):
        return None
    if node.kind != "parallel":
        return ("out", node.name)
    return ("out", f"{node.name}.{steps[1]}") if len(steps) > 1 else None


def _why_no_out(node: Node, fact: Fact) -> str:
    match node.kind:
        case "parallel":
            return f"has `{fact[1].partition('.')[2]}` only when that branch is done"
        case "repeat":
            return "is not there when there is no round"
        case _:
            return f"is given only on some ways through {node.name}"


def _when_expired(node: Node, root: str) -> bool:
    """An await, or a scope without `out`, yields something only when its time is over."""
    return root == "results" and is_late_only(node)


def _is_open(node: Node, place: Place) -> bool:
    """Whether the node's time runs at this place for sure."""
    if node is place.node:
        # These are read while it waits.
        waiting = {"await": "until", "scope": "while"}.get(node.kind, "when")
        return place.member in (waiting, "collect.until")
    flow = next((flow for flow in _flows(place.inside) if flow.owner is node), None)
    # A decision has no time left once it is taken, and neither has a scope that failed.
    return flow is not None and node.kind != "approve" and flow.role not in ("clause", "handler")


def _is_too_soon(place: Place, node: Node) -> bool:
    """Whether an update answers at once, and reads what its own flow yields."""
    if not isinstance(place.handler, Update) or place.member != "answer":
        return False
    return any(flow is place.handler.flow for flow in node.above())


def _is_late_answer(place: Place) -> bool:
    update = place.handler
    return isinstance(update, Update) and update.answers_done and place.member == "answer"


def _timed(node: Node) -> bool:
    return "within" in node.doc or node.kind == "sleep" or "deadline" in node.doc


def _why(place: Place, node: Node, *, hidden: bool) -> str | None:
    """How the node lies to the place, in words: in another branch, in a round, in a handler."""
    if place.member == "while" and place.node is not None and place.node.kind == "scope":
        return "need not be there yet when the condition is read"
    here = set(_flows(place.inside))
    reasons: list[str] = []
    if "when" in node.doc and node.kind != "wait_for":
        reasons.append("is not set when its node is skipped")
    for flow in node.above():
        if flow in here:
            break
        reason = _why_flow(flow, here)
        if reason is not None:
            reasons.append(reason)
        if "when" in flow.owner.doc:
            reasons.append(f"is not set when {flow.owner.name} is skipped")
    if not reasons:
        return None
    return reasons[-1] if hidden else reasons[0]


def _why_flow(flow: Flow, here: set[Flow]) -> str | None:
    owner, branch = flow.owner, flow.branch
    if flow.handler is not None:
        return f"is set in runs of handler {flow.handler.name}"
    if flow.clause is not None:
        return f"is set in the on_failure of {owner.label}"
    if owner.kind == "repeat":
        return f"ends with the round of {owner.name}: yield it by out"
    if owner.kind == "for_each":
        return f"ends with the item of {owner.name}: yield it by out"
    beside = next((inner for inner in here if inner.owner is owner), None)
    if flow.role == "else":
        return f"is set only in the else of {owner.name}"
    if branch is None:
        if beside is not None and beside.handler is not None:
            return f"need not be there yet when {beside.handler.name} runs"
        return f"need not be there when {owner.label} fails" if owner.clauses else None
    if owner.kind != "parallel":
        return f"is set only in branch {branch.name} of {owner.name}"
    if beside is not None:
        return f"is set in branch {branch.name}, which runs beside"
    certain = owner.doc.get("join", "all") == "all" and owner.doc.get("on_branch") != "collect"
    if certain and "when" not in branch.doc:
        return None
    return f"is set in branch {branch.name} of {owner.name}, which need not be done"
