"""`troth worker`: runs the handlers of an app."""

from __future__ import annotations

import logging
import sys
from typing import Annotated

import typer

from troth._client import Client
from troth._journal import Journal
from troth._worker import CLAIM_WAIT_S, Worker

from ._params import App, load, session_of
from ._project import register_all, told

__all__ = ["log_to_terminal", "worker"]


def worker(
    ctx: typer.Context,
    app: App = None,
    concurrency: Annotated[
        int | None, typer.Option(min=1, max=1000, help="Handlers at once, per participant.")
    ] = None,
    journal: Annotated[
        str | None,
        typer.Option(help="Where effects are recorded: sqlite:///FILE or postgresql://..."),
    ] = None,
    bus: Annotated[
        str | None, typer.Option(help="kafka://HOST:PORT: take commands from there too.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name in the audit trail.")] = None,
    claim_wait: Annotated[
        float, typer.Option(min=0.1, max=30, help="Seconds a claim waits for work; also a stop.")
    ] = CLAIM_WAIT_S,
    register: Annotated[
        bool, typer.Option("--register", help="Register the app's sagas first.")
    ] = False,
    register_key: Annotated[
        str | None,
        typer.Option(envvar="TROTH_REGISTER_KEY", help="For --register: the key of an operator."),
    ] = None,
) -> None:
    """Run the handlers of an app's participants until SIGTERM or Ctrl-C; then drain."""
    session = session_of(ctx)
    settings = session.settings()
    application = load(app, session.folder)
    if register:
        key = register_key or settings.api_key
        with Client(settings.url, key, tenant=settings.tenant) as client:
            found = register_all(client, application)
        session.say(*told(found, "what is wrong was not registered"))
        if any(one.faults for one in found):
            raise typer.Exit(1)
    log_to_terminal(debug=session.debug)
    Worker(
        application,
        url=settings.url,
        api_key=settings.api_key,
        tenant=settings.tenant,
        concurrency=concurrency,
        journal=None if journal is None else Journal.at(journal),
        name=name,
        claim_wait_s=claim_wait,
        bus=bus,
    ).run()


def log_to_terminal(*, debug: bool) -> None:
    """Our own lines on standard error; how other loggers print is the app's business."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("troth")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if debug else logging.INFO)
