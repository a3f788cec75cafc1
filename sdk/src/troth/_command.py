"""Messages on `commands.<participant>` (docs/format.md, Commands over Kafka). Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, cast

from ._journal_rules import token_of
from ._lease import repeatable
from ._run import Served

__all__ = ["FORM", "Bell", "Push", "ReplyTo", "Unreadable", "may_act", "read"]

FORM = 1
TOPIC_MAX = 249
"""Characters of a topic's name, by Kafka's own rule."""
_TEXTS = ("effect", "token", "kind", "contract", "commitment")
_KINDS = ("do", "undo", "probe")


@dataclass(frozen=True, slots=True)
class ReplyTo:
    """Where the reply goes: the partition of the lane that waits for it."""

    topic: str
    partition: int


@dataclass(frozen=True, slots=True)
class Push:
    """A claim to act on, where that is allowed; else it is a doorbell."""

    claim: dict[str, Any]
    to: ReplyTo


@dataclass(frozen=True, slots=True)
class Bell:
    """There is work to claim."""

    effect: str | None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """No command; `effect` and where it would be answered, as far as they can be read.

    `claim` has the members a reply needs, or is None.
    """

    why: str
    effect: str | None = None
    claim: dict[str, Any] | None = None
    to: ReplyTo | None = None


def read(value: bytes | None) -> Push | Bell | Unreadable:
    """What a message says; never raises."""
    if value is None:
        return Unreadable("it has no value")
    try:
        found = json.loads(value)
    except (ValueError, RecursionError) as error:
        return Unreadable(f"it is no JSON: {error}")
    if not isinstance(found, dict):
        return Unreadable("it is no object")
    message = cast(dict[str, Any], found)
    if message.get("form") != FORM:
        return Unreadable(f"form {message.get('form')!r} is not known here, only {FORM}")
    if message.get("push") is not True:
        effect = message.get("effect")
        return Bell(effect if isinstance(effect, str) else None)
    return _push(message)


def _push(message: dict[str, Any]) -> Push | Unreadable:
    claim: dict[str, Any] = message["claim"] if isinstance(message.get("claim"), dict) else {}
    to = _reply_to(message.get("reply"))
    why = _fault(claim)
    if why is None and to is not None:
        return Push(claim, to)
    effect = claim.get("effect")
    return Unreadable(
        why or "it does not say where to reply",
        effect if isinstance(effect, str) else None,
        claim if _answerable(claim) else None,
        to,
    )


def _reply_to(found: object) -> ReplyTo | None:
    if not isinstance(found, dict):
        return None
    reply = cast(dict[str, Any], found)
    topic, partition = reply.get("topic"), reply.get("partition")
    if not isinstance(topic, str) or not 0 < len(topic) <= TOPIC_MAX:
        return None
    if not isinstance(partition, int) or partition < 0:
        return None
    return ReplyTo(topic, partition)


def _fault(claim: dict[str, Any]) -> str | None:
    if not _answerable(claim):
        return "the claim lacks what a reply needs"
    if not isinstance(claim.get("args"), dict):
        return "the claim has no object of arguments"
    if not isinstance(claim.get("contract"), str):
        return "the claim names no contract"
    classes = claim.get("classes")
    if classes is not None and not isinstance(classes, dict):
        return "the claim has other classes than an object"
    return None


def _answerable(claim: dict[str, Any]) -> bool:
    texts = all(isinstance(claim.get(name), str) for name in _TEXTS if name != "contract")
    if not texts or not isinstance(claim.get("attempt"), int) or claim["kind"] not in _KINDS:
        return False
    try:
        token_of(claim["token"])
    except ValueError:
        return False
    return True


def may_act(claim: dict[str, Any], served: Served, journal: str | None) -> bool:
    """Whether a worker may act on a pushed claim at once.

    What touches nothing outside, yes. Effects only of class A0 with R0 or R1, by this worker's own
    contract as well as by the message's word, and only with a journal that all workers share: any
    of them may be given the same command again.
    """
    if claim.get("started") is not True or not repeatable(claim.get("classes")):
        return False
    classes: dict[str, Any] = claim.get("classes") or {}
    if classes.get("A", "A0") != "A0":
        return False
    return not served.external or (served.repeatable and journal == "shared")
