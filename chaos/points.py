"""The points at which a run is hurt: one row for each, with the shapes that have it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chaos import kills, links, machine
from chaos.gates import AFTER_EFFECT, BEFORE_EFFECT
from chaos.strike import Strike
from chaos.tracing import COMPILER, FLUSHES, STRACE, WRITES
from chaos.world import SHAPES, World

__all__ = ["POINTS", "Point", "drawable"]

SERVED = ("postgres", "kafka")
STRACE_MISSING = "strace is not installed"


@dataclass(frozen=True, slots=True)
class Point:
    """Where a run is hurt. `weight` is how often it is drawn beside the others."""

    name: str
    strike: Callable[[World], Strike]
    shapes: Sequence[str] = SHAPES
    missing: str = ""
    """Why it cannot be had on this machine."""
    weight: int = 2
    long: bool = False
    """Only in a long run: it takes half a minute, or it kills nothing."""


_NO_STRACE = "" if STRACE else STRACE_MISSING
_NO_COMPILER = "" if COMPILER else "there is no C compiler for the bent clock"

POINTS = (
    Point("engine, before the effect", kills.at_gate("engine", BEFORE_EFFECT)),
    Point("engine, after the effect before the reply", kills.at_gate("engine", AFTER_EFFECT)),
    Point("engine, after the commit before the publish", kills.before_publish),
    Point("engine, under load", kills.under_load("engine"), weight=4),
    Point("engine, in the middle of a drain", kills.while_draining),
    Point("participant, before the effect", kills.at_gate("participant", BEFORE_EFFECT)),
    Point(
        "participant, after the effect before the reply",
        kills.at_gate("participant", AFTER_EFFECT),
    ),
    Point("participant, under load", kills.under_load("participant"), weight=4),
    Point("database, before the effect", kills.at_gate("database", BEFORE_EFFECT), SERVED),
    Point(
        "database, after the effect before the reply",
        kills.at_gate("database", AFTER_EFFECT), SERVED,
    ),
    Point("database, under load", kills.under_load("database"), SERVED, weight=3),
    Point(
        "broker, before the effect",
        kills.at_gate("broker", BEFORE_EFFECT), ("kafka",), long=True,
    ),
    Point(
        "broker, after the effect before the reply",
        kills.at_gate("broker", AFTER_EFFECT), ("kafka",), long=True,
    ),
    Point("broker, under load", kills.under_load("broker"), ("kafka",), weight=3),
    Point("rebuild, in the middle", kills.in_rebuild, missing=_NO_STRACE),
    Point("migration, in the middle", kills.in_migration, missing=_NO_STRACE, weight=1, long=True),
    Point("engine stopped beyond its lease", kills.engine_stopped, weight=1, long=True),
    Point("participant stopped beyond its lease", kills.participant_stopped, weight=1, long=True),
    Point("connections to the engine reset", kills.http_reset, weight=1, long=True),
    Point("connections to the database reset", kills.database_reset, SERVED, weight=1, long=True),
    Point(
        "connections to the broker reset", links.broker_reset, ("kafka",), links.MISSING,
        weight=1, long=True,
    ),
    Point("disk full", machine.disk(WRITES, "ENOSPC"), missing=_NO_STRACE, weight=1, long=True),
    Point("disk read-only", machine.disk(WRITES, "EROFS"), missing=_NO_STRACE, weight=1, long=True),
    Point("EIO on fsync", machine.disk(FLUSHES, "EIO"), missing=_NO_STRACE, weight=1, long=True),
    Point("clock jumps", machine.clock, missing=_NO_COMPILER, weight=1, long=True),
    Point("two engines by mistake", machine.two_engines, weight=1, long=True),
    Point("rolling upgrade and back", machine.releases, weight=1, long=True),
)  # fmt: skip


def drawable(shape: str, *, long: bool = True) -> list[Point]:
    """The points of a shape that this machine can have, with those of a long run or without."""
    found = [point for point in POINTS if shape in point.shapes and not point.missing]
    return [point for point in found if long or not point.long]
