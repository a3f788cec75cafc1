"""The events that are stored, one class each (docs/format.md section 4).

An event carries everything its fold needs: `evolve` never looks at a definition. TOPIC strings are
chosen and never change; a changed meaning gets a new `class_version` and an upcast.
"""

from __future__ import annotations

from typing import Any, cast

from eventsourcing.utils import register_topic

from domain.events.base import Ctx, Event, Opening
from domain.events.children import (
    ChildAsked,
    ChildEnded,
    ChildLeft,
    ChildOpened,
    ChildStopAsked,
)
from domain.events.effects import (
    AttemptFailed,
    DebtOpened,
    DebtRetried,
    DebtSettled,
    EffectContradicted,
    EffectDone,
    EffectFailed,
    EffectIntended,
    EffectLate,
    EffectProbed,
    EffectRetried,
    EffectStarted,
    EffectStopAsked,
    EffectUnknown,
    EffectWithdrawn,
    PartStopped,
    PartStopping,
    UndoBegun,
    UndoEnded,
    UndoSealed,
)
from domain.events.flow import (
    ApprovalAmended,
    ApprovalAsked,
    ApprovalEscalated,
    ApprovalGranted,
    ApprovalRejected,
    ApprovalVoided,
    BranchClosed,
    CancelAsked,
    CommitmentEnded,
    CommitmentHeld,
    CommitmentOpened,
    CommitmentPaused,
    CommitmentReleased,
    CommitmentResumed,
    EventTaken,
    FactEmitted,
    HandlerOpened,
    MessageDeferred,
    MessageRefused,
    NodeDone,
    NodeEntered,
    NodeFailed,
    NodeRunsOn,
    NodeSkipped,
    NodesStopped,
    QuietSet,
    SeatTaken,
    SleepStarted,
    TimerFired,
    VarsSet,
    WaitOpened,
)
from domain.events.items import ItemClosed, ItemsAdded, ItemsClosed
from domain.events.keys import (
    EventExpired,
    EventKept,
    KeyOpened,
    RunEnded,
    RunOpened,
    SagaKeyOpened,
    StartHeld,
    StartQueued,
    StartRecalled,
    StartRefused,
    SubscriptionsChanged,
)
from domain.events.locks import (
    LockFreed,
    LockGranted,
    LockOpened,
    LockPassed,
    LockQueued,
    LockReleased,
    LockWanted,
)
from domain.events.turns import HoursAwaited
from domain.events.work import (
    AwaitOpened,
    TaskClaimed,
    TaskDone,
    TaskEscalated,
    TaskOffered,
    TaskReleased,
    TimerMoved,
    UpdateAccepted,
)

__all__ = [
    "ApprovalAmended",
    "ApprovalAsked",
    "ApprovalEscalated",
    "ApprovalGranted",
    "ApprovalRejected",
    "ApprovalVoided",
    "AttemptFailed",
    "AwaitOpened",
    "BranchClosed",
    "CancelAsked",
    "ChildAsked",
    "ChildEnded",
    "ChildLeft",
    "ChildOpened",
    "ChildStopAsked",
    "CommitmentEnded",
    "CommitmentHeld",
    "CommitmentOpened",
    "CommitmentPaused",
    "CommitmentReleased",
    "CommitmentResumed",
    "Ctx",
    "DebtOpened",
    "DebtRetried",
    "DebtSettled",
    "EffectContradicted",
    "EffectDone",
    "EffectFailed",
    "EffectIntended",
    "EffectLate",
    "EffectProbed",
    "EffectRetried",
    "EffectStarted",
    "EffectStopAsked",
    "EffectUnknown",
    "EffectWithdrawn",
    "Event",
    "EventExpired",
    "EventKept",
    "EventTaken",
    "FactEmitted",
    "HandlerOpened",
    "HoursAwaited",
    "ItemClosed",
    "ItemsAdded",
    "ItemsClosed",
    "KeyOpened",
    "LockFreed",
    "LockGranted",
    "LockOpened",
    "LockPassed",
    "LockQueued",
    "LockReleased",
    "LockWanted",
    "MessageDeferred",
    "MessageRefused",
    "NodeDone",
    "NodeEntered",
    "NodeFailed",
    "NodeRunsOn",
    "NodeSkipped",
    "NodesStopped",
    "Opening",
    "PartStopped",
    "PartStopping",
    "QuietSet",
    "RunEnded",
    "RunOpened",
    "SagaKeyOpened",
    "SeatTaken",
    "SleepStarted",
    "StartHeld",
    "StartQueued",
    "StartRecalled",
    "StartRefused",
    "SubscriptionsChanged",
    "TaskClaimed",
    "TaskDone",
    "TaskEscalated",
    "TaskOffered",
    "TaskReleased",
    "TimerFired",
    "TimerMoved",
    "UndoBegun",
    "UndoEnded",
    "UndoSealed",
    "UpdateAccepted",
    "VarsSet",
    "WaitOpened",
    "classes",
]


def classes() -> tuple[type[Event], ...]:
    """Every stored event class."""
    found: list[type[Event]] = []
    for name, value in globals().items():
        if name[0] == "_" or not isinstance(value, type):
            continue
        if issubclass(value, Event) and "TOPIC" in vars(value):
            found.append(value)
    return tuple(found)


for _class in classes():
    register_topic(cast("Any", _class).TOPIC, _class)
