"""The analyst, the trials, governance and the releases of the example.

What a trial shows follows from its share of cases: it is sure from the third reading on, so that a
run can be repeated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from examples.keeper import Keeper, kept
from examples.partner_activation.books import Books
from sagas.catalogue.self_improvement import (
    Experiment,
    Finding,
    Judged,
    Reading,
    Release,
    SignalSeen,
    Trial,
)
from troth import Refused

__all__ = [
    "ExampleAnalyst",
    "ExampleGovernance",
    "ExampleReleases",
    "ExampleTrials",
    "analyst",
    "governance",
    "releases",
    "trials",
]

FORBIDDEN = "hide the price"
SURE_FROM = 3


class ExampleAnalyst:
    """Takes the text that is heard most often for the cause."""

    def diagnose(self, subject: str, signals: list[SignalSeen]) -> Finding:
        text, often = Counter(signal.text for signal in signals).most_common(1)[0]
        if often == 1:
            raise Refused("nothing-found", f"of {subject} everybody says something else")
        return Finding(cause=text, signals=often)

    def propose(self, subject: str, finding: Finding) -> Experiment:
        return Experiment(change=f"{subject}: mend {finding.cause}", percent=10)


class ExampleTrials(Keeper):
    """Holds trials in its books; each reading has more cases."""

    def __init__(self, books: Books, lost_once: frozenset[str] = frozenset()) -> None:
        super().__init__(books, lost_once)
        self._readings: Counter[str] = Counter()

    async def start(self, key: str, subject: str, experiment: Experiment) -> Trial:
        text = f"{subject} at {experiment.percent} %"
        return Trial(trial_id=await self._do(key, "start-trial", subject, text))

    async def stop(self, key: str, trial: Trial) -> None:
        await self._do(key, "stop-trial", trial.trial_id, "stopped")

    def read(self, trial: Trial) -> Reading:
        self._readings[trial.trial_id] += 1
        week = self._readings[trial.trial_id]
        return Reading(cases=100 * week, uplift=0.5 * week, sure=week >= SURE_FROM)


class ExampleGovernance:
    """Knows one thing that must not be done."""

    def judge(self, experiment: Experiment, reading: Reading) -> Judged:
        if FORBIDDEN in experiment.change:
            raise Refused("against-the-rules", f"nobody may {FORBIDDEN}")
        return Judged(notes="nothing against it", reading=reading)


class ExampleReleases(Keeper):
    """Holds what everybody gets, in its books."""

    async def promote(self, key: str, subject: str, experiment: Experiment) -> Release:
        return Release(release_id=await self._do(key, "promote", subject, experiment.change))

    async def promoted(self, key: str) -> Release | None:
        """Whether the effect with this key happened."""
        done = await self._done(key)
        return None if done is None else Release(release_id=done)

    async def roll_back(self, key: str, release: Release) -> None:
        await self._do(key, "roll-back", release.release_id, "rolled back")


@asynccontextmanager
async def analyst() -> AsyncIterator[ExampleAnalyst]:
    """What `connect` wants for the analyst."""
    yield ExampleAnalyst()


@asynccontextmanager
async def governance() -> AsyncIterator[ExampleGovernance]:
    """What `connect` wants for governance."""
    yield ExampleGovernance()


def trials(
    path: Path, lost_once: frozenset[str] = frozenset()
) -> Callable[[], AbstractAsyncContextManager[ExampleTrials]]:
    """What `connect` wants for the trials; their books are the file at `path`."""
    return kept(ExampleTrials, path, lost_once)


def releases(
    path: Path, lost_once: frozenset[str] = frozenset()
) -> Callable[[], AbstractAsyncContextManager[ExampleReleases]]:
    """What `connect` wants for the releases; their books are the file at `path`."""
    return kept(ExampleReleases, path, lost_once)
