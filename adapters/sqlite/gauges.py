"""What /metrics shows of a store on SQLite."""

from __future__ import annotations

import json

from adapters.sql.gauges import OPEN, Gauges
from adapters.sql.reads import Row
from adapters.sqlite.files import path_of
from adapters.sqlite.pool import ReadPool

__all__ = ["SqliteGauges"]

# Look into each tenant and open status, so that nothing that has ended is read.
_COMMITMENTS = """
WITH RECURSIVE tenants (tenant) AS (
  SELECT (SELECT min(tenant) FROM current_steps)
  UNION ALL
  SELECT (SELECT min(tenant) FROM current_steps WHERE tenant > tenants.tenant)
  FROM tenants WHERE tenants.tenant IS NOT NULL)
SELECT c.saga, c.status, count(*) FROM tenants t CROSS JOIN json_each(?) s
CROSS JOIN current_steps c WHERE c.tenant = t.tenant AND c.status = s.value
GROUP BY c.saga, c.status
"""


class SqliteGauges(Gauges):
    """The gauges of a file."""

    def __init__(self, url: str) -> None:
        super().__init__(ReadPool(str(path_of(url))))

    def _commitments(self) -> list[Row]:
        return self._reads.rows(_COMMITMENTS, (json.dumps(OPEN),))
