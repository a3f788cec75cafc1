"""The reader of a file shows what every reader shows, by the indexes that are there for it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.sqlite import SqliteReader, SqliteStore
from adapters.sqlite.pool import ReadPool
from domain.ports import StoreFailed
from domain.requests import Reader
from projections.audit import text_of
from tests.contract.reader_contract import ReaderContract, search


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'troth.db'}"


@pytest.fixture
def store(url: str) -> Iterator[SqliteStore]:
    opened = SqliteStore.open(url, now_us=1)
    yield opened
    opened.close()


@pytest.fixture
def reader(store: SqliteStore, url: str) -> Iterator[SqliteReader]:
    opened = SqliteReader(url, text_of)
    _: Reader = opened  # the type checker holds it to the port
    yield opened
    opened.close()


def pool_of(reader: SqliteReader) -> ReadPool:
    assert isinstance(reader._reads, ReadPool)
    return reader._reads


class TestReader(ReaderContract):
    """On one file."""


@pytest.mark.parametrize("name", ["100%25 sure.db", "ärger #1.db"])
def test_a_path_is_taken_as_it_is_written(tmp_path: Path, name: str) -> None:
    """The driver reads the path as a URI, where some characters mean something."""
    SqliteStore.open(f"sqlite:///{tmp_path / name}", now_us=1).close()
    opened = SqliteReader(f"sqlite:///{tmp_path / name}", text_of)
    assert opened.definitions()["items"] == []
    opened.close()
    assert [file.name for file in tmp_path.iterdir() if file.suffix == ".db"] == [name]


def test_a_reader_cannot_write(reader: SqliteReader) -> None:
    with pytest.raises(StoreFailed), pool_of(reader).connection() as db:
        db.execute("DELETE FROM events")


def test_the_queries_of_one_commitment_use_an_index(reader: SqliteReader) -> None:
    """A page costs what it shows, not what there is."""
    seen: list[str] = []
    with pool_of(reader).connection() as db:
        db.set_trace_callback(seen.append)
    for call in (
        lambda: reader.by_key("north", "loan", "k", None),
        lambda: search(reader, status="waiting"),
        lambda: search(reader, saga="loan"),
        lambda: reader.counts("north", "loan"),
        lambda: reader.facts("north", after="", limit=5),
        lambda: reader.applied("north", "x"),
        lambda: reader.approvals("north", status="open", cursor=None, limit=5),
        lambda: reader.parked("north", reason="early", cursor=None, limit=5),
    ):
        call()
    for sql in seen:
        with sqlite3.connect(pool_of(reader).path) as db:
            plan = " | ".join(row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}"))
        assert "SCAN current_steps" not in plan, (sql, plan)
        assert "SCAN events" not in plan, (sql, plan)
        assert "SCAN r" not in plan, (sql, plan)
        if "receipts" not in sql:
            assert "TEMP B-TREE FOR ORDER BY" not in plan, (sql, plan)
        db.close()
