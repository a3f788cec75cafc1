"""The statements of the journal: the same for SQLite and PostgreSQL. Parameters are `?`."""

from __future__ import annotations

__all__ = [
    "ANSWER", "BORN", "CHANGE", "DDL", "FORGET", "INSERT", "LOOK", "NOTHING_LACKS", "PURGE",
    "SELECT",
]  # fmt: skip

DDL = (
    """CREATE TABLE IF NOT EXISTS troth_journal (
  effect TEXT PRIMARY KEY, digest TEXT NOT NULL, token TEXT NOT NULL, state TEXT NOT NULL,
  attempt INTEGER NOT NULL, outcome TEXT, at_us BIGINT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS troth_journal_since (
  one INTEGER PRIMARY KEY CHECK (one = 1), since_us BIGINT NOT NULL)""",
)
"""`since_us`: every command from then on would be known."""

LOOK = "SELECT since_us FROM troth_journal_since WHERE one = 1"
BORN = "INSERT INTO troth_journal_since (one, since_us) VALUES (1, ?) ON CONFLICT DO NOTHING"
NOTHING_LACKS = (
    "UPDATE troth_journal_since SET since_us = 0 "
    "WHERE one = 1 AND NOT EXISTS (SELECT 1 FROM troth_journal)"
)
FORGET = "UPDATE troth_journal_since SET since_us = ? WHERE one = 1 AND since_us < ?"
INSERT = (
    "INSERT INTO troth_journal (effect, digest, token, state, attempt, outcome, at_us) "
    "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (effect) DO NOTHING"
)
SELECT = "SELECT digest, token, state, attempt, outcome FROM troth_journal WHERE effect = ?"
CHANGE = (
    "UPDATE troth_journal SET digest = ?, token = ?, state = ?, attempt = ?, outcome = ?, "
    "at_us = ? WHERE effect = ? AND token = ? AND state = ? AND attempt = ?"
)
ANSWER = (
    "UPDATE troth_journal SET state = 'answered', outcome = ?, at_us = ? "
    "WHERE effect = ? AND token = ? AND attempt = ? AND state = 'started'"
)
PURGE = (
    "DELETE FROM troth_journal WHERE effect IN (SELECT effect FROM troth_journal "
    "WHERE state <> 'started' AND at_us < ? LIMIT ?)"
)
