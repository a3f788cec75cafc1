"""`troth-engine keys`: who may do what."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from domain.seats import SEATS
from engine.keys import Listed, add_key, read_keys, revoke_key
from engine.settings import read_settings

__all__ = ["keys"]

keys = typer.Typer(help="API keys: add, list, revoke.", no_args_is_help=True)

File = Annotated[Path | None, typer.Option("--file", help="The keys file (setting api_keys_file).")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@keys.command()
def add(
    role: Annotated[
        list[str],
        typer.Option(help="producer, participant, approver, operator or reader; may be repeated."),
    ],
    tenant: Annotated[str, typer.Option(help="Its tenant, or * for all.")] = "default",
    name: Annotated[str | None, typer.Option(help="Name of the actor in the audit trail.")] = None,
    seat: Annotated[
        list[str] | None,
        typer.Option(
            help="manager, function_head, legal, finance, executive or board; or another that a "
            "saga names in needs, roles or escalate."
        ),
    ] = None,
    actor_type: Annotated[
        str | None,
        typer.Option(help="human, observer_agent, recommender_agent, executor_system, ..."),
    ] = None,
    file: File = None,
    json: Json = False,
) -> None:
    """Make a key and print it: once, for only its SHA-256 is kept."""
    key, text = add_key(
        _path(file), roles=role, tenant=tenant, name=name, seats=seat or (), actor_type=actor_type
    )
    if json:
        typer.echo(orjson.dumps({**_shown(Listed(key, "", None)), "key": text}))
        return
    typer.echo(text)
    for own in (one for one in key.seats if one not in SEATS):
        typer.echo(f"note: seat {own} is none of {', '.join(SEATS)}", err=True)
    seats = f" · seats {', '.join(key.seats)}" if key.seats else ""
    typer.echo(
        f"{key.name} ({key.id}) · {', '.join(key.roles)}{seats} · tenant {key.tenant} · "
        f"{key.actor_type}\nkeep the key: it is not shown again",
        err=True,
    )


@keys.command("list")
def list_(file: File = None, json: Json = False) -> None:
    """List the keys, without their texts."""
    found = read_keys(_path(file)) if _path(file).exists() else []
    if json:
        typer.echo(orjson.dumps([_shown(one) for one in found]))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("id", "name", "roles", "seats", "tenant", "actor", "created", "revoked"):
        table.add_column(column)
    for one in found:
        key = one.key
        table.add_row(
            key.id, key.name, ", ".join(key.roles), ", ".join(key.seats), key.tenant,
            key.actor_type, one.created, one.revoked or "",
        )  # fmt: skip
    Console().print(table)


@keys.command()
def revoke(
    key: Annotated[str, typer.Argument(help="Name or id of the key.")], file: File = None
) -> None:
    """Revoke a key: it is refused from the next request on."""
    revoked = revoke_key(_path(file), key)
    typer.echo(f"revoked {revoked.name} ({revoked.id}); running engines refuse it from now on")


def _path(file: Path | None) -> Path:
    return file or read_settings().api_keys_file


def _shown(one: Listed) -> dict[str, Any]:
    key = one.key
    return {
        "id": key.id,
        "name": key.name,
        "roles": key.roles,
        "seats": key.seats,
        "tenant": key.tenant,
        "actor_type": key.actor_type,
        "created": one.created or None,
        "revoked": one.revoked,
    }
