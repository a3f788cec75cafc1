"""Opening the two stores of a copy by their URLs, whichever databases hold them."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from domain.errors import refusal
from domain.ports import StoreFailed
from engine.offline import is_postgres
from engine.settings import STORES

if TYPE_CHECKING:
    from adapters.sql.copying import Copied, Source, Target, Tell

__all__ = ["copy_store"]


def copy_store(from_url: str, to_url: str, lanes: int | None, tell: Tell) -> Copied:
    """Copy a store that no engine runs on into a new one.

    `lanes` None: as many as there are, 16 from SQLite to PostgreSQL; SQLite has 1. Raises
    StoreFailed (TR701 to TR705, TR715, TR716) and Refusal (TR714, TR717, TR730): then the target
    holds no store.
    """
    from adapters.sql.copying import Copying

    for url in (from_url, to_url):
        if not url.startswith(STORES):
            what = "want sqlite:///PATH of a file or postgresql://USER@HOST:PORT/DATABASE"
            raise refusal("settings.value", f"a store is named {url!r}: {what}")
    _refuse_same_file(from_url, to_url)
    with closing(_source(from_url)) as source:
        if lanes is None and is_postgres(to_url) and is_postgres(from_url):
            lanes = len(source.store.lanes())
        target, count = _target(to_url, lanes)
        with closing(target):
            return Copying(source, target, count, tell).run()


def _refuse_same_file(from_url: str, to_url: str) -> None:
    if is_postgres(from_url) or is_postgres(to_url):
        return
    from adapters.sqlite.files import path_of

    if path_of(from_url).resolve() == path_of(to_url).resolve():
        raise StoreFailed("store.not_empty", f"{path_of(to_url)} is the store that is to be copied")


def _source(url: str) -> Source:
    if is_postgres(url):
        from adapters.postgres.copying import PostgresSource

        return PostgresSource(url)
    from adapters.sqlite.copying import SqliteSource

    return SqliteSource(url)


def _target(url: str, lanes: int | None) -> tuple[Target, int]:
    if is_postgres(url):
        from adapters.postgres.copying import PostgresTarget
        from adapters.postgres.schema import LANES as LANES_OF_NEW

        count = LANES_OF_NEW if lanes is None else lanes
        return PostgresTarget(url, count), count
    from adapters.sqlite.copying import SqliteTarget
    from adapters.sqlite.store import LANES

    if lanes not in (None, LANES):
        raise StoreFailed("store.lanes", f"a store on SQLite has {LANES} lane, not {lanes}")
    return SqliteTarget(url), LANES
