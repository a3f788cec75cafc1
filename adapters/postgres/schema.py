"""The form of the tables: which revision a database has, and bringing it forward.

Only `troth-engine migrate` changes anything: an engine that meets other tables refuses to start.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import uuid4

from adapters.postgres.faults import FAULTS, store_failed
from adapters.postgres.link import Db, connect, where
from adapters.postgres.migrations import PLACE, VERSIONS
from adapters.sql.migrating import run_to_head
from domain.chain import GENESIS
from domain.ports import StoreFailed

__all__ = ["FORMAT", "HEAD", "LANES", "LANES_MAX", "Form", "check_form", "migrate", "revision_of"]

HEAD = "0003"
"""The newest revision; a test compares it with the migrations."""

FORMAT = 1
"""The form of what is written into the tables; a store of another one is refused."""

LANES = 16
"""Of a new store, unless another number is asked for."""

LANES_MAX = 1024

_ADVICE = "run `troth-engine migrate`"
_FOUND = "SELECT to_regclass('alembic_version')::text, to_regclass('events')::text"
_REVISION = "SELECT version_num FROM alembic_version"
_STORE = """
SELECT lanes, incarnation, (SELECT min(format) FROM lanes), (SELECT max(format) FROM lanes)
FROM store
"""
_NEW_STORE = """
INSERT INTO store (one, id, lanes, incarnation, created_us, routing)
VALUES (1, %s, %s, 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, 0)
"""
_NEW_LANES = """
INSERT INTO lanes (lane, owner, backend, epoch, head, chain, clock_us, format)
SELECT n, '', '', 0, 0, %s, 0, %s FROM generate_series(0, %s - 1) AS n
"""


@dataclass(frozen=True, slots=True)
class Form:
    """What an engine has to know of the store before it uses it."""

    lanes: int
    incarnation: int


def revision_of(db: Db) -> str | None:
    """The revision of a database, or None when it holds no store.

    Raises StoreFailed (store.format) when it holds tables of something else by our names.
    """
    versions, events = db.execute(_FOUND).fetchone() or (None, None)
    if versions is None:
        if events is not None:
            raise StoreFailed("store.format", "the database has a table events, but is no store")
        return None
    found = db.execute(_REVISION).fetchone()
    return found[0] if found else None


def check_form(db: Db, path: str, lanes: int | None) -> Form:
    """Refuse tables that this release does not know, and another number of lanes."""
    revision = revision_of(db)
    if revision is None:
        raise StoreFailed("store.format", f"{path} has no tables of troth yet: {_ADVICE}")
    if revision < HEAD:
        detail = f"{path} has revision {revision}, this release wants {HEAD}: {_ADVICE}"
        raise StoreFailed("store.format", detail)
    if revision > HEAD:
        detail = f"{path} has revision {revision}, newer than {HEAD}: use a newer release"
        raise StoreFailed("store.format", detail)
    row = db.execute(_STORE).fetchone()
    if row is None:
        detail = f"{path} has tables, but no store in them: copy again if a copy broke off, else"
        raise StoreFailed("store.format", f"{detail} {_ADVICE}")
    if (row[2], row[3]) != (FORMAT, FORMAT):
        detail = f"{path} has formats {row[2]} to {row[3]}, this release writes {FORMAT}"
        raise StoreFailed("store.format", detail)
    if lanes not in (None, row[0]):
        detail = (
            f"{path} has {row[0]} lanes, not {lanes}: the number is fixed when a store is made;"
            " for another one stop the engines and run `troth-engine copy --to URL --lanes N`"
        )
        raise StoreFailed("store.lanes", detail)
    return Form(row[0], row[1])


def upgrade(db: Db) -> None:
    """Bring an open database to HEAD, all or nothing. `db` is in autocommit mode."""
    # Takes long to import: only where a migration runs.
    from sqlalchemy import create_engine
    from sqlalchemy.pool import StaticPool

    db.autocommit = False
    engine = create_engine("postgresql+psycopg://", creator=lambda: db, poolclass=StaticPool)
    run_to_head(engine, PLACE, VERSIONS)
    if not db.closed:
        db.rollback()
        db.autocommit = True


def migrate(url: str, lanes: int | None = None) -> tuple[str | None, str]:
    """Bring the store of a URL to the newest form; answer the revisions before and after.

    `lanes` is the number for a new store (16 if None); a store that has another is refused.
    Raises StoreFailed: store.gone, store.format, store.lanes, store.full or store.failed.
    """
    path = where(url)
    if lanes is not None and not 1 <= lanes <= LANES_MAX:
        raise StoreFailed("store.lanes", f"a store has 1 to {LANES_MAX} lanes, not {lanes}")
    try:
        with connect(url, "troth migrate", "-c lock_timeout=10000") as db:
            before = revision_of(db)
            if before is not None and before > HEAD:
                detail = f"{path} has revision {before}, newer than {HEAD}"
                raise StoreFailed("store.format", detail)
            if before != HEAD:
                upgrade(db)
            with db.transaction():
                if db.execute("SELECT 1 FROM store").fetchone() is None:
                    # Also after a crash between making the tables and filling them.
                    db.execute(_NEW_STORE, (str(uuid4()), lanes or LANES))
                    db.execute(_NEW_LANES, (GENESIS, FORMAT, lanes or LANES))
            check_form(db, path, lanes)
            return before, HEAD
    except FAULTS as error:
        raise store_failed(error, path) from error
