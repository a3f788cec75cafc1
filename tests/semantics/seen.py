"""What golden tests see of a commitment: parts of its state by name, and events as lines."""

from __future__ import annotations

from typing import Any

from domain import events as ev
from domain.events import Event
from tests.semantics.world import World, command_name

Json = Any


def beside(expected: Json, got: Json) -> str:
    rows: list[str] = []
    for name, wanted in expected.items():
        if wanted == got[name]:
            continue
        rows.append(f"\n{name}:")
        if not isinstance(wanted, list):
            rows += [f"  expected  {wanted!r}", f"  got       {got[name]!r}"]
            continue
        for i in range(max(len(wanted), len(got[name]))):
            left = str(wanted[i]) if i < len(wanted) else "-"
            right = str(got[name][i]) if i < len(got[name]) else "-"
            rows.append(f"  {'  ' if left == right else '! '}{left:45} {right}")
    return "\n".join(rows)


def _error(error: Json) -> str | None:
    return None if error is None else f"{error['class']}:{error['code']}"


def _values(root: str) -> Any:
    return lambda w: (w.now.frames.get("") or {}).get(root, {})


SEEN: dict[str, Any] = {
    "status": lambda w: w.now.status,
    "at": lambda w: w.shown()["steps"],
    "waits": lambda w: [wait["kind"] for wait in w.shown()["waits_for"]],
    "offered": lambda w: w.offered(),
    "commands": lambda w: [command_name(d) for d in w.commands],
    "undo_commands": lambda w: [d.body["node"] for d in w.commands if d.kind == "undo"],
    "undo": lambda w: w.shown()["undo"],
    "answer": lambda w: (w.outcome or {}).get("code") or (w.outcome or {}).get("status"),
    "error": lambda w: _error((w.now.ended or {}).get("error")),
    "also": lambda w: [_error(e) for e in ((w.now.ended or {}).get("error") or {}).get("also", [])],
    "result": lambda w: (w.now.ended or {}).get("result"),
    "debts": lambda w: [f"{d.kind} {d.node}" for d in w.now.debts.values()],
    "vars": lambda w: w.now.vars,
    "results": _values("results"),
    "decisions": lambda w: {n: d.get("decision") for n, d in _values("decisions")(w).items()},
    "taken": lambda w: {
        n: [e["id"] for e in v] if isinstance(v, list) else v.get("id", v)
        for n, v in _values("events")(w).items()
    },
    "ended": lambda w: {
        e.node: e.value
        for e in w.events
        if isinstance(e, ev.NodeDone) and e.node[-1].isdigit() and "@" in e.node.split("/")[-1]
    },
    "count": lambda w: w.now.events_taken,
    "kept": lambda w: [
        kept.event["id"] for key in w.keys.values() for kept in key.kept.values() if not kept.takers
    ],
    "facts": lambda w: [f["type"] for f in w.facts],
    "args": lambda w: [d.body["args"] for d in w.dispatches.values()],
    "attempts": lambda w: [d.attempt for d in w.dispatches.values()],
    "said": lambda w: w.outcome.get("answer"),
    "rule": lambda w: [e["code"] for e in w.outcome.get("errors", [])],
    "tasks": lambda w: [w.tasks[n]["status"] for n in w.tasks],
    "called": lambda w: {
        item["node"]: item["escalated"]
        for item in (*w.approvals.values(), *w.tasks.values())
        if item["status"] in ("open", "offered", "claimed")
    },
    "questions": lambda w: [item["status"] for item in w.approvals.values()],
    "told": lambda w: [wait["detail"] for wait in w.shown()["waits_for"]],
    "timers": lambda w: sorted(w.now.timers),
    "held": lambda w: (w.now.held or {}).get("node"),
}

_SHOWN: dict[str, tuple[str, ...]] = {
    "commitment.ended": ("status",), "commitment.refused": ("code",), "node.entered": ("branch",),
    "node.branch_closed": ("branch", "outcome"), "item.closed": ("item", "outcome"),
    "timer.fired": ("timer",),
    "effect.late": ("outcome",), "effect.unknown": ("next",), "effect.probed": ("answer",),
    "undo.sealed": ("dropped",), "debt.opened": ("kind",), "event.taken": ("run",),
    "timer.moved": ("timer",), "update.accepted": ("values", "moves", "run"),
    "task.claimed": ("by",), "task.released": ("reason",), "task.escalated": ("to",),
    "vars.set": ("values",), "approval.seat_taken": ("seat", "by", "held"),
    "approval.escalated": ("to",),
}  # fmt: skip


def line(world: World, event: Event) -> str:
    """One event in a line: its topic, where, and the fields that matter."""
    fields: dict[str, Json] = vars(event)
    stored: Any = event
    topic: str = stored.TOPIC
    words = [topic]
    if fields.get("kind") in ("undo", "probe") and topic.startswith("effect."):
        words.append(fields["kind"])
    where = fields.get("node", fields.get("target"))
    effect = world.now.effects.get(fields.get("effect") or "")
    if where is None and effect is not None:
        where = effect.node if effect.kind == "do" else f"undo {effect.node}"
    if where is not None:
        words.append(where or "root")
    words += [str(fields[n]) for n in _SHOWN.get(topic, ()) if fields.get(n) is not None]
    if "round" in fields and fields["round"] is not None:
        words.append(f"#{fields['round']}")
    if topic == "part.stopping":
        words.append(fields["cause"]["kind"] + (" pending" if fields["pending"] else ""))
    if topic == "part.stopped" and fields["refused"]:
        words.append("refused")
    if isinstance(fields.get("error"), dict):
        words.append(_error(fields["error"]) or "")
    return " ".join(words)
