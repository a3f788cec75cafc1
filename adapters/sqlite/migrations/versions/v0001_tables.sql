-- The first tables of a store: the block of docs/format.md section 5.
CREATE TABLE store (one INTEGER PRIMARY KEY CHECK (one = 1), id TEXT NOT NULL, lanes INTEGER NOT NULL,
  incarnation INTEGER NOT NULL, created_us INTEGER NOT NULL) STRICT;
CREATE TABLE lanes (lane INTEGER PRIMARY KEY, owner TEXT NOT NULL, backend TEXT NOT NULL, epoch INTEGER NOT NULL,
  head INTEGER NOT NULL, chain BLOB NOT NULL, clock_us INTEGER NOT NULL, format INTEGER NOT NULL) STRICT;
CREATE TABLE events (lane INTEGER NOT NULL, position INTEGER NOT NULL, stream BLOB NOT NULL, version INTEGER NOT NULL,
  topic TEXT NOT NULL, state BLOB NOT NULL, prev BLOB NOT NULL, PRIMARY KEY (lane, position)) STRICT;
CREATE UNIQUE INDEX events_stream ON events (stream, version);
CREATE INDEX events_facts ON events (lane, position) WHERE topic = 'fact.emitted';
CREATE TABLE snapshots (stream BLOB NOT NULL, version INTEGER NOT NULL, lane INTEGER NOT NULL, topic TEXT NOT NULL,
  state BLOB NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (stream, version)) STRICT;
CREATE TABLE receipts (tenant TEXT NOT NULL, source TEXT NOT NULL, id TEXT NOT NULL, digest BLOB NOT NULL,
  root INTEGER NOT NULL, accepted_us INTEGER NOT NULL, outcome BLOB, PRIMARY KEY (tenant, source, id)) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX receipts_root ON receipts (root);
CREATE TABLE inbox (id INTEGER PRIMARY KEY AUTOINCREMENT, lane INTEGER NOT NULL, root INTEGER NOT NULL, tenant TEXT NOT NULL,
  stream BLOB NOT NULL, kind TEXT NOT NULL, body BLOB NOT NULL, accepted_us INTEGER NOT NULL, tries INTEGER NOT NULL) STRICT;
CREATE INDEX inbox_lane ON inbox (lane, id);
CREATE INDEX inbox_stream ON inbox (stream, id);
CREATE INDEX inbox_root ON inbox (root);
CREATE TABLE parked_streams (stream BLOB PRIMARY KEY, lane INTEGER NOT NULL, tenant TEXT NOT NULL, reason TEXT NOT NULL,
  detail TEXT NOT NULL, since_us INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE dispatches (effect BLOB PRIMARY KEY, lane INTEGER NOT NULL, stream BLOB NOT NULL, tenant TEXT NOT NULL,
  participant TEXT NOT NULL, contract TEXT NOT NULL, kind TEXT NOT NULL, attempt INTEGER NOT NULL, position INTEGER NOT NULL,
  state TEXT NOT NULL, body BLOB NOT NULL, needs_start INTEGER NOT NULL, offered_us INTEGER NOT NULL, start_by_us INTEGER,
  timeout_us INTEGER NOT NULL, not_after_us INTEGER, worker TEXT, reservation INTEGER NOT NULL, lease_until_us INTEGER,
  ends_us INTEGER, cancelled INTEGER NOT NULL) STRICT;
CREATE INDEX dispatches_offered ON dispatches (participant, contract, tenant, offered_us, position) WHERE state = 'offered';
CREATE INDEX dispatches_due ON dispatches (lane, lease_until_us) WHERE state <> 'offered';
CREATE INDEX dispatches_start_by ON dispatches (lane, start_by_us) WHERE state = 'offered';
CREATE INDEX dispatches_not_after ON dispatches (lane, not_after_us) WHERE state <> 'started' AND not_after_us IS NOT NULL;
CREATE TABLE timers (stream BLOB PRIMARY KEY, lane INTEGER NOT NULL, due_us INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE INDEX timers_due ON timers (lane, due_us);
CREATE TABLE definitions (hash BLOB PRIMARY KEY, saga TEXT NOT NULL, version INTEGER NOT NULL, document BLOB NOT NULL,
  registered_us INTEGER NOT NULL, registered_by TEXT NOT NULL) STRICT;
CREATE UNIQUE INDEX definitions_name ON definitions (saga, version);
CREATE TABLE current_steps (commitment BLOB PRIMARY KEY, tenant TEXT NOT NULL, saga TEXT NOT NULL, key TEXT NOT NULL,
  run INTEGER NOT NULL, status TEXT NOT NULL, step TEXT NOT NULL, version INTEGER NOT NULL, lane INTEGER NOT NULL,
  position INTEGER NOT NULL, since_us INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
CREATE UNIQUE INDEX current_steps_key ON current_steps (tenant, saga, key, run);
CREATE INDEX current_steps_status ON current_steps (tenant, status, step, saga);
CREATE TABLE approvals (id TEXT PRIMARY KEY, tenant TEXT NOT NULL, commitment BLOB NOT NULL, status TEXT NOT NULL,
  asked_us INTEGER NOT NULL, version INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
CREATE INDEX approvals_open ON approvals (tenant, status, asked_us);
CREATE TABLE debts (id TEXT PRIMARY KEY, tenant TEXT NOT NULL, commitment BLOB NOT NULL, status TEXT NOT NULL,
  opened_us INTEGER NOT NULL, version INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
CREATE INDEX debts_open ON debts (tenant, status, opened_us);
CREATE TABLE parked_events (stream BLOB NOT NULL, position INTEGER NOT NULL, tenant TEXT NOT NULL, key TEXT NOT NULL,
  type TEXT NOT NULL, event_id TEXT NOT NULL, reason TEXT NOT NULL, kept_us INTEGER NOT NULL, expires_us INTEGER NOT NULL,
  body BLOB NOT NULL, PRIMARY KEY (stream, position)) STRICT;
CREATE INDEX parked_events_tenant ON parked_events (tenant, reason, kept_us);
CREATE TABLE dead_letters (id INTEGER PRIMARY KEY AUTOINCREMENT, tenant TEXT NOT NULL, source TEXT NOT NULL, event_id TEXT NOT NULL,
  code TEXT NOT NULL, detail TEXT NOT NULL, raw BLOB NOT NULL, at_us INTEGER NOT NULL, seen INTEGER NOT NULL, status TEXT NOT NULL) STRICT;
CREATE INDEX dead_letters_open ON dead_letters (tenant, status, id);
CREATE INDEX dead_letters_event ON dead_letters (tenant, source, event_id);
CREATE TABLE tracking (application TEXT PRIMARY KEY, position INTEGER NOT NULL) STRICT, WITHOUT ROWID;
