"""Reads of committed state: the queries of `domain.requests.Reader` that every store answers.

What is read for one commitment is plain SQL; lists are SQLAlchemy Core (see lists.py).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from base64 import b64encode
from collections.abc import Callable, Mapping
from functools import cached_property
from heapq import merge
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from adapters.sql.reads import Reads
from adapters.sql.rows import about, letter, with_version
from domain.chain import event_hash
from domain.errors import refusal
from domain.positions import heads_of, position_of, token_of

if TYPE_CHECKING:
    from adapters.sql.lists import Lists

__all__ = ["FACTS_READ_MAX", "Render", "SqlReader"]

Json = Any
Render = Callable[[str, Mapping[str, Any]], str]
"""From the topic and state of a stored event to one line for people."""

FACTS_READ_MAX = 5_000
"""Facts of all tenants that one call looks at, in all lanes; `next` leads on from there."""

_STORE = "SELECT incarnation, lanes FROM store"
_HEADS = "SELECT lane, head FROM lanes ORDER BY lane"
_BODY = "SELECT body, lane, position FROM current_steps WHERE tenant = ?"
_BY_ID = f"{_BODY} AND commitment = ?"
_BY_KEY = f"{_BODY} AND saga = ? AND key = ?"
_LATEST = f"{_BY_KEY} ORDER BY run DESC LIMIT 1"
_COUNTS = "SELECT status, step, count(*) FROM current_steps WHERE tenant = ?"
_PARKED = "SELECT reason, count(*) FROM parked_events WHERE tenant = ? GROUP BY reason"
_TENANT = "SELECT 1 FROM current_steps WHERE commitment = ? AND tenant = ?"
_HISTORY = """
SELECT version, topic, state, prev, lane, position FROM events
WHERE stream = ? AND version > ? ORDER BY version LIMIT ?
"""
_APPROVAL = "SELECT body, version FROM approvals WHERE id = ? AND tenant = ?"
_TASK = "SELECT body, version FROM tasks WHERE id = ? AND tenant = ?"
_LETTER = """
SELECT raw, id, source, event_id, code, detail, at_us, seen, status, remedy FROM dead_letters
WHERE id = ? AND tenant = ?
"""
_DEFINITIONS = "SELECT saga, version, hash, registered_us, registered_by{} FROM definitions"
_FACTS = """
SELECT * FROM (SELECT lane, position, version, state FROM events WHERE lane = ?
  AND topic = 'fact.emitted' AND position > ? ORDER BY position LIMIT ?) AS facts
"""
# The index of receipts begins with the source, which a reader does not say: look into each one.
_ROOT = """
WITH RECURSIVE sources (source) AS (
  SELECT (SELECT min(source) FROM receipts WHERE tenant = ?)
  UNION ALL
  SELECT (SELECT min(r.source) FROM receipts r WHERE r.tenant = ? AND r.source > sources.source)
  FROM sources WHERE sources.source IS NOT NULL)
SELECT (SELECT r.root FROM receipts r WHERE r.tenant = ? AND r.source = sources.source
  AND r.id = ?) FROM sources
