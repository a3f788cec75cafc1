"""Exports: the log as lines of JSON that anybody can verify, and verifying them.

The first line is a header with the head and the chain of what follows; every other line is an
event with the bytes that were hashed (docs/format.md section 2).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from domain.chain import GENESIS, ChainFault, ChainReport, Checkpoint, LogRow, Verifier, event_hash
from domain.errors import refusal

__all__ = ["FORM", "Export", "header_of_lane", "header_of_stream", "line_of", "read_export"]

FORM = 1
LINE_BYTES_MAX = 64 * 1024 * 1024

Json = Any


@dataclass(frozen=True, slots=True)
class Export:
    """What an export is of: a lane, or one stream."""

    store: str
    lane: int | None
    stream: UUID | None
    report: ChainReport


def header_of_lane(store: str, incarnation: int, lane: int, head: Checkpoint) -> Json:
    """The first line of the export of a lane."""
    return {
        "troth_export": FORM,
        "store": store,
        "incarnation": incarnation,
        "lane": lane,
        "head": head.position,
        "chain": head.chain.hex(),
    }


def header_of_stream(store: str, incarnation: int, stream: UUID, rows: list[LogRow]) -> Json:
    """The first line of the export of one stream: its version and the hash of its last event."""
    last = rows[-1]
    return {
        "troth_export": FORM,
        "store": store,
        "incarnation": incarnation,
        "stream": str(stream),
        "version": last.version,
        "hash": _hash(last).hex(),
    }


def line_of(row: LogRow) -> Json:
    """An event as a line; `state` is the text whose bytes were hashed."""
    return {
        "position": row.position,
        "stream": str(UUID(bytes=row.stream)),
        "version": row.version,
        "topic": row.topic,
        "state": row.state.decode(),
        "prev": row.prev.hex(),
    }


def read_export(path: Path) -> Export:
    """Verify an export. Raises OSError, or Refusal (TR730) when it is not one."""
    with path.open("rb") as file:
        lines = _lines(path, file)
        header = next(lines, None)
        if not isinstance(header, dict) or header.get("troth_export") != FORM:
            raise refusal("verify.broken", f"{path}:1 is not the header of an export")
        try:
            if "stream" in header:
                return _stream(header, _rows(path, lines))
            return _lane(header, _rows(path, lines))
        except (KeyError, ValueError, TypeError) as error:
            raise refusal("verify.broken", f"{path}:1 lacks its head: {error}") from None


def _lane(header: Json, rows: Iterator[LogRow]) -> Export:
    head = Checkpoint(int(header["head"]), bytes.fromhex(header["chain"]))
    verifier = Verifier({head.position: head.chain} if head.position else {})
    for row in rows:
        verifier.add(row)
    return Export(str(header["store"]), int(header["lane"]), None, verifier.finish())


def _stream(header: Json, rows: Iterator[LogRow]) -> Export:
    """One stream is a chain of its own: its rows count from 1 here, wherever they lay."""
    stream = UUID(header["stream"])
    verifier, last = Verifier({}), GENESIS
    for number, row in enumerate(rows, 1):
        verifier.add(replace(row, position=number))
        last = _hash(row)
    report = verifier.finish()
    if last.hex() != header["hash"]:
        what = "the last event is not the one the header names: its tail is changed or gone"
        faults = [*report.faults, ChainFault(report.events, what, stream)]
        report = replace(report, faults=faults, faults_total=report.faults_total + 1)
    return Export(str(header["store"]), None, stream, report)


def _hash(row: LogRow) -> bytes:
    return event_hash(row.prev, row.stream, row.version, row.topic, row.state)


def _lines(path: Path, file: Iterable[bytes]) -> Iterator[Json]:
    for number, line in enumerate(file, 1):
        try:
            yield orjson.loads(line[:LINE_BYTES_MAX])
        except orjson.JSONDecodeError as error:
            raise refusal("verify.broken", f"{path}:{number} is not JSON: {error}") from None


def _rows(path: Path, lines: Iterable[Json]) -> Iterator[LogRow]:
    for number, line in enumerate(lines, 2):
        try:
            yield LogRow(
                position=line["position"],
                stream=UUID(line["stream"]).bytes,
                version=line["version"],
                topic=line["topic"],
                state=line["state"].encode(),
                prev=bytes.fromhex(line["prev"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise refusal("verify.broken", f"{path}:{number} is not an event: {error}") from None
