"""Exports: the log as lines of JSON that anybody can verify, and verifying them.

The first line is a header with the head and the chain of what follows; every other line is an
event with the bytes that were hashed (docs/format.md section 2). The lanes of a store follow one
another, each with a header of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from domain.chain import GENESIS, ChainFault, ChainReport, Checkpoint, LogRow, Verifier, event_hash
from domain.errors import Refusal, refusal

__all__ = ["FORM", "Export", "header_of_lane", "header_of_stream", "line_of", "read_export"]

FORM = 1
LINE_BYTES_MAX = 64 * 1024 * 1024

Json = Any


@dataclass(frozen=True, slots=True)
class Export:
    """One part of an export: a lane, or one stream."""

    store: str
    lane: int | None
    stream: UUID | None
    report: ChainReport

    @property
    def name(self) -> str:
        """What it is of."""
        return f"stream {self.stream}" if self.stream else f"lane {self.lane}"


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


def read_export(path: Path) -> list[Export]:
    """Verify an export, part by part. Raises OSError, or Refusal (TR730) when it is not one."""
    found: list[Export] = []
    with path.open("rb") as file:
        lines = _Lines(path, file)
        while (header := lines.header()) is not None:
            place = f"{path}:{lines.number}"
            try:
                read = _stream if "stream" in header else _lane
                found.append(read(header, lines.rows()))
            except (KeyError, ValueError, TypeError) as error:
                raise refusal("verify.broken", f"{place} lacks its head: {error}") from None
    if not found:
        raise refusal("verify.broken", f"{path}:1 is not the header of an export")
    return found


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


class _Lines:
    """The lines of an export: a header, its rows, and so on to the end."""

    def __init__(self, path: Path, file: Iterable[bytes]) -> None:
        self.number = 0
        self._path = path
        self._file = iter(file)
        self._next: Json = None

    def header(self) -> Json | None:
        """The header that comes next, or None at the end."""
        line = self._next or self._read()
        self._next = None
        if line is None:
            return None
        if not _is_header(line):
            raise self._broken("is not the header of an export")
        return line

    def rows(self) -> Iterator[LogRow]:
        """The events up to the next header."""
        while (line := self._read()) is not None:
            if _is_header(line):
                self._next = line
                return
            yield self._row(line)

    def _read(self) -> Json | None:
        line = next(self._file, None)
        if line is None:
            return None
        self.number += 1
        try:
            return orjson.loads(line[:LINE_BYTES_MAX])
        except orjson.JSONDecodeError as error:
            raise self._broken(f"is not JSON: {error}") from None

    def _row(self, line: Json) -> LogRow:
        try:
            return LogRow(
                position=line["position"],
                stream=UUID(line["stream"]).bytes,
                version=line["version"],
                topic=line["topic"],
                state=line["state"].encode(),
                prev=bytes.fromhex(line["prev"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._broken(f"is not an event: {error}") from None

    def _broken(self, what: str) -> Refusal:
        return refusal("verify.broken", f"{self._path}:{self.number} {what}")


def _is_header(line: Json) -> bool:
    return isinstance(line, dict) and line.get("troth_export") == FORM
