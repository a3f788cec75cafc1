"""Stored events as facts: the CloudEvents that the topic `facts` carries to other services.

Pure. Facts of the engine tell the life of a commitment and hold names, paths, codes, statuses and
ids, never a value of the business; facts that a saga emitted hold the data it gave them. Each says
its commitment, version and place, so that a reader follows a commitment from facts alone and knows
a repeat (docs/format.md section 10).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson

from consumers.envelope import rfc3339
from domain.cloudevents import STRUCTURED
from domain.state import item_path

__all__ = ["CONTENT_TYPE", "PREFIX", "TYPES", "Origin", "fact_of", "record_of"]

Json = Any
_Data = dict[str, Json]

PREFIX = "troth.commitment."
CONTENT_TYPE = f"{STRUCTURED}; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a stored event stands. `saga` and `key` are those of the commitment, where known."""

    stream: UUID
    version: int
    lane: int
    position: int
    incarnation: int
    saga: str | None = None
    key: str | None = None


def fact_of(topic: str, state: _Data, origin: Origin, *, source: str) -> _Data | None:
    """The fact that a stored event tells, in structured form; None where it tells none.

    `source` is that of the facts of the engine, a URI reference; facts of a saga have their own.
    The same event gives the same fact, however often it is published.
    """
    if topic == "fact.emitted":
        return {**state["fact"], **_attributes(state, origin)}
    told = _TOLD.get(topic)
    data = told[1](state) if told is not None else None
    if told is None or data is None:
        return None
    return {
        "specversion": "1.0", "id": f"{origin.stream}.{origin.version}", "source": source,
        "type": f"{PREFIX}{told[0]}", "subject": str(origin.stream), "time": state["timestamp"],
        "datacontenttype": "application/json", **_attributes(state, origin),
        "data": {name: value for name, value in data.items() if value is not None},
    }  # fmt: skip


def record_of(fact: _Data) -> tuple[bytes, list[tuple[str, bytes]], bytes]:
    """Key, headers and value of a fact's record: one key for all facts of a commitment."""
    headers = [("content-type", CONTENT_TYPE.encode())]
    return fact["commitmentid"].encode(), headers, orjson.dumps(fact)


def _attributes(state: _Data, origin: Origin) -> dict[str, str]:
    """What every fact says beside its own; numbers as text: a CloudEvents integer has 32 bits."""
    ctx = state["ctx"]
    opened = "saga" in state
    found = {
        "tenantid": ctx["tenant"], "correlationid": ctx.get("correlation"),
        "causationid": ctx.get("causation"), "traceparent": ctx.get("trace"),
        "saga": state["saga"] if opened else origin.saga,
        "sagakey": state["key"] if opened else origin.key,
        "commitmentid": str(origin.stream), "commitmentversion": str(origin.version),
        "incarnation": str(origin.incarnation), "lane": str(origin.lane),
        "position": str(origin.position),
    }  # fmt: skip
    return {name: value for name, value in found.items() if value is not None}


# --- what the events tell ------------------------------------------------------------------------


def _opened(s: _Data) -> _Data:
    return {"run": s["run"], "sagaversion": s["saga_version"], "definition": s["definition"]}


def _intended(s: _Data) -> _Data | None:
    if s["kind"] == "probe":
        return None
    found = {name: s[name] for name in ("node", "effect", "kind", "contract", "attempt")}
    return {**found, "until": _iso(s.get("start_by_us"))}


def _retrying(s: _Data) -> _Data:
    return {**_of("effect", "attempt")(s), "code": s["error"]["code"], "until": _iso(s["retry_us"])}


def _settled(s: _Data) -> _Data:
    return {**_of("node", "effect", "kind", "attempt")(s), "code": _code(s)}


def _waiting(s: _Data) -> _Data:
    return {"node": s["node"], "for": "event", "types": s["types"], "until": _iso(s.get("due_us"))}


def _sleeping(s: _Data) -> _Data:
    return {"node": s["node"], "for": "timer", "until": _iso(s["due_us"])}


def _offered(s: _Data) -> _Data:
    return {"node": s["node"], "for": "task", "until": _iso(s.get("due_us"))}


def _awaiting(s: _Data) -> _Data:
    return {"node": s["node"], "for": "condition", "until": _iso(s.get("due_us"))}


def _locking(s: _Data) -> _Data:
    return {"node": s["node"], "for": "lock", "until": _iso(s.get("due_us"))}


def _for_hours(s: _Data) -> _Data:
    return {"node": s["node"], "for": "hours", "until": _iso(s["due_us"])}


def _for_turn(s: _Data) -> _Data:
    return {"node": s["node"], "for": "throttle", "until": _iso(s.get("ends_us"))}


def _child_awaited(s: _Data) -> _Data:
    return {"node": s["node"], "for": "child", "until": _iso(s.get("due_us"))}


def _child_opened(s: _Data) -> _Data | None:
    return _closed("done")(s) if s.get("done") else None


def _undo_flow_ended(s: _Data) -> _Data:
    closed = _closed("failed" if s.get("error") else "done")(s)
    return {**closed, "nodes": [s["run"], *(s.get("nodes") or ())]}


def _child_revoked(s: _Data) -> _Data:
    return _closed("done" if s["status"] == "revoked" else "failed")(s)


def _child_ended(s: _Data) -> _Data:
    return _closed("done" if s["status"] == "fulfilled" else "failed")(s)


