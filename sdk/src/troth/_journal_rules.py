"""The rules of the journal: what may run, what is answered, what is barred. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

__all__ = [
    "Answer",
    "Bar",
    "Begin",
    "Entry",
    "Outcome",
    "Repeat",
    "Run",
    "Verdict",
    "Write",
    "barred",
    "begun",
    "judge",
    "refuse",
    "token_of",
    "too_old",
]

Outcome = dict[str, Any]
"""The members of a reply that say how it ended: outcome, result, code, message, ..."""


@dataclass(frozen=True, slots=True)
class Begin:
    """An external `do` or `undo` is about to run. `repeatable` is true for R0 and R1.

    `intended_us` is when the command was made (or sent), in microseconds since 1970, if known;
    `participant` whose command it is.
    """

    effect: str
    digest: str
    token: str
    attempt: int
    repeatable: bool
    intended_us: int | None = None
    participant: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """The `do` of an undo or a probe must not run any more with a token up to this one."""

    effect: str
    token: str
    by: Literal["undo", "probe"]


@dataclass(frozen=True, slots=True)
class Answer:
    """A handler that was begun has ended so."""

    effect: str
    token: str
    attempt: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Run:
    """Go on. `repeated`: an earlier run may have happened. `seen`: the effect was ever begun.

    `recorded` is the outcome that a barred effect had, if it was answered.
    """

    repeated: bool = False
    seen: bool = True
    recorded: Outcome | None = None


@dataclass(frozen=True, slots=True)
class Repeat:
    """Do not run: send this outcome."""

    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the journal."""

    digest: str
    token: str
    state: str
    attempt: int
    outcome: Outcome | None


Verdict = Run | Repeat
Write = Begin | Bar | Answer


def token_of(text: str) -> tuple[int, int, int, int]:
    """A token as the numbers it is compared by. Raises ValueError if it is none."""
    incarnation, lane, position, reservation = text.split(".")
    return int(incarnation), int(lane), int(position), int(reservation)


def refuse(code: str, message: str) -> Repeat:
    """The handler did not run, so `not_done` is true of this token."""
    return Repeat({"outcome": "not_done", "code": code, "message": message})


def too_old() -> Repeat:
    """What is said of an unknown effect whose command is older than what the journal remembers."""
    return Repeat({
        "outcome": "unknown", "code": "journal.older",
        "message": "the command is older than the journal: it may have happened",
    })  # fmt: skip


def judge(entry: Entry, begin: Begin) -> Verdict:
    """Whether an effect that the journal knows may run (docs/format.md, journal)."""
    if entry.digest and entry.digest != begin.digest:
        return Repeat({
            "outcome": "unknown", "code": "contradicted",
            "message": "this effect was begun before with other arguments",
        })  # fmt: skip
    if token_of(begin.token) < token_of(entry.token):
        return refuse("journal.token", "a newer command for this effect is known")
    if entry.state == "barred":
        return _judge_barred(entry, begin)
    if entry.state == "answered":
        return _judge_answered(entry, begin)
    if begin.repeatable or begin.attempt > entry.attempt:
        # A later attempt of R2 or R3 exists only when a probe or a person said: not done.
        return Run(repeated=True)
    return Repeat({
        "outcome": "unknown", "code": "journal.started",
        "message": "a worker began this and left no answer: it may have happened",
    })  # fmt: skip


def _judge_barred(entry: Entry, begin: Begin) -> Verdict:
    bar = entry.outcome or {}
    if bar.get("by") == "undo":
        return refuse("journal.barred", "this effect was undone: it never runs again")
    if begin.token == entry.token:
        return refuse("journal.barred", "a probe barred this command")
    return Run(repeated=bool(bar.get("seen")))


def _judge_answered(entry: Entry, begin: Begin) -> Verdict:
    recorded = entry.outcome or {}
    if recorded.get("outcome") == "done" or begin.attempt <= entry.attempt:
        return Repeat(recorded)
    return Run(repeated=recorded.get("outcome") in {"unknown", "transient"})


def barred(entry: Entry, bar: Bar) -> Entry:
    """What an entry becomes by a bar; an answer `done` stays readable below a probe."""
    done = entry.state == "answered" and (entry.outcome or {}).get("outcome") == "done"
    if done and bar.by == "probe":
        return Entry(entry.digest, bar.token, entry.state, entry.attempt, entry.outcome)
    before = (entry.outcome or {}).get("by") if entry.state == "barred" else None
    by = "undo" if before == "undo" else bar.by
    return Entry(entry.digest, bar.token, "barred", entry.attempt, {"by": by, "seen": begun(entry)})


def begun(entry: Entry) -> bool:
    """Whether the effect was ever begun here: a bar can stand for one that never was."""
    return entry.state != "barred" or bool((entry.outcome or {}).get("seen"))
