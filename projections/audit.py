"""The audit trail for people: every stored event as one line of text.

A line says what happened, to which node, and what follows; who did it stands beside it in the
history. Lines are for reading: programs read `type` and `data`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from domain.durations import duration_text
from domain.seats import seat_text
from domain.state import ITS_TURN
from projections import audit_revoking, audit_turns

__all__ = ["LINE_MAX", "text_of", "topics"]

LINE_MAX = 400
"""Characters of a line; longer values are cut, the data has them whole."""
VALUE_MAX = 80
HASH_DIGITS = 6
ITEMS_TOLD = 8
US_PER_S = 1_000_000

Json = Any
State = Mapping[str, Any]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def text_of(topic: str, state: State) -> str:
    """The line for a stored event: its topic and its state as a JSON object.

    A topic of a later release gives the topic itself: a reader must not fail on it.
    """
    render = _LINES.get(topic)
    if render is None:
        return topic
    line = render(state)
    return line if len(line) <= LINE_MAX else f"{line[: LINE_MAX - 1]}…"


def topics() -> frozenset[str]:
    """The topics that have a line of their own."""
    return frozenset(_LINES)


def _at(due_us: int | None) -> str:
    """A time for people; empty for none."""
    if due_us is None:
        return ""
    at = _EPOCH + timedelta(microseconds=due_us)
    return f"{at.day} {at:%b %Y %H:%M:%S} UTC"


def _until(state: State) -> str:
    due = _at(state.get("due_us"))
    return f", until {due}" if due else ""


def _value(value: Json) -> str:
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return text if len(text) <= VALUE_MAX else f"{text[:VALUE_MAX]}…"


def _error(error: Json) -> str:
    """`business:too-risky: message`, as far as it is known."""
    if not isinstance(error, dict):
        return _value(error)
    parts = [str(error[name]) for name in ("class", "code") if error.get(name)]
    text = ":".join(parts) or "error"
    return f"{text}: {_value(error['message'])}" if error.get("message") else text


def _why(state: State) -> str:
    reason = state.get("reason")
    return f": {_value(reason)}" if reason else ""


def _names(items: Iterable[Json] | None) -> str:
    return ", ".join(_value(item) for item in items or ()) or "nothing"


def _root(path: str) -> str:
    return path or "the whole commitment"


def _what(state: State) -> str:
    """Which effect: its node and kind where the event has them, else the head of its id."""
    kind = state.get("kind", "do")
    word = {"do": "", "undo": "undo of ", "probe": "probe of "}.get(kind, f"{kind} of ")
    return word + (state.get("node") or f"effect {state['effect'][:HASH_DIGITS]}")


def _attempt(state: State) -> str:
    return f"attempt {state['attempt']}"


def _event(event: Json) -> str:
    return f"event {event['type']} {event['id']} from {event['source']}"


def _decided(state: State, word: str) -> str:
    decision = state["decision"]
    by = decision.get("by")
    people = _names(by) if isinstance(by, list) else _value(by) if by else "nobody"
    edited = ", with an edited payload" if decision.get("payload") is not None else ""
    reason = decision.get("reason")
    return f"{state['node']} {word} by {people}{edited}" + (f": {_value(reason)}" if reason else "")


def _opened(state: State) -> str:
    return (
        f"{state['saga']}/{state['key']}#{state['run']} opened, v{state['saga_version']} "
        f"{state['definition'][:8]}, with {_value(state.get('input'))}"
    )


def _ended(state: State) -> str:
    error = f" after {_error(state['error'])}" if state.get("error") else ""
    result = f" with {_value(state['result'])}" if state.get("result") is not None else ""
    return f"{state['status'].upper()}{error}{result}"


def _entered(state: State) -> str:
    if state.get("branch") == "joined":
        return f"{_root(state['node'])} has what it needs"
    if state.get("branch") == "open":
        return f"{state['node']} begins, and takes more items until it is closed{_until(state)}"
    if state.get("branch") == ITS_TURN:
        return f"{state['node']} waits for its turn"
    if (state.get("branch") or "").endswith("ending"):
        return f"{_root(state['node'])} ends when what runs on inside is over"
    branch = f", branch {state['branch']}" if state.get("branch") else ""
    turn = f", round {state['round']}" if state.get("round") else ""
    return f"{_root(state['node'])} begins{branch}{turn}{_until(state)}"


def _items(state: State) -> str:
    keys = [_value(item["key"]) for item in state["items"]]
    more = f" and {len(keys) - ITEMS_TOLD:,} more" if len(keys) > ITEMS_TOLD else ""
    return f"{state['node']} gets {', '.join(keys[:ITEMS_TOLD])}{more}"


def _asked(state: State) -> str:
    again = f", asked for the {state['asked']}. time" if state.get("asked", 1) > 1 else ""
    digest = state["digest"][:HASH_DIGITS]
    return f"{state['node']} asked: {state['level']}, digest {digest}{_until(state)}{again}"


def _intended(state: State) -> str:
    classes = state.get("classes") or {}
    told = f" ({' '.join(str(one) for one in classes.values())})" if classes else ""
    allowed = f", allowed by {state['approval'][:HASH_DIGITS]}" if state.get("approval") else ""
    return (
        f"{_what(state)} commanded: {state['contract']}{told}, {_attempt(state)}, "
        f"at most {duration_text(state['timeout_us'])}{allowed}"
    )


def _child_asked(state: State) -> str:
    version = f"v{state['version']}" if state.get("version") else "the latest version"
    waits = ", and waits for its end" if state.get("wait", True) else ""
    return f"{state['node']} starts {state['saga']}/{state['key']}, {version}{waits}{_until(state)}"


def _child_ended(state: State) -> str:
    error = f": {_error(state['error'])}" if state.get("error") else ""
    undo = f"; undone by {state['undo']['contract'] or 'itself'}" if state.get("undo") else ""
    if state["status"] in ("conflict", "refused"):
        return f"child of {state['node']} did not begin, {state['status']}{error}"
    return f"child of {state['node']} ended {state['status']}{error}{undo}"


def _attempt_failed(state: State) -> str:
    unanswered = ", it may have run" if state.get("unanswered") else ""
    again = _at(state["retry_us"])
    return (
        f"{_attempt(state)} of {_what(state)} failed: {_error(state['error'])}{unanswered}; "
        f"again at {again}"
    )


def _effect_done(state: State) -> str:
    checked = ", probe agrees: verified" if state.get("verified") else ""
    worker = f" by {state['worker']}" if state.get("worker") else ""
    undo = f"; undone by {state['undo']['contract']}" if state.get("undo") else ""
    pivot = "; from here only forward" if state.get("pivot") else ""
    return f"{_what(state)} done{worker}, {_attempt(state)}{checked}{undo}{pivot}"


def _unknown(state: State) -> str:
    following = {"probe": "the participant is asked", "ask": "a person is asked"}
    then = following.get(state["next"], state["next"])
    return (
        f"outcome of {_what(state)} is unknown ({state['reason']}, {_attempt(state)}): "
        f"{then}{_until(state)}"
    )


def _stopping(state: State) -> str:
    cause = state["cause"]
    kind = cause.get("kind", "stop") if isinstance(cause, dict) else cause
    error = cause.get("error") if isinstance(cause, dict) else None
    told = f", {_error(error)}" if error else ""
    return f"{_root(state['target'])} stops ({kind}{told}); what is under way is awaited"


def _debt(state: State) -> str:
    return (
        f"debt {state['debt']} opened: {state['kind']} of {state['node']} failed for good, "
        f"{_error(state['error'])}; owner {state['owner']}{_until(state)}"
    )


def _settled(state: State) -> str:
    evidence = state.get("evidence")
    shown = f", evidence {_value(evidence)}" if evidence is not None else ""
    return f"debt {state['debt']} settled as {state['how']}{shown}: {_value(state['reason'])}"


def _subscriptions(state: State) -> str:
    who = f"{state['saga']}/{state['saga_key']}"
    if state.get("ended"):
        return f"{who} has ended and takes no more"
    opened, closed = state.get("opened") or {}, state.get("closed") or ()
    taken = state.get("taken") or ()
    parts = [
        f"waits at {_names(opened)}" if opened else "",
        f"waits no longer at {_names(closed)}" if closed else "",
        f"took {_names(taken)}" if taken else "",
    ]
    return f"{who} {'; '.join(part for part in parts if part) or 'looked'}"


_LINES: dict[str, Callable[[State], str]] = {
    "commitment.opened": _opened,
    "commitment.paused": lambda s: f"paused{_why(s)}",
    "commitment.resumed": lambda s: f"resumed{_why(s)}",
    "commitment.message_deferred": lambda s: (
        f"kept for the resume: {_value(s['message'].get('kind', s['message']))}"
        if isinstance(s["message"], dict)
        else f"kept for the resume: {_value(s['message'])}"
    ),
    "commitment.held": lambda s: (
        f"HELD at {_root(s['node'])} for an operator: {_error(s['error'])}"
    ),
    "commitment.released": lambda s: f"released{_why(s)}",
    "commitment.cancel_asked": lambda s: f"cancel asked{_why(s)}",
    "commitment.refused": lambda s: f"refused {s['code']}: {_value(s['detail'])}",
    "commitment.ended": _ended,
    "node.entered": _entered,
    "items.added": _items,
    "items.closed": lambda s: f"{s['node']} takes no more items",
    "item.closed": lambda s: f"item {_value(s['item'])} of {s['node']} {s['outcome']}",
    "node.branch_closed": lambda s: f"branch {s['branch']} of {s['node']} {s['outcome']}",
    "node.done": lambda s: (
        f"{_root(s['node'])} done"
        + (f": {_value(s['value'])}" if s.get("value") is not None else "")
    ),
    "node.runs_on": lambda s: (
        f"{s['node']} has what it needs and is done; what is open inside runs on"
        + (f": {_value(s['value'])}" if s.get("value") is not None else "")
    ),
    "node.skipped": lambda s: f"{s['node']} skipped: its condition is false",
    "node.failed": lambda s: f"{_root(s['node'])} failed: {_error(s['error'])}",
    "node.stopped": lambda s: f"stopped: {_names(s['nodes'])}",
    "vars.set": lambda s: f"{s['node']} set {_value(s['values'])}",
    "fact.emitted": lambda s: (
        f"{s['node']} told others: {s['fact']['type']} {s['fact']['id'][:12]}"
    ),
    "wait.opened": lambda s: (
        f"{s['node']} waits for {' or '.join(s['types'])}, key {_value(s['key'])}{_until(s)}"
    ),
    "handler.opened": lambda s: (
        f"{s['node']} listens to {' or '.join(s['types'])}, key {_value(s['key'])}"
    ),
    "event.taken": lambda s: (
        f"{s['node']} {'saw' if s.get('peek') else 'took'} {_event(s['event'])}"
        + (", and left it to others" if s.get("peek") else "")
        + ("" if s.get("done", True) else ", and waits on")
    ),
    "wait.quiet_set": lambda s: f"{s['node']} ends when nothing comes until {_at(s['quiet_us'])}",
    "timer.fired": lambda s: f"{s['timer']} of {_root(s['node'])} is over, due {_at(s['due_us'])}",
    "await.opened": lambda s: f"{s['node']} rests until its condition holds{_until(s)}",
    "task.offered": lambda s: f"{s['node']} offered to {_names(s['roles'])}{_until(s)}",
    "task.claimed": lambda s: (
        f"{s['node']} claimed by {_value(s['by'])}, until {_at(s['lease_until_us'])}"
    ),
    "task.released": lambda s: (
        f"{s['node']} is open again: {_value(s['by'])} "
        + ("gave it back" if s["reason"] == "given_back" else "did not do it in time")
    ),
    "task.escalated": lambda s: f"{s['node']} is not done yet: {_value(s['to'])} may do it too",
    "task.done": lambda s: (
        f"{s['node']} done by {_value(s['value'].get('by', 'a person'))}"
        + (f": {_value(s['value']['payload'])}" if s["value"].get("payload") is not None else "")
    ),
    "timer.moved": lambda s: (
        f"{s['timer'].rpartition(':')[2]} of {_root(s['timer'].rpartition(':')[0])} is due "
        f"{_at(s['due_us'])} now" + (f", by {s['node']}" if s.get("node") else "")
    ),
    "update.accepted": lambda s: (
        f"{s['node']} by {_value(s['by'])}: {_value(s.get('args'))}"
        + (f"; set {_value(s['values'])}" if s.get("values") else "")
        + "".join(f"; {t} is due {_at(us)} now" for t, us in (s.get("moves") or {}).items())
        + (f"; {len(s['adds']['items'])} more for {s['adds']['node']}" if s.get("adds") else "")
    ),
    "sleep.started": lambda s: f"{s['node']} sleeps{_until(s)}",
    "approval.asked": _asked,
    "approval.escalated": lambda s: (
        f"{s['node']} is not decided yet: {_value(s['to'])} is called, and may stand in"
    ),
    "approval.seat_taken": lambda s: (
        f"{s['node']} approved by {s['by']} as "
        + (f"{s['held']}, in place of " if s.get("held") else "")
        + f"{seat_text(s['seat'])}{_why(s)}"
    ),
    "approval.amended": lambda s: (
        f"{s['node']} amended by {_value(s['by'])}: {_value(s.get('payload'))}; "
        f"digest {s['digest'][:HASH_DIGITS]} now"
    ),
    "approval.granted": lambda s: _decided(s, "approved"),
    "approval.rejected": lambda s: _decided(s, "rejected"),
    "approval.voided": lambda s: f"{s['node']}: the question is void{_why(s)}",
    "hours.awaited": lambda s: f"{s['node']} waits for the hours of {s['calendar']}{_until(s)}",
    "lock.wanted": lambda s: (
        f"{s['node']} waits for lock {s['lock']}"
        + (", to undo what was done under it" if s.get("undo") else "")
        + _until(s)
    ),
    "lock.granted": lambda s: f"{s['node']} holds its lock, fence {s['fence']}{_until(s)}",
    "lock.released": lambda s: f"{s['node']} gives lock {s['lock']} back",
    "child.asked": _child_asked,
    "child.opened": lambda s: (
        f"child of {s['node']} runs as {s['child'][:8]}, run {s['run']}, v{s['saga_version']}"
    ),
    "child.stop_asked": lambda s: f"cancelled, and awaited: children of {_names(s['nodes'])}",
    "child.left": lambda s: f"left to themselves: children of {_names(s['nodes'])}",
    "child.ended": _child_ended,
    **audit_revoking.LINES,
    **audit_turns.LINES,
    "effect.intended": _intended,
    "effect.started": lambda s: f"{_what(s)} started by {s['worker']}, {_attempt(s)}",
    "effect.attempt_failed": _attempt_failed,
    "effect.retried": lambda s: f"{_what(s)} offered again, {_attempt(s)}",
    "effect.done": _effect_done,
    "effect.failed": lambda s: f"{_what(s)} failed for good, {_attempt(s)}: {_error(s['error'])}",
    "effect.unknown": _unknown,
    "effect.probed": lambda s: (
        f"probe of {_what(s)} says {s['answer']}"
        + (f": {_value(s['note'])}" if s.get("note") else "")
    ),
    "effect.stop_asked": lambda s: (
        f"asked to stop: effects {_names(one[:HASH_DIGITS] for one in s['effects'])}"
    ),
    "effect.withdrawn": lambda s: f"{_what(s)} withdrawn before anybody started it",
    "effect.contradicted": lambda s: f"CONTRADICTED {_what(s)}: {_value(s['detail'])}",
    "effect.late": lambda s: f"late reply to {_what(s)}, {_attempt(s)}: {s['outcome']}",
    "part.stopping": _stopping,
    "part.stopped": lambda s: f"{_root(s['target'])} has stopped",
    "undo.begun": lambda s: f"undoing {_root(s['target'])} begins: {_error(s['why'])}",
    "undo.ended": lambda s: f"{_root(s['target'])} is undone",
    "undo.sealed": lambda s: f"{s['node']} seals what was done: no undo of {_names(s['dropped'])}",
    "debt.opened": _debt,
    "debt.retried": lambda s: f"debt {s['debt']} is tried again{_why(s)}",
    "debt.settled": _settled,
    "sagakey.opened": lambda s: f"first start of {s['saga']}/{s['key']}",
    "sagakey.run_opened": lambda s: f"run {s['run']} opened, v{s['saga_version']}",
    "sagakey.run_ended": lambda s: f"run {s['run']} ended: {s['status']}",
    "sagakey.start_refused": lambda s: f"start refused: {s['code']}",
    "sagakey.start_held": lambda s: f"a start waits until run {s['run']} has ended",
    "sagakey.start_queued": lambda s: f"a start waits for its turn, as run {s['run']}",
    "sagakey.start_recalled": lambda _: "a start that waited is taken back by its parent",
    "key.opened": lambda s: f"first event or wait of key {_value(s['key'])}",
    "key.event_kept": lambda s: (
        f"{_event(s['event'])} kept ({s['reason']}), until {_at(s['expires_us'])}"
    ),
    "key.subscriptions_changed": _subscriptions,
    "key.event_expired": lambda s: f"kept events expired: {_names(s['positions'])}",
}
