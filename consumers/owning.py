"""Which lanes this process owns: each worker its share, lanes of the silent taken over.

A process says once a second that it lives. Between two batches the writer claims what is free and
gives away what is more than its share. Clocks decide when a takeover happens, never whether it is
safe: the lane row does that.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

import structlog

from domain.cluster import Cluster, View
from domain.ports import StoreFailed

__all__ = ["Owner", "Ownership", "Plan", "plan"]

BEAT_S = 1.0
STOP_S = 5.0
_log = structlog.get_logger("consumers")


class Owner(Protocol):
    """Whoever drives the lanes."""

    @property
    def lanes(self) -> tuple[int, ...]: ...
    def own(self, lanes: Collection[int], *, is_careful: bool = False) -> None: ...


@dataclass(frozen=True, slots=True)
class Plan:
    """Lanes to claim and lanes to give away."""

    claims: tuple[int, ...]
    releases: tuple[int, ...]


def plan(view: View, process: str, mine: Collection[int]) -> Plan:
    """What a worker does about its lanes. Shares differ by one lane at most; the first get it."""
    workers = sorted({*view.workers, process})
    share, more = divmod(len(view.lanes), len(workers))
    share += 1 if workers.index(process) < more else 0
    # Ours in the store, and not driven: a claim whose answer was lost, or a release that failed.
    stray = [s.lane for s in view.lanes if s.owner == process and s.lane not in mine]
    if len(mine) > share:
        return Plan((), (*sorted(mine)[share:], *stray))
    # Also what is ours in the store alone: the answer to its claim was lost.
    free = [
        s.lane
        for s in view.lanes
        if s.lane not in mine and (s.owner in ("", process) or s.is_overdue)
    ]
    # Everybody begins somewhere else, so that two seldom want the same lane.
    turn = workers.index(process) * len(free) // len(workers)
    claims = tuple((free[turn:] + free[:turn])[: share - len(mine)])
    # Nobody else may take what its living owner neither drives nor gives away.
    return Plan(claims, tuple(lane for lane in stray if lane not in claims))


class Ownership:
    """Keeps this process alive in the eyes of the others, and its lanes what they should be.

    A process that does not `work` owns none. `settle` belongs to the writer's thread. `heads` are
    those of all lanes as they were seen last.
    """

    def __init__(
        self, cluster: Cluster, process: str, *, works: bool = True, beat_s: float = BEAT_S
    ) -> None:
        self._cluster = cluster
        self._process = process
        self._works = works
        self._beat_s = beat_s
        self._view: View | None = None
        self.heads: dict[int, int] = {}
        self._epochs: dict[int, int] = {}
        self._over = threading.Event()
        self._due = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, wake: Callable[[], None]) -> None:
        """Say that we live, now and from now on. Raises StoreFailed when that cannot be said."""
        self._see(self._cluster.beat())
        self._thread = threading.Thread(target=self._live, args=(wake,), name="beat", daemon=True)
        self._thread.start()

    def look(self) -> None:
        """From any thread: lanes were given away. See it now, not with the next heartbeat."""
        self._due.set()

    def _see(self, view: View) -> None:
        self._view = view
        self.heads = {state.lane: state.head for state in view.lanes}

    def settle(self, owner: Owner) -> None:
        """Claim and release, if the last look at the others asks for it."""
        view, self._view = self._view, None
        if view is None or not self._works:
            return
        mine = set(owner.lanes)
        if taken := self._taken(view, mine):
            # We were silent, and did nothing since that would have told us.
            mine -= taken
            owner.own(mine)
            _log.warning("lanes_taken", lanes=sorted(taken))
        wanted = plan(view, self._process, mine)
        try:
            if wanted.releases:
                # No batch of ours may begin on them any more before anybody else can have them.
                owner.own(mine - set(wanted.releases))
                self._cluster.release(*wanted.releases)
            overdue = {state.lane for state in view.lanes if state.is_overdue}
            claimed = [n for n in wanted.claims if self._claim(n)]
        except StoreFailed as failed:
            _log.warning("lanes_not_claimed", alias=failed.alias, detail=failed.detail)
            return
        if claimed:
            owner.own(mine | set(claimed), is_careful=not overdue.isdisjoint(claimed))

    def _taken(self, view: View, mine: Collection[int]) -> set[int]:
        """Lanes of ours that somebody else claimed after us."""
        return {
            s.lane
            for s in view.lanes
            if s.lane in mine and s.epoch > self._epochs.get(s.lane, s.epoch)
        }

    def _claim(self, lane: int) -> bool:
        belief = self._cluster.claim(lane)
        if belief is not None:
            self._epochs[lane] = belief.epoch
        return belief is not None

    def stop(self) -> None:
        """Give every lane away and say that we are gone."""
        self._over.set()
        self._due.set()
        if self._thread is not None:
            self._thread.join(STOP_S)
        try:
            self._cluster.leave()
        except StoreFailed as failed:
            # The others see it by our silence.
            _log.warning("lanes_not_released", alias=failed.alias, detail=failed.detail)

    def _live(self, wake: Callable[[], None]) -> None:
        while True:
            self._due.wait(self._beat_s)
            self._due.clear()
            if self._over.is_set():
                return
            try:
                self._see(self._cluster.beat())
            except StoreFailed as failed:
                _log.warning("beat_failed", alias=failed.alias, detail=failed.detail)
            else:
                wake()
