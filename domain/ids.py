"""The ids that every process computes alike (docs/format.md section 2)."""

from collections.abc import Mapping
from uuid import UUID

from domain.canonical import JsonLike, digest, digest_bytes

__all__ = [
    "commitment_id", "content_digest", "effect_id", "key_stream_id", "lane_of", "saga_key_id",
    "start_digest", "uuid_of",
]  # fmt: skip

_VERSION_8 = 0x8 << 76
_VARIANT = 0x2 << 62
_CLEAR = ~((0xF << 76) | (0x3 << 62)) & ((1 << 128) - 1)
# They may differ between two deliveries of one event without it being another event.
_TRACING = ("traceparent", "tracestate")


def uuid_of(digest_32: bytes) -> UUID:
    """The UUID (RFC 9562, version 8) made of the first 16 bytes of a digest."""
    number = int.from_bytes(digest_32[:16], "big")
    return UUID(int=(number & _CLEAR) | _VERSION_8 | _VARIANT)


def commitment_id(tenant: str, saga: str, key: str, run: int) -> UUID:
    """The stream of one run of a saga; `run` counts from 1."""
    return uuid_of(digest_bytes("troth.commitment.v1", tenant, saga, key, run))


def saga_key_id(tenant: str, saga: str, key: str) -> UUID:
    """The stream that counts the runs of a saga and key."""
    return uuid_of(digest_bytes("troth.sagakey.v1", tenant, saga, key))


def key_stream_id(tenant: str, key: str) -> UUID:
    """The stream in which events of a key meet waits."""
    return uuid_of(digest_bytes("troth.key.v1", tenant, key))


def effect_id(commitment: UUID, path: str, kind: str) -> str:
    """The idempotency key of a `do` or `undo`: the same in every attempt and after a restore."""
    return digest("troth.effect.v1", str(commitment), path, kind)


def content_digest(event: Mapping[str, JsonLike]) -> bytes:
    """What makes two deliveries of an event id the same: attributes and data, not the trace."""
    attributes = {k: v for k, v in event.items() if k != "data" and k not in _TRACING}
    return digest_bytes("troth.content.v1", attributes, event.get("data"))


def start_digest(saga: str, version: int | None, value: JsonLike) -> str:
    """What makes two starts the same."""
    return digest("troth.start.v1", saga, version, value)


def lane_of(tenant: str, key: str, lanes: int) -> int:
    """The lane where everything about a key lives."""
    return int.from_bytes(digest_bytes("troth.lane.v1", tenant, key)[:8], "big") % lanes
