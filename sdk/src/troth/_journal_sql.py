"""The statements of the journal: the same for SQLite and PostgreSQL. Parameters are `?`."""

from __future__ import annotations

__all__ = [
    "ANSWER", "BIRTH", "BORN", "CHANGE", "DDL", "FORGET", "FORGOTTEN", "INSERT", "KNOWN", "PURGE",
    "SELECT",
]  # fmt: skip

DDL = (
    """CREATE TABLE IF NOT EXISTS troth_journal (
  effect TEXT PRIMARY KEY, digest TEXT NOT NULL, token TEXT NOT NULL, state TEXT NOT NULL,
  attempt INTEGER NOT NULL, outcome TEXT, at_us BIGINT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS troth_journal_known (
  participant TEXT PRIMARY KEY, since_us BIGINT NOT NULL)""",
)
"""`since_us`: every command of the participant from then on would be known."""

BIRTH = ""
"""In place of a participant: when the journal was made; counts for those without a row."""
FORGOTTEN = "*"
"""In place of a participant: what is older may have been purged, whoever it was for."""

KNOWN = "SELECT participant, since_us FROM troth_journal_known"
BORN = (
    "INSERT INTO troth_journal_known (participant, since_us) VALUES (?, ?) ON CONFLICT DO NOTHING"
)
FORGET = "UPDATE troth_journal_known SET since_us = ? WHERE participant = '*' AND since_us < ?"
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
