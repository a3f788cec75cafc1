"""Commands about a store: migrate, verify, export."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import orjson
import typer

from domain.chain import ChainReport, Verifier
from domain.durations import duration_us
from domain.errors import refusal
from engine.exports import header_of_lane, header_of_stream, line_of, read_export
from engine.migrating import migrated
from engine.offline import mark_restored, name_of, open_offline
from engine.settings import read_settings

if TYPE_CHECKING:
    from adapters.sql.offline import LaneRow, OfflineStore

__all__ = [
    "Json", "Store", "export", "migrate", "opened_store", "restored", "stream_of", "verify",
    "verify_lane",
]  # fmt: skip

Store = Annotated[
    str | None,
    typer.Option(help="The store, sqlite:///PATH or postgresql://... (setting store_url)."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_ID = re.compile(r"(?P<saga>[a-z][a-z0-9_.-]*)/(?P<key>.+?)(?:#(?P<run>[0-9]{1,9}))?")


def migrate(
    store: Store = None,
    lanes: Annotated[
        int | None, typer.Option(help="How many lanes a new store has (setting lanes).")
    ] = None,
) -> None:
    """Bring the store, and Kafka's topics, to the form of this release; a new one is made.

    The number of lanes is fixed when a store is made: another one is refused.
    """
    settings = read_settings({"store_url": store, "lanes": lanes})
    for line in migrated(settings):
        typer.echo(line)


def restored(
    store: Store = None,
    doubt: Annotated[
        str,
        typer.Option(help="How long what is commanded anew is looked into first: 24h, 3d."),
    ] = "24h",
) -> None:
    """Tell a store that it was restored from a backup, before an engine starts on it.

    What its lost future gave out is refused. Effects that may not be repeated and may have happened
    then are probed, or a person is asked: those that wait now, and those commanded until the doubt
    ends. Take at least the time between the backup and now.
    """
    settings = read_settings({"store_url": store})
    try:
        doubt_us = duration_us(doubt)
    except ValueError as error:
        raise refusal("settings.value", f"--doubt {doubt!r}: {error}") from None
    found = mark_restored(settings.store_url, doubt_us)
    typer.echo(f"{name_of(settings.store_url)}: incarnation {found.incarnation}")
    typer.echo(
        f"  {found.unsure} effects will be probed, or a person is asked (troth inbox, debts)"
    )
    typer.echo("  next   troth-engine verify, doctor --full, start the engine; have producers send")
    typer.echo("         again what they sent since the backup (same ids: nothing is taken twice)")


def verify(
    file: Annotated[
        Path | None, typer.Argument(help="An export; default: the store itself.")
    ] = None,
    store: Store = None,
    json: Json = False,
) -> None:
    """Verify the chain of the audit trail, offline; exit 1 says that it does not hold.

    A lane, or a commitment that was removed as a whole, is found against the head of its lane.
    """
    if file is not None:
        if not file.is_file():
            raise refusal("http.not_found", f"{file} is not there")
        reports = [(f"{file}, {found.name}", found.report) for found in read_export(file)]
    else:
        with closing(opened_store(store)) as opened:
            reports = [
                (f"{opened.path}, lane {lane.lane}", verify_lane(opened, lane))
                for lane in opened.lanes()
            ]
    for what, report in reports:
        _tell(what, report, as_json=json)
    if not all(report.sound for _, report in reports):
        raise refusal("verify.broken", _first(reports))


def verify_lane(opened: OfflineStore, lane: LaneRow) -> ChainReport:
    """Whether the chain of a lane holds, up to the head that its row names."""
    head = lane.head
    verifier = Verifier({head.position: head.chain} if head.position else {})
    for row in opened.rows(lane.lane):
        verifier.add(row)
    return verifier.finish()


def _first(reports: list[tuple[str, ChainReport]]) -> str:
    what, report = next(pair for pair in reports if not pair[1].sound)
    return f"{what}, {report.faults[0]}"


def _tell(what: str, report: ChainReport, *, as_json: bool) -> None:
    if as_json:
        body = {
            "what": what,
            "sound": report.sound,
            "events": report.events,
            "streams": report.streams,
            "head": report.head.position,
            "chain": report.head.chain.hex(),
            "faults": [str(fault) for fault in report.faults],
            "faults_total": report.faults_total,
        }
        typer.echo(orjson.dumps(body))
        return
    told = f"{what}: {report.events} events in {report.streams} streams"
    if report.sound:
        typer.echo(f"{told}, the chain holds · head {report.head.position}")
        typer.echo(f"  chain  {report.head.chain.hex()}   (keep it: a later cut is found by it)")
        return
    typer.echo(f"{told}, {report.faults_total} faults")
    for fault in report.faults:
        typer.echo(f"  {fault}")


def export(
    commitment: Annotated[
        str | None, typer.Argument(help="saga/key, saga/key#run or id; default: everything.")
    ] = None,
    store: Store = None,
    tenant: Annotated[str | None, typer.Option(help="The tenant of saga/key.")] = None,
    lane: Annotated[int | None, typer.Option(help="Only this lane.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file.")] = None,
) -> None:
    """Write events as lines of JSON that `verify` takes, anywhere and without the store."""
    with closing(opened_store(store)) as opened:
        if commitment is not None:
            lines = _stream_lines(opened, commitment, tenant)
        else:
            lines = _lane_lines(opened, lane)
        if output is None:
            for line in lines:
                sys.stdout.buffer.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
            return
        with output.open("wb") as file:
            for line in lines:
                file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))


def _lane_lines(opened: OfflineStore, lane: int | None) -> Iterator[Any]:
    """The lanes one after the other, each with a header of its own."""
    found = [row for row in opened.lanes() if lane in (None, row.lane)]
    if not found:
        raise refusal("http.not_found", f"{opened.path} has no lane {lane}")
    for row in found:
        yield header_of_lane(opened.id, opened.incarnation, row.lane, row.head)
        yield from map(line_of, opened.rows(row.lane))


def _stream_lines(opened: OfflineStore, named: str, tenant: str | None) -> Any:
    stream = stream_of(opened, named, tenant)
    rows = list(opened.stream_rows(stream))
    if not rows:
        raise refusal("http.not_found", f"{named} has no events in {opened.path}")
    yield header_of_stream(opened.id, opened.incarnation, stream, rows)
    yield from map(line_of, rows)


def stream_of(opened: OfflineStore, named: str, tenant: str | None) -> UUID:
    """The stream of `saga/key`, `saga/key#run` or an id. Raises Refusal (http.not_found)."""
    try:
        return UUID(named)
    except ValueError:
        found = _ID.fullmatch(named)
    if found is None:
        raise refusal("http.not_found", f"{named!r} is neither saga/key, saga/key#run nor an id")
    run = int(found["run"]) if found["run"] else None
    stream = opened.find(found["saga"], found["key"], run, tenant)
    if stream is None:
        raise refusal("http.not_found", f"{named} is not in {opened.path}")
    return stream


def opened_store(store: str | None) -> OfflineStore:
    """The store of the option or the setting, only to be read. Raises StoreFailed."""
    return open_offline(read_settings({"store_url": store}).store_url)
