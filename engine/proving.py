"""Folding a whole store again: what doctor proves and a rebuild writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import orjson
from eventsourcing.persistence import StoredEvent

import consumers.core  # noqa: F401  every kind of stream is made known there
from adapters.sql.views import VIEWS
from consumers.registry import Registry
from domain.chain import LogRow
from domain.ids import lane_of
from domain.mapper import event_mapper
from domain.ports import ViewRow
from projections.rebuilding import Fold, faults_of, fold, view_rows
from sagas.definition import Definition

if TYPE_CHECKING:
    from adapters.sql.offline import OfflineStore

__all__ = ["Faults", "Folded", "Proof", "folded", "prove", "registered", "registry_of"]

FAULTS_MAX = 100
"""Faults of one kind that are named; the others are counted."""
TOLD_MAX = 400
"""Characters that are shown of a difference."""
TELL_EVERY = 5_000
"""Streams between two words on progress."""

Tell = Callable[[int, int], None]
"""Streams done, of how many."""


@dataclass(frozen=True, slots=True)
class Folded:
    """One stream: what its events lead to, and the rows that the views must have of it."""

    stream: UUID
    state: Fold
    views: list[ViewRow]
    faults: list[str]


@dataclass(slots=True)
class Faults:
    """What was found of one kind: the first FAULTS_MAX by name, the others counted."""

    named: list[str] = field(default_factory=list)
    more: int = 0

    def add(self, fault: str) -> None:
        """Name a fault, or count it."""
        if len(self.named) < FAULTS_MAX:
            self.named.append(fault)
        else:
            self.more += 1

    def told(self) -> list[str]:
        """Those that are named, and how many others there are."""
        return [*self.named, f"and {self.more:,} more"] if self.more else self.named


@dataclass(slots=True)
class Proof:
    """What was found, by invariant; `streams` were folded, with `events` in all."""

    streams: int = 0
    events: int = 0
    unfolded: Faults = field(default_factory=Faults)
    undoing: Faults = field(default_factory=Faults)
    views: Faults = field(default_factory=Faults)


def registered(store: OfflineStore) -> Callable[[str], Definition | None]:
    """The definitions of a store, by hash."""
    return registry_of(store.definitions())


def registry_of(rows: Iterable[Any]) -> Callable[[str], Definition | None]:
    """The definitions of these rows, hash and document, by hash."""
    registry = Registry()
    for hash_, document in rows:
        registry.learn(orjson.loads(document), hash_.hex())
    return registry.by_hash


def folded(
    rows: Iterable[LogRow], lanes: int, shape_of: Callable[[str], Definition | None]
) -> Folded:
    """One stream from its rows, from the first version to the last.

    Raises ValueError where a version is missing or repeated, and whatever a fold raises on events
    that contradict each other.
    """
    mapper, events, last = event_mapper(), list[Any](), None
    for row in rows:
        if row.version != len(events) + 1:
            raise ValueError(f"version {row.version} stands where {len(events) + 1} belongs")
        stored = StoredEvent(UUID(bytes=row.stream), row.version, row.topic, row.state)
        events.append(mapper.to_domain_event(stored))
        last = row
    assert last is not None
    stream, state = UUID(bytes=last.stream), fold(events)
    lane = lane_of(stream, lanes)
    views = view_rows(shape_of, state, events, lane=lane, position=last.position)
    return Folded(stream, state, views, faults_of(state, events))


def prove(store: OfflineStore, tell: Tell) -> Proof:
    """Fold every stream, and compare the views with what the events give.

    Reads everything as it was at one moment; nothing is written.
    """
    proof, shape_of, lanes = Proof(), registered(store), len(store.lanes())
    total, live = store.streams(), _Live(store)
    for stream, rows in groupby(store.all_rows(), key=lambda row: row.stream):
        proof.streams += 1
        counted = _counted(rows, proof)
        try:
            found = folded(counted, lanes, shape_of)
        except Exception as error:  # noqa: BLE001  whatever a fold raises is what is looked for
            for _ in counted:
                pass
            proof.unfolded.add(f"{UUID(bytes=stream)}: {type(error).__name__}: {error}")
            live.skip(stream)
        else:
            for fault in found.faults:
                proof.undoing.add(f"{found.stream}: {fault}")
            for fault in live.differences(found):
                proof.views.add(fault)
        if proof.streams % TELL_EVERY == 0:
            tell(proof.streams, total)
    for fault in live.left_over():
        proof.views.add(fault)
    return proof


def _counted(rows: Iterable[LogRow], proof: Proof) -> Iterator[LogRow]:
    for row in rows:
        proof.events += 1
        yield row


class _Live:
    """The rows of the views as they stand, read beside the events in the order of their streams."""

    def __init__(self, store: OfflineStore) -> None:
        self._tables = {table: _Rows(store, table) for table in VIEWS}

    def skip(self, stream: bytes) -> None:
        """Pass over the rows of a stream that cannot be folded."""
        for rows in self._tables.values():
            rows.of(stream)

    def differences(self, found: Folded) -> Iterator[str]:
        """Where the rows of a stream are not those that its events give."""
        wanted: dict[str, dict[tuple[Any, ...], Any]] = {table: {} for table in self._tables}
        for row in found.views:
            key = tuple(map(_plain, row.key.values()))
            values = {**row.key, **(row.columns or {})}
            wanted[row.table][key] = {name: _plain(value) for name, value in values.items()}
        for table, rows in self._tables.items():
            live = rows.of(found.stream.bytes)
            for key in live.keys() | wanted[table].keys():
                fault = _difference(live.get(key), wanted[table].get(key))
                if fault:
                    yield f"{table} of {found.stream}: {fault}"

    def left_over(self) -> Iterator[str]:
        """Rows of streams that have no events."""
        for table, rows in self._tables.items():
            for stream in rows.skipped():
                yield f"{table}: a row of {UUID(bytes=stream)}, which has no events"


class _Rows:
    """The rows of one view, in the order of their streams."""

    def __init__(self, store: OfflineStore, table: str) -> None:
        self._keys = VIEWS[table].keys
        self._names = tuple(VIEWS[table].kinds)
        self._skipped: list[bytes] = []
        column = VIEWS[table].stream
        self._groups = groupby(map(self._named, store.view(table)), key=lambda row: row[column])
        self._next: tuple[bytes, list[dict[str, Any]]] | None = None
        self._advance()

    def _named(self, row: tuple[Any, ...]) -> dict[str, Any]:
        return {name: _plain(value) for name, value in zip(self._names, row, strict=True)}

    def _advance(self) -> None:
        found = next(self._groups, None)
        self._next = None if found is None else (found[0], list(found[1]))

    def of(self, stream: bytes) -> dict[tuple[Any, ...], dict[str, Any]]:
        """The rows of a stream, by key; streams are asked for in rising order."""
        while self._next is not None and self._next[0] < stream:
            self._skipped.append(self._next[0])
            self._advance()
        if self._next is None or self._next[0] != stream:
            return {}
        rows = self._next[1]
        self._advance()
        return {tuple(row[key] for key in self._keys): row for row in rows}

    def skipped(self) -> list[bytes]:
        """Streams that were never asked for."""
        while self._next is not None:
            self._skipped.append(self._next[0])
            self._advance()
        return self._skipped


def _plain(value: Any) -> Any:
    """A value as both databases give it; JSON is read, for its bytes may differ."""
    if isinstance(value, UUID):
        return value.bytes
    if isinstance(value, (dict, list)):
        return orjson.loads(orjson.dumps(value))
    return value


def _difference(live: dict[str, Any] | None, wanted: dict[str, Any] | None) -> str:
    if live is None:
        return "the row is missing"
    if wanted is None:
        return "the row should not be there"
    read = {name: _read(name, value) for name, value in live.items()}
    for name, value in wanted.items():
        if read[name] != value:
            return _told(name, read[name], value)
    return ""


def _told(name: str, live: Any, wanted: Any) -> str:
    if isinstance(live, dict) and isinstance(wanted, dict):
        one, other = cast("dict[str, Any]", live), cast("dict[str, Any]", wanted)
        member = next(m for m in one.keys() | other.keys() if one.get(m) != other.get(m))
        return _told(f"{name}.{member}", one.get(member), other.get(member))
    return f"{name} is {live!r}, the events give {wanted!r}"[:TOLD_MAX]


def _read(name: str, value: Any) -> Any:
    return orjson.loads(value) if name == "body" and isinstance(value, bytes) else value
