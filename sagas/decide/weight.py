"""The bound on the state of a commitment (bound.state), kept without measuring it every time.

Each commitment carries a ceiling: a count of bytes that its state surely does not pass. An event
raises it by more than it can add to the state; only a ceiling over the bound makes the state be
measured, which then is the new ceiling. So what is measured is paid for by bytes that came.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from domain.commitment import Commitment
from domain.events import Event
from domain.state import Stop
from sagas import defaults

__all__ = ["passes_bound", "told"]

Json = Any
# What an event holds is at most twice in the state (as a result, and as what undoes it), ...
COPIES = 2
# ... in records whose other fields, and the path that names them, are not longer than this.
RECORD_BYTES = 2_048
# What must be undone is not turned away: nothing else could be done about it.
_UNDOING = frozenset({"failure", "cancel"})


def passes_bound(before: Commitment | None, after: Commitment, events: Sequence[Event]) -> bool:
    """Whether the events lead to a state over its bound; `after` learns its ceiling."""
    if not events:
        return False
    ceiling = _ceiling(before) + _added(events)
    if ceiling > defaults.STATE_BYTES_MAX:
        ceiling = _measured(after)
    after.ceiling = ceiling
    return ceiling > defaults.STATE_BYTES_MAX and not (after.is_over or _undoes(after))


def told() -> str:
    """What to say of a state over its bound."""
    return f"the commitment would hold more than {defaults.STATE_BYTES_MAX:,} bytes"


def _ceiling(before: Commitment | None) -> int:
    if before is None:
        return 0
    known = before.ceiling
    return _measured(before) if known is None else known  # measured once after it was read


def _added(events: Sequence[Event]) -> int:
    """More than these events can add to the state; read once, for every message pays for it."""
    held: list[dict[str, Json]] = [vars(event) for event in events]
    added = COPIES * len(orjson.dumps(held))
    for fields in held:
        items = fields.get("items") or ()
        if "adds" in fields:  # an update may add items, too
            adds: dict[str, Json] = fields["adds"] or {}
            items = adds.get("items") or ()
            path = len(adds.get("node") or fields["node"])
        else:
            path = len(fields.get("node") or "")
        added += (1 + len(items)) * (RECORD_BYTES + path)
    return added


def _measured(c: Commitment) -> int:
    return len(orjson.dumps({name: v for name, v in vars(c).items() if not name.startswith("_")}))


def _undoes(c: Commitment) -> bool:
    root: Stop | None = c.stops.get("")
    stops = root is not None and not root.pending and root.cause["kind"] in _UNDOING
    return stops or "" in c.undoing
