"""Self-improvement: signals, a diagnosis, an experiment for weeks, governance, promotion.

A person allows the experiment and may change it; another decision promotes what was better. Until
a promotion has proved itself, figures that get worse roll it back, as a cancel does; an experiment
that showed nothing is stopped and leaves nothing behind. The systems behind the participants are
other people's: `connect` says which.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Protocol

from pydantic import BaseModel, Field

from troth import (
    A1,
    R1,
    R2,
    S1,
    App,
    Collect,
    Effect,
    Participant,
    approve,
    event,
    fail,
    new,
    on,
    repeat,
    saga,
    scope,
    set_,
    sleep,
    undo,
    var,
    wait_for,
    when,
)

__all__ = [
    "WEEKS_MAX",
    "Analyst",
    "Experiment",
    "FiguresGotWorse",
    "Finding",
    "Governance",
    "ImprovementWanted",
    "Judged",
    "Outcome",
    "Reading",
    "Release",
    "Releases",
    "SignalSeen",
    "Trial",
    "Trials",
    "app",
    "connect",
    "improvement",
]

SIGNALS_MAX = 200
SIGNALS_WITHIN = "14d"
QUIET = "3d"
"""Without a signal for so long, those that came are looked at."""
WEEKS_MAX = 12
DECIDED_WITHIN = "14d"
PROVED_AFTER = "28d"


@event("improvement.wanted", version=1, key="subject")
class ImprovementWanted(BaseModel):
    """Something shall get better: a prompt, a route, a price list."""

    subject: str


@event("signal.seen", version=1, key="subject")
class SignalSeen(BaseModel):
    """Somebody or something noticed how it does."""

    subject: str
    kind: str
    text: str


@event("figures.got-worse", version=1, key="subject")
class FiguresGotWorse(BaseModel):
    """What was promoted does harm."""

    subject: str
    figure: str


class Finding(BaseModel):
    """What the signals say is wrong."""

    cause: str
    signals: int


class Experiment(BaseModel):
    """What shall be tried: a change, and for which share of cases."""

    change: str
    percent: Annotated[int, Field(ge=1, le=50)]


class Trial(BaseModel):
    """A running comparison."""

    trial_id: str


class Reading(BaseModel):
    """How the change does so far; `sure` when it would not be chance."""

    cases: int
    uplift: float
    sure: bool


class Judged(BaseModel):
    """What governance says of the change and its figures."""

    notes: str
    reading: Reading


class Release(BaseModel):
    """The change, for everybody."""

    release_id: str


class Outcome(BaseModel):
    """Whether it was promoted, and how it did."""

    promoted: bool
    weeks: int
    uplift: float


class Analyst(Protocol):
    """Reads signals; touches nothing outside."""

    def diagnose(self, subject: str, signals: list[SignalSeen]) -> Finding:
        """What is wrong. Raises Refused("nothing-found")."""
        ...

    def propose(self, subject: str, finding: Finding) -> Experiment: ...


class Trials(Protocol):
    """Compares changes with what is there. `key` is the idempotency key of the effect."""

    async def start(self, key: str, subject: str, experiment: Experiment) -> Trial: ...
    async def stop(self, key: str, trial: Trial) -> None: ...
    def read(self, trial: Trial) -> Reading: ...


class Governance(Protocol):
    """Holds changes against the rules."""

    def judge(self, experiment: Experiment, reading: Reading) -> Judged:
        """What is to be said of it. Raises Refused("against-the-rules")."""
        ...


class Releases(Protocol):
    """Brings changes to everybody. `key` is the idempotency key of the effect."""

    async def promote(self, key: str, subject: str, experiment: Experiment) -> Release: ...
    async def promoted(self, key: str) -> Release | None: ...
    async def roll_back(self, key: str, release: Release) -> None: ...


_systems: dict[str, Callable[[], AbstractAsyncContextManager[object]]] = {}


def connect(
    analyst: Callable[[], AbstractAsyncContextManager[Analyst]],
    trials: Callable[[], AbstractAsyncContextManager[Trials]],
    governance: Callable[[], AbstractAsyncContextManager[Governance]],
    releases: Callable[[], AbstractAsyncContextManager[Releases]],
) -> None:
    """Say which systems stand behind the participants, before a worker starts."""
    _systems.update(analyst=analyst, trials=trials, governance=governance, releases=releases)


def _analyst() -> AbstractAsyncContextManager[Analyst]:
    return _systems["analyst"]()  # pyright: ignore[reportReturnType]  # put there by connect


def _trials() -> AbstractAsyncContextManager[Trials]:
    return _systems["trials"]()  # pyright: ignore[reportReturnType]  # put there by connect


def _governance() -> AbstractAsyncContextManager[Governance]:
    return _systems["governance"]()  # pyright: ignore[reportReturnType]  # put there by connect


def _releases() -> AbstractAsyncContextManager[Releases]:
    return _systems["releases"]()  # pyright: ignore[reportReturnType]  # put there by connect


analyst = Participant("analyst", deps=_analyst)
trials = Participant("trials", deps=_trials)
governance = Participant("governance", deps=_governance)
releases = Participant("releases", deps=_releases)


@analyst.step("diagnose", refuses=["nothing-found"])
def diagnose(fx: Effect[Analyst], subject: str, signals: list[SignalSeen]) -> Finding:
    return fx.deps.diagnose(subject, signals)


@analyst.step("propose")
def propose(fx: Effect[Analyst], subject: str, finding: Finding) -> Experiment:
    return fx.deps.propose(subject, finding)


@trials.effect("start-trial", A1, R1, S1)
async def start_trial(fx: Effect[Trials], subject: str, experiment: Experiment) -> Trial:
    return await fx.deps.start(fx.key, subject, experiment)


@start_trial.undo
async def stop_trial(fx: Effect[Trials], trial: Trial) -> None:
    await fx.deps.stop(fx.key, trial)


@trials.step("read-trial")
def read_trial(fx: Effect[Trials], trial: Trial) -> Reading:
    return fx.deps.read(trial)


@governance.step("judge", refuses=["against-the-rules"])
def judge(fx: Effect[Governance], experiment: Experiment, reading: Reading) -> Judged:
    return fx.deps.judge(experiment, reading)


@releases.effect("promote", A1, R2, S1, unknown="probe")
async def promote(fx: Effect[Releases], subject: str, experiment: Experiment) -> Release:
    return await fx.deps.promote(fx.key, subject, experiment)


@promote.probe
async def is_promoted(fx: Effect[Releases], subject: str, experiment: Experiment) -> Release | None:
    del subject, experiment  # the key says enough
    return await fx.deps.promoted(fx.key)


@promote.undo
async def roll_back(fx: Effect[Releases], release: Release) -> None:
    await fx.deps.roll_back(fx.key, release)


@saga("self-improvement", version=1, starts_on=ImprovementWanted)
def improvement(wanted: ImprovementWanted) -> Outcome:
    """Traced once into `self_improvement.v1.json`; never run by the engine."""
    subject = wanted.subject
    last = var("last", Reading, Reading(cases=0, uplift=0.0, sure=False))
    promoted = var("promoted", bool, False)
    heard = Collect[SignalSeen](max=SIGNALS_MAX, quiet=QUIET)
    signals = wait_for(SignalSeen, subject, within=SIGNALS_WITHIN, collect=heard)
    finding = diagnose(subject, signals)
    proposed = propose(subject, finding)
    with approve(
        "experiment", level=A1, subject=proposed, evidence=[finding], within=DECIDED_WITHIN
    ) as allowed:
        trial = start_trial(subject, allowed.subject)
    with repeat("weeks", max=WEEKS_MAX, every="7d", until=last.sure, on_max="continue") as weeks:
        reading = read_trial(trial)
        set_(last=reading)
    with when("better", last.sure & (last.uplift > 0)):
        judged = judge(allowed.subject, last)
        with approve("promotion", level=A1, evidence=[finding, judged], within=DECIDED_WITHIN):
            promote(subject, allowed.subject)
        with scope("proving"):
            with on("worse", FiguresGotWorse, subject, interrupt=True):
                fail("got-worse")
            sleep("proved", PROVED_AFTER)
        set_(promoted=True, name="it_is_promoted")
    undo(trial)
    return new(Outcome, promoted=promoted, weeks=weeks.rounds, uplift=last.uplift)


app = App(sagas=[improvement], participants=[analyst, trials, governance, releases])
