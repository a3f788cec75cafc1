"""The store on PostgreSQL: one database that several processes share."""

from adapters.postgres.clock import DatabaseClock
from adapters.postgres.cluster import PostgresCluster
from adapters.postgres.listener import Listener, Notifier
from adapters.postgres.schema import migrate
from adapters.postgres.store import PostgresStore
from adapters.postgres.telling import Told

__all__ = [
    "DatabaseClock", "Listener", "Notifier", "PostgresCluster", "PostgresStore", "Told", "migrate",
]  # fmt: skip
