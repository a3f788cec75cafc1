"""Events of a commitment: effects, stopping, undoing and debts (docs/format.md section 4)."""

from __future__ import annotations

from typing import Any, ClassVar

from domain.events.base import Event

Json = Any


class EffectIntended(Event):
    """`kind` is do, undo or probe; a dispatch row is inserted in the transaction of this event."""

    TOPIC: ClassVar[str] = "effect.intended"
    node: str
    effect: str
    kind: str
    contract: str
    participant: str
    args: Json
    digest: str
    attempt: int
    timeout_us: int
    start_by_us: int | None = None
    not_after_us: int | None = None
    approval: str | None = None
    undoes: str | None = None
    classes: Json = None
    undo: Json = None
    heartbeat_us: int | None = None


class EffectStarted(Event):
    """A worker was allowed to act."""

    TOPIC: ClassVar[str] = "effect.started"
    effect: str
    attempt: int
    token: str
    worker: str


class AttemptFailed(Event):
    """An attempt gave nothing; the next one is due at `retry_us`."""

    TOPIC: ClassVar[str] = "effect.attempt_failed"
    effect: str
    attempt: int
    error: Json
    retry_us: int
    unanswered: bool = False


class EffectRetried(Event):
    """The next attempt, with the same bytes and key; `undo` is set where its entry had gone."""

    TOPIC: ClassVar[str] = "effect.retried"
    effect: str
    attempt: int
    start_by_us: int | None = None
    undo: Json = None


class EffectDone(Event):
    """It happened; `undo` is how to undo it, as could be read then."""

    TOPIC: ClassVar[str] = "effect.done"
    node: str
    effect: str
    kind: str
    attempt: int
    result: Json = None
    worker: str | None = None
    verified: bool = False
    undo: Json = None
    pivot: bool = False
    result_digest: str | None = None


class EffectFailed(Event):
    """It failed for good; `undo` is set where it may have happened all the same."""

    TOPIC: ClassVar[str] = "effect.failed"
    node: str
    effect: str
    kind: str
    attempt: int
    error: Json
    undo: Json = None


class EffectUnknown(Event):
    """`next` is probe or ask; `due_us`: when to probe again, or by when a person should say."""

    TOPIC: ClassVar[str] = "effect.unknown"
    effect: str
    attempt: int
    reason: str
    next: str
    due_us: int | None = None


class EffectProbed(Event):
    """A probe or a person said whether it happened."""

    TOPIC: ClassVar[str] = "effect.probed"
    effect: str
    answer: str
    note: str | None = None
    evidence: Json = None


class EffectStopAsked(Event):
    """What is not started is to be withdrawn, what runs to be awaited."""

    TOPIC: ClassVar[str] = "effect.stop_asked"
    effects: Json


class EffectWithdrawn(Event):
    """It was not started and will not be; `tried`: an earlier attempt was, and its entry stays."""

    TOPIC: ClassVar[str] = "effect.withdrawn"
    effect: str
    tried: bool | None = None


class EffectContradicted(Event):
    """Two accounts of it differ."""

    TOPIC: ClassVar[str] = "effect.contradicted"
    node: str
    effect: str
    detail: str


class EffectLate(Event):
    """A reply that moves nothing, recorded."""

    TOPIC: ClassVar[str] = "effect.late"
    effect: str
    attempt: int
    outcome: str
    detail: Json = None


class PartStopping(Event):
    """A part stops. `cause` has its `kind` (failure, cancel, interrupt, join, fulfil, expired)."""

    TOPIC: ClassVar[str] = "part.stopping"
    target: str
    cause: Json
    keep: Json = None
    pending: bool = False


class PartStopped(Event):
    """Nothing of the part is in flight any more; `refused`: the stop itself was refused."""

    TOPIC: ClassVar[str] = "part.stopped"
    target: str
    refused: bool = False


class UndoBegun(Event):
    """What the part has done is being undone."""

    """`due_us`: when what is not undone by then becomes a debt; `takes`: parts inside it that were
    undoing themselves and are nothing but debts any more, which are now this part's."""

    TOPIC: ClassVar[str] = "undo.begun"
    target: str
    why: Json
    cause: Json
    due_us: int | None = None
    takes: Json = None


class UndoEnded(Event):
    """Everything of the part is undone or settled."""

    TOPIC: ClassVar[str] = "undo.ended"
    target: str


class UndoSealed(Event):
    """A pivot is done: these entries can no longer be undone."""

    TOPIC: ClassVar[str] = "undo.sealed"
    node: str
    dropped: Json


class DebtOpened(Event):
    """An open item that only a person can settle."""

    TOPIC: ClassVar[str] = "debt.opened"
    debt: str
    node: str
    kind: str
    error: Json
    owner: str
    due_us: int
    effect: str | None = None


class DebtRetried(Event):
    """A person asked to try again; the debt stays until the effect is settled."""

    TOPIC: ClassVar[str] = "debt.retried"
    debt: str
    reason: str


class DebtSettled(Event):
    """A person settled it with evidence."""

    TOPIC: ClassVar[str] = "debt.settled"
    debt: str
    how: str
    reason: str
    evidence: Json = None
    result: Json = None
