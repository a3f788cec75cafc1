"""Starts that come from other streams: what they mean is known where they arrive.

A parent starts a child, and events that a commitment left untaken start anew when it ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from consumers.envelope import time_us
from consumers.limits import LaneLimits
from consumers.prepared import complete, start_by_event
from consumers.registry import Registry, Starting
from domain.commitment import Commitment
from domain.errors import Refusal
from domain.ids import key_id
from domain.messages import Leftover, Message, Start, Subscribe
from sagas.definition import Definition

__all__ = ["again", "anew", "named"]

_LIMITS = LaneLimits()
Posted = tuple[UUID, Message]


def named(registry: Registry, start: Start) -> Start | Refusal:
    """The start of a child with its definition: the version it names, or the latest one.

    It is chosen here, where the run begins, and recorded in its opening. A refusal where the saga
    is not registered or the input does not fit it.
    """
    definition = registry.of_saga(start.saga, start.saga_version or None)
    if definition is None:
        version = f" in version {start.saga_version}" if start.saga_version else ""
        return Refusal("start.unknown_saga", f"{start.saga} is not registered{version}")
    problems = definition.input_validator.check(start.input, root="input")
    if problems:
        return Refusal("start.input", "; ".join(problems))
    try:
        complete(definition.input_filler, start.input, "the input")
    except Refusal as refused:
        return refused
    return replace(start, saga_version=definition.version, definition=definition.hash)


def again(definition: Definition, ended: Commitment, mail: Sequence[Posted]) -> list[Posted]:
    """The mail of a commitment that has ended, which also says what its saga starts on.

    The key streams that it listened to hand back what it left of that; where events are delivered
    to the running commitment, also that of its own key.
    """
    types = sorted({type_ for type_, _, _ in definition.starts})
    if not types:
        return list(mail)
    found: list[Posted] = [
        (to, replace(m, again=types) if isinstance(m, Subscribe) and m.ended else m)
        for to, m in mail
    ]
    home = key_id(ended.tenant, ended.key)
    if definition.running == "deliver" and all(to != home for to, _ in found):
        over = Subscribe(
            ended.tenant, ended.key, str(ended.id), ended.saga, ended.key, ended=True, again=types
        )
        found.append((home, over))
    return found


def anew(registry: Registry, left: Leftover) -> Start | None:
    """The start that an untaken event means now; None where it means none for this key."""
    definition = registry.of_saga(left.saga)
    if definition is None:
        return None
    for type_, when, given in definition.starts:
        if type_ != left.event["type"]:
            continue
        starting = Starting(definition, when, given)
        at_us = time_us(left.event["time"])
        try:
            start = start_by_event(starting, left.event, at_us, left.tenant, _LIMITS)
        except Refusal:
            return None  # a later version wants other data: it stays parked
        if start is not None and start.key == left.saga_key:
            return start
    return None
