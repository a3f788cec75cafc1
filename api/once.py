"""Idempotency-Key: how a caller says that a request is the same one again."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header

__all__ = ["IDEMPOTENCY_KEY_MAX", "Once"]

IDEMPOTENCY_KEY_MAX = 256

Once = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=IDEMPOTENCY_KEY_MAX,
        description="The same request again has the same key; without one each is a new request.",
    ),
]
"""The key that was sent, or None. An empty one is refused as one that is too long is (TR400)."""
