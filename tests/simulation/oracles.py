"""What no commitment may do, judged from its events and the state before each of them."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from consumers.registry import Registry
from domain import events as ev
from domain.commitment import Commitment
from domain.durations import duration_us
from domain.ids import effect_id
from domain.key_stream import KeyStream
from domain.lock_stream import LockStream
from domain.state import is_kept, is_under, paths_around, template_of
from domain.throttle_stream import ThrottleStream
from sagas.decide.undoing import undo_retry
from sagas.definition import Node
from tests.simulation.books import Books
from tests.simulation.pool import DESK
from tests.simulation.store import Leases

__all__ = ["Oracles", "unmet"]

Json = Any
HANDLED_MAX = 10
"""Runs below which a handler of the random sagas surely takes another event."""
SEATS = {"A0": 0, "A1": 1, "A2": 2, "A3": 1}
_MOVES = (ev.EffectIntended, ev.EffectRetried, ev.TimerFired, ev.NodeEntered, ev.SeatTaken)


@dataclass(slots=True)
class Oracles:
    """Sees every committed event once, in order."""

    registry: Registry
    leases: Leases
    books: Books
    open_runs: dict[tuple[str, str, str], UUID] = field(default_factory=dict)
    ended: set[UUID] = field(default_factory=set)
    covered: set[tuple[str, str]] = field(default_factory=set)
    taken_back: set[tuple[str, int, str]] = field(default_factory=set)
    owing: dict[UUID, str] = field(default_factory=dict)
    """Whose next event is the debt of a node."""
    sealed: dict[tuple[UUID, str], bool] = field(default_factory=dict)
    """What is not undone any more; True where a block keeps it, not a pivot."""
    settled: set[tuple[UUID, str]] = field(default_factory=set)
    """Of what a person has said that it need not be undone."""
    keeping: set[tuple[UUID, str]] = field(default_factory=set)
    """Blocks that are done, and keep what is in them: nothing there is undone any more."""
    commanded: dict[str, tuple[str, Json]] = field(default_factory=dict)
    """With which contract and arguments an effect was commanded."""
    paths: dict[str, str] = field(default_factory=dict)
    """Where a do that was commanded stands."""
    told_done: set[str] = field(default_factory=set)
    said_absent: set[str] = field(default_factory=set)
    """Of which a done has been recorded as such."""
    children: set[str] = field(default_factory=set)
    """Who runs, by what a parent recorded since it was looked into."""

    def opened(self, id_: UUID, event: Any) -> str | None:
        """The first event of a commitment: one run of a key at a time."""
        key = (event.tenant, event.saga, event.key)
        before = self.open_runs.get(key)
        self.open_runs[key] = id_
        if before is not None and before != id_ and before not in self.ended:
            return f"run {event.run} of {event.saga}/{event.key} begins while another one is open"
        return None

    def see(self, id_: UUID, before: Commitment, event: Any) -> str | None:
        """What is wrong with an event, or None."""
        if id_ in self.owing and (fault := _no_debt(self.owing.pop(id_), event)):
            return fault
        if isinstance(event, ev.CommitmentEnded):
            self.ended.add(id_)
        if isinstance(event, ev.DebtSettled) and before.debts[event.debt].kind == "undo":
            self.settled.add((id_, before.debts[event.debt].node))
        self._cover(before, event)
        if (before.paused or before.held is not None) and isinstance(event, _MOVES):
            return f"{before.saga} moves while it rests: {event.TOPIC}"
        return self._says_no(id_, before, event)

    def _says_no(self, id_: UUID, before: Commitment, event: Any) -> str | None:
        match event:
            case ev.LockReleased():
                return _released(before, event)
            case ev.EffectWithdrawn() if before.effects[event.effect].state == "offered":
                if self._attempt(before, event.effect) in self.leases.started:
                    return f"{event.effect[:8]} was started and counts as taken back"
            case ev.EffectStopAsked():
                asked = {self._attempt(before, effect) for effect in event.effects}
                self.taken_back |= asked - self.leases.started
            case ev.AttemptFailed():
                return self._was_told(before, event) or self._may_retry(before, event)
            case ev.EffectLate() if event.outcome == "done":
                return self._noted(before, event)
            case ev.EffectProbed() if event.answer == "absent":
                self.said_absent.add(event.effect)
                return self._was_absent(event)
            case ev.PartStopped() if not event.refused:
                return _at_rest(before, event)
            case ev.ApprovalGranted():
                return _granted(before, event)
            case ev.EffectDone() if event.kind == "do":
                self.told_done.add(event.effect)
                return self._entered(before, event)
            case ev.UndoSealed():
                keeps = self._node(before, event.node).kind != "step"
                self.sealed |= {(id_, path): keeps for path in event.dropped}
            case ev.NodeDone() | ev.NodeRunsOn() if self._keeps(before, event.node):
                self.keeping.add((id_, event.node))
            case ev.EffectIntended() if event.kind == "undo":
                return (
                    self._sealed(before, event)
                    or self._locked(before, event)
                    or _once(before, event)
                )
            case ev.EffectIntended() if event.kind == "do":
                self.paths[event.effect] = event.node
                return _once(before, event) or self._as_before(event)
            case ev.ChildOpened():
                self.children.add(event.child)
            case _:
                pass
        return None

    def started_after_stop(self) -> str | None:
        """What was asked to stop before anybody started it is never started."""
        found = self.taken_back & self.leases.started
        return f"{min(found)} started after it was to stop" if found else None

    def missing(self, there: Container[str]) -> str | None:
        """A child that is recorded to run has begun by then."""
        found, self.children = self.children, set()
        gone = sorted(child for child in found if child not in there)
        return f"a parent recorded that {gone[0]} runs, and it never began" if gone else None

    # --- one rule each ---------------------------------------------------------------------------

    def _attempt(self, before: Commitment, key: str) -> tuple[str, int, str]:
        effect = before.effects[key]
        return key, effect.attempt, effect.kind

    def _as_before(self, event: Any) -> str | None:
        """Its key stands for these bytes: what came before it may have happened."""
        action = event.contract, event.args
        before = self.commanded.setdefault(event.effect, action)
        if before[0] == action[0] and before[1] != action[1]:
            return f"{event.node} is commanded again with other arguments"
        return None

    def _may_retry(self, before: Commitment, event: Any) -> str | None:
        effect = before.effects[event.effect]
        if effect.kind == "undo":
            entry = before.entries.get(effect.node)
            retry = None if entry is None else undo_retry(entry)
        else:
            retry = self._node(before, effect.node).retry
        if retry is not None and event.attempt >= retry.attempts:
            return f"{effect.node} is to be tried more than {retry.attempts} times"
        return None

    def _noted(self, before: Commitment, event: Any) -> str | None:
        """A done of a do moves something, unless one did before, or nobody would undo it."""
        effect = before.effects.get(event.effect)
        if effect is not None:
            is_told = effect.kind != "do" or effect.state == "done"
            return None if is_told else f"a done of {effect.node} is only noted"
        path = self.paths.get(event.effect)
        if path is None or event.effect in self.told_done:
            # What was done in a part that is over is forgotten, and told again by a repeat.
            return None
        if event.effect in self.said_absent:  # a person or a probe was wrong
            return None
        node = self._node(before, path)
        is_let_be = node.doc.get("irreversible") == "accepted"
        if node.undo is None and (is_let_be or not (node.contract and node.contract.external)):
            return None
        return f"a done of {path} is only noted, for it is forgotten"

    def _entered(self, before: Commitment, event: Any) -> str | None:
        """What has been done and could be undone is written down as such."""
        node = self._node(before, event.node)
        undo = before.effects.get(effect_id(before.id, event.node, "undo"))
        entry = before.entries.get(event.node)
        is_undone = undo is not None and undo.state == "done"
        is_undoing = entry is not None and entry.state != "open"
        keeps = self.sealed.get((before.id, event.node))
        if keeps:
            # It may have happened when its block was done, and was kept then: that it did is told.
            return f"{event.node} is kept, and could be undone" if event.undo is not None else None
        if node.undo is None or event.undo is not None or is_undone or is_undoing:
            return None
        if entry is None and any(
            id_ == before.id and is_under(event.node, block) for id_, block in self.keeping
        ):
            return None
        is_gone = keeps is not None or (before.id, event.node) in self.settled
        if entry is None and (before.is_over or is_gone):
            # Nothing is undone after the end, and what an item or round knew is forgotten; with
            # that goes, past a pivot or a debt, what could still be undone where it can be read.
            self.owing[before.id] = event.node
            return None
        return f"{event.node} is done, and how to undo it is not written down"

    def _was_told(self, before: Commitment, event: Any) -> str | None:
        """That an attempt did nothing is known only from who was to do it."""
        effect = before.effects[event.effect]
        attempt = (event.effect, event.attempt, effect.kind)
        if event.unanswered or effect.state not in ("offered", "started"):
            return None
        if attempt in self.leases.started and attempt not in self.leases.replied:
            return f"{effect.node} was started, nobody replied, and it counts as not done"
        return None

    def _was_absent(self, event: Any) -> str | None:
        if event.effect in self.books.absent or (event.note or "").startswith("by "):
            return None
        return f"{event.effect[:8]} counts as absent, and nobody said so"

    def _locked(self, before: Commitment, event: Any) -> str | None:
        for path in paths_around(event.node):
            node = self._found(before, path)
            if isinstance(node, Node) and node.kind == "lock":
                hold = before.locks.get(path)
                if hold is None or hold.fence is None:
                    return f"{event.node} is undone without {path}"
        return None

    def _sealed(self, before: Commitment, event: Any) -> str | None:
        """What stands before a done pivot, in its list or in one around it, is never undone."""
        entry = before.entries.get(event.node)
        parent = event.node.rpartition("/")[0]
        if entry is None or "@" in event.node or (parent and self._is_beside(before, parent)):
            return None
        for pivot in before.pivots:
            trail = before.trail.get(pivot)
            inside = is_under(pivot, parent) and not is_under(pivot, event.node)
            if inside and "@" not in pivot and trail is not None and entry.seq < trail.version:
                return f"{event.node} is undone past the pivot {pivot}"
        return None

    def _is_beside(self, c: Commitment, path: str) -> bool:
        found = self._found(c, path)
        return not isinstance(found, Node) or found.kind in ("parallel", "for_each", "race")

    def _found(self, c: Commitment, path: str) -> Any:
        """The node, branch or handler at a path, or None."""
        definition = self.registry.by_hash(c.definition)
        return definition.by_template.get(template_of(path)) if definition else None

    def _node(self, c: Commitment, path: str) -> Node:
        definition = self.registry.by_hash(c.definition)
        assert definition is not None
        return definition.node_at(path)

    def _keeps(self, c: Commitment, path: str) -> bool:
        """Whether a node is a block with `keep`; what is done may be the run of a handler."""
        found = self._found(c, path)
        return isinstance(found, Node) and bool(found.doc.get("keep"))

    def _cover(self, before: Commitment, event: Any) -> None:
        node = getattr(event, "node", None)
        if node is None and (effect := getattr(event, "effect", None)) in before.effects:
            node = before.effects[effect].node
        if node is None:
            return
        found = self._found(before, node) if node else None
        kind = found.kind if isinstance(found, Node) else "handler" if found else "root"
        self.covered.add((kind, f"{before.status}:{event.TOPIC}"))


def _released(before: Commitment, event: Any) -> str | None:
    hold = before.locks.get(event.node)
    if hold is None or hold.fence is None:
        return None
    for effect in before.effects.values():
        busy = effect.state in ("offered", "started", "unknown")
        if busy and is_under(effect.node, event.node):
            return f"{event.node} is released while {effect.node} is {effect.state}"
    return None


def _no_debt(node: str, event: Any) -> str | None:
    if isinstance(event, ev.DebtOpened) and event.node == node:
        return None
    return f"{node} is done, cannot be undone, and is no debt"


def _at_rest(before: Commitment, event: Any) -> str | None:
    """A part has stopped when nothing is in flight in it."""
    stop = before.stops.get(event.target)
    if stop is None or stop.pending:
        return None
    for effect in before.effects.values():
        if effect.kind != "do" or effect.state not in ("offered", "started"):
            continue
        if is_under(effect.node, event.target) and not is_kept(effect.node, stop.keep):
            return f"{event.target or 'the root'} stopped while {effect.node} is {effect.state}"
    return None


def _once(before: Commitment, event: Any) -> str | None:
    """What is in flight is not commanded again."""
    old = before.effects.get(event.effect)
    if old is not None and old.state in ("offered", "started", "done"):
        return f"{event.node} is commanded while it is {old.state}"
    return None


def _granted(before: Commitment, event: Any) -> str | None:
    asked = before.nodes[event.node].asked
    assert asked is not None
    wanted = SEATS[asked.level] + len(asked.needs)
    if len(asked.seats) < wanted:
        return f"{event.node} is granted with {len(asked.seats)} of {wanted} seats"
    return None


# --- of what rests -------------------------------------------------------------------------------


def unmet(states: Iterable[Any], commitments: dict[str, Commitment], now_us: int) -> str | None:
    """An event that is kept and an open wait for it; a lock or a place that nobody needs."""
    for state in states:
        if isinstance(state, LockStream):
            found = _lock(state, commitments)
        elif isinstance(state, ThrottleStream):
            found = _throttle(state, commitments)
        elif isinstance(state, KeyStream):
            found = _key(state, commitments, now_us)
        else:
            continue
        if found is not None:
            return found
    return None


def _lock(state: LockStream, commitments: dict[str, Commitment]) -> str | None:
    permits = [*state.holders.values()]
    if permits and len(permits) > min(permits):
        return f"lock {state.lock} has {len(permits)} holders"
    if state.queue and not state.holders:
        return f"lock {state.lock} is free, and {len(state.queue)} wait for it"
    for claimant in state.holders:
        c = commitments.get(claimant.commitment)
        hold = None if c is None else c.locks.get(claimant.node)
        knows = c is None or hold is None or hold.ask != claimant.ask or hold.fence is not None
        if c is not None and not knows and not (c.paused or c.held):
            return f"lock {state.lock} is given to {c.saga} {c.key}, which does not know it"
    for claimant in (*state.holders, *state.queue):
        c = commitments.get(claimant.commitment)
        if c is not None and c.is_over:
            return f"lock {state.lock} is kept for {c.saga} {c.key}, which is over"
    return None


def _throttle(state: ThrottleStream, commitments: dict[str, Commitment]) -> str | None:
    per_us = duration_us(DESK.per)
    for first, next_ in zip(state.given, state.given[DESK.max :], strict=False):
        if next_ - first < per_us:
            return f"throttle {state.throttle} gave more than {DESK.max} turns in {DESK.per}"
    for asker in state.queue:
        c = commitments.get(asker.commitment)
        place = None if c is None else c.places.get(asker.node)
        if place is None or place.ask != asker.ask:
            return f"throttle {state.throttle} keeps a place for {asker.node}, which does not wait"
    return None


def _key(state: KeyStream, commitments: dict[str, Commitment], now_us: int) -> str | None:
    for id_, subscriber in state.subscribers.items():
        c = commitments.get(id_)
        if c is None or c.is_over or c.paused or c.held is not None or not _is_plain(c):
            continue
        for path, wait in subscriber.waits.items():
            sub = c.subs.get(path)
            if sub is None or wait.transient or sub.key != state.key or c.stops or c.undoing:
                continue
            if path not in c.nodes and (path != "note" or c.runs.get(path, 0) >= HANDLED_MAX):
                continue  # a handler that interrupts, or one that has had enough
            for kept in state.kept.values():
                fits = kept.event["type"] in wait.types and subscriber.taker not in kept.takers
                if fits and kept.expires_us > now_us:
                    return f"{c.saga} {c.key} waits at {path} for an event that is kept"
    return None


def _is_plain(c: Commitment) -> bool:
    """Whether its waits take any event of their type; those of the catalogue have guards."""
    return c.saga.startswith(("random-", "plot-"))