def _entered(s: _Data) -> _Data:
    """`branch` is "resting" between two rounds, until the next."""
    until_us = (s.get("timers") or {}).get("round")
    return {**_of("node", "branch", "round")(s), "until": _iso(until_us)}


def _more(s: _Data) -> _Data:
    return {"node": s["node"], "count": len(s["items"])}


def _adds(s: _Data) -> _Data | None:
    """What an update adds to a list: it may close it, too."""
    adds = s.get("adds")
    return None if adds is None else {**_more(adds), "done": True if adds["close"] else None}


def _item_over(s: _Data) -> _Data:
    return {"node": item_path(s["node"], s["item"]), "outcome": s["outcome"]}


def _taken(s: _Data) -> _Data:
    return {"node": s["node"], "done": s.get("done", True)}


def _closed(outcome: str) -> Callable[[_Data], _Data]:
    def told(s: _Data) -> _Data:
        nodes = s["nodes"] if "nodes" in s else [s["node"]]
        return {"nodes": nodes, "outcome": outcome, "code": _code(s)}

    return told


def _asked(s: _Data) -> _Data:
    found = _of("node", "approval", "level", "digest")(s)
    return {**found, "until": _iso(s.get("due_us"))}


def _decided(decision: str) -> Callable[[_Data], _Data]:
    return lambda s: {"node": s["node"], "approval": s.get("approval"), "decision": decision}


def _stopping(s: _Data) -> _Data | None:
    if s.get("pending"):
        return None
    return {"node": s["target"], "cause": s["cause"]["kind"], "keep": s.get("keep") or None}


def _debt(s: _Data) -> _Data:
    found = _of("debt", "node", "kind", "effect", "owner")(s)
    return {**found, "code": _code(s), "until": _iso(s["due_us"])}


def _held(s: _Data) -> _Data:
    return {"node": s["node"], "code": _code(s)}


def _ended(s: _Data) -> _Data:
    return {"status": s["status"], "code": _code(s)}


def _of(*names: str) -> Callable[[_Data], _Data]:
    return lambda s: {name: s.get(name) for name in names}


def _target(s: _Data) -> _Data:
    return {"node": s["target"]}


def _code(s: _Data) -> str | None:
    """The code of an error alone: its message and details may quote what came."""
    error = s.get("error")
    return error["code"] if error else None


def _iso(us: int | None) -> str | None:
    return None if us is None else rfc3339(us)


_TOLD: dict[str, tuple[str, Callable[[_Data], _Data | None]]] = {
    "commitment.opened": ("opened", _opened),
    "effect.intended": ("step.begun", _intended),
    "effect.attempt_failed": ("step.retrying", _retrying),
    "effect.retried": ("step.retried", _of("effect", "attempt")),
    "effect.done": ("step.done", _settled),
    "effect.failed": ("step.failed", _settled),
    "effect.unknown": ("step.unknown", _of("effect", "attempt", "next")),
    "effect.withdrawn": ("step.withdrawn", _of("effect")),
    "wait.opened": ("waiting", _waiting),
    "sleep.started": ("waiting", _sleeping),
    "await.opened": ("waiting", _awaiting),
    "task.offered": ("waiting", _offered),
    "task.done": ("node.closed", _closed("done")),
    "hours.awaited": ("waiting", _for_hours),
    "turn.wanted": ("waiting", _for_turn),
    "lock.wanted": ("waiting", _locking),
    "lock.granted": ("block.entered", _of("node")),
    "child.asked": ("waiting", _child_awaited),
    "child.opened": ("node.closed", _child_opened),
    "child.left": ("node.closed", _closed("stopped")),
    "child.ended": ("node.closed", _child_ended),
    "child.revoke_asked": ("waiting", _child_awaited),
    "child.revoke_ended": ("node.closed", _child_revoked),
    "undo.flow_ended": ("node.closed", _undo_flow_ended),
    "node.entered": ("block.entered", _entered),
    "items.added": ("items.added", _more),
    "update.accepted": ("items.added", _adds),
    "items.closed": ("items.closed", _of("node")),
    "item.closed": ("item.closed", _item_over),
    "event.taken": ("event.taken", _taken),
    "node.done": ("node.closed", _closed("done")),
    "node.failed": ("node.closed", _closed("failed")),
    "node.skipped": ("node.closed", _closed("skipped")),
    "node.stopped": ("node.closed", _closed("stopped")),
    "approval.asked": ("approval.asked", _asked),
    "approval.escalated": ("escalated", _of("node", "to")),
    "task.escalated": ("escalated", _of("node", "to")),
    "approval.granted": ("approval.decided", _decided("granted")),
    "approval.rejected": ("approval.decided", _decided("rejected")),
    "part.stopping": ("stopping", _stopping),
    "part.stopped": ("stopped", _target),
    "undo.begun": ("compensating", _target),
    "undo.ended": ("compensated", _target),
    "debt.opened": ("debt.opened", _debt),
    "debt.settled": ("debt.settled", _of("debt", "how")),
    "commitment.paused": ("paused", lambda _: {}),
    "commitment.resumed": ("resumed", lambda _: {}),
    "commitment.held": ("held", _held),
    "commitment.released": ("released", lambda _: {}),
    "commitment.revoke_asked": ("reopened", lambda s: None if s.get("answer") else {}),
    "commitment.ended": ("ended", _ended),
}

TYPES = tuple(sorted({f"{PREFIX}{name}" for name, _ in _TOLD.values()}))
"""The types of the engine's own facts."""
