"""Undoing, judged from events alone: at most once, in reverse order, and nothing left standing."""

from __future__ import annotations

from typing import Any

from domain import events as ev
from domain.state import is_under, template_of
from sagas.definition import Definition, Node
from sagas.explore.undone import ENDS_A_CLAUSE
from tests.simulation.judge import Violation
from tests.simulation.observer import Shadow

__all__ = ["check_undone", "stays_since"]

Json = Any


class _Entry:
    """What could be undone: when it came, and when its undo was commanded and done."""

    __slots__ = ("asked", "came", "done", "listed", "owed", "path", "settled")

    def __init__(self, path: str, came: int) -> None:
        self.path = path
        self.came = came
        self.listed: int | None = None  # when an `undo` of the flow named it among what stood then
        self.asked: int | None = None
        self.done: int | None = None
        self.settled = False
        self.owed = False


def check_undone(definition: Definition | None, shadow: Shadow, *, in_order: bool = True) -> None:
    """Raises Violation for one commitment that is over. `in_order`: nothing else judges that."""
    assert definition is not None
    entries = _entries(shadow)
    c = shadow.state
    if c.status in ("compensated", "cancelled", "failed"):
        since = stays_since(definition, shadow)
        for entry in entries:
            stays = since is not None and entry.came > since
            if entry.done is None and not entry.settled and not stays:
                detail = f"{c.saga} {c.key} is {c.status}, and {entry.path} stands"
                raise Violation("undone", detail)
    if in_order:
        _in_order(definition, entries, c)


def stays_since(definition: Definition, shadow: Shadow) -> int | None:
    """From when on what is done stays, though it ends cancelled: a clause had caught the cancel."""
    if shadow.state.status != "cancelled":
        return None
    stops = [e for _, e in shadow.events
             if isinstance(e, ev.PartStopping) and not e.target and not e.pending
             and e.cause["kind"] not in ENDS_A_CLAUSE]  # fmt: skip
    index = stops[-1].cause.get("clause") if stops else None
    if index is None:
        return None
    return stops[-1].originator_version if definition.root.clauses[index].undo == "all" else 0


def _entries(shadow: Shadow) -> list[_Entry]:  # noqa: C901 - one match over a closed set
    open_: dict[str, _Entry] = {}
    closed: list[_Entry] = []
    debts: dict[str, str] = {}

    def close(path: str, **values: Any) -> None:
        entry = open_.pop(path, None)
        if entry is not None:
            for name, value in values.items():
                setattr(entry, name, value)
            closed.append(entry)

    kinds: dict[str, tuple[str, str]] = {}
    for _, event in shadow.events:
        version = event.originator_version
        match event:
            case ev.EffectIntended() if event.kind == "undo":
                kinds[event.effect] = (event.node, "undo")
                if event.node not in open_:
                    raise Violation("undone once", f"{event.node} is undone, and need not be")
                open_[event.node].asked = open_[event.node].asked or version
            case ev.EffectIntended() if event.kind == "do":
                kinds[event.effect] = (event.node, "do")
                if event.undo:
                    open_[event.node] = _Entry(event.node, version)
            case ev.EffectRetried() if event.undo:
                path = kinds[event.effect][0]
                open_[path] = _Entry(path, version)
            case ev.EffectDone() if event.kind == "undo":
                close(event.node, done=version)
            case ev.EffectDone() if event.undo:
                open_[event.node] = _Entry(event.node, version)
            case ev.EffectFailed() if event.kind == "do" and event.undo:
                open_.setdefault(event.node, _Entry(event.node, version))
            case ev.EffectWithdrawn() if not event.tried:
                close(kinds[event.effect][0], settled=True)
            case ev.EffectProbed() if event.answer == "absent":
                close(kinds[event.effect][0], settled=True)
            case ev.ChildOpened() | ev.ChildEnded() if event.undo:
                open_[event.node] = _Entry(event.node, version)
            case ev.ChildRevokeAsked() | ev.UndoFlowBegun():
                if event.node not in open_:
                    raise Violation("undone once", f"{event.node} is undone, and need not be")
                open_[event.node].asked = open_[event.node].asked or version
            case ev.ChildRevokeEnded() if event.status == "revoked":
                close(event.node, done=version)
            case ev.UndoFlowEnded() if event.error is None:
                close(event.node, done=version)
            case ev.UndoReplaced():
                for path in [p for p in open_ if is_under(p, event.node)]:
                    close(path, settled=True)
                open_[event.node] = _Entry(event.node, version)
            case ev.UndoSealed():
                for path in event.dropped:
                    close(path, settled=True)
            case ev.UndoBegun():
                for path in event.cause.get("paths", ()):
                    if path in open_:
                        open_[path].listed = open_[path].listed or version
            case ev.DebtOpened() if event.kind in ("undo", "late"):
                debts[event.debt] = event.node
                if event.node in open_:
                    open_[event.node].owed = True
            case ev.DebtSettled() if event.debt in debts:
                close(debts[event.debt], settled=True)
            case _:
                pass
    return [*closed, *open_.values()]


def _in_order(definition: Definition, entries: list[_Entry], c: Any) -> None:
    """Of two in one list the later is undone before the undo of the earlier is commanded."""
    if definition.on_debt == "continue":
        # A debt was passed: its undo may come after those of earlier entries, or never.
        entries = [e for e in entries if not e.settled and not e.owed]
    for first in entries:
        for last in entries:
            if first.asked is None or last.asked is None or first.came >= last.came:
                continue
            since = first.listed or first.asked
            if _beside(definition, first.path, last.path) or last.came > since:
                continue
            if not _one_after_the_other(first.path, last.path):
                continue
            if last.done is not None and last.done > first.asked:
                detail = f"{c.saga} {c.key}: {first.path} before {last.path}"
                raise Violation("reverse order", detail)


def _beside(definition: Definition, one: str, other: str) -> bool:
    """Whether two paths part ways in a parallel."""
    base = _common(one, other)
    node = definition.by_template.get(template_of(base)) if base else definition.root
    return isinstance(node, Node) and node.kind == "parallel"


def _one_after_the_other(one: str, other: str) -> bool:
    """Whether both lie directly in one list: then completion of each is its place in it."""
    base = _common(one, other)
    return all("/" not in path[len(base) :].strip("/") for path in (one, other))


def _common(one: str, other: str) -> str:
    a, b = one.split("/"), other.split("/")
    count = 0
    while count < min(len(a), len(b)) and a[count] == b[count]:
        count += 1
    base = "/".join(a[:count])
    return base if is_under(one, base) else ""
