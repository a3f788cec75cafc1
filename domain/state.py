"""The parts of a commitment's state: frozen records, replaced and never changed.

A path is an instance path (docs/format.md section 3). Times are microseconds since the epoch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from domain.changing import changed
from domain.quick import quick

__all__ = [
    "ENGINE_WORDS", "ITS_TURN", "NO_REPLY", "RESTING", "RUN_ON", "UNDO_RUN",
    "Asked", "Binding", "Child", "Debt", "Effect", "Entry", "Hold", "Instance", "Stop", "Sub",
    "Task", "Trail", "Undoing",
    "binding_paths", "changed", "frame_of", "frames_of", "in_flight", "is_kept", "is_spared",
    "is_under", "item_path", "paths_around", "round_of", "template_of", "undo_run_of",
]  # fmt: skip

Json = Any
_INSTANCE = re.compile(r"[#@]\d+|\[[^\]]*\]")
# What has a meaning in a path is written as %XX in the key of an item.
_KEY_MARKS = re.compile(r"[%/#@\[\]\x00-\x1f]")


ITS_TURN = "its_turn"
"""`branch` of a node that waits until another one of its parallel is over; `slot` is its place."""
NO_REPLY = "no_reply"
"""The code of the error of an attempt that began and said nothing."""
RUN_ON = "run_on"
"""`branch` of a block that is done, while some of its branches or items go on."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for.

    `seats` maps a taken seat to who took it, `gate` is the approve node, `payload` is what an edit
    put in place of the subject, `uses` how often the decision may be used; `escalated` are the
    seats that were called because nobody decided.
    """

    approval: str
    level: str
    digests: Mapping[str, str]
    digest: str
    subject: Json
    needs: tuple[str, ...]
    not_by: tuple[str, ...]
    due_us: int | None
    valid_us: int | None
    asked: int
    seats: Mapping[str, str]
    gate: str
    args: Mapping[str, Json]
    evidence: Json = None
    payload: Json = None
    uses: int = 1
    escalated: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Task:
    """Work that is offered to a person. `by` has claimed it, until the lease ends."""

    id: str
    roles: tuple[str, ...]
    lease_us: int
    subject: Json
    not_by: tuple[str, ...]
    due_us: int | None
    by: str | None = None
    lease_until_us: int | None = None
    escalated: tuple[str, ...] = ()


@quick
@dataclass(frozen=True, slots=True)
class Instance:
    """An open node.

    `kind` is block, step, wait, sleep, await, task or approve; the rest goes with the kind.

    `guards` lists the branches of a parallel that were entered, or the keys of the items of a
    for_each; `branches` those that closed; `slot` numbers the start of a round with `every`.
    """

    kind: str
    since_us: int
    branch: str | None = None
    round: int = 0
    anchor_us: int = 0
    guards: tuple[str, ...] = ()
    branches: Mapping[str, str] = field(default_factory=dict[str, str])
    outs: Mapping[str, Json] = field(default_factory=dict[str, Any])
    events: tuple[Json, ...] = ()
    asked: Asked | None = None
    effect: str | None = None
    task: Task | None = None
    slot: int = 0


RESTING = "resting"
"""The branch of a repeat whose round is over, while the next one is not due."""


def round_of(instance: Instance) -> int:
    """The round a repeat is in: those before it are over."""
    return instance.round + (instance.branch == RESTING)


HOURS = "hours"
TURN = "turn"
"""The branches of a step that is not dispatched yet: its calendar is closed, or others go first."""

ENGINE_WORDS = frozenset(
    {HOURS, ITS_TURN, RUN_ON, TURN, "closed", "joined", "open", "queued", RESTING}
)
"""What the engine writes as `branch`: no branch of a definition is called so."""


@dataclass(frozen=True, slots=True)
class Place:
    """A step's place in a throttle: `ask` is the version at which it asked, `given`: it is next."""

    throttle: str
    key: str
    ask: int
    given: bool = False


@quick
@dataclass(frozen=True, slots=True)
class Trail:
    """How a node closed: done, skipped, failed or stopped. `version` orders completions.

    `round` is the one a repeat was in when it closed and was not done, see `round_of`.
    """

    state: str
    version: int
    at_us: int
    took_us: int
    attempt: int = 0
    round: int = 0


@quick
@dataclass(frozen=True, slots=True)
class Effect:
    """One `do` or `undo`. `state`: offered, started, backoff, unknown, done, failed, withdrawn.

    `attempt` counts commands; `unanswered` are attempts that may have run and said nothing;
    `next` of an unknown one is probe or ask; `stop` that it was asked to stop; `args` are kept
    until it is settled, because a later attempt sends exactly these; `kept_args` are those of a
    `do` that was settled and is not done: commanded again, it sends them too. `heard_us` is when
    the last attempt was known to have given nothing; `doubtful` that it failed without a reply, and
    what it may have done would be undone.
    """

    node: str
    kind: str
    contract: str
    participant: str
    digest: str
    attempt: int
    state: str
    since_us: int
    timeout_us: int
    args: Json = None
    start_by_us: int | None = None
    not_after_us: int | None = None
    approval: str | None = None
    undoes: str | None = None
    classes: Mapping[str, str] | None = None
    undo: Json = None
    unanswered: tuple[int, ...] = ()
    next: str | None = None
    probes: int = 0
    worker: str | None = None
    stop: bool = False
    error: Json = None
    result_digest: str | None = None
    heartbeat_us: int | None = None
    kept_args: Json = None
    heard_us: int = 0
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class Child:
    """A child that has not answered yet. `ask` is the version at which it was asked for.

    `wait`: its end is awaited; `leave`: it is left alone when its part stops; `stop`: it was asked
    to stop; `id` and `run` are known once it runs.
    """

    saga: str
    key: str
    ask: int
    wait: bool
    leave: bool
    id: str | None = None
    run: int | None = None
    stop: bool = False


