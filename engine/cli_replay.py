"""Commands that fold the log again: rebuild the views, show a commitment as it was."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Annotated

import orjson
import typer

from adapters.sql.views import VIEWS
from domain.chain import LogRow
from domain.errors import refusal
from engine.cli_store import Json, Store, opened_store, stream_of
from engine.offline import open_views
from engine.settings import read_settings

__all__ = ["rebuild", "replay"]

STREAMS_AT_ONCE = 100
"""Streams whose rows are written together: the lane waits so long, some ten milliseconds."""


def rebuild(
    view: Annotated[
        str | None, typer.Argument(help=f"One of {', '.join(VIEWS)}; default: all.")
    ] = None,
    store: Store = None,
) -> None:
    """Write views anew from the log, beside a running engine too.

    Ended in the middle nothing is lost: what was written is right, and it can be started again.
    """
    # What folds a log takes a third of a second to import: other commands do without.
    from engine.proving import folded, registry_of

    if view is not None and view not in VIEWS:
        raise refusal("settings.value", f"{view!r} is no view; there are {', '.join(VIEWS)}")
    tables = tuple(VIEWS) if view is None else (view,)
    with closing(open_views(read_settings({"store_url": store}).store_url)) as views:
        shape_of, lanes = registry_of(views.definitions()), views.lanes()
        streams = 0
        for lane in range(lanes):
            after = b""
            while found := views.streams(lane, after, STREAMS_AT_ONCE):
                with views.hold(lane):
                    rows = [
                        row
                        for stream in found
                        for row in folded(views.stream(stream), lanes, shape_of).views
                    ]
                    views.replace(found, tables, rows)
                streams, after = streams + len(found), found[-1]
                _tell_progress(streams)
        strays = views.remove_strays(tables)
    typer.echo(f"{', '.join(tables)}: written anew from {streams:,} streams")
    if strays:
        typer.echo(f"{strays:,} rows of streams without events were removed")


def _tell_progress(done: int) -> None:
    if sys.stderr.isatty() and done % (STREAMS_AT_ONCE * 50) == 0:
        typer.echo(f"       {done:,} streams", err=True)


def replay(
    commitment: Annotated[str, typer.Argument(help="saga/key, saga/key#run or id.")],
    at: Annotated[
        str | None,
        typer.Option(help="A version (17) or a time (2026-11-30T09:41:04Z); default: the newest."),
    ] = None,
    store: Store = None,
    tenant: Annotated[str | None, typer.Option(help="The tenant of saga/key.")] = None,
    json: Json = False,
) -> None:
    """Show a commitment as it was at a version or a time, folded from its log; changes nothing."""
    from domain.commitment import Commitment
    from engine.proving import folded, registered
    from projections import current_step

    with closing(opened_store(store)) as opened:
        stream = stream_of(opened, commitment, tenant)
        rows = _until(list(opened.stream_rows(stream)), at)
        if not rows:
            raise refusal("http.not_found", f"{commitment} has no events at {at or 'all'}")
        found = folded(rows, len(opened.lanes()), shape_of := registered(opened))
    state = found.state
    if not isinstance(state, Commitment):
        raise refusal("http.not_found", f"{commitment} is no commitment")
    shape = shape_of(state.definition)
    assert shape is not None, "its rows were folded with it"
    step = {**current_step.current_step(shape, state), "vars": state.vars}
    if json:
        typer.echo(orjson.dumps(step))
        return
    at_time = step["since"]
    typer.echo(f"{commitment} at version {step['version']}, {at_time}: {step['status']}")
    for wait in step["waits_for"]:
        typer.echo(f"  waits      {wait['node']}: {wait['kind']}")
    for node in step["nodes"]:
        typer.echo(f"  {node['state']:<10} {node['node']}  {node['at']}")
    if step["undo"]:
        typer.echo(f"  if cancelled then: {', '.join(step['undo'])}")


def _until(rows: Sequence[LogRow], at: str | None) -> list[LogRow]:
    """The rows up to a version or a time."""
    if at is None:
        return list(rows)
    if at.isdecimal():
        return [row for row in rows if row.version <= int(at)]
    try:
        until = datetime.fromisoformat(at)
    except ValueError:
        raise refusal("settings.value", f"--at {at!r} is neither a version nor a time") from None
    until = until if until.tzinfo else until.replace(tzinfo=UTC)
    return [row for row in rows if _time_of(row) <= until]


def _time_of(row: LogRow) -> datetime:
    return datetime.fromisoformat(orjson.loads(row.state)["timestamp"])
