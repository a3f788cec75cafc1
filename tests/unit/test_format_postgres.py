"""docs/format.md says how the tables on PostgreSQL differ from those on SQLite, and all of it.

That the tables as SQLAlchemy has them are those of the migrations is held by test_schema.py of
tests/integration/postgres and by tests/integration/test_sqlite_schema.py.
"""

from __future__ import annotations

import re
import zlib
from hashlib import sha256
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Index, Table

from adapters.postgres.states import PLAIN_MAX, pack, unpack
from adapters.postgres.tables import metadata as postgres
from adapters.sqlite.tables import metadata as sqlite

FORMAT = Path(__file__).resolve().parents[2] / "docs" / "format.md"
PLAIN = {"TEXT": "text", "BLOB": "bytea", "INTEGER": "bigint"}
NOT_THERE = "none"
WINDOW_BITS = -12


def between(name: str) -> str:
    text = FORMAT.read_text("utf-8")
    return text.split(f"<!-- {name}: begin -->")[1].split(f"<!-- {name}: end -->")[0]


def rows(name: str) -> list[list[str]]:
    """The cells of a table of the page, without its head."""
    lines = [line for line in between(name).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" |")] for line in lines[2:]]


def typed(column: Column[Any]) -> str:
    return str(column.type).lower() + ("?" if column.nullable else "")


def key_of(table: Table) -> str:
    return " ".join(column.name for column in table.primary_key.columns)


def index_of(index: Index, dialect: str) -> str:
    where = index.dialect_options[dialect]["where"]
    told = "unique " if index.unique else ""
    told += " ".join(str(column) for column in index.expressions)
    return told if where is None else f"{told} where {where}"


def indexes(tables: Any, dialect: str) -> dict[str, str]:
    return {str(i.name): index_of(i, dialect) for t in tables for i in t.indexes}


def columns_of(here: Table, there: Table) -> dict[str, str]:
    """What a table has beyond the types that follow from a column's name."""
    found: dict[str, str] = {}
    for column in here.columns:
        other = there.columns.get(column.name)
        if other is None:
            found[f"column {here.name}.{column.name}"] = typed(column)
        elif other.nullable != column.nullable:
            found[f"null {here.name}.{column.name}"] = typed(column)
    assert set(there.columns.keys()) <= set(here.columns.keys()), here.name
    if key_of(here) != key_of(there):
        found[f"key {here.name}"] = key_of(here)
    return found


def differences() -> dict[str, str]:
    found: dict[str, str] = {}
    assert set(sqlite.tables) <= set(postgres.tables)
    for name, table in postgres.tables.items():
        there = sqlite.tables.get(name)
        if there is None:
            columns = sorted(f"{column.name} {typed(column)}" for column in table.columns)
            found[f"table {name}"] = f"{', '.join(columns)}; key {key_of(table)}"
        else:
            found |= columns_of(table, there)
    mine = indexes(postgres.tables.values(), "postgresql")
    others = indexes(sqlite.tables.values(), "sqlite")
    for name in {*mine, *others}:
        if mine.get(name) != others.get(name):
            found[f"index {name}"] = mine.get(name, NOT_THERE)
    return found


def test_the_page_names_every_difference_and_no_other() -> None:
    assert {what: told for what, told, *_ in rows("postgres")} == differences()


def test_the_type_of_a_column_follows_from_its_name() -> None:
    """Else it is that of SQLite by another name."""
    special = {name: kind for kind, names in rows("postgres types") for name in names.split(", ")}
    used: set[str] = set()
    for name, there in sqlite.tables.items():
        for other in there.columns:
            column = postgres.tables[name].columns[other.name]
            wanted = special.get(column.name, PLAIN[str(other.type)])
            assert str(column.type).lower() == wanted, f"{name}.{column.name}"
            used.add(column.name)
    assert set(special) <= used


def test_the_page_is_enough_to_unpack_a_state() -> None:
    """The first byte, the window and the dictionary are all there is to it."""
    block = re.search(r"```text\n(.*?)\n```", between("dictionary"), re.DOTALL)
    assert block is not None
    dictionary = "".join(block[1].split("\n")).encode()
    told = FORMAT.read_text("utf-8").split("<!-- dictionary: begin -->")[0].rsplit("joined", 1)[1]
    assert f"{len(dictionary)} bytes, SHA-256 `{sha256(dictionary).hexdigest()}`" in told
    assert [row[0] for row in rows("packed")] == ["0", "1"]
    state = b'{"timestamp":"2026-11-23T00:00:00.000000Z","ctx":{"tenant":"default","actor":"x"}}'
    packed = pack(state)
    assert packed[0] == 1
    inflate = zlib.decompressobj(WINDOW_BITS, zdict=dictionary)
    assert inflate.decompress(packed[1:]) + inflate.flush() == state
    short = b"{}"
    assert pack(short) == b"\0" + short


@given(st.binary(max_size=3 * PLAIN_MAX))
def test_what_is_packed_unpacks_to_the_same(state: bytes) -> None:
    """Never longer than by its first byte."""
    packed = pack(state)
    assert unpack(packed) == state
    assert len(packed) <= len(state) + 1
