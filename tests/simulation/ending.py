"""The invariants of the end: once healed, the record, the books and the views agree."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol
from uuid import UUID

import orjson

from domain import events as ev
from domain.chain import Checkpoint, LogRow, verify
from domain.commitment import Commitment
from domain.ids import lane_of
from domain.key_stream import KeyStream
from domain.mapper import event_mapper
from domain.saga_key import SagaKey
from domain.streams import us_of
from projections import current_step, parked_events
from tests.simulation.books import Act, Books
from tests.simulation.fleet import Fleet
from tests.simulation.gates import is_gated
from tests.simulation.ledger import Ledger
from tests.simulation.observer import Observer, Shadow, Violation, same
from tests.simulation.people import People
from tests.simulation.restores import Restores
from tests.simulation.traffic import Traffic
from tests.simulation.undone import check_undone

__all__ = ["check_end"]

Json = Any
_LOG = """
SELECT position, stream, version, topic, state, prev FROM events WHERE lane = ? ORDER BY position
"""


_VIEWS = {
    "current_steps": ("commitment",), "approvals": ("id",), "tasks": ("id",), "debts": ("id",),
    "parked_events": ("stream", "position"),
}  # fmt: skip


class Ended(Protocol):
    """What is looked at."""

    engine: Fleet
    observer: Observer
    ledger: Ledger
    books: Books
    crowds: dict[str, People]
    restores: Restores
    traffic: Traffic | None


def check_end(world: Ended) -> None:
    """Raises Violation."""
    _all_over(world)
    _chain(world)
    _stored_states(world)
    _acknowledged(world)
    _views(world)
    _books(world)
    _all_told(world)
    for shadow in _commitments(world):
        check_undone(world.engine.registry.by_hash(shadow.state.definition), shadow)


def _commitments(world: Ended) -> list[Shadow]:
    return [s for s in world.observer.streams.values() if isinstance(s.state, Commitment)]


def _rows(world: Ended, sql: str, *values: Json) -> list[tuple[Any, ...]]:
    return world.engine.connection.execute(sql, values).fetchall()


def _all_over(world: Ended) -> None:
    """Bounded: with everybody doing their part everything comes to an end."""
    for shadow in _commitments(world):
        c = shadow.state
        if not c.is_over or c.debts:
            waits = [w["kind"] for w in _step_of(world, c)["waits_for"]]
            raise Violation("ends", f"{c.saga} {c.key} ({c.id}) is {c.status}, waits for {waits}")
    for table in ("dispatches", "inbox", "parked_streams"):
        left = _rows(world, f"SELECT count(*) FROM {table}")[0][0]
        if left:
            raise Violation("ends", f"{left} rows are left in {table}")


def _step_of(world: Ended, c: Commitment) -> Json:
    definition = world.engine.registry.by_hash(c.definition)
    assert definition is not None
    return current_step.current_step(definition, c)


def _chain(world: Ended) -> None:
    """The log verifies from its rows alone, up to the chain that the lane noted."""
    for lane, head, chain in _rows(world, "SELECT lane, head, chain FROM lanes"):
        rows = [LogRow(*row) for row in _rows(world, _LOG, lane)]
        report = verify(rows, [Checkpoint(head, chain)])
        if report.faults:
            raise Violation("chain", f"lane {lane}: {report.faults[0]}")


def _stored_states(world: Ended) -> None:
    """A stream read by way of its snapshot is the stream folded from zero."""
    engine = world.engine
    mapper = event_mapper()
    tx = engine.viewing().begin(*engine.beliefs())
    try:
        for id_, shadow in world.observer.streams.items():
            stored = tx.load(id_)
            state: Any = None
            if stored.snapshot is not None:
                snapshot: Any = mapper.to_domain_event(stored.snapshot)
                state = snapshot.mutate(None)
            for row in stored.events:
                event: Any = mapper.to_domain_event(row)
                state = event.mutate(state)
            if stored.version != shadow.version or not same(state, shadow.state):
                raise Violation("snapshots", f"{id_} differs by way of its snapshot")
    finally:
        tx.rollback()


# --- acknowledged = recorded ---------------------------------------------------------------------


def _acknowledged(world: Ended) -> None:
    rows = _rows(world, "SELECT tenant, id, root FROM receipts")
    receipts = {(tenant, id_): root for tenant, id_, root in rows}
    ledger = world.ledger
    sent = world.traffic.named() if world.traffic is not None else set[tuple[str, str]]()
    said = {**ledger.events, **{key: receipts.get(key) for key in ledger.starts.keys() | sent}}
    if said != receipts:
        odd = sorted(set(said.items()) ^ set(receipts.items()), key=str)
        raise Violation("receipts", f"acknowledged and recorded differ: {odd[:4]}")
    _kept_once(world)
    seats: set[tuple[str, str]] = set()
    rejections: set[str] = set()
    ends: dict[str, set[str]] = {}
    for shadow in _commitments(world):
        for _, event in shadow.events:
            match event:
                case ev.SeatTaken():
                    seats.add((event.approval, event.by))
                case ev.ApprovalRejected():
                    rejections.add(event.approval)
                case ev.EffectDone() | ev.EffectFailed() | ev.EffectProbed():
                    ends.setdefault(event.effect, set()).add(type(event).__name__)
                case _:
                    pass
    if not ledger.seats <= seats or not ledger.rejections <= rejections:
        raise Violation("decisions", f"acknowledged only: {ledger.seats - seats}")
    for effect, kind, outcome, status in ledger.replies:
        was_done = status == "recorded" and outcome == "done" and kind != "probe"
        if was_done and "EffectDone" not in ends.get(effect, ()):
            raise Violation("replies", f"done of {effect[:8]} was acknowledged, not recorded")


def _kept_once(world: Ended) -> None:
    """Every accepted event is in the stream of its key once, and starts each saga once."""
    kept: dict[tuple[str, str], int] = {}
    registry = world.engine.registry
    for shadow in world.observer.streams.values():
        for _, event in shadow.events:
            if isinstance(event, ev.EventKept):
                named = shadow.state.tenant, event.event["id"]
                kept[named] = kept.get(named, 0) + 1
    for tenant, number in world.ledger.events:
        # One that is a start and nothing else need not be kept: its saga key answers for it.
        least = int(registry.wants(world.crowds[tenant].sent[number]["type"]))
        count = kept.get((tenant, number), 0)
        if not least <= count <= 1:
            raise Violation("events kept", f"{number} of {tenant} is kept {count} times")
    _starts_once(world)


def _starts_once(world: Ended) -> None:
    """An event opens at most one run of a saga and key."""
    seen: set[tuple[str, str, str, str]] = set()
    for shadow in _commitments(world):
        c = shadow.state
        event = (c.start or {}).get("event") or {}
        key = (c.tenant, c.saga, c.key, event.get("id", ""))
        if event and key in seen:
            raise Violation("starts once", f"{key} opened two runs")
        seen.add(key)


def _all_told(world: Ended) -> None:
    """With everything over no stream waits for a commitment, or believes that it runs."""
    known = {str(id_) for id_, s in world.observer.streams.items() if s.version}
    for shadow in world.observer.streams.values():
        match shadow.state:
            case KeyStream(subscribers=there) if any(s.waits for s in there.values()):
                raise Violation("all told", f"key {shadow.state.key} has subscribers: {[*there]}")
            case SagaKey(latest=latest) if latest is not None and latest.status is None:
                raise Violation("all told", f"{shadow.state.saga}/{shadow.state.key} runs")
            case _:
                pass
        for _, event in shadow.events:
            if isinstance(event, ev.RunOpened) and event.commitment not in known:
                raise Violation("all told", f"run {event.run} was opened and never began")


# --- views ---------------------------------------------------------------------------------------


def _views(world: Ended) -> None:
    """Rows folded again from each stream alone are the rows that were written with the events."""
    rebuilt_all = _rebuilt(world)
    for table, keys in _VIEWS.items():
        rebuilt = rebuilt_all[table]
        cursor = world.engine.connection.execute(f"SELECT * FROM {table}")
        names = [column[0] for column in cursor.description]
        live: dict[tuple[Any, ...], Json] = {}
        for row in cursor.fetchall():
            values = dict(zip(names, row, strict=True))
            values["body"] = orjson.loads(values["body"])
            live[tuple(values.pop(k) for k in keys)] = values
        if live != rebuilt:
            odd = next(k for k in live.keys() | rebuilt.keys() if live.get(k) != rebuilt.get(k))
            detail = f"{table}: {_difference(live.get(odd), rebuilt.get(odd))}"
            raise Violation("views", detail)


def _rebuilt(world: Ended) -> dict[str, dict[tuple[Any, ...], Json]]:
    found: dict[str, dict[tuple[Any, ...], Json]] = {table: {} for table in _VIEWS}
    for id_, shadow in world.observer.streams.items():
        if not isinstance(shadow.state, (Commitment, KeyStream)):
            continue
        state: Any = None
        for group in _decides(shadow, world.engine.decided[id_]):
            before = state.fork() if state is not None else None
            for _, event in group:
                state = event.mutate(state)
            for row in _rows_of(world, before, state, group):
                rows = found[row.table]
                key = tuple(_column(v) for v in row.key.values())
                rows.pop(key, None)
                if row.columns is not None:
                    rows[key] = {k: _column(v) for k, v in row.columns.items()}
    return found


def _decides(shadow: Shadow, decided: dict[int, int]) -> Iterator[list[tuple[int, Any]]]:
    """The events of a stream, in groups as they were decided."""
    first = 1
    while first <= shadow.version:
        last = decided[first]
        yield shadow.events[first - 1 : last]
        first = last + 1


def _rows_of(world: Ended, before: Any, after: Any, group: list[tuple[int, Any]]) -> Any:
    events = [event for _, event in group]
    if isinstance(after, Commitment):
        definition = world.engine.registry.by_hash(after.definition)
        assert definition is not None
        position = group[-1][0]
        lane = lane_of(after.id, world.engine.lanes)
        return current_step.rows(definition, before, after, events, position=position, lane=lane)
    return parked_events.rows(before, after, events) if hasattr(after, "kept") else ()


def _column(value: Json) -> Json:
    if isinstance(value, UUID):
        return value.bytes
    return orjson.loads(orjson.dumps(value)) if isinstance(value, (dict, list)) else value


def _difference(live: Json, rebuilt: Json) -> str:
    if live is None or rebuilt is None:
        return f"live {live}, rebuilt {rebuilt}"[:600]
    odd: dict[str, Any] = {
        k: (live.get(k), rebuilt.get(k)) for k in live if live.get(k) != rebuilt.get(k)
    }
    if "body" in odd:
        a, b = odd["body"]
        odd["body"] = {k: (a.get(k), b.get(k)) for k in {**a, **b} if a.get(k) != b.get(k)}
    return str(odd)[:900]


# --- the books ---------------------------------------------------------------------------------


def _books(world: Ended) -> None:
    """What happened outside is what the record says, and had leave to happen."""
    intents: dict[str, Any] = {}
    withdrawn_us: dict[str, int] = {}
    done: set[str] = set()
    told: set[str] = set()
    denied: set[str] = set()
    for shadow in _commitments(world):
        for _, event in shadow.events:
            match event:
                case ev.EffectIntended() if event.kind != "probe":
                    intents.setdefault(event.effect, event)
                    withdrawn_us.pop(event.effect, None)
                case ev.EffectDone():
                    done.add(event.effect)
                    if not event.verified and event.effect not in world.books.acts:
                        _is_plain(world, intents[event.effect])
                case ev.EffectLate() if event.outcome == "done":
                    pass  # that it was heard of is not enough: it stands
                case ev.EffectContradicted() | ev.EffectLate() | ev.EffectFailed():
                    told.add(event.effect)
                case ev.DebtOpened() if event.effect is not None:
                    told.add(event.effect)
                case ev.AttemptFailed() if not event.unanswered:
                    denied.add(event.effect)
                case ev.EffectWithdrawn():
                    withdrawn_us[event.effect] = us_of(event.timestamp)
                    if event.effect in denied:
                        # Its participant said of each attempt that it failed: it is not asked.
                        told.add(event.effect)
                case _:
                    pass
    for act in world.books.acts.values():
        is_told = act.key in done or act.key in told
        _act(world, act, intents.get(act.key), is_told, withdrawn_us.get(act.key))


def _act(world: Ended, act: Act, intent: Any, is_told: bool, withdrawn_us: int | None) -> None:
    """One that happened: commanded so, known of, and allowed.

    `withdrawn_us`: when its command was taken back, unless it was commanded anew.
    """
    is_lost = world.restores.is_of_lost_time(act)
    if intent is None or intent.args != act.args:
        if is_lost:
            return
        raise Violation("books", f"{act.contract} {act.key[:8]} was never commanded so")
    restores, intended_us = world.restores, us_of(intent.timestamp)
    may_stand = act.late or restores.may_stand(act, intent, intended_us, withdrawn_us)
    if not is_told and not may_stand:
        raise Violation("books", f"{act.contract} {act.node} happened and is not recorded")
    if is_gated(intent.classes) and act.kind == "do" and not is_lost:
        started_us = world.observer.gates.leave_us(act.key)
        if started_us is None or started_us > act.at_us:
            raise Violation("gates", f"{act.contract} acted before it was allowed to")


def _is_plain(world: Ended, intent: Any) -> None:
    """A done of an effect must be in the books; steps that touch nothing keep none."""
    if intent.classes:
        # An undo of what never was is done without a call: its `do` was barred.
        is_blind_undo = intent.kind == "undo" and intent.undoes not in world.books.acts
        if not is_blind_undo:
            at = us_of(intent.timestamp)
            raise Violation("books", f"{intent.contract} of {at} is done and did not happen")
