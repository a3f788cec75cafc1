"""What /metrics shows of a store: counts over indexes, cheap however much has ended."""

from __future__ import annotations

from abc import ABC, abstractmethod

from adapters.sql.reads import Reads, Row

__all__ = ["OPEN", "Gauge", "Gauges"]

Gauge = tuple[dict[str, str], float]
"""Labels and a value."""

OPEN = ("open", "waiting", "paused", "held", "compensating", "in_debt")
US_PER_S = 1_000_000

# Scans of an index that has the status: it holds a few bytes for each row.
_WAITING = {
    "approvals_waiting": "SELECT count(*) FROM approvals WHERE status = 'open'",
    "tasks_waiting": "SELECT count(*) FROM tasks WHERE status IN ('offered', 'claimed')",
    "debts_open": "SELECT count(*) FROM debts WHERE status = 'open'",
    "dead_letters": "SELECT count(*) FROM dead_letters WHERE status = 'open'",
}
_UNSERVED = "SELECT participant, count(*) FROM dispatches WHERE state = 'offered' GROUP BY 1"
_LANES = """
SELECT lane, (SELECT min(t.due_us) FROM timers t WHERE t.lane = lanes.lane),
  (SELECT count(*) FROM inbox i WHERE i.lane = lanes.lane)
FROM lanes ORDER BY lane
"""


class Gauges(ABC):
    """Asked by whoever scrapes; any thread may. Raises StoreFailed when the database fails."""

    def __init__(self, reads: Reads) -> None:
        self._reads = reads

    def close(self) -> None:
        """Close the connections."""
        self._reads.close()

    def read(self, now_us: int) -> dict[str, list[Gauge]]:
        """Every gauge by name; `now_us` is the clock of the store."""
        lanes = self._reads.rows(_LANES)
        late_us = max((now_us - due for _, due, _ in lanes if due is not None), default=0)
        return {
            "commitments_open": [
                ({"saga": saga, "status": status}, count)
                for saga, status, count in self._commitments()
            ],
            **{name: [({}, self._number(sql))] for name, sql in _WAITING.items()},
            "steps_unserved": [
                ({"participant": name}, count) for name, count in self._reads.rows(_UNSERVED)
            ],
            "timer_delay_seconds": [({}, max(0.0, late_us / US_PER_S))],
            "lane_inbox_messages": [({"lane": str(lane)}, count) for lane, _, count in lanes],
        }

    @abstractmethod
    def _commitments(self) -> list[Row]:
        """Saga, status and count of what is open, without reading what has ended."""

    def _number(self, sql: str) -> float:
        row = self._reads.row(sql)
        return 0.0 if row is None or row[0] is None else float(row[0])
