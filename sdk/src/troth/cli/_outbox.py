"""`troth outbox`: sends what services wrote to their outbox, and shows what was refused."""

from __future__ import annotations

import contextlib
from typing import Annotated

import typer

from troth import inbox, outbox
from troth._errors import TrothError
from troth._journal_sql import DDL as JOURNAL_DDL
from troth._sql import Connection, Dialect, connect

from ._params import session_of
from ._worker import log_to_terminal

__all__ = ["outbox_app"]

Database = Annotated[
    str | None,
    typer.Option(help="postgresql://... or sqlite:///FILE; TROTH_OUTBOX_URL."),
]

outbox_app = typer.Typer(help="Events of your services on their way: run, list, again, ddl.")


@outbox_app.command()
def run(
    ctx: typer.Context,
    database: Database = None,
    bus: Annotated[
        str | None, typer.Option(help="kafka://HOST:PORT: send there, not over HTTP.")
    ] = None,
    batch_max: Annotated[
        int, typer.Option(min=1, max=1000, help="Events of one request.")
    ] = outbox.BATCH_MAX,
) -> None:
    """Send the outbox's events until SIGTERM or Ctrl-C."""
    session = session_of(ctx)
    settings = session.settings()
    log_to_terminal(debug=session.debug)
    outbox.Relay(
        _database(ctx, database),
        url=settings.url,
        api_key=settings.api_key,
        tenant=settings.tenant,
        bus=bus,
        batch_max=batch_max,
    ).run()


@outbox_app.command("list")
def list_(ctx: typer.Context, database: Database = None) -> None:
    """Events that were refused for good, with the reason."""
    session = session_of(ctx)
    with contextlib.closing(_connected(ctx, database)) as connection:
        found = outbox.aside(connection)
    if session.json:
        session.data([{"id": id, "reason": why, "event": event} for id, why, event in found])
        return
    session.say(*[f"{id}  {why}" for id, why, _ in found] or ["nothing was refused"])


@outbox_app.command()
def again(
    ctx: typer.Context,
    id: Annotated[str, typer.Argument(help="Id of the event.")],
    database: Database = None,
) -> None:
    """Send an event again that was refused; correct what refused it first."""
    session = session_of(ctx)
    with contextlib.closing(_connected(ctx, database)) as connection:
        found = outbox.again(connection, id)
        connection.commit()
    session.say(f"{id} is sent again" if found else f"no refused event has the id {id}")
    if not found:
        raise typer.Exit(3)


@outbox_app.command()
def ddl(
    dialect: Annotated[str, typer.Argument(help="postgres or sqlite.")] = "postgres",
) -> None:
    """The statements that make the tables of outbox, inbox and journal, for your migrations."""
    kinds: dict[str, Dialect] = {"postgres": "postgres", "sqlite": "sqlite"}
    if dialect not in kinds:
        raise typer.BadParameter(f"{dialect!r} is neither postgres nor sqlite")
    parts = {
        "outbox": outbox.ddl(kinds[dialect]),
        "inbox": inbox.DDL,
        "the participant's journal; it makes its own row at the first start": JOURNAL_DDL,
    }
    for what, statements in parts.items():
        print(f"-- {what}")
        for statement in statements:
            print(f"{statement};")


def _database(ctx: typer.Context, database: str | None) -> str:
    found = database or session_of(ctx).settings().outbox_url
    if found is None:
        raise TrothError(
            "TR711", "no outbox is named", do="--database URL, TROTH_OUTBOX_URL or [tool.troth]"
        )
    return found


def _connected(ctx: typer.Context, database: str | None) -> Connection:
    return connect(_database(ctx, database), "the outbox's database")
