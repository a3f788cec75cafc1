"""How the bytes of an event's state lie in their column: one leading byte says the form."""

from __future__ import annotations

__all__ = ["pack", "unpack"]

_PLAIN = b"\0"


def pack(state: bytes) -> bytes:
    """The stored form of a state; the audit chain is always over the state itself."""
    return _PLAIN + state


def unpack(stored: bytes) -> bytes:
    """The state of a stored form. Raises ValueError for a form of a later release."""
    if stored[:1] == _PLAIN:
        return stored[1:]
    raise ValueError(f"a state has the form {stored[:1].hex()}, which this release does not know")
