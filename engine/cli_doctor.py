"""`troth-engine doctor`: look for what must not be, without changing anything."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import orjson
import typer

from domain.chain import LogRow, event_hash
from engine.cli_errors import Exit
from engine.cli_store import Json, Store, opened_store, verify_lane
from engine.settings import Settings, read_settings

if TYPE_CHECKING:
    from adapters.sql.offline import Check, Finding, LaneRow, OfflineStore

__all__ = ["doctor"]

US_PER_S = 1_000_000
GRACE_S = 60
"""Doctor forgives what is late by less: an engine may be about to do it."""
QUICK_EVENTS = 10_000
"""Events of each lane that doctor's quick check of the chain reads."""

_CORRUPT = "restore a backup, see docs/runbooks; keep this file as it is"
_RETRY = 'troth retry ID NODE --reason ".."  (audited), then report it with  troth-engine export ID'
_REPORT = "report it with  troth-engine export ID"
_RUNS = "is an engine running on this store?  troth-engine serve"
_RELEASE = (
    'correct what raised the fault, then POST /v1/parked-streams/{id}/release {"reason":".."}'
)


Full = Annotated[
    bool,
    typer.Option("--full", help="Read every event: the whole chain, every stream, every view."),
]


def doctor(store: Store = None, full: Full = False, json: Json = False) -> None:
    """Look for what must not be, without changing anything; exit 1 when something is found.

    The quick look takes a second. --full folds the whole store beside a running engine.
    On PostgreSQL also at owners of lanes, clocks, settings, statistics and vacuum; with Kafka at
    its topics, at records that wait to be read and events that wait to be published.
    """
    settings = read_settings({"store_url": store})
    with closing(opened_store(store)) as opened:
        checks = _checks(opened, full=full)
        if full:
            checks += _full_checks(opened)
        if settings.has_kafka:
            checks += _bus_checks(settings, opened)
    if json:
        body = [
            {"check": c.name, "ok": not c.found, "found": list(c.found), "shown": list(c.shown)}
            for c in checks
        ]
        typer.echo(orjson.dumps(body))
    else:
        _tell(checks)
    if any(check.found for check in checks):
        raise typer.Exit(Exit.FOUND_BAD)


def _checks(opened: OfflineStore, *, full: bool) -> list[Check]:
    # Drivers take a second to import: opening the store has done it.
    from adapters.sql.offline import Check

    late_us = opened.now_us() - GRACE_S * US_PER_S
    found = [Check("file is sound", opened.damage(), _CORRUPT)]
    if not full:  # that reads the whole chain
        newest = "2 9 chain of the newest events"
        found.append(Check(newest, _quick(opened), "troth-engine verify"))
    return [
        *found,
        Check("6 every commitment has a next wake-up", _shown(opened.without_wakeup()), _RETRY),
        Check("6 leases are swept", _shown(opened.overdue_leases(late_us)), _RUNS),
        Check("12 timers fire", _shown(opened.overdue_timers(late_us)), _RUNS),
        Check("13 no stream is parked", _shown(opened.parked_streams()), _RELEASE),
        *opened.checks(),
    ]


def _full_checks(opened: OfflineStore) -> list[Check]:
    from adapters.sql.offline import Check
    from engine.proving import prove

    broken = [fault for lane in opened.lanes() for fault in _broken(opened, lane)]
    proof = prove(opened, _tell_progress)
    read = [f"{proof.events:,} events in {proof.streams:,} streams"]
    return [
        Check("2 9 the whole chain", broken, "troth-engine verify", read),
        Check("2 3 every stream folds", proof.unfolded.told(), _CORRUPT),
        Check("5 undone once, and nothing stands after the end", proof.undoing.told(), _REPORT),
        Check("8 the views are what the events give", proof.views.told(), "troth-engine rebuild"),
    ]


def _broken(opened: OfflineStore, lane: LaneRow) -> list[str]:
    report = verify_lane(opened, lane)
    found = [f"lane {lane.lane}: {fault}" for fault in report.faults]
    more = report.faults_total - len(found)
    return [*found, f"lane {lane.lane}: and {more:,} more"] if more else found


def _tell_progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        typer.echo(f"       {done:,} of {total:,} streams", err=True)


def _bus_checks(settings: Settings, opened: OfflineStore) -> list[Check]:
    from adapters.postgres.offline import PostgresOffline
    from engine.kafka_offline import bus_checks

    assert isinstance(opened, PostgresOffline), "Kafka stands beside PostgreSQL"
    return bus_checks(settings, opened)


def _tell(checks: Sequence[Check]) -> None:
    for check in checks:
        typer.echo(f"{'FAIL' if check.found else 'ok  '} {check.name}")
        for line in check.found or check.shown:
            typer.echo(f"       {line}")
        if check.found:
            typer.echo(f"  do   {check.remedy}")


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
