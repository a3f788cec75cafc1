"""How soon thousands of promises move again after every process of the engine was killed."""

from __future__ import annotations

import signal
from dataclasses import dataclass

import orjson

from chaos.books import moving_s
from chaos.run import Outcome, look, scratch
from chaos.strike import now_us
from chaos.world import World, world

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
        ended_s: until the last one had ended.
    """

    shape: str
    in_flight: int
    back_s: float
    half_s: float
    most_s: float
    all_s: float
    ended_s: float
    lost: int
    doubled: int
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
        at_us = _kill_all(here)
        here.mend()
        back_s = (now_us() - at_us) / 1_000_000
        here.settle(ALL_ENDED_S)
        ended_s = (now_us() - at_us) / 1_000_000
        here.quiet()
        look(here, found)
    moved = moving_s(found.record, at_us)
    books = found.differences
    assert books is not None
    half_s, most_s, all_s = (
        round(moved[int((len(moved) - 1) * share)], 2) for share in (0.5, 0.99, 1.0)
    )
    return Recovery(
        options.shape, in_flight=len(moved), back_s=round(back_s, 2), half_s=half_s,
        most_s=most_s, all_s=all_s, ended_s=round(ended_s, 2), lost=len(books.lost),
        doubled=len(books.doubled), sound=found.sound, found=tuple(found.told()[:SHOWN_MAX]),
    )  # fmt: skip


def _kill_all(here: World) -> int:
    at_us = now_us()
    for child in here.engines.values():
        child.send(signal.SIGKILL)
    for child in here.engines.values():
        child.wait()
    return at_us
