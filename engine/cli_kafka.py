"""`troth-engine kafka`: what an operator decides about Kafka."""

from __future__ import annotations

import getpass
import socket
from typing import Annotated

import typer

from domain.errors import refusal
from domain.source import Part
from engine.settings import read_settings

__all__ = ["kafka"]

kafka = typer.Typer(help="Kafka as bus: accept a loss.", no_args_is_help=True)


@kafka.callback()
def _group() -> None:
    """What an operator decides about Kafka."""


@kafka.command("accept-loss")
def accept_loss(
    partition: Annotated[str, typer.Argument(help="TOPIC/PARTITION, as readiness names it.")],
    reason: Annotated[str, typer.Option(help="Why that may be; it is kept.")],
    by: Annotated[str | None, typer.Option(help="Who decides; default: USER@HOST.")] = None,
    store: Annotated[str | None, typer.Option(help="postgresql://... (setting store_url).")] = None,
) -> None:
    """Read on behind records that were deleted before they were read (TR754 bus.input_lost).

    A dead letter keeps what was lost, who accepted it and why. Engines go on by themselves.
    """
    settings = read_settings({"store_url": store})
    if not settings.has_kafka:
        raise refusal("settings.value", f"bus_url {settings.bus_url}: there is no Kafka")
    topic, _, number = partition.rpartition("/")
    if not topic or not number.isdecimal():
        raise refusal("settings.value", f"{partition}: TOPIC/PARTITION is wanted")
    if not reason.strip():
        raise refusal("settings.value", "--reason is empty")
    # Drivers take a second to import.
    from engine.kafka_offline import accept_loss as accept

    who = by or f"{getpass.getuser()}@{socket.gethostname()}"
    typer.echo(accept(settings, Part(topic, int(number)), who, reason.strip()))
