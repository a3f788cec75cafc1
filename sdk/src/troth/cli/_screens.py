"""What the screens show, as lines of text: made from answers and the time, nothing else.

Written for a tired person at three in the morning: first where it is, then what it waits for,
then what to type.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, cast

from troth._models import CurrentStep, HistoryEvent, NodeState, WaitsFor

from ._times import clock, moment, span, until

__all__ = [
    "chain_line",
    "dead_letter",
    "dead_letters",
    "debts",
    "event_line",
    "history",
    "inbox",
    "listing",
    "parked",
    "show",
    "tasks",
    "value",
]

DIGEST_DIGITS = 6
HASH_DIGITS = 8
VALUE_MAX = 200
NODE_WIDTH_MAX = 48
MARKS = {"done": "✓", "skipped": "–", "failed": "✗", "stopped": "■"}

Json = Any


def show(step: CurrentStep, now: datetime) -> list[str]:
    """Where a commitment is, what it waits for, and what would be undone."""
    width = min(NODE_WIDTH_MAX, max((len(n) for n in _names(step)), default=0))
    lines = [_head(step, now)]
    lines += [_node(node, width, now) for node in step.nodes]
    lines += [_waiting(wait, width, now) for wait in step.waits_for]
    if step.result is not None:
        lines.append(f"   result  {value(step.result)}")
    if step.error is not None:
        lines.append(f" ✗ error  {_error(step.error)}")
    lines.append(_foot(step, now))
    return lines


def _names(step: CurrentStep) -> Iterable[str]:
    yield from (node.node for node in step.nodes)
    yield from (wait.node for wait in step.waits_for)


def _head(step: CurrentStep, now: datetime) -> str:
    since = span((now - step.since).total_seconds()) if step.since and not step.ended else ""
    ended = f"on {moment(step.ended_at, now).strip()} UTC" if step.ended_at else ""
    status = f"{step.status.upper().replace('_', ' ')} {since or ended}".strip()
    return (
        f"{step.ref}   {status}   v{step.saga_version} {step.definition[:HASH_DIGITS]}   "
        f"tenant {step.tenant}   id {step.id[:8]}   position {step.position}"
    )


def _node(node: NodeState, width: int, now: datetime) -> str:
    took = span(node.took_s) if node.took_s is not None else ""
    attempt = f"attempt {node.attempt}" if node.attempt else ""
    state = "" if node.state == "done" else node.state
    at = moment(node.at, now) if node.at else ""
    parts = [f"{node.node:<{width}}", f"{at:<15}", f"{took:>9}", attempt, state]
    return f" {MARKS.get(node.state, '·')} {'  '.join(parts)}".rstrip()


def _waiting(wait: WaitsFor, width: int, now: datetime) -> str:
    due = f", until {until(wait.until, now)}" if wait.until else ""
    told = {
        "event": f"waits for event {wait.detail}{due}",
        "timer": f"{wait.detail or 'waits'}{due}",
        "approval": f"needs {wait.detail}{due}",
        "participant": f"waits for {wait.detail}{due}",
        "hours": f"waits for {wait.detail}{due}",
        "throttle": f"waits for {wait.detail}{due}",
        "turn": f"waits for {wait.detail}{due}",
        "retry": f"{wait.detail}{due}",
        "unknown": f"UNKNOWN whether it happened: {wait.detail}{due}",
        "debt": f"DEBT {wait.detail}{due}",
    }.get(wait.kind, f"{wait.kind} {wait.detail}{due}")
    return f" ▶ {wait.node:<{width}}  {told}"


def _foot(step: CurrentStep, now: datetime) -> str:
    parts: list[str] = []
    if step.next_wakeup is not None and not step.ended:
        parts.append(f"next wake-up {until(step.next_wakeup, now)}")
    if step.undo and not step.ended:
        parts.append(f"if cancelled now, undone: {', '.join(map(str, step.undo))}")
    parts.append(f"more: troth history {step.ref}, troth watch {step.ref}")
    if step.approvals:
        parts.append("troth inbox")
    if step.debts:
        parts.append("troth debts")
    return "   " + "   ".join(parts)


def listing(items: Sequence[Json], now: datetime) -> list[str]:
    """One commitment a line: name, status, step, since when."""
    if not items:
        return ["nothing fits"]
    rows: list[tuple[str, ...]] = []
    for item in items:
        step = CurrentStep.model_validate(item)
        since = span((now - step.since).total_seconds()) if step.since else ""
        waits = step.waits_for[0] if step.waits_for else None
        detail = f"{waits.kind} {waits.detail}" if waits else ""
        rows.append((step.ref, step.status, step.step or "", since, detail))
    return columns(rows)


def history(events: Sequence[HistoryEvent], now: datetime) -> list[str]:
    """One event a line, with the day where it changes."""
    lines: list[str] = []
    day = None
    before: HistoryEvent | None = None
    for event in events:
        if event.at.date() != day:
            day = event.at.date()
            year = f" {day.year}" if day.year != now.year else ""
            lines.append(f"{day.day} {day:%B}{year}, UTC")
        lines.append(event_line(event, before))
        before = event
    return lines or ["no events"]


def event_line(event: HistoryEvent, before: HistoryEvent | None = None) -> str:
    """`09:41:03.902 v17 legal approved`, and who caused it where that is not who did before."""
    same = before is not None and before.actor == event.actor
    who = f"   by {event.actor} ({event.actor_type})" if event.actor and not same else ""
    return f" {clock(event.at)} v{event.version:<4} {event.text or event.type}{who}"


def chain_line(events: Sequence[HistoryEvent]) -> str:
    """Whether each event names the hash of the one before it."""
    broken = [
        after.version
        for before, after in pairwise(events)
        if after.prev_sha256 != before.sha256 or after.version != before.version + 1
    ]
    if broken:
        return f" ✗ the chain breaks before v{broken[0]}: troth-engine verify"
    return f" {len(events)} events, each holds the hash of the one before"


def inbox(items: Sequence[Json], now: datetime) -> list[str]:
    """Each approval: what it allows, what shows it, and the command that decides it."""
    if not items:
        return ["nothing waits for a decision"]
    lines: list[str] = []
    for item in items:
        ref = ref_of(item)
        due = datetime.fromisoformat(item["due"]) if item.get("due") else None
        left = "" if due is None else f"   until {until(due, now)}"
        digest = item["digest"][:DIGEST_DIGITS]
        missing = ", ".join(item.get("missing", ()))
        lines.append(f" {item['node']}   {ref}   {item['level']}   digest {digest}{left}")
        lines += [f"   allows    {_covered(one)}" for one in item.get("covers", ())]
        if item.get("subject") is not None:
            lines.append(f"   subject   {value(item['subject'])}")
        lines += [f"   evidence  {_shown(one)}" for one in item.get("evidence") or ()]
        lines.append(f"   wants     {missing or 'nobody more'}{_called(item)}")
        lines.append(
            f'   troth decide {ref} {item["node"]} approve --digest {digest} --reason ".."'
        )
    return lines


def tasks(items: Sequence[Json], now: datetime) -> list[str]:
    """Each task: what it is about, who may do it or has it, and the command that goes on."""
    if not items:
        return ["no task waits"]
    lines: list[str] = []
    for item in items:
        due = datetime.fromisoformat(item["due"]) if item.get("due") else None
        left = "" if due is None else f"   until {until(due, now)}"
        who = f"{item['by']} has it" if item.get("by") else f"for {' or '.join(item['roles'])}"
        lines.append(
            f" {item['id']}   {item['node']}   {ref_of(item)}   {who}{_called(item)}{left}"
        )
        if item.get("subject") is not None:
            lines.append(f"   about     {value(item['subject'])}")
        if item.get("form") is not None:
            lines.append(f"   form      {value(item['form'])}")
        if item["status"] == "offered":
            lines.append(f"   troth claim {item['id']}")
        elif item["status"] == "claimed":
            lines.append(f"   troth complete {item['id']} '{{...}}'")
    return lines


def _called(item: Json) -> str:
    """The seats that were called because nobody else came."""
    seats = item.get("escalated") or ()
    return f"   escalated to {', '.join(seats)}" if seats else ""


def _covered(one: Json) -> str:
    found = cast(dict[str, str], one.get("classes") or {})
    classes = " ".join(str(found[name]) for name in ("A", "R", "S") if name in found)
    undo = f"   undo: {one['undo']}" if one.get("undo") else ""
    return f"{one['node']}({value(one.get('args'))})   {classes}{undo}"


def _shown(evidence: dict[str, Any]) -> str:
    """What a node yielded, or the event it took, that a decision rests on."""
    event = cast(dict[str, Any] | None, evidence.get("event"))
    if event is None:
        return f"{evidence.get('node', '')}: {value(evidence.get('value'))}"
    source = f"event {event.get('id')} from {event.get('source')}"
    return f"{evidence.get('node', '')}: {source}: {value(event.get('data'))}"


def debts(items: Sequence[Json], now: datetime) -> list[str]:
    """Each debt: what failed, who owns it, and the two ways out."""
    if not items:
        return ["no debts"]
    lines: list[str] = []
    for item in items:
        ref = ref_of(item)
        due = datetime.fromisoformat(item["due"]) if item.get("due") else None
        told = "" if due is None else f"   due {until(due, now)}"
        lines.append(
            f" {item['id']}  {ref}   {item['kind']} of {item['node']} failed: "
            f"{_error(item.get('error'))}   owner {item.get('owner') or 'nobody'}{told}"
        )
        lines.append(
            f'   troth retry {ref} {item["node"]} --reason ".."   or, done by hand:   '
            f'troth settle {item["id"]} --evidence FILE --reason ".."'
        )
    return lines


def dead_letters(items: Sequence[Json], now: datetime) -> list[str]:
    """One dead letter a line."""
    if not items:
        return ["no dead letters"]
    rows = [
        (
            str(item["id"]), str(item.get("event_id", "")), f"from {item['source']}", item["code"],
            item["detail"], moment(datetime.fromisoformat(item["at"]), now),
            f"seen {item['seen']} times" if item.get("seen", 1) != 1 else "",
        )
        for item in items
    ]  # fmt: skip
    return [*columns(rows), "   troth dead show NUMBER"]


def dead_letter(item: Json, now: datetime, *, raw: bool = False) -> list[str]:
    """One dead letter: what came, why it was not taken, what to type."""
    at = moment(datetime.fromisoformat(item["at"]), now).strip()
    seen = f", seen {item['seen']} times" if item.get("seen", 1) != 1 else ""
    lines = [
        f"{item['id']} {item['event_id']} from {item['source']}, {at} UTC{seen}   {item['status']}",
        f"   {item['code']} {item['detail']}",
    ]
    if raw:
        lines.append(str(item.get("raw", "")))
    else:
        lines.append("   what came is kept: --raw")
    remedy = item.get("remedy")
    if remedy:
        when = moment(datetime.fromisoformat(remedy["at"]), now).strip()
        lines.append(f"   {item['status']} by {remedy['by']}, {when} UTC: {remedy['reason']}")
    if item.get("status") == "open":
        lines.append(
            f'   troth dead redrive {item["id"]} --edit FIELD=JSON --reason ".."   or   '
            f'troth dead discard {item["id"]} --reason ".."'
        )
    return lines


def parked(items: Sequence[Json], now: datetime) -> list[str]:
    """Events that nothing has taken, and how long they are still kept."""
    if not items:
        return ["nothing is parked"]
    rows = [
        (
            item["type"], item["event_id"], f"key {item['key']}", item["reason"],
            f"kept {moment(datetime.fromisoformat(item['kept_at']), now)}",
            f"until {until(datetime.fromisoformat(item['expires_at']), now)}",
        )
        for item in items
    ]  # fmt: skip
    return columns(rows)


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as aligned columns."""
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return [
        " "
        + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def ref_of(item: Json) -> str:
    """`saga/key#run` of an item of a list."""
    return f"{item['saga']}/{item['key']}#{item['run']}"


def value(found: Json) -> str:
    """A value on one line, cut when it is long."""
    text = found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
    return text if len(text) <= VALUE_MAX else f"{text[:VALUE_MAX]}…"


def _error(error: Json) -> str:
    if not isinstance(error, dict):
        return str(error or "")
    found = cast(dict[str, Any], error)
    kind = ":".join(str(found[name]) for name in ("class", "code") if found.get(name))
    node = f" at {found['node']}" if found.get("node") else ""
    message = f": {value(found['message'])}" if found.get("message") else ""
    return f"{kind}{message}{node}"