"""
_ROOT_NUMBER = "SELECT root FROM receipts WHERE root = ? AND tenant = ?"
_WAITING = "SELECT 1 FROM inbox WHERE root = ? LIMIT 1"
_ROOT_MAX = 2**63 - 1


class SqlReader(ABC):
    """Implements `domain.requests.Reader`. Any number of threads may use it.

    Every method raises StoreFailed when the database fails.
    """

    is_quick = False

    def __init__(self, reads: Reads, render: Render) -> None:
        """`reads` are of a store that is there; `render` makes the lines of the history."""
        self._reads = reads
        self._render = render
        row = reads.row(_STORE)
        assert row is not None, "a store holds one row about itself"
        self._incarnation: int = row[0]
        self._lanes: int = row[1]

    @abstractmethod
    def _make_lists(self) -> Lists: ...

    @cached_property
    def _lists(self) -> Lists:
        return self._make_lists()

    def close(self) -> None:
        """Close the connections."""
        self._reads.close()

    def position(self) -> str:
        """The heads of the log as `incarnation:lane:position`, with more lanes after commas."""
        return position_of(self._incarnation, self.heads())

    def heads(self) -> dict[int, int]:
        """The head of each lane, as committed."""
        return dict(self._reads.rows(_HEADS))

    def commitment(self, tenant: str, commitment: UUID) -> Json | None:
        """The current step of a commitment."""
        return self._current(self._reads.row(_BY_ID, (tenant, self._reads.id(commitment))))

    def by_key(self, tenant: str, saga: str, key: str, run: int | None) -> Json | None:
        """The current step of a run, or of the latest one."""
        if run is None:
            return self._current(self._reads.row(_LATEST, (tenant, saga, key)))
        return self._current(self._reads.row(f"{_BY_KEY} AND run = ?", (tenant, saga, key, run)))

    def search(
        self,
        tenant: str,
        *,
        saga: str | None,
        status: str | None,
        step: str | None,
        key: str | None,
        cursor: str | None,
        limit: int,
    ) -> Json:
        """Current steps that fit all of what is given."""
        return self._lists.search(
            tenant, saga=saga, status=status, step=step, key=key, cursor=cursor, limit=limit,
            item=lambda *row: self._current(row),
        )  # fmt: skip

    def counts(self, tenant: str, saga: str | None) -> Json:
        """{"status": {status: n}, "steps": {step: n}, "parked": {reason: n}}."""
        of_saga = "" if saga is None else " AND saga = ?"
        values = (tenant,) if saga is None else (tenant, saga)
        statuses: dict[str, int] = {}
        steps: dict[str, int] = {}
        sql = f"{_COUNTS}{of_saga} GROUP BY status, step ORDER BY status, step"
        for status, step, count in self._reads.rows(sql, values):
            statuses[status] = statuses.get(status, 0) + count
            if step:
                steps[step] = steps.get(step, 0) + count
        parked = dict(self._reads.rows(_PARKED, (tenant,)))
        return {"status": statuses, "steps": steps, "parked": parked}

    def history(self, tenant: str, commitment: UUID, *, after: int, limit: int) -> Json | None:
        """{"events", "next"}: the events after version `after`, each with its hash and a line."""
        stream = self._reads.id(commitment)
        if self._reads.row(_TENANT, (stream, tenant)) is None:
            return None
        rows = self._reads.rows(_HISTORY, (stream, after, limit + 1))
        events = [self._event(commitment.bytes, *row) for row in rows[:limit]]
        return {"events": events, "next": rows[limit - 1][0] if len(rows) > limit else None}

    def approvals(
        self, tenant: str, *, status: str | None, cursor: str | None, limit: int,
        escalated: str | None = None,
    ) -> Json:  # fmt: skip
        """Approvals, longest asked first; with `escalated` those that this seat was called to."""
        return self._lists.approvals(
            tenant, status=status, cursor=cursor, limit=limit, escalated=escalated
        )

    def approval(self, tenant: str, approval: str) -> Json | None:
        """One approval, also when it is closed."""
        row = self._reads.row(_APPROVAL, (approval, tenant))
        return None if row is None else with_version(*row)

    def tasks(
        self, tenant: str, *, status: str | None, cursor: str | None, limit: int,
        escalated: str | None = None,
    ) -> Json:  # fmt: skip
        """Tasks, longest offered first; with `escalated` those that this seat was called to."""
        return self._lists.tasks(
            tenant, status=status, cursor=cursor, limit=limit, escalated=escalated
        )

    def task(self, tenant: str, task: str) -> Json | None:
        """One task, also when it is closed."""
        row = self._reads.row(_TASK, (task, tenant))
        return None if row is None else with_version(*row)

    def debts(self, tenant: str, *, status: str | None, cursor: str | None, limit: int) -> Json:
        """Debts, longest open first."""
        return self._lists.debts(tenant, status=status, cursor=cursor, limit=limit)

    def parked(self, tenant: str, *, reason: str | None, cursor: str | None, limit: int) -> Json:
        """Accepted events that nothing has taken, longest kept first."""
        return self._lists.parked(tenant, reason=reason, cursor=cursor, limit=limit)

    def parked_streams(self, tenant: str, *, cursor: str | None, limit: int) -> Json:
        """Streams that wait for an operator after a fault, longest parked first."""
        return self._lists.parked_streams(tenant, cursor=cursor, limit=limit)

    def parked_stream(self, tenant: str, stream: UUID) -> Json | None:
        """One of them."""
        page = self._lists.parked_streams(tenant, cursor=None, limit=1, stream=stream)
        return next(iter(page["items"]), None)

    def dead_letters(
        self, tenant: str, *, status: str | None, cursor: str | None, limit: int
    ) -> Json:
        """What could not be accepted, in the order it came."""
        return self._lists.dead_letters(tenant, status=status, cursor=cursor, limit=limit)

    def dead_letter(self, tenant: str, number: int) -> Json | None:
        """One dead letter with what came as `raw`, and `raw_base64` where that is not UTF-8."""
        row = self._reads.row(_LETTER, (number, tenant))
        if row is None:
            return None
        raw: bytes = row[0]
        try:
            shown = {"raw": raw.decode()}
        except UnicodeDecodeError:
            shown = {"raw": raw.decode(errors="replace"), "raw_base64": b64encode(raw).decode()}
        return {**letter(*row[1:]), **shown}

    def definition(self, saga: str, version: int | None) -> Json | None:
        """A registered version, or the newest, with its document."""
        sql = f"{_DEFINITIONS.format(', document')} WHERE saga = ?"
        if version is None:
            row = self._reads.row(f"{sql} ORDER BY version DESC LIMIT 1", (saga,))
        else:
            row = self._reads.row(f"{sql} AND version = ?", (saga, version))
        return None if row is None else {**about(*row[:5]), "document": orjson.loads(row[5])}

    def definitions(self) -> Json:
        """Every registered version, without the documents."""
        rows = self._reads.rows(f"{_DEFINITIONS.format('')} ORDER BY saga, version")
        return {"items": [about(*row) for row in rows], "next": None}

    def facts(self, tenant: str, *, after: str, limit: int) -> Json:
        """CloudEvents that sagas emitted: {"items", "next"}; read on from `next`, from "" at first.

        They come in the order of each lane, and by time between lanes. Each has the commitment's
        version and its position, which tells a repeat. Raises Refusal (http.body) for an `after`
        of another store.
        """
        heads = self._after(after)
        items: list[Json] = []
        # Merging takes each lane as it comes, so nothing is passed over wherever this ends.
        for _, lane, position, version, stored in merge(*self._facts(heads), key=_time):
            heads[lane] = position
            if stored["ctx"]["tenant"] == tenant:
                place = {"position": self._place(lane, position), "version": version}
                items.append({**stored["fact"], **place})
                if len(items) == limit:
                    break
        return {"items": items, "next": token_of(heads)}

    def _after(self, token: str) -> dict[int, int]:
        try:
            named = heads_of(token)
        except ValueError as error:
            raise refusal("http.body", f"after: {error}") from None
        if any(lane >= self._lanes for lane in named):
            raise refusal("http.body", f"after: {token[:80]!r} is of a store with more lanes")
        return {lane: named.get(lane, 0) for lane in range(self._lanes)}

    def _facts(self, heads: Mapping[int, int]) -> list[list[Any]]:
        """The next facts of each lane: time, lane, position, version and state."""
        each = max(1, FACTS_READ_MAX // len(heads))
        sql = " UNION ALL ".join([_FACTS] * len(heads))
        values = [value for lane in heads for value in (lane, heads[lane], each)]
        found: list[list[Any]] = [[] for _ in heads]
        for lane, position, version, state in self._reads.rows(sql, values):
            stored = orjson.loads(self._reads.state(state))
            found[lane].append((stored["timestamp"], lane, position, version, stored))
        return found

    def applied(self, tenant: str, event_id: str) -> bool | None:
        """Whether an acceptance, by its event id or the number of its receipt, was applied."""
        roots = self._reads.rows(_ROOT, (tenant, tenant, tenant, event_id))
        root = next((found for (found,) in roots if found is not None), None)
        if root is None and event_id.isdecimal() and int(event_id) <= _ROOT_MAX:
            numbered = self._reads.row(_ROOT_NUMBER, (int(event_id), tenant))
            root = None if numbered is None else numbered[0]
        if root is None:
            return None
        return self._reads.row(_WAITING, (root,)) is None

    def _current(self, row: tuple[Any, ...] | None) -> Json | None:
        if row is None:
            return None
        body, lane, position = row
        return {**orjson.loads(body), "position": self._place(lane, position)}

    def _place(self, lane: int, position: int) -> str:
        return position_of(self._incarnation, {lane: position})

    def _event(
        self, stream: bytes, version: int, topic: str, state: bytes, prev: bytes, lane: int,
        position: int,
    ) -> Json:  # fmt: skip
        state = self._reads.state(state)
        stored = orjson.loads(state)
        data = dict(stored)
        ctx = data.pop("ctx", {})
        at = data.pop("timestamp", None)
        kind = f"{topic}.v{data.pop('class_version', 1)}"
        who = ("actor", "actor_type", "correlation", "causation", "trace")
        return {
            "version": version, "type": kind, "at": at, "node": data.get("node"),
            **{name: ctx.get(name) for name in who},
            "position": self._place(lane, position), "prev_sha256": prev.hex(),
            "sha256": event_hash(prev, stream, version, topic, state).hex(),
            "text": self._render(topic, stored), "data": data,
        }  # fmt: skip


def _time(fact: tuple[Any, ...]) -> str:
    """When a fact was accepted: RFC 3339 in UTC sorts as text."""
    return fact[0]
