"""What a message does to a stream, whatever kind of stream it is: one pure step for the loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from consumers import starting
from consumers.registry import Registry
from domain import key_stream as ks
from domain import lock_stream as ls
from domain import saga_key as sk
from domain import throttle_stream as ts
from domain.commitment import Commitment, CommitmentSnapshot
from domain.errors import Refusal
from domain.events import Ctx, Event
from domain.key_stream import KeyStream, KeyStreamSnapshot
from domain.lock_stream import LockStream, LockStreamSnapshot
from domain.messages import (
    Acquire,
    Arrive,
    DropTurn,
    Leftover,
    Message,
    Open,
    Recall,
    Release,
    RunOver,
    Start,
    Subscribe,
    TakeTurn,
)
from domain.ports import ViewRow
from domain.quick import quick
from domain.saga_key import DoubleStart, SagaKey, SagaKeySnapshot
from domain.streams import Decided
from domain.throttle_stream import ThrottleStream, ThrottleStreamSnapshot
from projections import current_step, parked_events
from sagas.decide import decide as decide_commitment
from sagas.definition import Definition
from sagas.outputs import Offered, outputs

__all__ = ["Core", "Step", "snapshot_of"]

Json = Any
_NO_POLICY = DoubleStart()


@quick
@dataclass(frozen=True, slots=True)
class Step:
    """One decide with all that follows from it."""

    events: Sequence[Event]
    state: Any
    outcome: Json
    mail: Sequence[tuple[UUID, Message]]
    wake_us: int | None
    offered: Sequence[Offered] = ()
    settled: Sequence[str] = ()
    withdraw: Sequence[str] = ()


class Core:
    """Decides on the five kinds of streams. The functions of commitments can be replaced."""

    def __init__(
        self,
        registry: Registry,
        *,
        decide: Callable[..., Any] = decide_commitment,
        outputs: Callable[..., Any] = outputs,
        rows: Callable[..., list[ViewRow]] = current_step.rows,
    ) -> None:
        self._registry = registry
        self._decide = decide
        self._outputs = outputs
        self._rows = rows

    def step(
        self, state: Any, message: Message, *, stream: UUID, now_us: int, ctx: Ctx
    ) -> Step:  # fmt: skip
        """Decide a message. Raises whatever deciding raises: a fault of this stream alone.

        KeyError: its definition is not registered here. Refusal (store.newer): only a later
        release understands it.
        """
        if isinstance(state, Commitment):  # most are, and those below are dear to ask
            return self._commitment(state, message, stream, now_us, ctx)
        if isinstance(state, KeyStream) or isinstance(message, (Arrive, Subscribe)):
            decided = ks.decide(state, message, stream=stream, now_us=now_us, ctx=ctx)
            wake_us = ks.wake_us(decided.state)
            return Step(decided.events, decided.state, decided.outcome, decided.mail, wake_us)
        if isinstance(state, LockStream) or isinstance(message, (Acquire, Release)):
            passed = ls.decide(state, message, stream=stream, now_us=now_us, ctx=ctx)
            return Step(passed.events, passed.state, passed.outcome, passed.mail, None)
        if isinstance(state, ThrottleStream) or isinstance(message, (TakeTurn, DropTurn)):
            turned = ts.decide(state, message, stream=stream, now_us=now_us, ctx=ctx)
            wake_us = ts.wake_us(turned.state)
            return Step(turned.events, turned.state, turned.outcome, turned.mail, wake_us)
        if isinstance(state, SagaKey) or isinstance(message, (Start, RunOver, Recall, Leftover)):
            started = self._saga_key(state, message, stream, now_us, ctx)
            return Step(started.events, started.state, started.outcome, started.mail, None)
        return self._commitment(state, message, stream, now_us, ctx)

    def _commitment(
        self, state: Commitment | None, message: Message, stream: UUID, now_us: int, ctx: Ctx
    ) -> Step:
        if state is None and not isinstance(message, Open):
            return Step(
                (), None, {"code": "http.not_found", "detail": "no such commitment"}, (), None
            )
        known = message if isinstance(message, Open) else state
        assert known is not None, "only an opening comes before the stream"
        definition = self._definition(known.definition)
        decided = self._decide(definition, state, message, stream=stream, now_us=now_us, ctx=ctx)
        out = self._outputs(state, decided.state, decided.events)
        mail, after = out.mail, decided.state
        ends = after is not None and after.is_over and (state is None or not state.is_over)
        if after is not None and ends and not after.had_ended:
            mail = starting.again(definition, after, mail)
        return Step(
            decided.events, decided.state, decided.outcome, mail, out.wake_us, out.offered,
            out.settled, out.withdraw,
        )  # fmt: skip

    def _saga_key(
        self, state: SagaKey | None, message: Message, stream: UUID, now_us: int, ctx: Ctx
    ) -> Decided[SagaKey | None]:
        if isinstance(message, Start) and not message.definition:
            named = starting.named(self._registry, message)
            if isinstance(named, Refusal):
                return sk.refuse_child(
                    state, message, named.alias, named.detail, stream=stream, now_us=now_us,
                    ctx=ctx,
                )  # fmt: skip
            message = named
        if isinstance(message, Leftover):
            start = starting.anew(self._registry, message)
            if start is None:
                return Decided((), state)
            message = replace(message, start=start)
        policy = self._policy(message.start if isinstance(message, Leftover) else message)
        return sk.decide(state, message, stream=stream, now_us=now_us, ctx=ctx, policy=policy)

    def _policy(self, message: Message | None) -> DoubleStart:
        if not isinstance(message, Start):
            return _NO_POLICY
        definition = self._definition(message.definition)
        return DoubleStart(definition.running, definition.finished)

    def _definition(self, hash_: str) -> Definition:
        definition = self._registry.by_hash(hash_)
        if definition is None:
            self._registry.refuse_later(hash_)
            raise KeyError(f"definition {hash_} is not registered")
        return definition

    def can_go_on(self, state: Any) -> bool:
        """Whether a stream that was read can be decided on here: its definition is known."""
        if isinstance(state, Commitment):
            return self._registry.by_hash(state.definition) is not None
        return state is not None

    def rows(self, before: Any, step: Step, *, position: int, lane: int) -> Sequence[ViewRow]:
        """The view rows that a step changes; its last event has `position`."""
        after = step.state
        if isinstance(after, Commitment):
            definition = self._registry.by_hash(after.definition)
            return self._rows(definition, before, after, step.events, position=position, lane=lane)
        if isinstance(after, KeyStream):
            return parked_events.rows(before, after, step.events)
        return ()


def snapshot_of(state: Any) -> Any:
    """The snapshot event of an aggregate of any kind."""
    match state:
        case Commitment():
            return CommitmentSnapshot.take(state)
        case KeyStream():
            return KeyStreamSnapshot.take(state)
        case LockStream():
            return LockStreamSnapshot.take(state)
        case ThrottleStream():
            return ThrottleStreamSnapshot.take(state)
        case _:
            return SagaKeySnapshot.take(state)
