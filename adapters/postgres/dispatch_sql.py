"""What the dispatch desk says to the database."""

from __future__ import annotations

from adapters.sql import dispatches

__all__ = [
    "CANCEL", "COLUMNS", "EXTEND", "GONE", "LINES", "OFFER_AGAIN", "OVERDUE", "ROW", "ROWS",
    "START", "TAKE", "TENANTS", "WITHDRAW",
]  # fmt: skip

COLUMNS = f"{dispatches.COLUMNS}, lane, pushed_us, offered_us"
# Put together of names of our own.
ROW = f"SELECT {COLUMNS} FROM dispatches WHERE effect = %s FOR UPDATE"  # noqa: S608 - as above
# Names of our own again.
ROWS = f"SELECT {COLUMNS} FROM dispatches WHERE effect = ANY(%s) FOR UPDATE"  # noqa: S608
# One look into the index for each tenant: those behind the one served last, then round to it.
_NEXT = """
SELECT min(found.tenant) FROM unnest(%(contracts)s) AS c (name), LATERAL (
  SELECT d.tenant FROM dispatches d WHERE d.state = 'offered'
  AND d.participant = %(participant)s AND d.contract = c.name AND d.tenant > {above}
  ORDER BY d.tenant LIMIT 1) found
"""
_CIRCLE = """
{name} (tenant, place) AS (
  SELECT ({first}), 1 UNION ALL
  SELECT ({next}), place + 1 FROM {name} WHERE tenant IS NOT NULL AND place < %(limit)s)
"""
TENANTS = "WITH RECURSIVE {behind}, {round} {select}".format(
    behind=_CIRCLE.format(
        name="behind",
        first=_NEXT.format(above="%(after)s"),
        next=_NEXT.format(above="behind.tenant"),
    ),
    round=_CIRCLE.format(
        name="round", first=_NEXT.format(above="''"), next=_NEXT.format(above="round.tenant")
    ),
    select="""
SELECT tenant FROM (SELECT 1 AS half, tenant FROM behind UNION ALL
  SELECT 2, tenant FROM round WHERE tenant <= %(after)s) AS found
WHERE tenant IS NOT NULL ORDER BY half, tenant LIMIT %(limit)s
""",
)
LINES = f"""
SELECT line.* FROM unnest(%(tenants)s) AS t (name), unnest(%(contracts)s) AS c (name), LATERAL (
  SELECT {COLUMNS} FROM dispatches WHERE state = 'offered' AND participant = %(participant)s
  AND contract = c.name AND tenant = t.name AND pushed_us IS NULL
  AND (start_by_us IS NULL OR start_by_us > %(now_us)s)
  AND (not_after_us IS NULL OR not_after_us >= %(now_us)s)
  ORDER BY offered_us, position LIMIT %(chunk)s FOR UPDATE SKIP LOCKED) line
"""  # noqa: S608 - as above
TAKE = """
UPDATE dispatches d SET state = CASE WHEN n.started THEN 'started' ELSE 'reserved' END,
  worker = %s, reservation = d.reservation + 1, lease_until_us = n.lease_until_us,
  ends_us = n.ends_us
FROM unnest(%s, %s, %s, %s) AS n (effect, started, lease_until_us, ends_us)
WHERE d.effect = n.effect
"""
START = """
UPDATE dispatches SET state = 'started', worker = %s, lease_until_us = %s, ends_us = %s
WHERE effect = %s
"""
EXTEND = "UPDATE dispatches SET lease_until_us = %s WHERE effect = %s"
WITHDRAW = """
DELETE FROM dispatches WHERE effect = %s AND state <> 'started'
AND (state <> 'offered' OR pushed_us IS NULL)
"""
# A published attempt may be under way, and nobody said so: it counts as started.
CANCEL = """
UPDATE dispatches SET cancelled = true, state = 'started',
  lease_until_us = CASE WHEN state = 'started' THEN lease_until_us
    ELSE now.us + least(%s, timeout_us) END,
  ends_us = CASE WHEN state = 'started' THEN ends_us ELSE now.us + timeout_us END
FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS us) AS now
WHERE effect = %s
"""
OFFER_AGAIN = """
UPDATE dispatches SET state = 'offered', worker = NULL, lease_until_us = NULL
WHERE effect = ANY(%s)
"""
GONE = "DELETE FROM dispatches WHERE effect = ANY(%s)"
_UNSTARTED = "state <> 'started' AND not_after_us IS NOT NULL"
# A row that somebody is just now taking or holding is looked at by the next sweep.
OVERDUE = tuple(
    f"SELECT due.* FROM unnest(%(lanes)s) AS l (number), LATERAL ("  # noqa: S608 - as above
    f"SELECT {COLUMNS} FROM dispatches WHERE lane = l.number AND {due}"
    " LIMIT %(limit)s FOR UPDATE SKIP LOCKED) due"
    for due in (
        "state <> 'offered' AND lease_until_us <= %(now_us)s ORDER BY lease_until_us",
        "state = 'offered' AND start_by_us <= %(now_us)s ORDER BY start_by_us",
        f"{_UNSTARTED} AND not_after_us < %(now_us)s ORDER BY not_after_us",
    )
)
