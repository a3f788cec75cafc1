"""Compensation: which entries may be undone now, and what a failed undo means (semantics 5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from domain import events as ev
from domain.ids import effect_id
from domain.state import Entry, in_flight, is_under, item_path, paths_around, template_of
from sagas import defaults
from sagas.decide import joins, kept, locks, revoking, stopping, undo_flows
from sagas.decide.machine import Machine, NodeFault, error_of
from sagas.definition import Branch, Node
from sagas.loading import retry_of

__all__ = ["accepted", "advance", "advance_over", "begin", "behind", "branches_before",
           "check_room", "command_again", "deadline_over", "end_settled", "is_owed", "may_enter",
           "open_debt", "ready", "turn_of", "undo_failed", "undo_retry"]  # fmt: skip

Json = Any
REVERSE = "reverse"


def begin(m: Machine, target: str, cause: Json, takes: Sequence[str] = ()) -> None:
    """Undo what the part has done; then go on with what its stop was for.

    `takes`: parts inside whose undoing is nothing but debts, and becomes that of this part.
    """
    if not _under(m, target):
        stopping.after_undo(m, target, cause)
        return
    error = cause.get("error") or {"class": cause["kind"], "code": cause["kind"], "node": target,
                                   "message": cause.get("reason", "")}  # fmt: skip
    why = {name: error.get(name) for name in ("class", "code", "message", "node")}
    deadline_us = m.d.undo_deadline_us
    due_us = None if deadline_us is None else m.now_us + deadline_us
    m.emit(ev.UndoBegun, target=target, why=why, cause=cause, due_us=due_us,
           takes=list(takes) or None)  # fmt: skip
    advance(m, target)


def _under(m: Machine, target: str) -> dict[str, Entry]:
    """What is to be undone in a part; an undo that the flow asked for has its own list."""
    undoing = m.c.undoing.get(target)
    only = None if undoing is None else undoing.cause.get("paths")
    return {
        p: e for p, e in m.c.entries.items() if is_under(p, target) and (only is None or p in only)
    }


def advance(m: Machine, target: str) -> None:
    """Command every undo that may run now; with none left the part is undone."""
    entries = _under(m, target)
    locks.release_undone(m)
    if not entries:
        undoing = m.c.undoing[target]
        if not target and stopping.is_the_end(undoing.cause) and m.busy(""):
            return  # a person saw to what a step of an undo_flow, in flight, was to undo
        m.emit(ev.UndoEnded, target=target)
        stopping.after_undo(m, target, undoing.cause)
        return
    turn = turn_of(m, target)
    locks.give_way(m, target, turn)
    flows = [path for path in turn if m.c.entries[path].flow]
    # Of what is put on the agenda the last moves first: the flows of scopes begin in their order.
    for path in (*(path for path in turn if path not in flows), *reversed(flows)):
        if m.c.entries[path].state == "open" and locks.may_undo(m, path):
            command_again(m, path, m.c.undoing[target].why)


def advance_over(m: Machine, path: str) -> None:
    """An entry has gone: every undoing part that held it goes on, the innermost first."""
    for target in sorted(m.c.undoing, key=len, reverse=True):
        if target in m.c.undoing and is_under(path, target):
            advance(m, target)
    if m.d.on_debt == "continue":  # nothing but debts may be left in a part that a stop awaits
        stopping.check_stops(m)


def end_settled(m: Machine) -> None:
    """End the undoing of all, if nothing is left to undo and it waited for a step in flight."""
    if "" in m.c.undoing and not _under(m, ""):
        advance(m, "")


def is_owed(m: Machine, target: str) -> bool:
    """Whether an undoing is nothing but debts, which a part around it passes (`on_debt`)."""
    return _is_passed(m, _under(m, target))


def check_room(m: Machine, path: str) -> None:
    """Whether one more may have to be undone, beside what is done and what is under way.

    Raises NodeFault internal:bound.entries.
    """
    c = m.c
    if len(c.entries) + len(c.effects) + len(c.children) < defaults.ENTRIES_MAX:
        return
    under_way = {e.node for e in c.effects.values() if e.kind == "do" and in_flight(e)}
    under_way |= c.children.keys()
    nodes = {p: m.node(p) for p in under_way if p not in c.entries}
    coming = sum(1 for node in nodes.values() if node.undo is not None or node.is_revoked)
    if len(c.entries) + coming >= defaults.ENTRIES_MAX:
        text = f"over {defaults.ENTRIES_MAX:,} entries to undo"
        raise NodeFault(path, error_of("internal", "bound.entries", text, path))


def may_enter(m: Machine, path: str) -> bool:
    """Whether a `do` that is done makes an entry.

    Not where its undo has been commanded, nor in a block that is done and keeps what is in it.
    """
    entry = m.c.entries.get(path)
    if entry is not None:
        return entry.state == "open"
    if path in m.c.nodes:
        return True
    if kept.is_for_good(m, path):
        return False
    undo = m.c.effects.get(effect_id(m.c.id, path, "undo"))
    return undo is None or undo.state != "done"


# --- whose turn it is ------------------------------------------------------------------------


def turn_of(m: Machine, target: str) -> list[str]:
    """The entries of a part that undoes itself whose turn it is, commanded or not.

    What another part undoes as well waits for its turn there, too.
    """
    found = ready(m, target, _under(m, target))
    for other in m.c.undoing:
        theirs = {} if other == target else _under(m, other)
        if not theirs.keys().isdisjoint(found):
            turn = ready(m, other, theirs)
            found = [path for path in found if path in turn or path not in theirs]
    return found


def ready(m: Machine, base: str, entries: Mapping[str, Entry]) -> list[str]:
    """The entries under `base` whose turn it is, commanded or not.

    Of a list only the part that was completed last; of a parallel each branch; in one line only the
    last of all. A debt is nobody's turn; it holds what comes before it, or is passed (`on_debt`).
    """
    own = entries.get(base)
    if own is not None:
        # What turned out to be done after a scope that its undo_flow undoes is undone before it.
        late = {path: entry for path, entry in entries.items() if entry.seq > own.seq}
        if late and own.state != "undoing" and not _is_passed(m, late):
            return ready(m, base, late)
        return [] if own.state == "debt" else [base]
    if m.d.has_lines and _is_line(m, base):
        return _last_of_line(m, entries)
    groups: dict[str, dict[str, Entry]] = {}
    for path, entry in entries.items():
        groups.setdefault(_child(base, path), {})[path] = entry
    block = m.d.by_template.get(template_of(base)) if base else m.d.root
    if isinstance(block, Node) and block.kind == "parallel":
        return _beside(m, base, block, groups)
    if isinstance(block, Node) and block.kind == "for_each" and not base.endswith("]"):
        return _items_beside(m, base, block, groups)
    for group in sorted(groups, key=lambda g: _order(m, g, groups[g]), reverse=True):
        if not _is_passed(m, groups[group]):
            return ready(m, group, groups[group])
    return []


def _is_line(m: Machine, base: str) -> bool:
    """Whether a part, or one around it, undoes all in one line: `undo_order: reverse`."""
    if m.d.document.get("undo_order") == REVERSE:
        return True
    found = (m.d.by_template.get(template_of(path)) for path in (*paths_around(base), base))
    return any(isinstance(node, Node) and node.doc.get("undo_order") == REVERSE for node in found)


def _last_of_line(m: Machine, entries: Mapping[str, Entry]) -> list[str]:
    """Of all entries the one that was completed last, whatever lies between them."""
    under_way = [path for path, entry in entries.items() if entry.state == "undoing"]
    if under_way:
        return under_way
    for path in sorted(entries, key=lambda p: _order(m, p, {p: entries[p]}), reverse=True):
        if entries[path].state != "debt":
            return [path]
        if m.d.on_debt != "continue":
            break
    return []


def _is_passed(m: Machine, entries: Mapping[str, Entry]) -> bool:
    """A part that is nothing but debts does not hold what comes before it, if so declared."""
    return m.d.on_debt == "continue" and all(e.state == "debt" for e in entries.values())


def _child(base: str, path: str) -> str:
    """The next part on the way from `base` to `path`; rounds and runs are parts of their own."""
    start = len(base)
    if base and path[start] in "#@[":  # a round of a repeat, an item of a for_each
        end = path.find("/", start)
        return path if end < 0 else path[:end]
    start += 1 if base else 0
    end = min((i for i in (path.find(c, start) for c in "/#@[") if i >= 0), default=len(path))
    if end < len(path) and path[end] == "@":  # a handler's run stands in its scope's list itself
        slash = path.find("/", end)
        return path if slash < 0 else path[:slash]
    return path[:end]


def _order(m: Machine, group: str, entries: Mapping[str, Entry]) -> tuple[int, int]:
    """When a part of a list closed: what was unfinished has closed last, with the stop.

    Rounds and the branch of a choice do not close by themselves; they are alone or in sequence.
    """
    newest = max(e.seq for e in entries.values())
    trail = m.c.trail.get(group)
    if trail is None:
        return newest, newest
    own = entries.get(group)
    return (trail.version if own is None else max(trail.version, own.seq)), newest


def _beside(
    m: Machine, base: str, block: Node, groups: Mapping[str, Mapping[str, Entry]]
) -> list[str]:
    """Branches undo beside each other; one that others came `after` waits for theirs."""
    targets = {b.name: joins.branch_target(base, b) for b in block.branches}
    waiting: set[str] = set()
    for branch in block.branches:
        group = targets[branch.name]
        if group in groups and not _is_passed(m, groups[group]):
            waiting |= branches_before(block.branches, branch)
    found: list[str] = []
    for branch in block.branches:
        group = targets[branch.name]
        if group in groups and branch.name not in waiting:
            found += ready(m, group, groups[group])
    return found


def _items_beside(
    m: Machine, base: str, block: Node, groups: Mapping[str, Mapping[str, Entry]]
) -> list[str]:
    """Items undo beside each other as they ran: at most `width`, the last completed first."""
    after = {item_path(base, key): [item_path(base, k) for k in before]
             for key, before in m.c.item_after.get(base, {}).items()}  # fmt: skip
    waiting: set[str] = set()
    for group, entries in groups.items():
        if group in after and not _is_passed(m, entries):
            waiting |= behind(after, group)
    width = block.doc.get("width", defaults.ITEMS_WIDTH_MAX)
    under_way: list[str] = []
    to_come: list[tuple[int, list[str]]] = []
    for group, entries in groups.items():
        if group in waiting:
            continue
        paths = ready(m, group, entries)
        if any(entries[path].state == "undoing" for path in paths):
            under_way += paths
            width -= 1
        elif paths:
            to_come.append((max(entry.seq for entry in entries.values()), paths))
    to_come.sort(reverse=True)
    return under_way + [path for _, paths in to_come[: max(width, 0)] for path in paths]


def branches_before(branches: Iterable[Branch], branch: Branch) -> set[str]:
    """The branches that a branch came after, directly or not."""
    return behind({b.name: b.after for b in branches}, branch.name)


def behind(after: Mapping[str, Sequence[str]], name: str) -> set[str]:
    """What a branch or item came after, directly or not."""
    found: set[str] = set()
    todo = list(after.get(name, ()))
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += after.get(name, ())
    return found


def command_again(m: Machine, path: str, why: Json) -> None:
    """Command the undo of an entry: the snapshot's arguments, the same key in every attempt."""
    entry = m.c.entries[path]
    if entry.child is not None:
        revoking.ask(m, path, entry, why)
        return
    if entry.flow:
        undo_flows.ask(m, path, why)
        return
    key = effect_id(m.c.id, path, "undo")
    args = entry.args
    contract = m.d.contracts[entry.contract]
    if "why" in (contract.command.get("properties") or {}) and "why" not in args:
        args = {**args, "why": why}
    old = m.c.effects.get(key)
    m.emit(
        ev.EffectIntended, node=path, effect=key, kind="undo", contract=entry.contract,
        participant=entry.participant, args=args, digest=entry.digest,
        attempt=old.attempt + 1 if old else 1, timeout_us=entry.timeout_us,
        start_by_us=None, undoes=entry.effect, classes=entry.classes,
    )  # fmt: skip


