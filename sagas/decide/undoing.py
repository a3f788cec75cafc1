"""Compensation: which entries may be undone now, and what happens when an undo fails (semantics 5)."""

from __future__ import annotations

from typing import Any

from domain import events as ev
from domain.durations import duration_us
from domain.ids import effect_id
from domain.state import Entry, is_under
from sagas import defaults
from sagas.decide import blocks, failures
from sagas.decide.machine import Machine
from sagas.definition import Handler, Node, template_of

__all__ = ["advance", "advance_over", "begin", "command_again", "open_debt", "ready", "seal", "undo_failed",
           "undo_retry"]  # fmt: skip

Json = Any
_UNFINISHED = 1 << 62


def begin(m: Machine, target: str, cause: Json) -> None:
    """Undo what the part has done; then go on with what its stop was for."""
    if not _under(m, target):
        failures.after_undo(m, target, cause)
        return
    error = cause.get("error") or {"class": cause["kind"], "code": cause["kind"], "node": target,
                                   "message": cause.get("reason", "")}  # fmt: skip
    why = {name: error.get(name) for name in ("class", "code", "message", "node")}
    m.emit(ev.UndoBegun, target=target, why=why, cause=cause)
    advance(m, target)


def _under(m: Machine, target: str) -> dict[str, Entry]:
    return {p: e for p, e in m.c.entries.items() if is_under(p, target)}


def advance(m: Machine, target: str) -> None:
    """Command every undo that may run now; with none left the part is undone."""
    entries = _under(m, target)
    if not entries:
        undoing = m.c.undoing[target]
        m.emit(ev.UndoEnded, target=target)
        failures.after_undo(m, target, undoing.cause)
        return
    for path in ready(m, target, entries):
        if m.c.entries[path].state == "open":
            command_again(m, path, m.c.undoing[target].why)


def advance_over(m: Machine, path: str) -> None:
    """An entry has gone: every undoing part that held it goes on, the innermost first."""
    for target in sorted(m.c.undoing, key=len, reverse=True):
        if target in m.c.undoing and is_under(path, target):
            advance(m, target)


def ready(m: Machine, base: str, entries: dict[str, Entry]) -> list[str]:
    """The entries under `base` whose turn it is: the last of a list, each branch of a parallel."""
    if base in entries:
        return [base]
    groups: dict[str, dict[str, Entry]] = {}
    for path, entry in entries.items():
        groups.setdefault(_child(base, path), {})[path] = entry
    block = m.d.by_template.get(template_of(base)) if base else m.d.root
    if isinstance(block, Node) and block.kind == "parallel":
        return _beside(m, base, block, groups)
    order = sorted(groups, key=lambda g: _order(m, g, groups[g]), reverse=True)
    for group in order:
        found = ready(m, group, groups[group])
        debts = [p for p in found if m.c.entries[p].state == "debt"]
        if m.d.on_debt == "continue" and len(debts) == len(found):
            continue  # pass the debt: earlier entries go on
        return [p for p in found if p not in debts]
    return []


def _child(base: str, path: str) -> str:
    """The next part on the way from `base` to `path`; rounds and runs are parts of their own."""
    start = len(base) + 1 if base else 0
    if base and path[len(base)] in "#@":
        end = path.find("/", start)
        return path if end < 0 else path[:end]
    ends = [i for i in (path.find(c, start) for c in "/#@") if i >= 0]
    end = min(ends, default=len(path))
    if end < len(path) and path[end] == "@":  # a handler's run stands in its scope's list by itself
        slash = path.find("/", end)
        return path if slash < 0 else path[:slash]
    return path[:end]


def _order(m: Machine, group: str, entries: dict[str, Entry]) -> tuple[int, int]:
    newest = max(e.seq for e in entries.values())
    if group in entries:
        return (newest, newest)
    found = m.d.by_template.get(template_of(group))
    trail = m.c.trail.get(group)
    if isinstance(found, (Node, Handler)) and not group.endswith(tuple("0123456789")):
        finished = trail is not None and trail.state == "done"
        return (trail.version if trail and finished else _UNFINISHED, newest)
    if "@" in group and isinstance(found, Handler):
        return (trail.version if trail and trail.state == "done" else _UNFINISHED, newest)
    return (newest, newest)


def _beside(m: Machine, base: str, block: Node, groups: dict[str, dict[str, Entry]]) -> list[str]:
    """Branches undo beside each other; one that others came `after` waits for theirs."""
    by_name = {b.name: blocks.branch_target(base, b) for b in block.branches}
    waiting = {a for b in block.branches if by_name[b.name] in groups for a in b.after}
    found: list[str] = []
    for branch in block.branches:
        group = by_name[branch.name]
        if group in groups and branch.name not in waiting:
            found += [p for p in ready(m, group, groups[group]) if m.c.entries[p].state != "debt"]
    return found


def command_again(m: Machine, path: str, why: Json) -> None:
    """Command the undo of an entry: the snapshot's arguments, the same key in every attempt."""
    entry = m.c.entries[path]
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


# --- failing, sealing, debts -----------------------------------------------------------------


def undo_failed(m: Machine, path: str, key: str, error: Json) -> None:
    """An undo has failed for good: a person must settle it; nothing is only logged."""
    effect = m.c.effects[key]
    m.emit(ev.EffectFailed, node=path, effect=key, kind="undo", attempt=effect.attempt, error=error)
    open_debt(m, path, "undo", error, effect=key)
    advance_over(m, path)


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


def seal(m: Machine, path: str) -> None:
    """A pivot is done: what came before it in its own and all enclosing lists is never undone."""
    dropped = [p for p in m.c.entries if p != path and not _is_beside(m, p, path)]
    if dropped:
        m.emit(ev.UndoSealed, node=path, dropped=dropped)


def _is_beside(m: Machine, path: str, pivot: str) -> bool:
    """Whether two nodes part ways in a parallel, so that neither comes before the other."""
    a, b = path.split("/"), pivot.split("/")
    common = 0
    while common < min(len(a), len(b)) and a[common] == b[common]:
        common += 1
    base = "/".join(a[:common])
    block = m.d.by_template.get(template_of(base)) if base else m.d.root
    return isinstance(block, Node) and block.kind == "parallel"


def accepted(node: Node) -> bool:
    """Whether a step declared that it just has no undo."""
    return node.doc.get("irreversible") == "accepted"


def undo_retry(entry: Entry) -> defaults.Retry:
    """The retry an entry declared, over the default of undoing."""
    doc, base = entry.retry or {}, defaults.UNDO_RETRY
    return defaults.Retry(
        doc.get("attempts", base.attempts),
        duration_us(doc["first"]) if "first" in doc else base.first_us,
        float(doc.get("factor", base.factor)),
        duration_us(doc["cap"]) if "cap" in doc else base.cap_us,
        float(doc.get("jitter", base.jitter)),
    )
