"""What the text of the semantics says about undoing, read from the log alone.

It knows the document and the recorded events, and nothing of the code that decides: which part of a
list was completed last comes from `node.done` and `effect.done`, branches from the document.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from domain import events as ev
from domain.events import Event
from domain.state import template_of
from sagas.explore.keeping import Keeping, items_added
from sagas.explore.ordering import by_time, closure, lines, parallels, parting, parts_of

__all__ = ["ENDS_A_CLAUSE", "Broken", "Standing", "UndoOracle"]

Json = Any
UNFINISHED = 1 << 60
ENDS_A_CLAUSE = ("fulfil", "forward")
"""Stops of the root after which the clause that caught what was before keeps what it does."""


_Undoing = tuple[str, frozenset[str] | None]


class Broken(AssertionError):
    """What the semantics forbids has happened; the message says what."""


def _hold(holds: object, message: object) -> None:
    if not holds:
        raise Broken(str(message))


@dataclass(frozen=True, slots=True)
class Standing:
    """Something done that may have to be undone. `version`: when it was entered.

    `begun`: its undo was commanded; what is kept, or undone by a flow, in its place comes too late.
    """

    version: int
    done: bool
    is_debt: bool = False
    begun: bool = False


class UndoOracle:
    """Reads the log of a commitment, and objects to what the semantics forbids."""

    def __init__(self, document: Json) -> None:
        self.parallels = parallels(document)
        self.lines = lines(document)
        self.on_debt = document.get("on_debt", "hold")
        self.keeping = Keeping(document)
        self.standing: dict[str, Standing] = {}
        self.completed: dict[str, int] = {}
        self.undone: dict[str, int] = {}
        self.debts: dict[str, tuple[str, str]] = {}
        self.undoing: list[_Undoing] = []
        self.ended: str | None = None
        self.caught: int | None = None
        self.clauses: Sequence[Json] = document.get("on_failure", ())
        self.nodes: dict[str, str] = {}
        self.begun: dict[str, int] = {}
        self.stops: list[tuple[int, str, tuple[str, ...]]] = []
        self.items: dict[str, dict[str, set[str]]] = {}
        self.ran_on: frozenset[str] = frozenset()
        self.attempted: frozenset[str] = frozenset()

    def fork(self) -> UndoOracle:
        """An independent copy; what it holds is never changed, only replaced."""
        copy = object.__new__(UndoOracle)
        vars(copy).update(vars(self))
        for name in ("standing", "completed", "undone", "debts", "nodes", "begun", "items"):
            setattr(copy, name, dict(getattr(self, name)))
        copy.undoing, copy.stops = list(self.undoing), list(self.stops)
        copy.keeping = self.keeping.fork()
        return copy

    def order(self, coming: Iterable[str] = ()) -> Mapping[str, Sequence[Sequence[str]]]:
        """What the order of the past still means: in each list, which part was done before which.

        The parts of a parallel and of a for_each have no order between each other. Of `coming`,
        effects under way, it is as if they were done last: parts of one time are told together.
        """
        standing = self.standing
        last = {path: Standing(UNFINISHED, True) for path in coming}
        self.standing = {**standing, **last}
        lists: dict[str, dict[str, tuple[int, int]]] = {}
        if self.lines:
            lists["in line"] = {path: self._when(path) for path in self.standing}
        for path in self.standing:
            base = ""
            for part in parts_of(path):
                if not self._is_beside(base):
                    lists.setdefault(base, {}).setdefault(part, self._when(part))
                base = part
        self.standing = standing
        return {base: by_time(parts) for base, parts in lists.items() if len(parts) > 1}

    def are_beside(self, one: str, other: str) -> bool:
        """Whether two nodes part in a parallel or a for_each, so that their undos have no order."""
        base = parting(one, other)[0]
        return self._is_beside(base) and not self._in_line(base)

    def _is_beside(self, base: str) -> bool:
        return base in self.items or _plain(base) in self.parallels

    def read(self, events: Sequence[Event]) -> None:
        for event in events:
            self.keeping.read(event)
            self._read(event)
        if self.ended is None:
            self._drops_what_is_kept()

    def _drops_what_is_kept(self) -> None:
        for path, entry in self.standing.items():
            if not self.keeping.keeps(path) or entry.is_debt or entry.begun:
                continue
            undone = any(_is_of(path, part) for part in self.undoing)
            _hold(
                undone or self.keeping.is_stopping(path),
                f"{path} is kept, and still stands to be undone",
            )

    def _read(self, e: Event) -> None:
        version = e.originator_version
        for path in {getattr(e, "run", None), getattr(e, "node", None)}:
            for part in parts_of(path) if isinstance(path, str) else ():
                self.begun.setdefault(part, version)
        _hold(
            self.ended is None or isinstance(e, _AFTER_THE_END),
            f"it is {self.ended}, and goes on: {type(e).__name__}",
        )
        read = _READ.get(type(e))
        if read is not None:
            getattr(self, read)(e, version)

    def _done(self, e: ev.NodeDone | ev.NodeFailed, version: int) -> None:
        if e.node not in self.ran_on:  # it was done when it joined
            self.completed[e.node] = version

    def _runs_on(self, e: ev.NodeRunsOn, version: int) -> None:
        self.completed[e.node] = version
        self.ran_on |= {e.node}

    def _items(self, e: ev.ItemsAdded | ev.UpdateAccepted, _: int) -> None:
        """Which items an item follows, directly or not, by their paths."""
        for node, items in items_added(e):
            known = self.items[node] = dict(self.items.get(node, {}))
            direct = {item["key"]: set[str](item.get("after", ())) for item in items}
            for key in direct:
                known[f"{node}[{key}]"] = {f"{node}[{k}]" for k in closure(key, direct)}

    def _stopping(self, e: ev.PartStopping, version: int) -> None:
        if e.pending:
            return
        self.stops.append((version, e.target, tuple(e.keep or ())))
        if not e.target and e.cause["kind"] not in ENDS_A_CLAUSE:
            clause = e.cause.get("clause")
            undone = clause is not None and self.clauses[clause].get("undo", "all") == "all"
            self.caught = None if clause is None else version if undone else 0

    def _intended(self, e: ev.EffectIntended, version: int) -> None:
        self.nodes[e.effect] = e.node
        if e.kind == "undo":
            self._commanded(e.node)
        elif e.kind == "do" and e.undo is not None:
            self.attempted |= {e.effect}
            self.standing[e.node] = Standing(version, False)

    def _retried(self, e: ev.EffectRetried, version: int) -> None:
        """What is undone as attempted stands in every attempt, though one before was barred."""
        node = self.nodes[e.effect]
        if e.undo is not None:
            _hold(node not in self.standing, f"{node} is entered twice")
            self.standing[node] = Standing(version, False)
        _hold(
            e.effect not in self.attempted or node in self.standing,
            f"{node} is tried again, and nothing would undo it",
        )

    def _child(self, e: ev.ChildOpened | ev.ChildEnded, version: int) -> None:
        """A child that was fulfilled, or that nobody waits for, is one entry."""
        if isinstance(e, ev.ChildEnded) or e.done:
            self.completed[e.node] = version
        if e.undo is not None:
            _hold(e.node not in self.undone, f"{e.node} is entered after it was undone")
            self.standing[e.node] = Standing(version, True)

    def _effect_done(self, e: ev.EffectDone, version: int) -> None:
        if e.kind == "undo":
            self.standing.pop(e.node, None)
            self.undone[e.node] = self.undone.get(e.node, 0) + 1
            _hold(self.undone[e.node] == 1, f"{e.node} was undone twice")
            return
        if e.undo is not None or e.node not in self.standing:  # else its undo is on its way
            self.completed[e.node] = version
        if e.undo is not None:
            _hold(e.node not in self.undone, f"{e.node} is entered after it was undone")
            self.standing[e.node] = Standing(version, True)

    def _effect_failed(self, e: ev.EffectFailed, version: int) -> None:
        if e.kind == "do":
            self.completed[e.node] = version
            if e.undo is not None:
                self.standing.setdefault(e.node, Standing(version, False))
        elif e.node in self.standing and ("undo", e.node) in self.debts.values():
            # Tried again, and failed again: it is the same debt.
            self.standing[e.node] = replace(self.standing[e.node], is_debt=True)

    def _sealed(self, e: ev.UndoSealed, _: int) -> None:
        for path in e.dropped:
            _hold(not self.standing[path].begun, f"{path} is dropped while it is undone")
            del self.standing[path]

    def _begun(self, e: ev.UndoBegun, _: int) -> None:
        """An undo that the flow asked for is of what stood then; else it is of all in the part."""
        paths = e.cause.get("paths")
        if e.takes:  # what is left there is a debt, and from now on of this part
            self.undoing = [u for u in self.undoing if u[0] not in e.takes]
        self.undoing.append((e.target, None if paths is None else frozenset(paths)))

    def _undo_ended(self, e: ev.UndoEnded, _: int) -> None:
        found = next(u for u in self.undoing if u[0] == e.target)
        self.undoing.remove(found)
        left = [p for p in self.standing if _is_of(p, found)]
        where = e.target or "the saga"
        _hold(not left, f"{where} counts as undone, and {', '.join(left)} still stand")

    def _debt(self, e: ev.DebtOpened, _: int) -> None:
        self.debts[e.debt] = (e.kind, e.node)
        if e.kind == "undo":
            self.standing[e.node] = replace(self.standing[e.node], is_debt=True)

    def _debt_retried(self, e: ev.DebtRetried, _: int) -> None:
        node = self.debts[e.debt][1]
        self.standing[node] = replace(self.standing[node], is_debt=False, begun=False)

    def _debt_settled(self, e: ev.DebtSettled, _: int) -> None:
        kind, node = self.debts[e.debt]
        if kind == "undo" and node not in self.undone:  # a child may undo itself after all
            del self.standing[node]

    def _replaced(self, e: ev.UndoReplaced, version: int) -> None:
        """What is being undone inside goes on, and comes before the flow."""
        left = {p: s for p, s in self.standing.items() if s.begun or not _under(p, e.node)}
        self.standing = left
        self.standing[e.node] = Standing(version, True)

    def _revoke_asked(self, e: ev.ChildRevokeAsked | ev.UndoFlowBegun, _: int) -> None:
        self._commanded(e.node)

    def _revoke_ended(self, e: ev.ChildRevokeEnded | ev.UndoFlowEnded, _: int) -> None:
        if e.error is None:
            self.standing.pop(e.node, None)
            self.undone[e.node] = self.undone.get(e.node, 0) + 1
            _hold(self.undone[e.node] == 1, f"{e.node} was undone twice")
        elif e.node in self.standing and ("undo", e.node) in self.debts.values():
            # Asked again, and refused again: it is the same debt.
            self.standing[e.node] = replace(self.standing[e.node], is_debt=True)

    def _over(self, e: ev.CommitmentEnded, _: int) -> None:
        self.ended = e.status
        if e.status in ("compensated", "failed", "cancelled"):
            # A cancel that was caught ends so, too, and what its clause has done stays.
            since = UNFINISHED if self.caught is None or e.status != "cancelled" else self.caught
            left = [p for p, entry in self.standing.items() if entry.version < since]
            _hold(not left, f"it is {e.status}, and what is not undone stands: {', '.join(left)}")

    def _may_be_gone(self, e: ev.EffectWithdrawn | ev.EffectProbed, _: int) -> None:
        if e.answer != "absent" if isinstance(e, ev.EffectProbed) else e.tried:
            return
        entry = self.standing.get(self.nodes[e.effect])
        if entry is not None and not entry.done:
            del self.standing[self.nodes[e.effect]]

    def _commanded(self, path: str) -> None:
        """At the command of an undo nothing may stand that has to be undone before it."""
        _hold(path in self.standing, f"{path} is undone and does not stand")
        parts = [part for part in self.undoing if _is_of(path, part)]
        _hold(parts, f"{path} is undone, and nothing undoes there")
        innermost = max(parts, key=lambda part: len(part[0]))
        for other, entry in self.standing.items():
            if other == path or not _is_of(other, innermost):
                continue
            passed = self.on_debt == "continue" and self._passed(other, path, innermost)
            if self._goes_first(other, path) and not passed:
                how = "" if entry.done else ", which may have happened"
                raise Broken(f"{path} is undone while {other} stands{how}: that one comes first")
        self.standing[path] = replace(self.standing[path], begun=True)

    def _in_line(self, base: str) -> bool:
        """Whether all in a part is undone in one line, however it was ordered."""
        return bool(self.lines) and any(
            _plain(part) in self.lines for part in ("", *parts_of(base))
        )

    def _passed(self, other: str, path: str, undoing: _Undoing) -> bool:
        """Whether the part of `other`, seen from `path`, is nothing but debts to that undoing."""
        if _under(other, path) or _under(path, other):
            return self.standing[other].is_debt
        if self._in_line(parting(path, other)[0]):
            return self.standing[other].is_debt
        group = parting(other, path)[1]
        inside = (p for p in self.standing if _under(p, group) and _is_of(p, undoing))
        return all(self.standing[p].is_debt for p in inside)

    def _goes_first(self, other: str, path: str) -> bool:
        """Whether `other` must be undone before `path`."""
        if _under(other, path) or _under(path, other):  # what came late to a scope, and its flow
            return _under(other, path)
        base, mine, its = parting(path, other)
        if self._in_line(base):
            return self._when(other) > self._when(path)
        if its in self.items.get(base, ()):
            return mine in self.items[base][its]
        block = self.parallels.get(_plain(base))
        if block is not None:
            mine_name, its_name = mine.rpartition("/")[2], its.rpartition("/")[2]
            return mine_name in block.after[its_name]
        return self._when(its) > self._when(mine)

    def _when(self, group: str) -> tuple[int, int]:
        newest = max(e.version for p, e in self.standing.items() if _under(p, group))
        if group.rpartition("/")[2].partition("#")[1]:
            return newest, newest
        entry = self.standing.get(group)
        if entry is not None:
            at = entry.version if entry.done else self.completed.get(group, UNFINISHED)
            return at, newest
        if group in self.completed:
            return self.completed[group], newest
        return self._stopped(group) or newest, newest

    def _stopped(self, group: str) -> int | None:
        """When a block that was never done stopped: the first stop of a part around it."""
        for version, target, keep in self.stops:
            inside = group != target and _under(group, target)
            if version >= self.begun[group] and inside and not any(_under(group, k) for k in keep):
                return version
        return None


_READ: dict[type[Event], str] = {
    ev.NodeDone: "_done",
    ev.NodeFailed: "_done",
    ev.NodeRunsOn: "_runs_on",
    ev.PartStopping: "_stopping",
    ev.ItemsAdded: "_items",
    ev.UpdateAccepted: "_items",
    ev.ChildOpened: "_child",
    ev.ChildEnded: "_child",
    ev.EffectIntended: "_intended",
    ev.EffectRetried: "_retried",
    ev.EffectDone: "_effect_done",
    ev.EffectFailed: "_effect_failed",
    ev.EffectWithdrawn: "_may_be_gone",
    ev.EffectProbed: "_may_be_gone",
    ev.UndoSealed: "_sealed",
    ev.UndoBegun: "_begun",
    ev.UndoEnded: "_undo_ended",
    ev.ChildRevokeAsked: "_revoke_asked",
    ev.ChildRevokeEnded: "_revoke_ended",
    ev.UndoReplaced: "_replaced",
    ev.UndoFlowBegun: "_revoke_asked",
    ev.UndoFlowEnded: "_revoke_ended",
    ev.DebtOpened: "_debt",
    ev.DebtRetried: "_debt_retried",
    ev.DebtSettled: "_debt_settled",
    ev.CommitmentEnded: "_over",
}
_AFTER_THE_END = (
    ev.EffectLate, ev.EffectDone, ev.EffectContradicted, ev.DebtOpened, ev.DebtSettled,
    ev.MessageRefused,
)  # fmt: skip


@lru_cache(maxsize=4_096)
def _plain(path: str) -> str:
    """A path without the marks of its instance."""
    return template_of(path)


def _is_of(path: str, undoing: _Undoing) -> bool:
    """Whether an entry is undone with a part."""
    target, paths = undoing
    return _under(path, target) and (paths is None or path in paths)


def _under(path: str, target: str) -> bool:
    return not target or path == target or (path.startswith(target) and path[len(target)] in "/#@[")
