"""The form of the tables: which revision a file has, and bringing it forward."""

from __future__ import annotations

import sqlite3

from adapters.sql.migrating import run_to_head
from adapters.sqlite.faults import store_failed
from adapters.sqlite.files import FileLock, path_of
from adapters.sqlite.migrations import PLACE, VERSIONS, all_statements
from domain.ports import StoreFailed

__all__ = ["HEAD", "create", "migrate", "revision_of", "upgrade"]

HEAD = "0005"
"""The newest revision; a test compares it with the migrations."""

# As alembic makes it.
_ALEMBIC = """
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL,
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
)
"""


def revision_of(db: sqlite3.Connection) -> str | None:
    """The revision of an open database, or None when it is empty.

    Raises StoreFailed (store.format) for a database of something else.
    """
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables:
        return None
    if "alembic_version" not in tables:
        raise StoreFailed("store.format", "the file is an SQLite database, but not a store")
    found = db.execute("SELECT version_num FROM alembic_version").fetchone()
    return found[0] if found else None


def create(db: sqlite3.Connection) -> None:
    """Make the newest tables in an empty database, all or nothing, as `upgrade` makes them."""
    db.execute("BEGIN IMMEDIATE")
    try:
        for statement in all_statements():
            db.execute(statement)
        db.execute(_ALEMBIC)
        db.execute("INSERT INTO alembic_version VALUES (?)", (HEAD,))
        db.execute("COMMIT")
    except sqlite3.Error:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def upgrade(db: sqlite3.Connection) -> None:
    """Bring an open database to HEAD, all or nothing. `db` is in autocommit mode."""
    # Takes long to import: only where a migration runs.
    from sqlalchemy import create_engine, event
    from sqlalchemy.pool import StaticPool

    engine = create_engine("sqlite://", creator=lambda: db, poolclass=StaticPool)
    event.listen(engine, "begin", lambda c: c.exec_driver_sql("BEGIN IMMEDIATE"))
    run_to_head(engine, PLACE, VERSIONS)


def migrate(url: str) -> tuple[str | None, str]:
    """Bring the store of a URL to the newest form; answer the revisions before and after.

    Raises StoreFailed: store.locked while an engine runs, store.format for a newer or foreign
    file, store.corrupt, store.full.
    """
    path = path_of(url)
    lock = FileLock(path)
    try:
        db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            before = revision_of(db)
            if before is not None and before > HEAD:
                raise StoreFailed(
                    "store.format", f"{path} has revision {before}, newer than {HEAD}"
                )
            upgrade(db)
            return before, HEAD
        finally:
            db.close()
    except sqlite3.Error as error:
        raise store_failed(error, str(path)) from error
    finally:
        lock.release()
