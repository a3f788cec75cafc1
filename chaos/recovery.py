"""How soon thousands of promises move again after every process of the engine was killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from chaos.books import moved_by, moving_s
from chaos.run import Outcome, look, scratch
from chaos.strike import now_us
from chaos.world import World, world
from tools.servers.processes import family

__all__ = ["Recovery", "recover"]

ROUND = 500
BEGUN_SHARE = 0.5
"""So many lines for each promise are in the book when the engine is killed."""
ALL_ENDED_S = 600.0
SHOWN_MAX = 20


@dataclass(frozen=True, slots=True)
class Recovery:
    """Seconds from the kill: until the engine was started again, and until promises moved.

    Attributes:
        in_flight: promises that were under way when it was killed.
        back_s: until every process had said that it runs.
        half_s, most_s, all_s: until half of them, 99 of 100, each had its next event.
        moved_by: what the next events say. Where most are failed attempts the machine was so busy
            that leases ran out, and the seconds say little.
        ended_s: until the last one had ended.
        cpu_s: seconds of a processor that each part used until all of them had their next event,
            starting it included: what this takes on a machine with nothing else to do.
        load: processes that wanted to run at once, on average over that minute.
    """

    shape: str
    in_flight: int
    back_s: float
    half_s: float
    most_s: float
    all_s: float
    moved_by: Mapping[str, int]
    ended_s: float
    cpu_s: Mapping[str, float]
    load: float
    lost: int
    doubled: int
    told: int
    overtaken: int
    sound: bool
    found: tuple[str, ...] = ()
    """What was lost, doubled or otherwise wrong: the first of it."""

    def as_json(self) -> str:
        """One line."""
        return orjson.dumps({name: getattr(self, name) for name in self.__slots__}).decode()


def recover(found: Outcome, count: int) -> Recovery:
    """Measure once on the shape and with the seed of the outcome's options. Raises Faulty."""
    options = found.options
    with scratch(found) as folder, world(options.shape, folder, options.seed) as here:
        for _ in range(0, count, ROUND):
            here.publish(trips=ROUND, wires=0)
        here.until(lambda: here.written() >= count * BEGUN_SHARE, "half have begun")
        spent = _Spent(here)
        at_us = _kill_all(here)
        here.mend()
        back_s = (now_us() - at_us) / 1_000_000
        here.settle(ALL_ENDED_S, spent.look)
        load, _, _ = os.getloadavg()
        ended_s = (now_us() - at_us) / 1_000_000
        here.quiet()
        if here.shape != "sqlite":
            # Autovacuum would within its minute; the run may be over sooner.
            here.rows("ANALYZE")
        look(here, found)
    moved = moving_s(found.record, at_us)
    books = found.differences
    assert books is not None
    half_s, most_s, all_s = (
        round(moved[int((len(moved) - 1) * share)], 2) for share in (0.5, 0.99, 1.0)
    )
    return Recovery(
        options.shape, in_flight=len(moved), back_s=round(back_s, 2), half_s=half_s,
        most_s=most_s, all_s=all_s, moved_by=moved_by(found.record, at_us),
        ended_s=round(ended_s, 2), load=round(load, 1),
        cpu_s=spent.until(at_us + int(moved[-1] * 1_000_000)),
        lost=len(books.lost), doubled=len(books.doubled), told=books.told,
        overtaken=books.overtaken, sound=found.sound, found=tuple(found.told()[:SHOWN_MAX]),
    )  # fmt: skip


class _Spent:
    """Processor time of each part from now on, looked at now and then."""

    def __init__(self, here: World) -> None:
        self._here = here
        # What runs now of the engine is killed, and does not count.
        self._first = {**self._now(), "engine": 0.0}
        self._seen: list[tuple[int, dict[str, float]]] = []

    def look(self) -> None:
        self._seen.append((now_us(), self._now()))

    def until(self, at_us: int) -> dict[str, float]:
        """What was spent when it was looked at after that moment for the first time."""
        then = next((now for seen_us, now in self._seen if seen_us >= at_us), self._seen[-1][1])
        return {name: round(spent - self._first[name], 2) for name, spent in then.items()}

    def _now(self) -> dict[str, float]:
        pids = {
            "engine": [child.pid for child in self._here.engines.values()],
            "participants": [worker.pid for worker in self._here.workers],
            **{kind: family(server.pid) for kind, server in self._here.servers.items()},
        }
        return {name: sum(map(_cpu_s, found)) for name, found in pids.items()}


def _cpu_s(pid: int) -> float:
    """What a process and its ended children used; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0
    # utime, stime, cutime, cstime: fields 14 to 17, and the name was the second.
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _kill_all(here: World) -> int:
    at_us = now_us()
    for child in here.engines.values():
        child.send(signal.SIGKILL)
    for child in here.engines.values():
        child.wait()
    return at_us