# --- failing, debts -----------------------------------------------------------------


def undo_failed(m: Machine, path: str, key: str, error: Json) -> None:
    """An undo has failed for good: a person must settle it; nothing is only logged."""
    effect = m.c.effects[key]
    m.emit(ev.EffectFailed, node=path, effect=key, kind="undo", attempt=effect.attempt, error=error)
    if not any(d.effect == key for d in m.c.debts.values()):
        open_debt(m, path, "undo", error, effect=key)
    advance_over(m, path)


def deadline_over(m: Machine, target: str) -> None:
    """`undo_deadline` is over: each undo that is still under way becomes a debt."""
    for path, entry in _under(m, target).items():
        if entry.child is not None and entry.state == "undoing":
            revoking.late(m, path)
        elif entry.flow and entry.state == "undoing":
            undo_flows.late(m, path)
        key = effect_id(m.c.id, path, "undo")
        effect = m.c.effects.get(key)
        if effect is not None and in_flight(effect):
            error = error_of("timeout", "undo_deadline", "it was not undone in time", path)
            undo_failed(m, path, key, error)


def open_debt(m: Machine, path: str, kind: str, error: Json, effect: str | None = None) -> None:
    """An open item with an owner and a due date."""
    number = m.c.debt_count + 1
    node = m.d.by_template.get(template_of(path)) if path else None
    contract = node.contract if isinstance(node, Node) else None
    owner = contract.participant if contract is not None else "operator"
    m.emit(
        ev.DebtOpened, debt=f"{str(m.c.id)[:8]}-{number}", node=path, kind=kind, error=error,
        owner=owner, due_us=m.now_us + m.d.debt_due_us, effect=effect,
    )  # fmt: skip


def accepted(node: Node) -> bool:
    """Whether a step declared that it just has no undo."""
    return node.doc.get("irreversible") == "accepted"


def undo_retry(entry: Entry) -> defaults.Retry:
    """The retry an entry declared, over the default of undoing."""
    return retry_of(entry.retry or {}, defaults.UNDO_RETRY)
