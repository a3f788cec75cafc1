"""Ids and digests that are derived, never drawn: equal in every process and after a restore.

The rules are those of docs/format.md section 2. Ids are made on the way of every message, so they
are computed directly from the canonical array, with nothing in between.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import Any
from uuid import UUID

from domain.canonical import canonical, digest

__all__ = [
    "action_digest", "approval_digest", "approval_id", "commitment_id", "content_digest",
    "effect_id", "fact_id", "jitter", "key_id", "lane_of", "lock_id", "saga_key_id", "start_digest",
    "task_id", "throttle_id", "update_digest",
]  # fmt: skip

Json = Any

APPROVAL_ID_DIGITS = 20
"""Hexadecimal digits of an approval id: 80 bits, short enough for a person to compare."""

STREAM_IDS_MAX = 10_000
"""Ids of streams that are remembered: each is asked for with every event of its key."""

_TRACE_ATTRIBUTES = frozenset({"traceparent", "tracestate", "data"})
# RFC 9562: version 8 in the high four bits of byte 6, variant 10 in the high two of byte 8.
_UUID_KEEP = ~((0xF000 << 64) | (0xC000 << 48))
_UUID_SET = (0x8000 << 64) | (0x8000 << 48)
_HOME_SHIFT = 112
_HOME_KEEP = (1 << _HOME_SHIFT) - 1


@lru_cache(STREAM_IDS_MAX)
def _home(tenant: str, key: str) -> int:
    """The first bits of every stream of one key, in their place."""
    found = sha256(canonical(["troth.home.v1", tenant, key])).digest()
    return int.from_bytes(found[:2], "big") << _HOME_SHIFT


def _uuid(parts: list[Any], tenant: str, key: str) -> UUID:
    number = int.from_bytes(sha256(canonical(parts)).digest()[:16], "big")
    number = (number & _UUID_KEEP) | _UUID_SET
    return UUID(int=(number & _HOME_KEEP) | _home(tenant, key))


def commitment_id(tenant: str, saga: str, key: str, run: int) -> UUID:
    """The id of a run of a saga for a key; `run` counts from 1."""
    return _uuid(["troth.commitment.v1", tenant, saga, key, run], tenant, key)


@lru_cache(STREAM_IDS_MAX)
def saga_key_id(tenant: str, saga: str, key: str) -> UUID:
    """The id of the stream in which all starts of one saga and key meet."""
    return _uuid(["troth.sagakey.v1", tenant, saga, key], tenant, key)


@lru_cache(STREAM_IDS_MAX)
def key_id(tenant: str, key: str) -> UUID:
    """The id of the stream that keeps the events of one key."""
    return _uuid(["troth.key.v1", tenant, key], tenant, key)


@lru_cache(STREAM_IDS_MAX)
def lock_id(tenant: str, lock: str) -> UUID:
    """The id of the stream in which all requests for a lock of a tenant meet."""
    return _uuid(["troth.lock.v1", tenant, lock], tenant, lock)


@lru_cache(STREAM_IDS_MAX)
def throttle_id(tenant: str, throttle: str, key: str) -> UUID:
    """The id of the stream in which all requests for a turn meet; its home is that of the key."""
    return _uuid(["troth.throttle.v1", tenant, throttle, key], tenant, key or throttle)


def effect_id(commitment: UUID, path: str, kind: str) -> str:
    """The idempotency key of a step's `do` or `undo` at an instance path: 64 hex digits."""
    return digest("troth.effect.v1", str(commitment), path, kind)


def action_digest(contract: str, args: Json, undo: str | None) -> str:
    """What a decision allows: the contract, its arguments, and the contract that undoes it."""
    return digest("troth.action.v1", contract, args, undo)


def approval_digest(approval: str, actions: dict[str, str], subject: Json) -> str:
    """What a person sees and decides on: action digests by instance path, and the subject."""
    return digest("troth.approval.v1", approval, actions, subject)


def approval_id(commitment: UUID, path: str, asked: int) -> str:
    """The id of the `asked`-th question of an approve node: 20 hex digits."""
    return digest("troth.ask.v1", str(commitment), path, asked)[:APPROVAL_ID_DIGITS]


def content_digest(event: dict[str, Json]) -> str:
    """The content of a CloudEvent in structured form: equal for an equal repeat.

    Trace context is left out: a producer that sends an event again sends it in another trace.
    """
    attributes = {name: event[name] for name in event if name not in _TRACE_ATTRIBUTES}
    return digest("troth.content.v1", attributes, event.get("data"))


def start_digest(saga: str, version: int | None, payload: Json) -> str:
    """The content of a start, to compare two requests with one idempotency key."""
    return digest("troth.start.v1", saga, version, payload)


def task_id(commitment: UUID, path: str) -> str:
    """The id of a task: the same each time its node is entered."""
    return digest("troth.task.v1", str(commitment), path)[:20]


def update_digest(name: str, args: Any) -> str:
    """The content of an update, by which a repeated id is told from a reused one."""
    return digest("troth.update.v1", name, args)


def lane_of(stream: UUID, lanes: int) -> int:
    """The lane in which a stream lives, below `lanes`.

    Every stream of one key begins with the same 16 bits, so whoever has an id knows the way.
    """
    return (stream.int >> _HOME_SHIFT) % lanes


def jitter(effect: str, attempt: int) -> float:
    """The share of a retry's jitter, from 0 up to 1: the same in every fold, no chance in it."""
    return int(digest("troth.jitter.v1", effect, attempt)[:16], 16) / 2**64


def fact_id(commitment: UUID, path: str) -> str:
    """The CloudEvents id of a fact: the same however often it is published."""
    return digest("troth.fact.v1", str(commitment), path)
