"""The tables are those that the reader's queries and the view rows name; hot rows stay hot."""

from typing import Any

import psycopg
import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import Index

from adapters.postgres import PostgresCluster, PostgresStore, migrate
from adapters.postgres.migrations import PLACE, statements_of
from adapters.postgres.schema import HEAD
from adapters.postgres.tables import metadata
from adapters.sql.views import VIEWS
from domain.ports import LaneWrite
from tests.contract.store_world import step_row
from tools.servers import Postgres

COLUMNS = """
SELECT table_name, column_name, data_type, is_nullable = 'NO' FROM information_schema.columns
WHERE table_schema = 'public' AND table_name <> 'alembic_version'
ORDER BY table_name, ordinal_position
"""
KEYS = """
SELECT c.relname, array_agg(a.attname::text ORDER BY k.place) FROM pg_index i
JOIN pg_class c ON c.oid = i.indrelid
CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place)
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.number
WHERE i.indisprimary AND c.relnamespace = 'public'::regnamespace
AND c.relname <> 'alembic_version' GROUP BY 1
"""
INDEXES = """
SELECT x.relname, i.indisunique, coalesce(pg_get_expr(i.indpred, i.indrelid), ''),
  array_agg(a.attname::text ORDER BY k.place)
FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
CROSS JOIN unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
WHERE NOT i.indisprimary AND x.relnamespace = 'public'::regnamespace GROUP BY 1, 2, 3
"""


@pytest.fixture
def url(fresh_database: str) -> str:
    migrate(fresh_database, 2)
    return fresh_database


def rows(url: str, sql: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as db:
        return db.execute(sql.encode()).fetchall()


def test_the_readers_tables_are_those_of_the_migrations(url: str) -> None:
    described = [
        (table.name, column.name, str(column.type).lower(), not column.nullable)
        for table in metadata.sorted_tables
        for column in table.columns
    ]
    assert sorted(rows(url, COLUMNS)) == sorted(described)
    keys = {t.name: [c.name for c in t.primary_key.columns] for t in metadata.sorted_tables}
    assert dict(rows(url, KEYS)) == keys


def test_the_readers_indexes_are_those_of_the_migrations(url: str) -> None:
    def plain(condition: str) -> str:
        return condition.replace("(", "").replace(")", "").replace("::text", "").strip()

    def condition(index: Index) -> str:
        where = index.dialect_options["postgresql"]["where"]
        return "" if where is None else plain(str(where))

    found = {(name, one, plain(where), tuple(of)) for name, one, where, of in rows(url, INDEXES)}
    described = {
        (str(i.name), bool(i.unique), condition(i), tuple(str(c) for c in i.expressions))
        for table in metadata.sorted_tables
        for i in table.indexes
    }
    assert found == described


def test_the_view_rows_name_the_columns_of_their_tables() -> None:
    for name, view in VIEWS.items():
        table = metadata.tables[name]
        assert view.kinds == {c.name: str(c.type).lower() for c in table.columns}
        assert view.keys == tuple(c.name for c in table.primary_key.columns)


def test_head_is_the_newest_revision() -> None:
    assert ScriptDirectory(str(PLACE)).get_heads() == [HEAD]


def test_migrating_makes_a_store_once(fresh_database: str) -> None:
    assert migrate(fresh_database, 3) == (None, HEAD)
    before = rows(fresh_database, "SELECT * FROM store")
    assert migrate(fresh_database) == (HEAD, HEAD)
    assert rows(fresh_database, "SELECT * FROM store") == before
    assert rows(fresh_database, "SELECT lane, head FROM lanes") == [(0, 0), (1, 0), (2, 0)]


def test_a_store_of_the_first_form_is_brought_forward_with_what_it_holds(
    fresh_database: str,
) -> None:
    with psycopg.connect(fresh_database) as db:
        for statement in statements_of("v0001_tables.sql"):
            db.execute(statement.encode())
        db.execute("CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)")
        db.execute("INSERT INTO alembic_version VALUES ('0001')")
        db.execute("INSERT INTO store VALUES (1, 'first', 2, 1, 5, 0)")
        db.execute(
            "INSERT INTO lanes (lane, owner, backend, epoch, head, chain, clock_us, format)"
            " SELECT n, '', '', 0, 7, %s, 0, 1 FROM generate_series(0, 1) AS n",
            (bytes(32),),
        )
    assert migrate(fresh_database) == ("0001", HEAD)
    assert rows(
        fresh_database, "SELECT id, incarnation, doubt_until_us, restored_us FROM store"
    ) == [("first", 1, 0, 0)]
    assert rows(fresh_database, "SELECT lane, head FROM lanes ORDER BY lane") == [(0, 7), (1, 7)]


def test_a_migration_that_fails_half_way_leaves_nothing(fresh_database: str) -> None:
    with psycopg.connect(fresh_database) as db:
        db.execute("CREATE TABLE relays (x integer)")
    with pytest.raises(Exception, match="relays"):
        migrate(fresh_database)
    tables = rows(fresh_database, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert tables == [("relays",)]


def test_lanes_and_current_steps_are_rewritten_without_a_new_index_entry(
    own_postgres: Postgres,
) -> None:
    """Nobody else looks at the database: a page keeps old versions that anybody may still see."""
    url = own_postgres.address
    with psycopg.connect(url, autocommit=True) as db:
        # Its ANALYZE is such a look, and comes by sooner the slower the machine is.
        db.execute("ALTER SYSTEM SET autovacuum = off")
        db.execute("SELECT pg_reload_conf()")
    migrate(url, 2)
    store = PostgresStore.open(url, process="p1")
    cluster = PostgresCluster(url, process="p1", backend=lambda: store.backend)
    beliefs = [cluster.claim(lane) for lane in range(2)]
    cluster.close()
    held = [belief for belief in beliefs if belief is not None]
    for version in range(1, 301):
        views = [step_row(f"c{n}", version, step=f"step{version}") for n in range(20)]
        transaction = store.begin(*held)
        held = list(transaction.write(LaneWrite(views=views), clock_us=version))
        transaction.commit()
    store.close()
    # The server tells its statistics when a session ends.
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("SELECT pg_stat_force_next_flush()")
        for table, least in (("lanes", 0.99), ("current_steps", 0.99)):
            found = db.execute(
                "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = %s",
                [table],
            ).fetchone()
            assert found is not None
            assert found[0] > 0
            assert found[1] / found[0] > least, (table, found)
