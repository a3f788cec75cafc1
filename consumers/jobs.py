"""Requests on their way to the writer, and claims that wait there for work."""

from __future__ import annotations

from asyncio import Future
from dataclasses import dataclass
from typing import Any

from domain.requests import HeartbeatsRequest, RepliesRequest, Request, StartsRequest

__all__ = ["Job", "Waiting", "weight_of"]


@dataclass(slots=True, eq=False)
class Job:
    """A request with the future of its answer. `weight` counts its messages."""

    request: Any
    future: Future[Any]
    weight: int


class Waiting:
    """Claims that wait, the longest waiting first; each with when its wait ends, in seconds."""

    def __init__(self) -> None:
        self._ends_s: dict[Job, float] = {}

    def __len__(self) -> int:
        return len(self._ends_s)

    def add(self, job: Job, ends_s: float) -> None:
        """Let a claim wait until `ends_s`."""
        self._ends_s[job] = ends_s

    def remove(self, job: Job) -> None:
        """It was served."""
        self._ends_s.pop(job, None)

    def prune(self, now_s: float) -> list[Job]:
        """Take out those whose callers left, and answer those whose wait is over."""
        over = [job for job, ends_s in self._ends_s.items() if ends_s <= now_s]
        left = [job for job in self._ends_s if job.future.cancelled()]
        for job in (*over, *left):
            self._ends_s.pop(job, None)
        return over

    def jobs(self) -> list[Job]:
        """All that wait, in order."""
        return list(self._ends_s)

    def next_end_s(self) -> float | None:
        """When the first wait ends."""
        return min(self._ends_s.values(), default=None)

    def clear(self) -> list[Job]:
        """Take all out."""
        jobs = list(self._ends_s)
        self._ends_s.clear()
        return jobs


def weight_of(request: Request) -> int:
    """How many messages a request brings."""
    if isinstance(request, (StartsRequest, HeartbeatsRequest, RepliesRequest)):
        return max(1, len(request.items))
    return 1
