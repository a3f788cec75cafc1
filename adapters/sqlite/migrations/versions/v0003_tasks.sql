-- What waits for a person's work, and what came of it.
CREATE TABLE tasks (id TEXT PRIMARY KEY, tenant TEXT NOT NULL, commitment BLOB NOT NULL, status TEXT NOT NULL,
  offered_us INTEGER NOT NULL, version INTEGER NOT NULL, body BLOB NOT NULL) STRICT;
CREATE INDEX tasks_open ON tasks (tenant, status, offered_us);
