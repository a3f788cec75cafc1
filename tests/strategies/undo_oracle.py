"""What the text of the semantics says about undoing, read from the log alone.

It knows the document and the recorded events, and nothing of the code that decides: which part of a
list was completed last comes from `node.done` and `effect.done`, branches from the document.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from domain import events as ev
from domain.events import Event

Json = Any
UNFINISHED = 1 << 60
_TOKEN = re.compile(r"[^/#]+|#\d+")


@dataclass
class Parallel:
    """The branches of a parallel, by the name that their paths begin with, and what they follow."""

    after: dict[str, set[str]] = field(default_factory=dict)


@dataclass
class Standing:
    """Something done that may have to be undone. `version`: when it was entered."""

    version: int
    done: bool
    is_debt: bool = False


def parallels(document: Json) -> dict[str, Parallel]:
    """Every parallel of a definition by its path without instance marks."""
    found: dict[str, Parallel] = {}
    _walk(document["flow"], "", found)
    for handler in document.get("handlers", ()):
        _walk(handler["flow"], handler["name"], found)
    return found


def _walk(flow: Json, base: str, found: dict[str, Parallel]) -> None:
    for node in flow:
        path = f"{base}/{node['name']}" if base else node["name"]
        branches = node.get("branches", ())
        if node["node"] == "parallel":
            direct = {b["name"]: set(b.get("after", ())) for b in branches}
            found[path] = Parallel({n: _closure(n, direct) for n in direct})
        for branch in branches:
            _walk(branch["flow"], f"{path}/{branch['name']}", found)
        for inner in (node.get("flow", ()), node.get("else", ())):
            _walk(inner, path, found)
        for clause in node.get("on_failure", ()):
            _walk(clause["flow"], path, found)
        for handler in node.get("handlers", ()):
            _walk(handler["flow"], f"{path}/{handler['name']}", found)


def _closure(name: str, direct: dict[str, set[str]]) -> set[str]:
    found: set[str] = set()
    for before in direct[name]:
        found |= {before} | _closure(before, direct)
    return found


class UndoOracle:
    """Reads the log of a commitment, and objects to what the semantics forbids."""

    def __init__(self, document: Json) -> None:
        self.parallels = parallels(document)
        self.on_debt = document.get("on_debt", "hold")
        self.standing: dict[str, Standing] = {}
        self.completed: dict[str, int] = {}
        self.undone: dict[str, int] = {}
        self.debts: dict[str, tuple[str, str]] = {}
        self.undoing: list[str] = []
        self.ended: str | None = None
        self.nodes: dict[str, str] = {}
        self.begun: dict[str, int] = {}
        self.stops: list[tuple[int, str, tuple[str, ...]]] = []
        self.items: dict[str, dict[str, set[str]]] = {}

    def read(self, events: list[Event]) -> None:
        for event in events:
            self._read(event)

    def _read(self, e: Event) -> None:
        version = e.originator_version
        for path in {getattr(e, "run", None), getattr(e, "node", None)}:
            for part in _parts(path) if isinstance(path, str) else ():
                self.begun.setdefault(part, version)
        assert self.ended is None or isinstance(e, _AFTER_THE_END), e
        read = _READ.get(type(e))
        if read is not None:
            read(self, e, version)

    def _done(self, e: ev.NodeDone | ev.NodeFailed, version: int) -> None:
        self.completed[e.node] = version

    def _items(self, e: ev.ItemsAdded, _: int) -> None:
        """Which items an item follows, directly or not, by their paths."""
        known = self.items.setdefault(e.node, {})
        direct = {item["key"]: set(item.get("after", ())) for item in e.items}
        for key in direct:
            known[f"{e.node}[{key}]"] = {f"{e.node}[{k}]" for k in _closure(key, direct)}

    def _stopping(self, e: ev.PartStopping, version: int) -> None:
        if not e.pending:
            self.stops.append((version, e.target, tuple(e.keep or ())))

    def _intended(self, e: ev.EffectIntended, version: int) -> None:
        self.nodes[e.effect] = e.node
        if e.kind == "undo":
            self._commanded(e.node)
        elif e.kind == "do" and e.undo is not None:
            self.standing[e.node] = Standing(version, False)

    def _child(self, e: ev.ChildOpened | ev.ChildEnded, version: int) -> None:
        """A child that was fulfilled, or that nobody waits for, is one entry."""
        if isinstance(e, ev.ChildEnded) or e.done:
            self.completed[e.node] = version
        if e.undo is not None:
            assert e.node not in self.undone, f"{e.node} is entered after it was undone"
            self.standing[e.node] = Standing(version, True)

    def _effect_done(self, e: ev.EffectDone, version: int) -> None:
        if e.kind == "undo":
            self.standing.pop(e.node, None)
            self.undone[e.node] = self.undone.get(e.node, 0) + 1
            assert self.undone[e.node] == 1, f"{e.node} was undone twice"
            return
        self.completed[e.node] = version
        if e.undo is not None:
            assert e.node not in self.undone, f"{e.node} is entered after it was undone"
            self.standing[e.node] = Standing(version, True)

    def _effect_failed(self, e: ev.EffectFailed, version: int) -> None:
        if e.kind == "do":
            self.completed[e.node] = version
            if e.undo is not None:
                self.standing.setdefault(e.node, Standing(version, False))

    def _sealed(self, e: ev.UndoSealed, _: int) -> None:
        for path in e.dropped:
            del self.standing[path]

    def _begun(self, e: ev.UndoBegun, _: int) -> None:
        self.undoing.append(e.target)

    def _undo_ended(self, e: ev.UndoEnded, _: int) -> None:
        self.undoing.remove(e.target)
        left = [p for p in self.standing if _under(p, e.target)]
        assert not left, f"{left} still stand in {e.target or 'the root'}"

    def _debt(self, e: ev.DebtOpened, _: int) -> None:
        self.debts[e.debt] = (e.kind, e.node)
        if e.kind == "undo":
            self.standing[e.node].is_debt = True

    def _debt_retried(self, e: ev.DebtRetried, _: int) -> None:
        self.standing[self.debts[e.debt][1]].is_debt = False

    def _debt_settled(self, e: ev.DebtSettled, _: int) -> None:
        kind, node = self.debts[e.debt]
        if kind == "undo":
            del self.standing[node]

    def _over(self, e: ev.CommitmentEnded, _: int) -> None:
        self.ended = e.status
        if e.status in ("compensated", "failed", "cancelled"):
            assert not self.standing, f"{e.status}, and {list(self.standing)} stand"

    def _may_be_gone(self, e: ev.EffectWithdrawn | ev.EffectProbed, _: int) -> None:
        if isinstance(e, ev.EffectProbed) and e.answer != "absent":
            return
        entry = self.standing.get(self.nodes[e.effect])
        if entry is not None and not entry.done:
            del self.standing[self.nodes[e.effect]]

    def _commanded(self, path: str) -> None:
        """At the command of an undo nothing may stand that has to be undone before it."""
        assert path in self.standing, f"{path} is undone and does not stand"
        targets = [t for t in self.undoing if _under(path, t)]
        assert targets, f"{path} is undone, and nothing undoes there"
        target = max(targets, key=len)
        for other, entry in self.standing.items():
            if other == path or not _under(other, target):
                continue
            passed = self.on_debt == "continue" and self._passed(other, path)
            if self._goes_first(other, path) and not passed:
                raise AssertionError(f"{path} is undone while {other} stands ({entry})")

    def _passed(self, other: str, path: str) -> bool:
        """Whether the part of `other`, seen from `path`, is nothing but debts."""
        group = _parting(other, path)[1]
        return all(e.is_debt for p, e in self.standing.items() if _under(p, group))

    def _goes_first(self, other: str, path: str) -> bool:
        """Whether `other` must be undone before `path`."""
        base, mine, its = _parting(path, other)
        if its in self.items.get(base, ()):
            return mine in self.items[base][its]
        block = self.parallels.get(re.sub(r"[#@]\d+|\[[^\]]*\]", "", base))
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
            if version < self.begun[group]:
                continue
            if (
                group != target
                and _under(group, target)
                and not any(_under(group, k) for k in keep)
            ):
                return version
        return None


_READ: dict[type[Event], Callable[..., None]] = {
    ev.NodeDone: UndoOracle._done,
    ev.NodeFailed: UndoOracle._done,
    ev.PartStopping: UndoOracle._stopping,
    ev.ItemsAdded: UndoOracle._items,
    ev.ChildOpened: UndoOracle._child,
    ev.ChildEnded: UndoOracle._child,
    ev.EffectIntended: UndoOracle._intended,
    ev.EffectDone: UndoOracle._effect_done,
    ev.EffectFailed: UndoOracle._effect_failed,
    ev.EffectWithdrawn: UndoOracle._may_be_gone,
    ev.EffectProbed: UndoOracle._may_be_gone,
    ev.UndoSealed: UndoOracle._sealed,
    ev.UndoBegun: UndoOracle._begun,
    ev.UndoEnded: UndoOracle._undo_ended,
    ev.DebtOpened: UndoOracle._debt,
    ev.DebtRetried: UndoOracle._debt_retried,
    ev.DebtSettled: UndoOracle._debt_settled,
    ev.CommitmentEnded: UndoOracle._over,
}
_AFTER_THE_END = (
    ev.EffectLate, ev.EffectDone, ev.EffectContradicted, ev.DebtOpened, ev.DebtSettled,
    ev.MessageRefused,
)  # fmt: skip


def _under(path: str, target: str) -> bool:
    return not target or path == target or (path.startswith(target) and path[len(target)] in "/#@[")


def _parting(a: str, b: str) -> tuple[str, str, str]:
    """Where two paths part: the common part, and the next part of each."""
    left, right = _parts(a), _parts(b)
    common = 0
    while left[common] == right[common]:
        common += 1
    return (left[common - 1] if common else ""), left[common], right[common]


def _parts(path: str) -> list[str]:
    """All prefixes of a path that are parts: nodes, branches, rounds, and runs as a whole."""
    found: list[str] = []
    for match in re.finditer(r"(?=[/#\[])|$", path):
        found.append(path[: match.start()])
    return found
