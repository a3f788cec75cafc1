"""Read an event log in XES (IEEE 1849), plain or gzip, one case at a time.

`read_cases(path)` holds one case in memory, whatever the size of the file. Every way in which a
file can be wrong ends in an `XesError` with a code, the place and what to do.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO
from xml.etree import ElementTree as ET

__all__ = ["CASE_EVENTS_MAX", "LogCase", "LogEvent", "XesError", "read_cases"]

CASE_EVENTS_MAX = 100_000
"""Events of one case; a longer one is refused: a case is held in memory as a whole."""

_GZIP_MAGIC = b"\x1f\x8b"
_ACTIVITY, _TRANSITION = "concept:name", "lifecycle:transition"
_TIME, _RESOURCE = "time:timestamp", "org:resource"


class XesError(Exception):
    """The log cannot be read. `code` is stable, `where` names file, case and event."""

    def __init__(self, code: str, what: str, *, where: str, do: str) -> None:
        super().__init__(f"{code}: {what}\n  {where}\n  do   {do}")
        self.code, self.what, self.where, self.do = code, what, where, do


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One event of a case: `index` counts from 1 within the case, `at` has a zone."""

    index: int
    activity: str
    transition: str
    at: datetime
    resource: str | None


@dataclass(frozen=True, slots=True)
class LogCase:
    """One trace of the log: its name, its own attributes as text, its events in file order."""

    name: str
    attributes: Mapping[str, str]
    events: tuple[LogEvent, ...]


def read_cases(path: Path) -> Iterator[LogCase]:
    """Yield the cases of the log in file order; raises XesError on the first thing that is wrong.

    Codes: `xes.missing_file`, `xes.broken` (not gzip or XML to the end), `xes.not_a_log`,
    `xes.no_name`, `xes.no_timestamp`, `xes.bad_timestamp`, `xes.bound`.
    """
    with _reading(path), _open(path) as source:
        # The parser itself bounds what entities may grow to (expat, since 2.4.1).
        parsing = ET.iterparse(source, events=("start", "end"))  # noqa: S314 (see above)
        root = next(parsing)[1]
        if _local(root.tag) != "log":
            raise XesError(
                "xes.not_a_log",
                f"the document begins with <{_local(root.tag)}>, a log with <log>",
                where=str(path),
                do="give an XES file (IEEE 1849), plain or gzip",
            )
        cases = events = depth = 0
        for what, element in parsing:
            depth += 1 if what == "start" else -1
            if what == "end" and depth == 1 and _local(element.tag) == "event":
                events += 1
                _refuse_endless(events, cases + 1, path)
            if depth:  # inside an element of the log, or just opened one
                continue
            if _local(element.tag) == "trace":
                cases, events = cases + 1, 0
                yield _case(element, cases, path)
            root.clear()  # what was read is let go: memory does not grow with the log


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what the system, gzip and the XML parser raise into XesError."""
    try:
        yield
    except FileNotFoundError as error:
        raise XesError(
            "xes.missing_file", "there is no such file", where=str(path), do="correct the path"
        ) from error
    except ET.ParseError as error:
        line, column = error.position
        raise _broken(f"not well-formed XML: {error.msg}", f"{path}:{line}:{column}") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise _broken(f"the gzip data is cut or damaged: {error}", str(path)) from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise _broken(f"cannot be read: {reason}", str(path)) from error


def _broken(what: str, where: str) -> XesError:
    return XesError("xes.broken", what, where=where, do="fetch the file again, compare its size")


def _open(path: Path) -> IO[bytes] | gzip.GzipFile:
    """The file's bytes, unpacked if it begins like gzip: names of files say little."""
    with path.open("rb") as plain:
        packed = plain.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
    return gzip.open(path, "rb") if packed else path.open("rb")


def _refuse_endless(events: int, count: int, path: Path) -> None:
    if events > CASE_EVENTS_MAX:
        raise XesError(
            "xes.bound",
            f"the case has over {CASE_EVENTS_MAX:,} events",
            where=f"{path}, case number {count}",
            do="split the case, or leave it out",
        )


def _case(trace: ET.Element, count: int, path: Path) -> LogCase:
    """The case of a <trace>; `count` says which of the file, for messages."""
    attributes = _attributes(trace)
    name = attributes.pop(_ACTIVITY, "")
    where = f"{path}, case {name or f'number {count}'}"
    if not name:
        raise XesError("xes.no_name", "the case has no concept:name", where=where, do="name it")
    events = [child for child in trace if _local(child.tag) == "event"]
    return LogCase(
        name=name,
        attributes=attributes,
        events=tuple(
            _event(event, index, f"{where}, event {index}")
            for index, event in enumerate(events, start=1)
        ),
    )


def _event(element: ET.Element, index: int, where: str) -> LogEvent:
    attributes = _attributes(element)
    activity = attributes.get(_ACTIVITY)
    if not activity:
        raise XesError("xes.no_name", "the event has no concept:name", where=where, do="name it")
    return LogEvent(
        index=index,
        activity=activity,
        # A log without the lifecycle extension records completions only.
        transition=attributes.get(_TRANSITION, "COMPLETE").upper(),
        at=_timestamp(attributes.get(_TIME), activity, where),
        resource=attributes.get(_RESOURCE),
    )


def _timestamp(text: str | None, activity: str, where: str) -> datetime:
    if text is None:
        raise XesError(
            "xes.no_timestamp",
            f"{activity} has no time:timestamp",
            where=where,
            do="add <date key='time:timestamp' value='2011-10-01T00:38:44.546+02:00'/>",
        )
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise XesError(
            "xes.bad_timestamp",
            f"time:timestamp of {activity} is {text!r}",
            where=where,
            do="write it as ISO 8601 with a zone: 2011-10-01T00:38:44.546+02:00",
        )
    return at


def _attributes(element: ET.Element) -> dict[str, str]:
    """Keys and values of the attributes directly below; lists and containers have no value."""
    found = ((child.get("key"), child.get("value")) for child in element)
    return {key: value for key, value in found if key is not None and value is not None}


def _local(tag: str) -> str:
    """The name without its namespace: logs are written with and without one."""
    return tag.rpartition("}")[2]
