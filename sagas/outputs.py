"""What follows from the events of one decide: mail, dispatches, withdrawals and the next wake-up.

Derived, never stored by itself: the loop writes it in the transaction that appends the events.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from domain import events as ev
from domain import messages as msg
from domain.commitment import Commitment
from domain.events import Event
from domain.ids import key_id, saga_key_id
from domain.messages import Message
from domain.ports import Dispatch
from domain.quick import quick
from domain.state import Effect, Sub
from sagas.child_mail import TO_FAMILY, child_mail, waived
from sagas.lock_mail import TO_LOCKS, lock_mail
from sagas.turn_mail import turn_mail

__all__ = ["Offered", "Outputs", "outputs"]

Json = Any
_SETTLING = (
    ev.EffectDone, ev.EffectFailed, ev.AttemptFailed, ev.EffectUnknown, ev.EffectWithdrawn,
    ev.EffectProbed,
)  # fmt: skip
_MAILING = TO_FAMILY | TO_LOCKS
_SETTLING_KINDS = frozenset({"answered", "lost", "not_started"})


@quick
@dataclass(frozen=True, slots=True)
class Offered:
    """A dispatch to insert; `index` is that of its event, whose position it takes."""

    index: int
    dispatch: Dispatch


@quick
@dataclass(frozen=True, slots=True)
class Outputs:
    """What the loop writes beside the events.

    `settled`: effects whose dispatch row goes (before `offered` is inserted); `withdraw`: those to
    take back if nobody has started them; `wake_us`: the next wake-up, or None.
    """

    mail: Sequence[tuple[UUID, Message]]
    offered: Sequence[Offered]
    settled: Sequence[str]
    withdraw: Sequence[str]
    wake_us: int | None


def outputs(before: Commitment | None, after: Commitment, events: Sequence[Event]) -> Outputs:
    """What to do beside appending `events`, which led from `before` to `after`."""
    offered: list[Offered] = []
    settled: list[str] = []
    withdraw: list[str] = []
    mail: list[tuple[UUID, Message]] = [*turn_mail(before, after, events)]
    for index, event in enumerate(events):
        if type(event) in _MAILING:
            mail += (*child_mail(after, event), *lock_mail(after, event))
        if isinstance(event, (ev.EffectIntended, ev.EffectRetried)):
            if event.effect not in after.effects:  # its round ended in the same decide
                continue
            offered.append(Offered(index, _dispatch(after, event)))
        elif isinstance(event, _SETTLING):
            settled.append(event.effect)
            offered = [o for o in offered if o.dispatch.effect != event.effect]
        elif isinstance(event, ev.EffectStopAsked):
            withdraw.extend(event.effects)
        elif isinstance(event, ev.MessageDeferred) and _is_last_word(event.message):
            settled.append(event.message["body"]["effect"])
        elif isinstance(event, ev.CommitmentEnded) and not after.had_ended:
            home = saga_key_id(after.tenant, after.saga, after.key)
            mail.append((home, msg.RunOver(after.run, event.status)))
    withdraw = [effect for effect in withdraw if _is_to_stop(after, effect)]
    mail += (*waived(before, after, events), *_subscriptions(before, after))
    wake_us = None
    if after.timers and not after.paused and after.held is None:
        wake_us = min(after.timers.values())
    return Outputs(mail, offered, settled, withdraw, wake_us)


def _is_last_word(deferred: Json) -> bool:
    """Whether nobody holds the attempt any more, though what it means is decided at the resume."""
    return deferred["kind"] in _SETTLING_KINDS and deferred["body"].get("current", True)


def _is_to_stop(after: Commitment, effect: str) -> bool:
    """Whether the attempt that was to stop is still the one at the desk."""
    found = after.effects.get(effect)
    return found is not None and found.stop and found.state in ("offered", "started")


def _dispatch(c: Commitment, event: Any) -> Dispatch:
    effect: Effect = c.effects[event.effect]
    intended = isinstance(event, ev.EffectIntended)
    kind = event.kind if intended else effect.kind
    args = event.args if intended else effect.args
    classes = event.classes if intended else effect.classes
    gated = bool(classes) and (classes["A"] != "A0" or classes["R"] in ("R2", "R3"))
    body = {
        "effect": event.effect, "attempt": event.attempt, "kind": kind,
        "contract": effect.contract, "args": args, "digest": effect.digest, "classes": classes,
        "tenant": c.tenant, "commitment": str(c.id), "saga": c.saga, "key": c.key,
        "node": effect.node, "undoes": effect.undoes, "trace": event.ctx.get("trace"),
        "repeated": event.attempt > 1,
    }  # fmt: skip
    if kind == "do" and effect.heartbeat_us is not None:
        body["heartbeat_us"] = effect.heartbeat_us
    return Dispatch(
        effect=event.effect, stream=c.id, tenant=c.tenant, participant=effect.participant,
        contract=effect.contract, kind=kind, attempt=event.attempt, position=0, body=body,
        needs_start=kind == "do" and gated, start_by_us=event.start_by_us,
        timeout_us=event.timeout_us if intended else effect.timeout_us,
        not_after_us=effect.not_after_us if kind == "do" else None,
        heard_us=None if intended else effect.heard_us,
    )  # fmt: skip


def _subscriptions(before: Commitment | None, after: Commitment) -> list[tuple[UUID, Message]]:
    """Mail to each key stream whose subscriptions or taken events changed."""
    old: dict[str, Sub] = before.subs if before is not None else {}
    old_taken = before.taken if before is not None else {}
    ended = after.is_over and (before is None or not before.is_over) and not after.had_ended
    if old == after.subs and old_taken == after.taken and not ended:
        return []
    keys = {s.key for s in old.values()} | {s.key for s in after.subs.values()} | set(after.taken)
    if ended:  # also where a wait has expired, or was left
        keys |= set(after.listened)
    found: list[tuple[UUID, Message]] = []
    for key in sorted(keys):
        opened = {
            path: {"types": list(s.types), "transient": s.transient}
            for path, s in after.subs.items() if s.key == key and _differs(old.get(path), s)
        }  # fmt: skip
        closed = [p for p, s in old.items() if s.key == key and _differs(after.subs.get(p), s)]
        taken = _new_positions(old_taken.get(key, ()), after.taken.get(key, ()))
        if opened or closed or taken or ended:
            message = msg.Subscribe(
                after.tenant, key, str(after.id), after.saga, after.key, opened or None,
                closed or None, taken or None, ended,
            )  # fmt: skip
            found.append((key_id(after.tenant, key), message))
    return found


def _differs(one: Sub | None, other: Sub) -> bool:
    """Most are the very same record: looking is quicker than comparing."""
    return one is not other and one != other


def _new_positions(old: Sequence[int], new: Sequence[int]) -> list[int]:
    if old is new:
        return []
    if new[: len(old)] == old:
        return list(new[len(old) :])
    known = set(old)  # the oldest were forgotten
    return [p for p in new if p not in known]
