"""What /metrics shows of a store: counts over indexes, cheap however much has ended."""

from __future__ import annotations

from adapters.sqlite.files import path_of
from adapters.sqlite.pool import ReadPool

__all__ = ["Gauge", "SqliteGauges"]

Gauge = tuple[dict[str, str], float]
"""Labels and a value."""

OPEN = ("open", "waiting", "paused", "held", "compensating", "in_debt")
US_PER_S = 1_000_000

# Look into each tenant and open status, so that nothing that has ended is read.
_COMMITMENTS = """
WITH RECURSIVE tenants (tenant) AS (
  SELECT (SELECT min(tenant) FROM current_steps)
  UNION ALL
  SELECT (SELECT min(tenant) FROM current_steps WHERE tenant > tenants.tenant)
  FROM tenants WHERE tenants.tenant IS NOT NULL)
SELECT c.saga, c.status, count(*) FROM tenants t CROSS JOIN json_each(?1) s
CROSS JOIN current_steps c WHERE c.tenant = t.tenant AND c.status = s.value
GROUP BY c.saga, c.status
"""
# Scans of an index that has the status: it holds a few bytes for each row.
_WAITING = {
    "approvals_waiting": "SELECT count(*) FROM approvals WHERE status = 'open'",
    "debts_open": "SELECT count(*) FROM debts WHERE status = 'open'",
    "dead_letters": "SELECT count(*) FROM dead_letters WHERE status = 'open'",
}
_UNSERVED = "SELECT participant, count(*) FROM dispatches WHERE state = 'offered' GROUP BY 1"
_TIMER = "SELECT min(due_us) FROM timers WHERE lane = 0"
_INBOX = "SELECT count(*) FROM inbox WHERE lane = 0"


class SqliteGauges:
    """Asked by whoever scrapes; any thread may. Raises StoreFailed when the database fails."""

    def __init__(self, url: str) -> None:
        self._pool = ReadPool(str(path_of(url)))

    def close(self) -> None:
        """Close the connections."""
        self._pool.close()

    def read(self, now_us: int) -> dict[str, list[Gauge]]:
        """Every gauge by name; `now_us` is the clock of the store."""
        statuses = "[" + ",".join(f'"{status}"' for status in OPEN) + "]"
        due_us = self._number(_TIMER)
        return {
            "commitments_open": [
                ({"saga": saga, "status": status}, count)
                for saga, status, count in self._pool.rows(_COMMITMENTS, (statuses,))
            ],
            **{name: [({}, self._number(sql))] for name, sql in _WAITING.items()},
            "steps_unserved": [
                ({"participant": name}, count) for name, count in self._pool.rows(_UNSERVED)
            ],
            "timer_delay_seconds": [({}, max(0.0, (now_us - due_us) / US_PER_S if due_us else 0))],
            "lane_inbox_messages": [({"lane": "0"}, self._number(_INBOX))],
        }

    def _number(self, sql: str) -> float:
        row = self._pool.row(sql)
        return 0.0 if row is None or row[0] is None else float(row[0])
