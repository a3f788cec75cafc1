"""The tables as SQLAlchemy Core sees them, for the reader's queries (docs/format.md section 5).

The migrations make them; a test compares the two, so that neither drifts.
"""

from __future__ import annotations

from sqlalchemy import BLOB, INTEGER, TEXT

from adapters.sql.tables import Tables
from adapters.sql.tables import index as _index

__all__ = [
    "approvals", "current_steps", "dead_letters", "debts", "definitions", "dispatches", "events",
    "inbox", "lanes", "metadata", "parked_events", "parked_streams", "receipts", "snapshots",
    "store", "tasks", "timers", "tracking",
]  # fmt: skip

_tables = Tables({"i": INTEGER, "t": TEXT, "b": BLOB})
_table = _tables.table
metadata = _tables.metadata

store = _table(
    "store", "one:i id:t lanes:i incarnation:i created_us:i doubt_until_us:i restored_us:i", "one"
)
lanes = _table(
    "lanes", "lane:i owner:t backend:t epoch:i head:i chain:b clock_us:i format:i", "lane"
)
events = _table(
    "events", "lane:i position:i stream:b version:i topic:t state:b prev:b", "lane position",
    _index("events_stream", "stream version", unique=True),
    _index("events_facts", "lane position", where="topic = 'fact.emitted'"),
)  # fmt: skip
snapshots = _table(
    "snapshots", "stream:b version:i lane:i topic:t state:b hash:b", "stream version"
)
receipts = _table(
    "receipts", "tenant:t source:t id:t digest:b root:i accepted_us:i outcome:b?",
    "tenant source id",
    _index("receipts_root", "root", unique=True),
)  # fmt: skip
inbox = _table(
    "inbox",
    "id:i lane:i root:i tenant:t stream:b kind:t body:b accepted_us:i tries:i", "id",
    _index("inbox_lane", "lane id"),
    _index("inbox_stream", "stream id"),
    _index("inbox_root", "root"),
)  # fmt: skip
parked_streams = _table(
    "parked_streams", "stream:b lane:i tenant:t reason:t detail:t since_us:i", "stream"
)
dispatches = _table(
    "dispatches",
    "effect:b lane:i stream:b tenant:t participant:t contract:t kind:t attempt:i position:i"
    " state:t body:b needs_start:i offered_us:i start_by_us:i? timeout_us:i not_after_us:i?"
    " worker:t? reservation:i lease_until_us:i? ends_us:i? cancelled:i",
    "effect",
    _index("dispatches_offered", "participant contract tenant offered_us position",
           where="state = 'offered'"),
    _index("dispatches_due", "lane lease_until_us", where="state <> 'offered'"),
    _index("dispatches_start_by", "lane start_by_us", where="state = 'offered'"),
    _index("dispatches_not_after", "lane not_after_us",
           where="state <> 'started' AND not_after_us IS NOT NULL"),
)  # fmt: skip
timers = _table("timers", "stream:b lane:i due_us:i", "stream", _index("timers_due", "lane due_us"))
definitions = _table(
    "definitions", "hash:b saga:t version:i document:b registered_us:i registered_by:t", "hash",
    _index("definitions_name", "saga version", unique=True),
)  # fmt: skip
current_steps = _table(
    "current_steps",
    "commitment:b tenant:t saga:t key:t run:i status:t step:t version:i lane:i position:i"
    " since_us:i body:b",
    "commitment",
    _index("current_steps_key", "tenant saga key run", unique=True),
    _index("current_steps_status", "tenant status step saga"),
)  # fmt: skip
approvals = _table(
    "approvals", "id:t tenant:t commitment:b status:t asked_us:i version:i body:b", "id",
    _index("approvals_open", "tenant status asked_us"),
)  # fmt: skip
tasks = _table(
    "tasks", "id:t tenant:t commitment:b status:t offered_us:i version:i body:b", "id",
    _index("tasks_open", "tenant status offered_us"),
)  # fmt: skip
debts = _table(
    "debts", "id:t tenant:t commitment:b status:t opened_us:i version:i body:b", "id",
    _index("debts_open", "tenant status opened_us"),
)  # fmt: skip
parked_events = _table(
    "parked_events",
    "stream:b position:i tenant:t key:t type:t event_id:t reason:t kept_us:i expires_us:i body:b",
    "stream position",
    _index("parked_events_tenant", "tenant reason kept_us"),
)  # fmt: skip
dead_letters = _table(
    "dead_letters",
    "id:i tenant:t source:t event_id:t code:t detail:t raw:b at_us:i seen:i status:t remedy:b?",
    "id",
    _index("dead_letters_open", "tenant status id"),
    _index("dead_letters_event", "tenant source event_id"),
)  # fmt: skip
tracking = _table("tracking", "application:t position:i", "application")
