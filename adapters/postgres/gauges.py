"""What /metrics shows of a store on PostgreSQL."""

from __future__ import annotations

from adapters.postgres.pool import ReadPool
from adapters.sql.gauges import OPEN, Gauge, Gauges
from adapters.sql.reads import Row

__all__ = ["PostgresGauges"]

# Look into each tenant and open status, so that nothing that has ended is read.
_COMMITMENTS = """
WITH RECURSIVE tenants (tenant) AS (
  SELECT (SELECT min(tenant) FROM current_steps)
  UNION ALL
  SELECT (SELECT min(c.tenant) FROM current_steps c WHERE c.tenant > tenants.tenant)
  FROM tenants WHERE tenants.tenant IS NOT NULL)
SELECT c.saga, c.status, count(*) FROM tenants t CROSS JOIN unnest(?::text[]) AS s (status)
JOIN current_steps c ON c.tenant = t.tenant AND c.status = s.status GROUP BY c.saga, c.status
"""
_TABLES = """
SELECT relname, n_dead_tup, pg_total_relation_size(relid) FROM pg_stat_user_tables
WHERE schemaname = current_schema() ORDER BY relname
"""


class PostgresGauges(Gauges):
    """The gauges of a database, with the size of each table and its rows that wait for vacuum."""

    def __init__(self, url: str) -> None:
        super().__init__(ReadPool(url))

    def read(self, now_us: int) -> dict[str, list[Gauge]]:
        """Every gauge by name; `now_us` is the clock of the store."""
        tables = self._reads.rows(_TABLES)
        return {
            **super().read(now_us),
            "table_dead_rows": [({"table": name}, dead) for name, dead, _ in tables],
            "table_bytes": [({"table": name}, size) for name, _, size in tables],
        }

    def _commitments(self) -> list[Row]:
        return self._reads.rows(_COMMITMENTS, (list(OPEN),))