@dataclass(frozen=True, slots=True)
class Hold:
    """A lock that is wanted or, once it has a `fence`, held. `ask` is when it was asked for.

    `undo`: it was taken again, or kept, to undo what was done under it.
    """

    lock: str
    ask: int
    undo: bool = False
    fence: int | None = None


@quick
@dataclass(frozen=True, slots=True)
class Entry:
    """What is to be undone. `state` is open, undoing or debt; `seq` orders completions.

    `child`: the commitment that is asked to undo itself; `flow`: the undo_flow of the scope runs,
    and reads `args`. There is no contract then.
    """

    seq: int
    effect: str
    contract: str
    participant: str
    args: Json
    digest: str
    when: str
    timeout_us: int
    retry: Json
    classes: Mapping[str, str] | None
    state: str = "open"
    child: str | None = None
    flow: bool = False


@dataclass(frozen=True, slots=True)
class Sub:
    """A subscription that a wait or handler holds in the key stream of `key`."""

    key: str
    types: tuple[str, ...]
    transient: bool = False


@dataclass(frozen=True, slots=True)
class Binding:
    """A decision bound to one step: the action digest it allows, until when, how often still.

    `node` is the approve that asks, `asked` how often it has asked for this step.
    """

    approval: str
    node: str
    digest: str
    not_after_us: int | None
    uses_left: int
    asked: int


@dataclass(frozen=True, slots=True)
class Stop:
    """A part that is stopping. `pending`: a pivot in flight is settled before anything stops."""

    cause: Json
    keep: tuple[str, ...] = ()
    pending: bool = False


@dataclass(frozen=True, slots=True)
class Undoing:
    """A part that is undoing, why, and what its stop was for (what comes after)."""

    why: Json
    cause: Json


@dataclass(frozen=True, slots=True)
class Debt:
    """Something only a person can settle. `kind`: undo, forward, late or contradicted."""

    node: str
    kind: str
    error: Json
    owner: str
    opened_us: int
    due_us: int
    effect: str | None = None


IN_FLIGHT = frozenset({"offered", "started", "backoff", "unknown"})


def in_flight(effect: Effect) -> bool:
    """Whether the effect is neither settled nor given up."""
    return effect.state in IN_FLIGHT


def is_under(path: str, target: str) -> bool:
    """Whether an instance path is the target or lies in it; the empty target is the root."""
    if not target:
        return True
    if not path.startswith(target):
        return False
    return len(path) == len(target) or path[len(target)] in "/#@["


UNDO_RUN = "@0"
"""Marks the run of a scope's undo_flow; those of handlers count from 1."""


def undo_run_of(path: str) -> str | None:
    """The run of an undo_flow that an instance path lies in."""
    if UNDO_RUN not in path:
        return None
    end = path.find(UNDO_RUN + "/")
    if end >= 0:
        return path[: end + len(UNDO_RUN)]
    return path if path.endswith(UNDO_RUN) else None


def is_spared(path: str, target: str) -> bool:
    """Whether a stop of `target` leaves it alone: an undo in it that has begun is finished."""
    run = undo_run_of(path)
    return run is not None and is_under(run, target)


def is_kept(path: str, keep: tuple[str, ...]) -> bool:
    """Whether an instance path lies in one of the parts that a stop leaves alone."""
    return any(is_under(path, k) for k in keep)


def item_path(block: str, key: str) -> str:
    """The path of an item of a for_each: its key in brackets, `parties[k17]`."""
    return f"{block}[{_KEY_MARKS.sub(lambda found: f'%{ord(found[0]):02X}', key)}]"


def _is_marked(path: str) -> bool:
    return "#" in path or "@" in path or "[" in path


def template_of(path: str) -> str:
    """The path of a node in its definition: without the marks of its instance."""
    if not _is_marked(path):
        return path
    return _INSTANCE.sub("", path)


def paths_around(path: str) -> Iterator[str]:
    """The instance paths of all that a node lies in, the outermost first, without the root."""
    end = path.find("/")
    while end >= 0:
        yield path[:end]
        end = path.find("/", end + 1)


def frame_of(path: str) -> str:
    """The innermost round, item or handler run of a node's data; '' is the commitment."""
    end = max(path.rfind("#"), path.rfind("@"), path.rfind("["))
    if end < 0:
        return ""
    slash = path.find("/", end)
    return path[:slash] if slash >= 0 else path


def frames_of(path: str) -> tuple[str, ...]:
    """The frames a node sees, innermost first."""
    if not _is_marked(path):
        return ("",)
    ends = [m.end() for m in _INSTANCE.finditer(path)]
    return (*(path[:end] for end in reversed(ends)), "")


def binding_paths(path: str) -> Iterator[str]:
    """Where a decision on the step at `path` may be kept.

    At the path itself, or, decided before a repeat was entered, without its innermost rounds.
    """
    yield path
    while "#" in path:
        mark = path.rfind("#")
        end = path.find("/", mark)
        path = path[:mark] + (path[end:] if end >= 0 else "")
        yield path
