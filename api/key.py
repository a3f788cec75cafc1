"""API keys as the edge sees them; where they are kept is the engine's business."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

__all__ = ["ANY_TENANT", "Key", "Keys"]

ANY_TENANT = "*"
"""The tenant of a key of all tenants: each request says which one it means."""


@dataclass(frozen=True, slots=True)
class Key:
    """An API key without its secret: `sha256` is the hex digest of the text that is sent."""

    id: str
    name: str
    sha256: str
    roles: tuple[str, ...]
    tenant: str
    actor_type: str
    seats: tuple[str, ...] = ()


class Keys(Protocol):
    """Where keys are kept."""

    def find(self, digest: str) -> Key | None:
        """The key with this SHA-256 (hex), or None."""
        ...
