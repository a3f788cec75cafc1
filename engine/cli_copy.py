"""`troth-engine copy`: another number of lanes, or another database, for a store that is there."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer

from engine.cli_store import Json
from engine.copying import copy_store
from engine.offline import name_of
from engine.settings import read_settings

if TYPE_CHECKING:
    from adapters.sql.copying import Copied, Tell

__all__ = ["copy"]

LINE_EVERY_S = 5.0
"""How often a copy that nobody watches on a terminal says how far it is."""


def copy(
    to: Annotated[
        str, typer.Option("--to", help="The new store: sqlite:///PATH or postgresql://...")
    ],
    source: Annotated[
        str | None, typer.Option("--from", help="The store to copy (default: setting store_url).")
    ] = None,
    lanes: Annotated[
        int | None,
        typer.Option(help="Lanes of the new store (default: as many; 16 from SQLite)."),
    ] = None,
    json: Json = False,
) -> None:
    """Copy a store into a new one: out of SQLite, or to another number of lanes.

    No engine may run on it, and it is only read. Nothing is ever overwritten: the new store must
    not be there yet; on PostgreSQL name an empty database.
    """
    from_url = source if source is not None else read_settings().store_url
    with _progress() as tell:
        copied = copy_store(from_url, to, lanes, tell)
    if json:
        typer.echo(orjson.dumps(_body(from_url, to, copied)))
    else:
        _print(from_url, to, copied)


@contextmanager
def _progress() -> Iterator[Tell]:
    """Says on stderr how far it is: a bar on a terminal, a line now and then elsewhere."""
    if not sys.stderr.isatty():
        yield _Lines().tell
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        tasks: dict[str, Any] = {}

        def tell(table: str, done: int, total: int | None) -> None:
            if table not in tasks:
                for before in shown.tasks:
                    # How many rows a table has is known when the next one begins.
                    shown.update(before.id, total=before.completed)
                tasks[table] = shown.add_task(table, total=total)
            shown.update(tasks[table], completed=done)

        yield tell


class _Lines:
    """One line every LINE_EVERY_S."""

    def __init__(self) -> None:
        self._next_s = time.monotonic() + LINE_EVERY_S

    def tell(self, table: str, done: int, total: int | None) -> None:
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + LINE_EVERY_S
            of = "" if total is None else f" of {total:,}"
            typer.echo(f"copying {table}: {done:,}{of}", err=True)


def _body(from_url: str, to: str, copied: Copied) -> dict[str, Any]:
    return {
        "from": name_of(from_url),
        "to": name_of(to),
        "store": copied.identity.id,
        "incarnation": copied.identity.incarnation,
        "lanes": [
            {"lane": row.lane, "head": row.head.position, "chain": row.head.chain.hex()}
            for row in copied.lanes
        ],
        "tables": copied.tables,
        "notes": copied.notes,
    }


def _print(from_url: str, to: str, copied: Copied) -> None:
    typer.echo(f"copied {name_of(from_url)} to {name_of(to)}")
    for table, count in copied.tables.items():
        typer.echo(f"  {table:<15} {count:>12,}")
    typer.echo(f"incarnation {copied.identity.incarnation}, lanes {len(copied.lanes)}")
    for row in copied.lanes:
        typer.echo(f"  lane {row.lane:<4} head {row.head.position:<10} {row.head.chain.hex()}")
    for note in copied.notes:
        typer.echo(f"note   {note}")
    typer.echo(
        "next   set store_url to the new store, troth-engine verify and doctor, start the engine;\n"
        "       never start one on the old store again: both would do the same work"
    )
