"""What a round will ask the store for, told beforehand: one question instead of one for each.

Nothing depends on it. What is not foreseen is read when it is wanted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from consumers.batch import Batch
from consumers.parts import ItemsRequest
from consumers.prepared import Prepared, prepare
from consumers.registry import Registry
from domain.errors import Refusal
from domain.ids import commitment_id, key_id, saga_key_id
from domain.messages import Mail
from domain.ports import InboxRow, Transaction
from domain.requests import (
    ControlRequest,
    DecideRequest,
    Logged,
    Publish,
    Request,
    TaskRequest,
    UpdateRequest,
)

__all__ = ["foresee"]

Json = Any


@dataclass(slots=True)
class _Wanted:
    """Streams, receipts and effects that will be asked for."""

    batch: Batch
    streams: dict[UUID, None] = field(default_factory=dict)
    receipts: list[tuple[str, str, str]] = field(default_factory=list)
    effects: list[str] = field(default_factory=list)

    def stream(self, stream: UUID) -> None:
        """One that is ours and not in memory."""
        if self.batch.owns(stream) and stream not in self.batch.parts.streams:
            self.streams[stream] = None


def foresee(
    batch: Batch, registry: Registry, rows: Iterable[InboxRow], requests: Sequence[Request]
) -> None:
    """Have the store read what these rows and requests will ask for."""
    wanted = _Wanted(batch)
    for row in rows:
        if isinstance(row.item, Mail):
            wanted.stream(row.item.stream)
        else:
            _request(wanted, registry, row.item.request)
    for request in requests:
        _request(wanted, registry, request)
    tx: Transaction = batch.tx
    tx.foresee(streams=list(wanted.streams), receipts=wanted.receipts, effects=wanted.effects)


def _request(wanted: _Wanted, registry: Registry, request: Any) -> None:
    accept_us = wanted.batch.accept_us
    if isinstance(request, Logged):
        accept_us, request = min(accept_us, request.accepted_us), request.request
    if isinstance(request, Publish):
        _publish(wanted, registry, request, accept_us)
    elif isinstance(request, ItemsRequest):
        for item in request.items:
            _item(wanted, item)
    elif isinstance(request, (DecideRequest, TaskRequest, UpdateRequest, ControlRequest)):
        wanted.stream(request.commitment)


def _item(wanted: _Wanted, item: Json) -> None:
    wanted.effects.append(item["effect"])
    try:
        wanted.stream(UUID(item["commitment"]))
    except (KeyError, ValueError, TypeError, AttributeError):
        return  # it names none: its dispatch row does


def _publish(wanted: _Wanted, registry: Registry, request: Publish, accept_us: int) -> None:
    try:
        prepared = prepare(registry, wanted.batch.parts.limits, request, accept_us)
    except Exception:  # noqa: BLE001 - it is refused, or raises, when its turn comes, alone
        return
    wanted.batch.prepared[id(request)] = prepared
    event = prepared.event
    wanted.receipts.append((prepared.tenant, event["source"], event["id"]))
    _streams_of(wanted, prepared)


def _streams_of(wanted: _Wanted, prepared: Prepared) -> None:
    found, tenant = prepared.wanted, prepared.tenant
    if isinstance(found, Refusal):
        return
    wanted.stream(key_id(tenant, found.key))
    if isinstance(found.starts, Refusal):
        return
    for start in found.starts:
        wanted.stream(saga_key_id(tenant, start.saga, start.key))
        wanted.stream(commitment_id(tenant, start.saga, start.key, 1))
