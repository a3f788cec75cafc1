"""Opening a store to look at it, and bringing its tables forward, whichever database holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain.ports import StoreFailed

if TYPE_CHECKING:
    from adapters.sql.offline import OfflineStore
    from adapters.sql.rebuilding import ViewWriter
    from adapters.sql.restoring import Restored

__all__ = [
    "bring_forward", "is_postgres", "mark_restored", "name_of", "open_offline", "open_views",
]  # fmt: skip


def is_postgres(url: str) -> bool:
    """Whether a store URL names a database of PostgreSQL; else it names a file of SQLite."""
    return url.startswith(("postgresql://", "postgres://"))


def name_of(url: str) -> str:
    """A store URL for people to read, without a password."""
    if not is_postgres(url):
        return url
    from adapters.postgres.link import where

    return f"postgresql://{where(url)}"


# Drivers take a second to import: each is imported where its store is opened.


def open_offline(url: str) -> OfflineStore:
    """The store as it is now, only to be read. Raises StoreFailed."""
    if is_postgres(url):
        from adapters.postgres.offline import PostgresOffline

        return PostgresOffline(url)
    from adapters.sqlite.offline import SqliteOffline

    return SqliteOffline(url)


def open_views(url: str) -> ViewWriter:
    """The store's views, to be written anew. Raises StoreFailed."""
    if is_postgres(url):
        from adapters.postgres.rebuilding import PostgresViews

        return PostgresViews(url)
    from adapters.sqlite.rebuilding import SqliteViews

    return SqliteViews(url)


def mark_restored(url: str, doubt_us: int) -> Restored:
    """Tell a store that it was restored (adapters.sql.restoring). Raises StoreFailed."""
    if is_postgres(url):
        from adapters.postgres.restoring import mark_restored as mark
    else:
        from adapters.sqlite.restoring import mark_restored as mark
    return mark(url, doubt_us)


def bring_forward(url: str, lanes: int | None) -> tuple[str | None, str]:
    """Make the tables, or bring them to this release: the revisions before and after.

    `lanes` is how many a new store gets. Raises StoreFailed.
    """
    if is_postgres(url):
        from adapters.postgres.schema import migrate

        return migrate(url, lanes)
    from adapters.sqlite.schema import migrate
    from adapters.sqlite.store import LANES

    if lanes not in (None, LANES):
        raise StoreFailed("store.lanes", f"a store on SQLite has {LANES} lane, not {lanes}")
    return migrate(url)
