"""The tables as SQLAlchemy Core sees them, for the reader's queries (docs/format.md section 5).

The migrations make them; a test compares the two, so that neither drifts.
"""

from __future__ import annotations

from sqlalchemy.dialects.postgresql import BIGINT, BOOLEAN, BYTEA, INTEGER, TEXT, UUID

from adapters.sql.tables import Tables
from adapters.sql.tables import index as _index

__all__ = [
    "answers", "approvals", "current_steps", "cursors", "dead_letters", "debts", "definitions",
    "dispatches", "events", "inbox", "lanes", "metadata", "parked_events", "parked_streams",
    "processes", "receipts", "relays", "snapshots", "store", "tasks", "timers", "tracking",
]  # fmt: skip

# i integer, n bigint, t text, b bytea, u uuid, o boolean.
_tables = Tables({
    "i": INTEGER, "n": BIGINT, "t": TEXT, "b": BYTEA, "u": UUID, "o": BOOLEAN,
})  # fmt: skip
_table = _tables.table
metadata = _tables.metadata

store = _table(
    "store",
    "one:i id:t lanes:i incarnation:i created_us:n routing:n doubt_until_us:n restored_us:n",
    "one",
)
lanes = _table(
    "lanes", "lane:i format:i epoch:n head:n clock_us:n chain:b owner:t backend:t", "lane"
)
events = _table(
    "events", "position:n lane:i version:i stream:u topic:t prev:b state:b", "lane position",
    _index("events_stream", "stream version lane", unique=True),
    _index("events_facts", "lane position", where="topic = 'fact.emitted'"),
)  # fmt: skip
snapshots = _table(
    "snapshots", "lane:i version:i stream:u topic:t hash:b state:b", "stream version"
)
receipts = _table(
    "receipts", "root:n accepted_us:n tenant:t source:t id:t digest:b outcome:b?",
    "tenant source id",
    _index("receipts_root", "root", unique=True),
)  # fmt: skip
inbox = _table(
    "inbox",
    "id:n accepted_us:n root:n? lane:i tries:i stream:u? tenant:t kind:t asker:t? ask:t? body:b",
    "lane id",
    _index("inbox_stream", "stream id", where="stream IS NOT NULL"),
    _index("inbox_root", "root", where="root IS NOT NULL"),
)  # fmt: skip
answers = _table("answers", "at_us:n asker:t ask:t body:b", "asker ask")
parked_streams = _table(
    "parked_streams", "since_us:n lane:i stream:u tenant:t reason:t detail:t", "stream"
)
dispatches = _table(
    "dispatches",
    "position:n offered_us:n timeout_us:n start_by_us:n? not_after_us:n? lease_until_us:n?"
    " ends_us:n? pushed_us:n? lane:i attempt:i reservation:i stream:u needs_start:o cancelled:o"
    " effect:b state:t kind:t tenant:t participant:t contract:t worker:t? body:b",
    "effect",
    _index("dispatches_offered", "participant contract tenant offered_us position",
           where="state = 'offered'"),
    _index("dispatches_due", "lane lease_until_us", where="state <> 'offered'"),
    _index("dispatches_start_by", "lane start_by_us",
           where="state = 'offered' AND start_by_us IS NOT NULL"),
    _index("dispatches_not_after", "lane not_after_us",
           where="state <> 'started' AND not_after_us IS NOT NULL"),
    _index("dispatches_pushed", "lane pushed_us",
           where="state = 'offered' AND pushed_us IS NOT NULL"),
)  # fmt: skip
timers = _table("timers", "due_us:n lane:i stream:u", "stream", _index("timers_due", "lane due_us"))
definitions = _table(
    "definitions", "registered_us:n version:i hash:b saga:t registered_by:t document:b", "hash",
    _index("definitions_name", "saga version", unique=True),
)  # fmt: skip
current_steps = _table(
    "current_steps",
    "position:n since_us:n version:i lane:i run:i commitment:u tenant:t saga:t key:t status:t"
    " step:t body:b",
    "commitment",
    _index("current_steps_key", "tenant saga key run", unique=True),
    _index("current_steps_status", "tenant status saga"),
)  # fmt: skip
approvals = _table(
    "approvals", "asked_us:n version:i commitment:u id:t tenant:t status:t body:b", "id",
    _index("approvals_open", "tenant status asked_us"),
)  # fmt: skip
tasks = _table(
    "tasks", "offered_us:n version:i commitment:u id:t tenant:t status:t body:b", "id",
    _index("tasks_open", "tenant status offered_us"),
)  # fmt: skip
debts = _table(
    "debts", "opened_us:n version:i commitment:u id:t tenant:t status:t body:b", "id",
    _index("debts_open", "tenant status opened_us"),
)  # fmt: skip
parked_events = _table(
    "parked_events",
    "position:n kept_us:n expires_us:n stream:u tenant:t key:t type:t event_id:t reason:t body:b",
    "stream position",
    _index("parked_events_tenant", "tenant reason kept_us"),
)  # fmt: skip
dead_letters = _table(
    "dead_letters",
    "id:n at_us:n seen:n tenant:t source:t event_id:t code:t detail:t status:t raw:b remedy:b?",
    "id",
    _index("dead_letters_open", "tenant status id"),
    _index("dead_letters_event", "tenant source event_id"),
)  # fmt: skip
tracking = _table("tracking", "position:n application:t", "application")
processes = _table(
    "processes",
    "beat_us:n started_us:n pid:i format:i works:o process:t host:t", "process",
)  # fmt: skip
cursors = _table(
    "cursors", "next_offset:n partition:i lane:i topic:t topic_id:t digest:b", "topic partition"
)
relays = _table("relays", "position:n lane:i name:t", "name lane")
