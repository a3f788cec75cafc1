"""What is known at every place of the flow: it is walked once, as it would run (`facts`)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sagas.checks.facts import (
    NOTHING,
    Fact,
    State,
    covers_well,
    is_late_only,
    join,
    narrowed,
    nodes_of,
    pivots_in,
    yielded,
    yielded_inside,
    yields,
)
from sagas.checks.targets import cut_in
from sagas.checks.tree import Branch, Document, Flow, Handler, Node, Update, objects

__all__ = ["Place", "Walk", "walk"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an expression stands. `member` is where in the document of its node: `args.company`.

    `inside` says whose data it sees besides the facts: a node in the flow that is being read.
    """

    node: Node | None
    handler: Handler | None
    member: str
    text: str
    state: State
    order: int
    inside: Flow | None

    @property
    def template(self) -> str:
        if self.handler is not None:
            return self.handler.template
        return "" if self.node is None else self.node.template


@dataclass(slots=True)
class Walk:
    """What the walk found.

    `before`: the state at a node's entry; `dead`: what never runs, with the node behind which
    nothing does; `lacks`: a way on which a decision is missing.
    """

    places: list[Place] = field(default_factory=list[Place])
    before: dict[Node, State] = field(default_factory=dict[Node, State])
    dead: list[tuple[Node, Node]] = field(default_factory=list[tuple[Node, Node]])
    lacks: dict[Fact, str] = field(default_factory=dict[Fact, str])
    end: State | None = None


def walk(d: Document) -> Walk:
    """Walk the whole definition."""
    walker = _Walker(cut_in(d))
    walker.found.end = walker.scope(d.root, NOTHING)
    walker.found.places.sort(key=lambda place: place.order)
    return walker.found


