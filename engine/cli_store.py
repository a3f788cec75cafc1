"""Commands about a store: migrate, verify, export, doctor."""

from __future__ import annotations

import re
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import orjson
import typer

from domain.chain import ChainReport, LogRow, Verifier, event_hash
from domain.errors import refusal
from engine.cli_errors import Exit
from engine.exports import header_of_lane, header_of_stream, line_of, read_export
from engine.settings import read_settings

if TYPE_CHECKING:
    from adapters.sqlite.offline import Finding, OfflineStore

__all__ = ["doctor", "export", "migrate", "verify"]

Store = Annotated[str | None, typer.Option(help="The store, sqlite:///PATH (setting store_url).")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_ID = re.compile(r"(?P<saga>[a-z][a-z0-9_.-]*)/(?P<key>.+?)(?:#(?P<run>[0-9]{1,9}))?")
US_PER_S = 1_000_000
GRACE_S = 60
"""Doctor forgives what is late by less: an engine may be about to do it."""
QUICK_EVENTS = 10_000
"""Events of each lane that doctor's quick check of the chain reads."""


def migrate(store: Store = None) -> None:
    """Bring the store to the form of this release; a new one is made."""
    from adapters.sqlite.schema import migrate as bring

    url = _url(store)
    before, after = bring(url)
    told = "is there already" if before == after else f"from {before or 'nothing'}"
    typer.echo(f"{url}: revision {after}, {told}")


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
        found = read_export(file)
        what = f"{file}, " + (f"stream {found.stream}" if found.stream else f"lane {found.lane}")
        reports = [(what, found.report)]
    else:
        with closing(_opened(store)) as opened:
            reports = [
                (f"{opened.path}, lane {lane.lane}", _verify_lane(opened, lane.lane))
                for lane in opened.lanes()
            ]
    for what, report in reports:
        _tell(what, report, as_json=json)
    if not all(report.sound for _, report in reports):
        raise refusal("verify.broken", _first(reports))


def _verify_lane(opened: OfflineStore, lane: int) -> ChainReport:
    head = next(row.head for row in opened.lanes() if row.lane == lane)
    verifier = Verifier({head.position: head.chain} if head.position else {})
    for row in opened.rows(lane):
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
    lane: Annotated[int, typer.Option(help="Which lane.")] = 0,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="A file.")] = None,
) -> None:
    """Write events as lines of JSON that `verify` takes, anywhere and without the store."""
    with closing(_opened(store)) as opened:
        lines = _lane_lines(opened, lane)
        if commitment is not None:
            lines = _stream_lines(opened, commitment, tenant)
        if output is None:
            for line in lines:
                sys.stdout.buffer.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
            return
        with output.open("wb") as file:
            for line in lines:
                file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))


def _lane_lines(opened: OfflineStore, lane: int) -> Any:
    found = [row for row in opened.lanes() if row.lane == lane]
    if not found:
        raise refusal("http.not_found", f"{opened.path} has no lane {lane}")
    yield header_of_lane(opened.id, opened.incarnation, lane, found[0].head)
    yield from map(line_of, opened.rows(lane))


def _stream_lines(opened: OfflineStore, named: str, tenant: str | None) -> Any:
    stream = _stream_of(opened, named, tenant)
    rows = list(opened.stream_rows(stream))
    if not rows:
        raise refusal("http.not_found", f"{named} has no events in {opened.path}")
    yield header_of_stream(opened.id, opened.incarnation, stream, rows)
    yield from map(line_of, rows)


def _stream_of(opened: OfflineStore, named: str, tenant: str | None) -> UUID:
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


def doctor(store: Store = None, json: Json = False) -> None:
    """Look for what must not be, without changing anything; exit 1 when something is found."""
    late_us = time.time_ns() // 1000 - GRACE_S * US_PER_S
    with closing(_opened(store)) as opened:
        checks: list[tuple[str, list[str], str]] = [
            ("file is sound", [found] if (found := opened.damage()) else [], _CORRUPT),
            ("2 9 chain of the newest events", _quick(opened), "troth-engine verify"),
            ("6 every commitment has a next wake-up", _shown(opened.without_wakeup()), _RETRY),
            ("6 leases are swept", _shown(opened.overdue_leases(late_us)), _RUNS),
            ("12 timers fire", _shown(opened.overdue_timers(late_us)), _RUNS),
            ("13 no stream is parked", _shown(opened.parked_streams()), _RELEASE),
        ]
    if json:
        body = [{"check": name, "ok": not found, "found": found} for name, found, _ in checks]
        typer.echo(orjson.dumps(body))
    else:
        for name, found, remedy in checks:
            typer.echo(f"{'FAIL' if found else 'ok  '} {name}")
            for line in found:
                typer.echo(f"       {line}")
            if found:
                typer.echo(f"  do   {remedy}")
    if any(found for _, found, _ in checks):
        raise typer.Exit(Exit.FOUND_BAD)


_CORRUPT = "restore a backup, see docs/runbooks; keep this file as it is"
_RETRY = 'troth retry ID NODE --reason ".."  (audited), then report it with  troth-engine export ID'
_RUNS = "is an engine running on this store?  troth-engine serve"
_RELEASE = (
    'correct what raised the fault, then POST /v1/parked-streams/{id}/release {"reason":".."}'
)


def _quick(opened: OfflineStore) -> list[str]:
    """Whether the newest events of each lane hang together, and the lane's head is the last one."""
    found: list[str] = []
    for lane in opened.lanes():
        last: dict[bytes, bytes] = {}
        position = after = max(0, lane.head.position - QUICK_EVENTS)
        for row in opened.rows(lane.lane, after=after):
            if row.position != position + 1:
                found.append(f"lane {lane.lane}: {position + 1} is missing")
            if last.get(row.stream, row.prev) != row.prev:
                stream = UUID(bytes=row.stream)
                found.append(f"position {row.position}: {stream} version {row.version} was changed")
            last[row.stream] = _hash(row)
            position = row.position
        if position != lane.head.position:
            found.append(f"lane {lane.lane} ends at {position}, its head is {lane.head.position}")
    return found


def _hash(row: LogRow) -> bytes:
    return event_hash(row.prev, row.stream, row.version, row.topic, row.state)


def _shown(findings: list[Finding]) -> list[str]:
    return [f"{one.named}: {one.detail}, since {_time(one.since_us)} UTC" for one in findings]


def _time(at_us: int) -> str:
    return time.strftime("%d %b %H:%M:%S", time.gmtime(at_us // US_PER_S))


def _opened(store: str | None) -> OfflineStore:
    # Drivers take a second to import: verifying an export does without.
    from adapters.sqlite.offline import OfflineStore

    return OfflineStore(_url(store))


def _url(store: str | None) -> str:
    return read_settings({"store_url": store}).store_url
