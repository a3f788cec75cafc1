"""The views of a store on PostgreSQL, written anew."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from adapters.postgres.faults import FAULTS, guarded, store_failed
from adapters.postgres.link import connect, where
from adapters.postgres.pool import marked, read_ids
from adapters.postgres.schema import check_form
from adapters.postgres.states import unpack
from adapters.postgres.writes import write_views
from adapters.sql.reads import Row
from adapters.sql.rebuilding import ViewWriter
from domain.ports import ViewRow

__all__ = ["PostgresViews"]

_HOLD = "SELECT 1 FROM lanes WHERE lane = ? FOR UPDATE"


class PostgresViews(ViewWriter):
    """Beside running engines too: a lane's row is held, the one that decides who may write."""

    def __init__(self, url: str) -> None:
        self.path = where(url)
        try:
            self._db = connect(url, "troth rebuild")
            check_form(self._db, self.path, None)
            read_ids(self._db)
        except FAULTS as error:
            raise store_failed(error, self.path) from error

    @guarded
    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Row]:
        return self._db.execute(marked(sql), values, binary=True).fetchall()

    @guarded
    def count(self, sql: str, values: Sequence[Any] = ()) -> int:
        return self._db.execute(marked(sql), values, binary=True).rowcount

    def id(self, stream: bytes) -> UUID:
        return UUID(bytes=stream or bytes(16))

    def state(self, stored: bytes) -> bytes:
        return unpack(stored)

    @contextmanager
    def hold(self, lane: int) -> Iterator[None]:
        try:
            with self._db.transaction():
                self.rows(_HOLD, (lane,))
                yield
        except FAULTS as error:
            raise store_failed(error, self.path) from error

    @guarded
    def write(self, rows: Sequence[ViewRow]) -> None:
        write_views(self._db, rows)

    def close(self) -> None:
        self._db.close()
