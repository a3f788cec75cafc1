"""The participants' books against the engine's record, read from its export.

What was acknowledged must be recorded; what is recorded must be in the books and the other way
round; what was done twice must have been told; what was undone, undone in reverse.
"""

from __future__ import annotations

import bisect
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from chaos.party import REFUSED

__all__ = [
    "Differences",
    "Line",
    "Record",
    "compare",
    "moved_by",
    "moving_s",
    "read_book",
    "read_record",
]

UNDO = "undo "
UNWRITTEN = "desk/close@1"
"""A step that changes nothing outside: it writes no line."""
PROBED = {"remit"}
"""Effects that are looked up before they are tried again: never twice, told or not."""

Json = Any


@dataclass(frozen=True, slots=True)
class Line:
    """One run of a handler, as it wrote it down."""

    what: str
    key: str
    number: str
    repeated: bool
    attempt: int = 1
    at_us: int = 0

    def __str__(self) -> str:
        told = "told" if self.repeated else "not told"
        return f"attempt {self.attempt} {told} at {self.at_us / 1_000_000:.3f}"


@dataclass(slots=True)
class Record:
    """What the engine has recorded.

    Attributes:
        keys: the number of each commitment by its stream.
        done: idempotency key to stream of every effect recorded as done.
        ends: how each commitment ended, by its number.
        times: of each commitment's stream, when its events were recorded, in microseconds.
        topics: of the same events, what they say.
        ended_us: when it ended, if it did.
    """

    keys: dict[str, str] = field(default_factory=dict[str, str])
    done: dict[str, str] = field(default_factory=dict[str, str])
    ends: dict[str, str] = field(default_factory=dict[str, str])
    times: dict[str, list[int]] = field(default_factory=lambda: defaultdict[str, list[int]](list))
    topics: dict[str, list[str]] = field(default_factory=lambda: defaultdict[str, list[str]](list))
    ended_us: dict[str, int] = field(default_factory=dict[str, int])


@dataclass(frozen=True, slots=True)
class Differences:
    """What must be empty, each a sentence; and how often a repetition was told.

    `overtaken`: effects whose first run was so slow that one that was told wrote before it.
    """

    lost: Sequence[str]
    doubled: Sequence[str]
    disordered: Sequence[str]
    wrong_ends: Sequence[str]
    told: int
    overtaken: int

    def __bool__(self) -> bool:
        return bool(self.lost or self.doubled or self.disordered or self.wrong_ends)


def read_book(path: Path) -> list[Line]:
    """Every line, in the order written."""
    with closing(sqlite3.connect(path)) as book:
        rows = book.execute(
            "SELECT what, key, number, repeated, attempt, at_us FROM lines ORDER BY line"
        )
        return [Line(what, key, n, bool(again), *more) for what, key, n, again, *more in rows]


def read_record(export: Iterable[str]) -> Record:
    """The lines that `troth-engine export` wrote."""
    found = Record()
    asked: set[str] = set()
    for line in export:
        row = orjson.loads(line)
        if "topic" not in row:
            continue
        stream, topic, body = row["stream"], row["topic"], orjson.loads(row["state"])
        at_us = int(datetime.fromisoformat(body["timestamp"]).timestamp() * 1_000_000)
        match topic:
            case "commitment.opened":
                found.keys[stream] = body["key"]
            case "effect.intended" if body["kind"] != "probe" and body["contract"] != UNWRITTEN:
                asked.add(body["effect"])
            case "effect.done" if body["effect"] in asked:
                # A probe that found it done says so under the same key.
                found.done[body["effect"]] = stream
            case "commitment.ended":
                found.ends[found.keys[stream]] = body["status"]
                found.ended_us[stream] = at_us
            case _:
                pass
        if stream in found.keys:
            found.times[stream].append(at_us)
            found.topics[stream].append(topic)
    return found


def compare(acknowledged: Mapping[str, str], record: Record, book: Sequence[Line]) -> Differences:
    """Hold the book against the record and both against what was acknowledged."""
    opened = Counter(record.keys.values())
    runs: dict[str, list[Line]] = defaultdict(list)
    for line in book:
        runs[line.key].append(line)
    lost = [
        f"{number} was acknowledged and never opened" for number in acknowledged - opened.keys()
    ]
    lost += [
        f"{line.what} of {line.number} was done and is not recorded"
        for key, (line, *_) in runs.items() if key not in record.done
    ]  # fmt: skip
    lost += [
        f"{record.keys[stream]}: {key} is recorded as done and in no book"
        for key, stream in record.done.items()
        if key not in runs
    ]
    doubled = [f"{number} was opened {n} times" for number, n in opened.items() if n > 1]
    doubled += [
        f"{line.what} of {line.number} ran {len(lines)} times and was not told, {line.key}:"
        f" {', '.join(map(str, lines))}"
        for line, *again in runs.values() if again and _is_unnoticed(lines := [line, *again])
    ]  # fmt: skip
    keys: dict[tuple[str, str], set[str]] = defaultdict(set)
    for line in book:
        keys[line.what, line.number].add(line.key)
    doubled += [f"{what} of {n} has {len(k)} keys" for (what, n), k in keys.items() if len(k) > 1]
    told = sum(line.repeated for lines in runs.values() for line in lines if len(lines) > 1)
    overtaken = sum(
        any(not line.repeated for line in again) for first, *again in runs.values()
        if first.repeated
    )  # fmt: skip
    return Differences(lost, doubled, _disordered(book), _wrong_ends(record), told, overtaken)


def _is_unnoticed(lines: Sequence[Line]) -> bool:
    """Whether more than one run of an effect believed to be the first, or it is one to be probed.

    A run that was told may write before the first one, which was slow and had lost its lease.
    """
    return lines[0].what in PROBED or sum(not line.repeated for line in lines) > 1


def _disordered(book: Sequence[Line]) -> list[str]:
    """Whose undoing is not the doing in reverse, all of it."""
    firsts: dict[str, list[str]] = defaultdict(list)
    for line in book:
        if line.what not in firsts[line.number]:
            firsts[line.number].append(line.what)
    found: list[str] = []
    for number, whats in firsts.items():
        did = [what for what in whats if not what.startswith(UNDO)]
        undid = [what.removeprefix(UNDO) for what in whats if what.startswith(UNDO)]
        wanted = did[::-1] if number.endswith(REFUSED) else []
        if undid != wanted:
            found.append(f"{number} did {', '.join(did)} and undid {', '.join(undid) or 'nothing'}")
    return found


def _wrong_ends(record: Record) -> list[str]:
    found: list[str] = []
    for number in record.keys.values():
        wanted = "compensated" if number.endswith(REFUSED) else "fulfilled"
        if (end := record.ends.get(number, "not ended")) != wanted:
            found.append(f"{number} is {end}")
    return found


def moving_s(record: Record, killed_us: int) -> list[float]:
    """Of each commitment that was under way at a moment: seconds until its next event."""
    found = _next_events(record, killed_us)
    return sorted((record.times[stream][at] - killed_us) / 1_000_000 for stream, at in found)


def moved_by(record: Record, killed_us: int) -> dict[str, int]:
    """What these next events say, and how many say it."""
    found = _next_events(record, killed_us)
    return dict(Counter(record.topics[stream][at] for stream, at in found))


def _next_events(record: Record, killed_us: int) -> Iterator[tuple[str, int]]:
    """Of each commitment that was under way: its stream and the place of its next event."""
    for stream, times in record.times.items():
        if times[0] < killed_us <= record.ended_us.get(stream, killed_us):
            after = bisect.bisect_left(times, killed_us)
            if after < len(times):
                yield stream, after
