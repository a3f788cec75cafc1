"""What another process will apply: it did not answer in time, and what was passed on is kept."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from api.edge import answer

__all__ = ["later"]

Json = Any


def later(found: Json, address: str) -> Response | None:
    """202 with where to look for it; None where `found` is an answer of whoever applied it.

    It is applied once, when the process that owns its lane, or the next owner, has come to it.
    """
    if found.get("status") != "accepted" or "receipt" not in found:
        return None
    return answer({**found, "follow": address}, 202, headers={"Location": address})
