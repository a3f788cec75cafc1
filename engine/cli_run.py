"""`troth-engine dev`, `serve` and `work`: the engine as a process, or several."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from api.key import Keys
from domain.errors import refusal
from engine.dev import DEV_TENANT, dev_keys, refuse_foreign
from engine.keys import KeyFile, NoKeys
from engine.logs import set_up_logs
from engine.migrating import migrated
from engine.offline import name_of
from engine.settings import Settings, origins, read_settings

__all__ = ["dev", "serve", "work"]

Listen = Annotated[str | None, typer.Option(help="HOST:PORT of the HTTP API; port 0: any free.")]
Store = Annotated[str | None, typer.Option(help="sqlite:///PATH or postgresql://...")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

CLOCKS = ("machine", "events")


def serve(
    ctx: typer.Context,
    listen: Listen = None,
    store: Store = None,
    keys_file: Annotated[Path | None, typer.Option(help="Setting api_keys_file.")] = None,
    print_settings: Annotated[
        bool, typer.Option("--print-settings", help="Show every setting and where it is from.")
    ] = False,
    with_lanes: Annotated[
        bool, typer.Option("--with-lanes", help="Run lanes in this process too (SQLite: always).")
    ] = False,
    json: Json = False,
) -> None:
    """Serve the HTTP API until SIGTERM. On PostgreSQL `work` runs the lanes, or --with-lanes."""
    given = {"listen": listen, "store_url": store, "api_keys_file": keys_file}
    settings = read_settings(given)
    if print_settings:
        _print_settings(settings, given, as_json=json)
        return
    keys = KeyFile(settings.api_keys_file)
    role = "all" if with_lanes or settings.is_embedded else "api"
    _run(
        settings, keys, ctx.obj.debug, lambda url: _started(url, settings, as_json=json), role=role
    )


def work(
    ctx: typer.Context,
    store: Store = None,
    processes: Annotated[
        int, typer.Option("--processes", min=1, max=64, help="Processes that share the lanes.")
    ] = 1,
    listen: Annotated[
        str | None,
        typer.Option(help="HOST:PORT for /readyz and /metrics; each further process the next."),
    ] = None,
    json: Json = False,
) -> None:
    """Run lanes until SIGTERM, without an API: `serve` beside it takes requests."""
    settings = read_settings({"store_url": store})
    if settings.is_embedded:
        raise refusal("settings.value", f"store_url {settings.store_url}: SQLite has one process")
    if processes > 1:
        from engine.supervise import supervise

        raise typer.Exit(supervise(processes, settings, listen, debug=ctx.obj.debug, as_json=json))
    address = listen or "127.0.0.1:0"
    quiet = settings.model_copy(update={"listen": address})
    _run(quiet, NoKeys(), ctx.obj.debug, lambda url: _working(url, settings, as_json=json),
         role="lanes")  # fmt: skip


def dev(
    ctx: typer.Context,
    listen: Listen = None,
    store: Store = None,
    state: Annotated[Path, typer.Option(help="Folder of the store and the keys.")] = Path(".dev"),
    tenant: Annotated[str, typer.Option(help="Tenant of the keys.")] = DEV_TENANT,
    clock: Annotated[
        str, typer.Option(help="machine, or events: accept times are those of the events.")
    ] = "machine",
    json: Json = False,
) -> None:
    """All in one on this machine: an engine with keys of its own, printed here.

    On SQLite, or on another store that is named; its tables and topics are brought to this release.
    """
    if clock not in CLOCKS:
        raise refusal("settings.value", f"--clock {clock}: there are {', '.join(CLOCKS)}")
    folder = state
    default_store = f"sqlite:///{folder / 'troth.db'}"
    settings = read_settings({"listen": listen, "store_url": store or default_store})
    refuse_foreign(settings.listen)
    if not settings.is_embedded:
        migrated(settings)
    folder.mkdir(parents=True, exist_ok=True)
    texts = dev_keys(folder, tenant)
    keys = KeyFile(folder / "keys.jsonl")

    def ready(url: str) -> None:
        if json:
            body = {
                "url": url,
                "store": name_of(settings.store_url),
                "tenant": tenant,
                "keys": texts,
            }
            typer.echo(orjson.dumps(body))
        else:
            _banner(url, settings, folder, tenant, texts)

    _run(settings, keys, ctx.obj.debug, ready, event_clock=clock == "events")


def _run(
    settings: Settings,
    keys: Keys,
    debug: bool,
    ready: Callable[[str], None],
    *,
    role: str = "all",
    event_clock: bool = False,
) -> None:
    """Bind, then open the store: a port in use leaves everything as it was."""
    # The parts of an engine take a second to import: other commands do without.
    from engine.compose import Role, build_engine
    from engine.server import bind, run_until_signal, url_of

    set_up_logs(settings.log_format, "debug" if debug else settings.log_level)
    with bind(settings.listen) as bound:
        engine = build_engine(settings, keys, role=Role(role), event_clock=event_clock, debug=debug)

        def serving() -> None:
            engine.serving()
            ready(url_of(bound))

        run_until_signal(
            engine.app,
            bound,
            drain_timeout_s=settings.drain_timeout_s,
            start=engine.start,
            stop=engine.stop,
            ready=serving,
        )


def _working(url: str, settings: Settings, *, as_json: bool) -> None:
    if as_json:
        typer.echo(orjson.dumps({"url": url, "store": name_of(settings.store_url)}))
    else:
        typer.echo(
            f"lanes    store {name_of(settings.store_url)} · {url}/readyz · stop with Ctrl-C"
        )


def _started(url: str, settings: Settings, *, as_json: bool) -> None:
    if as_json:
        typer.echo(orjson.dumps({"url": url, "store": name_of(settings.store_url)}))
    else:
        typer.echo(f"engine   {url}/docs · store {name_of(settings.store_url)} · stop with Ctrl-C")


def _banner(url: str, settings: Settings, folder: Path, tenant: str, texts: dict[str, str]) -> None:
    path = name_of(settings.store_url).removeprefix("sqlite:///")
    typer.echo(f"engine   {url}/docs · store {path} · tenant {tenant} · stop with Ctrl-C")
    typer.echo(f"keys     for this machine only, in {folder / 'keys.json'}:")
    for name, text in texts.items():
        typer.echo(f"  {name:14} {text}")
    typer.echo(f"use      export TROTH_URL={url} TROTH_API_KEY={texts['developer']}")


def _print_settings(settings: Settings, given: dict[str, Any], *, as_json: bool) -> None:
    found = origins(settings, given)
    if as_json:
        rows = [{"name": o.name, "value": o.value, "origin": o.origin} for o in found]
        typer.echo(orjson.dumps(rows, default=str))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("setting", "value", "from", "what it is"):
        table.add_column(column, no_wrap=column != "what it is")
    for one in found:
        told = type(settings).model_fields[one.name].description or ""
        table.add_row(one.name, str(one.value), one.origin, told)
    Console(width=120).print(table)
