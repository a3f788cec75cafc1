"""The tables are those of docs/format.md, in the migrations and in the reader's queries."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.script import ScriptDirectory

from adapters.sqlite import SqliteStore, migrate
from adapters.sqlite.schema import HEAD, create, upgrade
from adapters.sqlite.tables import metadata
from tests.contract.store_world import commit, event, events

ROOT = Path(__file__).resolve().parents[2]
# Alembic's own table, and the one SQLite makes for AUTOINCREMENT.
OTHERS = {"alembic_version", "sqlite_sequence"}


@pytest.fixture(params=[create, upgrade])
def made(request: pytest.FixtureRequest) -> Iterator[sqlite3.Connection]:
    """A database as a new store has it, and one made by the migrations."""
    with closing(sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)) as db:
        request.param(db)
        yield db


def test_a_new_store_is_what_the_migrations_make() -> None:
    found: list[Any] = []
    for make in (create, upgrade):
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
            make(db)
            rows = db.execute("SELECT name, sql FROM sqlite_master ORDER BY name")
            tables = {name: plain(sql or "") for name, sql in rows}
            found.append((tables, db.execute("SELECT * FROM alembic_version").fetchall()))
    assert found[0] == found[1]


def statements(db: sqlite3.Connection) -> dict[str, str]:
    """Every CREATE statement by the name of what it makes, with plain spaces."""
    rows = db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {name: plain(sql) for name, sql in rows if name not in OTHERS}


def plain(sql: str) -> str:
    return re.sub(r"\s+", " ", sql).strip()


def test_the_migrations_make_what_the_format_says(made: sqlite3.Connection) -> None:
    page = (ROOT / "docs" / "format.md").read_text("utf-8")
    block = re.search(r"<!-- ddl: begin -->\s*```sql\n(.*?)```", page, re.DOTALL)
    assert block is not None
    wanted = [plain(statement) for statement in block[1].split(";") if statement.strip()]
    assert sorted(statements(made).values()) == sorted(wanted)


def described() -> dict[str, Any]:
    """Tables as SQLAlchemy has them: columns (name, type, not null, place in the key), indexes."""
    found: dict[str, Any] = {}
    for table in metadata.sorted_tables:
        key = [column.name for column in table.primary_key.columns]
        columns = [
            (c.name, str(c.type), not c.nullable, key.index(c.name) + 1 if c.name in key else 0)
            for c in table.columns
        ]
        indexes = {
            (str(i.name), bool(i.unique), tuple(str(c) for c in i.expressions),
             str(i.dialect_options["sqlite"]["where"]))
            for i in table.indexes
        }  # fmt: skip
        found[table.name] = (columns, indexes)
    return found


def test_the_readers_tables_are_those_of_the_migrations(made: sqlite3.Connection) -> None:
    found: dict[str, Any] = {}
    every = statements(made)
    for table in sorted(name for name, sql in every.items() if sql.startswith("CREATE TABLE")):
        info = made.execute(f"PRAGMA table_info({table})").fetchall()
        # A key column of a STRICT table is never null, though SQLite does not say so of each.
        columns = [(name, kind, bool(nn or pk), pk) for _, name, kind, nn, _, pk in info]
        indexes: set[Any] = set()
        for _, name, unique, origin, _ in made.execute(f"PRAGMA index_list({table})").fetchall():
            if origin == "c":
                of = tuple(row[2] for row in made.execute(f"PRAGMA index_info({name})"))
                condition = every[name].partition(" WHERE ")[2] or "None"
                indexes.add((name, bool(unique), of, condition))
        found[table] = (columns, indexes)
    assert found == described()


def test_head_is_the_newest_revision() -> None:
    scripts = ScriptDirectory(str(ROOT / "adapters" / "sqlite" / "migrations"))
    assert scripts.get_heads() == [HEAD]


def test_migrating_makes_a_store_and_then_changes_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'troth.db'}"
    assert migrate(url) == (None, HEAD)
    with closing(SqliteStore.open(url, now_us=1)) as store:
        commit(store, events(event("a", 1)))
    assert migrate(url) == (HEAD, HEAD)
    with closing(SqliteStore.open(url, now_us=1)) as store:
        assert store.belief(0).head == 1


@pytest.mark.parametrize("make", [create, upgrade])
def test_tables_that_cannot_be_made_leave_nothing_behind(
    tmp_path: Path, make: Callable[[sqlite3.Connection], None]
) -> None:
    path = tmp_path / "troth.db"
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as db:
        # The last table is there already, so the first revision fails at its end.
        db.execute("CREATE TABLE tracking (x)")
        with pytest.raises(Exception, match="tracking already exists"):
            make(db)
        assert set(statements(db)) == {"tracking"}


def test_every_table_is_strict(made: sqlite3.Connection) -> None:
    tables = {name for name, sql in statements(made).items() if sql.startswith("CREATE TABLE")}
    strict = {row[1] for row in made.execute("PRAGMA table_list") if row[5]}
    assert tables <= strict