class _Walker:
    def __init__(self, cut: frozenset[Node]) -> None:
        self.found = Walk()
        self._cut = cut

    def flow(self, flow: Flow, state: State) -> State | None:
        ended: Node | None = None
        reached = True
        for node in flow.nodes:
            if ended is not None:
                self.found.dead.append((node, ended))
                ended = None
            after = self._node(node, state)
            if after is None:
                # What never runs is looked at as if it did: its other faults are told at once.
                ended, reached = node, False
            else:
                state = after
        return state if reached else None

    def _node(self, node: Node, state: State) -> State | None:
        guarded = "when" in node.doc and node.kind != "wait_for"
        inner = state
        if guarded:
            self._place(node, "when", state)
            inner, _ = narrowed(state, node.doc["when"])
        self.found.before[node] = inner
        after = self._kind(node, inner)
        if node.continues and (node.flow is not None or node.branches) and node.kind != "approve":
            expired = state.with_sure(("results", node.name)).with_maybe(yielded_inside(node))
            after = join([after, expired])
        if node in self._cut:  # ended from elsewhere it yields nothing
            unfinished = state.with_maybe([*yields(node), *yielded_inside(node)])
            after = join([after, unfinished])
        return join([after, state]) if guarded else after

    def _kind(self, node: Node, state: State) -> State | None:
        match node.kind:
            case "step":
                return self._step(node, state)
            case "approve":
                return self._approve(node, state)
            case "choose":
                return self._choose(node, state)
            case "race":
                return self._race(node, state)
            case "parallel":
                return self._parallel(node, state)
            case "repeat":
                return self._repeat(node, state)
            case "for_each":
                return self._for_each(node, state)
            case "scope":
                return self.scope(node, state)
            case "lock":
                return self._lock(node, state)
            case _:
                return self._leaf(node, state)

    def _place(self, node: Node, member: str, state: State, inside: Flow | None = None) -> None:
        outer, _, inner = member.partition(".")
        found = objects(node.doc, outer).get(inner) if inner else node.doc.get(outer)
        if isinstance(found, str):
            self._add(node, None, member, found, state, inside)

    def _add(
        self, node: Node | None, handler: Handler | None, member: str, text: str, state: State,
        inside: Flow | None = None,
    ) -> None:  # fmt: skip
        order = handler.order if handler is not None else node.order if node is not None else 0
        flow = inside if inside is not None else None if node is None else node.parent
        self.found.places.append(Place(node, handler, member, text, state, order, flow))

    def _args(self, node: Node, member: str, doc: dict[str, str], state: State) -> None:
        for name, text in doc.items():
            self._add(node, None, f"{member}.{name}", text, state)

    # --- leaves -------------------------------------------------------------------------------

    def _leaf(self, node: Node, state: State) -> State | None:
        for member in _LEAF.get(node.kind, ()):
            self._place(node, member, state)
        if node.kind == "wait_for":
            self._place(node, "collect.until", state.with_sure(*yields(node)))
        if node.kind == "set":
            self._args(node, "values", node.doc["values"], state)
        if node.kind == "child":
            self._args(node, "undo.args", objects(node.doc, "undo").get("args", {}), state)
        if node.kind in ("fulfil", "fail"):
            return None
        after = state.with_sure(*yields(node))
        return after.with_maybe([("results", node.name)]) if is_late_only(node) else after

    def _step(self, node: Node, state: State) -> State:
        self._args(node, "args", objects(node.doc, "args"), state)
        self._place(node, "throttle.key", state)
        self._args(node, "undo.args", objects(node.doc, "undo").get("args", {}), state)
        after = state.with_sure(*yields(node))
        return after.with_maybe([("pivot", node.name)]) if node.is_pivot else after

    def _approve(self, node: Node, state: State) -> State | None:
        self._place(node, "subject", state)
        expired = state.with_sure(*yields(node))
        decided = expired.with_sure(("timely", node.name))
        covered = [("covered", step.name) for step in node.covers if covers_well(node, step)]
        after: State | None = decided.with_sure(*covered)
        if node.flow is not None:
            after = self.flow(node.flow, decided.with_sure(*covered))
        ends = [after]
        ends += [decided] if node.doc.get("on_reject") == "continue" else []
        ends += [expired] if node.continues else []
        if len(ends) > 1:
            self._lost(covered, f"{node.template} when it is not approved")
        return join(ends)

    # --- blocks -------------------------------------------------------------------------------

    def _choose(self, node: Node, state: State) -> State | None:
        ends: dict[str, State | None] = {}
        for branch in node.branches:
            self._add(node, None, f"branches.{branch.name}.when", branch.doc["when"], state)
            taken, state = narrowed(state, branch.doc["when"])
            ends[_way(branch)] = self._out(node, branch, self.flow(branch.flow, taken))
        other = state if node.otherwise is None else self.flow(node.otherwise, state)
        always = any(branch.doc["when"].strip() == "true" for branch in node.branches)
        ends[f"{node.template}/else"] = None if always else other
        return self._together(node, ends)

    def _race(self, node: Node, state: State) -> State | None:
        ends: dict[str, State | None] = {}
        for branch in node.branches:
            assert branch.trigger is not None
            won = self._node(branch.trigger, state)
            end = None if won is None else self.flow(branch.flow, won)
            ends[_way(branch)] = self._out(node, branch, end)
        return self._together(node, ends)

    def _together(self, node: Node, ends: dict[str, State | None]) -> State | None:
        end = join(ends.values())
        if end is None:
            return None
        for way, one in ends.items():
            if one is not None:
                others = (s for s in ends.values() if s is not None)
                gone = frozenset[Fact]().union(*(s.sure for s in others)) - one.sure
                self._lost(gone, way)
        return end.with_sure(*yields(node))

    def _lost(self, facts: Iterable[Fact], way: str) -> None:
        for fact in facts:
            self.found.lacks.setdefault(fact, way)

    def _out(self, node: Node, branch: Branch, end: State | None) -> State | None:
        if "out" not in branch.doc or end is None:
            return end
        text = branch.doc["out"]
        self._add(node, None, f"branches.{branch.name}.out", text, end, branch.flow)
        of_branch = f"{node.name}.{branch.name}" if node.kind == "parallel" else node.name
        return end.with_sure(("out", of_branch))

    def _parallel(self, node: Node, state: State) -> State | None:
        """Branches do not see each other; a branch `after` others may come behind their pivots."""
        ends: dict[str, State | None] = {}
        for branch in node.branches:
            if "when" in branch.doc:
                self._add(node, None, f"branches.{branch.name}.when", branch.doc["when"], state)
            before = pivots_in(n for name in _all_after(node, branch) for n in nodes_of(name.flow))
            entry, _ = narrowed(state, branch.doc.get("when", ""))
            end = self.flow(branch.flow, entry.with_maybe(before))
            ends[branch.name] = self._out(node, branch, end)
        self._join(node, state)
        all_of_them = (
            node.doc.get("join", "all") == "all" and node.doc.get("on_branch") != "collect"
        )
        guarded = {b.name for b in node.branches if "when" in b.doc}
        stuck = [name for name, end in ends.items() if end is None and name not in guarded]
        if len(stuck) == len(node.branches) or (all_of_them and stuck):
            return None
        joined = state.with_maybe(pivots_in(node.inside()))
        for branch in node.branches:
            end = ends[branch.name]
            if end is not None:
                sure = end.sure if all_of_them and branch.name not in guarded else frozenset[Fact]()
                joined = State(joined.sure | sure, joined.maybe | end.maybe)
                self._lost(end.sure - state.sure - sure, f"{node.template} without {branch.name}")
        return joined.with_sure(*yields(node))

    def _repeat(self, node: Node, state: State) -> State | None:
        """A round sees what came before the loop; only `out` and vars remain of it."""
        self._place(node, "while", state)
        assert node.flow is not None
        again = pivots_in(node.inside())
        end = self.flow(node.flow, state.with_maybe(again))
        if end is not None:
            self._place(node, "until", end, node.flow)
            self._place(node, "out", end, node.flow)
        elif "while" not in node.doc:
            return None
        if "out" in node.doc and "while" not in node.doc:  # else there may be no round
            state = state.with_sure(("out", node.name))
        return state.with_sure(*yields(node)).with_maybe(again)

    def _for_each(self, node: Node, state: State) -> State:
        """An item sees what came before the list; only `out` of it remains. There may be none."""
        self._place(node, "items", state)
        self._place(node, "close_when", state)
        for member in ("key", "after"):
            self._place(node, member, state, node.flow)
        assert node.flow is not None
        again = pivots_in(node.inside())
        end = self.flow(node.flow, state.with_maybe(again))
        if end is not None:
            self._place(node, "out", end, node.flow)
        self._join(node, state)
        return state.with_sure(*yields(node)).with_maybe(again)

    def _join(self, node: Node, state: State) -> None:
        """`join: {until}` reads what the block would yield if it were joined now."""
        if isinstance(node.doc.get("join"), dict):
            self._place(node, "join.until", state.with_sure(*yields(node)))

    def _lock(self, node: Node, state: State) -> State | None:
        """Its fence is known inside, its out behind it."""
        assert node.flow is not None
        end = self.flow(node.flow, state.with_sure(*yields(node)))
        if end is not None:
            self._place(node, "out", end, node.flow)
        return end

    def scope(self, node: Node, state: State) -> State | None:
        """A scope, with its clauses and handlers; the root is one."""
        self._place(node, "deadline.at", state)
        for handler in node.handlers:
            self._add(None, handler, "key", handler.doc["key"], state, node.flow)
        assert node.flow is not None
        inner = frozenset(yielded(node.flow))
        self._place(node, "while", state.with_maybe(inner), node.flow)
        main = self.flow(node.flow, state)
        ends = [main]
        for clause in node.clauses:
            ends.append(self.flow(clause.flow, state.with_maybe(inner)))
        after_handlers: list[Fact] = []
        for handler in node.handlers:
            end = self._handler(handler, state, inner)
            after_handlers += pivots_in(nodes_of(handler.flow))
            if handler.interrupts:
                own = frozenset(yielded(handler.flow)) - state.sure
                ends.append(None if end is None else State(end.sure - own, end.maybe - own))
        for update in node.updates:
            self._update(update, state.with_maybe(inner))
            after_handlers += pivots_in(nodes_of(update.flow))
        after = join(ends)
        if after is None:
            return None
        after = after.with_maybe(after_handlers)
        self._place(node, "out", after, node.flow)
        if node.undo_flow is not None:
            self.flow(node.undo_flow, after.with_maybe(inner))
        return after.with_sure(*yields(node))

    def _update(self, update: Update, entry: State) -> None:
        """What an update reads: as a handler, what was sure when its scope opened."""
        doc = update.doc
        found = [("when", doc.get("when"))]
        found += [] if update.answers_done else [("answer", doc.get("answer"))]
        found += [
            (f"validate.{i}.if", rule["if"]) for i, rule in enumerate(doc.get("validate", ()))
        ]
        found += [(f"set.{name}", text) for name, text in objects(doc, "set").items()]
        found += [(f"move.{i}.to", move["to"]) for i, move in enumerate(update.moves)]
        found += [(f"add.{name}", objects(doc, "add").get(name)) for name in ("items", "close")]
        for member, text in found:
            if isinstance(text, str):
                self._add(None, update, member, text, entry, update.flow)
        end = self.flow(update.flow, entry)
        if update.answers_done and "answer" in doc and end is not None:
            self._add(None, update, "answer", doc["answer"], end, update.flow)

    def _handler(self, handler: Handler, state: State, inner: frozenset[Fact]) -> State | None:
        """A run sees what was sure when its scope opened, later names as maybe, and its own."""
        closed = handler.interrupts and not handler.doc.get("after_pivot", False)
        later = {fact for fact in inner if not (closed and fact[0] == "pivot")}
        entry = state.with_maybe(later)
        if "when" in handler.doc:
            self._add(None, handler, "when", handler.doc["when"], entry, handler.flow)
        return self.flow(handler.flow, entry)


_LEAF: dict[str, tuple[str, ...]] = {
    "wait_for": ("key", "when"), "sleep": ("until",), "await": ("until",), "task": ("subject",),
    "cancel": ("item",), "finish": ("item", "evidence"), "move": ("to",), "emit": ("key", "data"),
    "fulfil": ("result",), "fail": ("message",), "add": ("items", "close"),
    "child": ("key", "input"),
}  # fmt: skip


def _way(branch: Branch) -> str:
    owner = branch.flow.owner
    return f"{owner.template}/{branch.name}" if branch.named else f"{owner.template}"


def _all_after(node: Node, branch: Branch) -> list[Branch]:
    """The branches that are over before this one begins, directly or through others."""
    by_name = {b.name: b for b in node.branches}
    found: dict[str, Branch] = {}
    waiting = list(branch.after)
    while waiting:
        name = waiting.pop()
        if name in by_name and name not in found:
            found[name] = by_name[name]
            waiting.extend(by_name[name].after)
    return list(found.values())
