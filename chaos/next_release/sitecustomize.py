"""The release after this one, as far as the one before has to live with it.

With this folder first in PYTHONPATH a process runs the code beside it, changed as a next release
may change it: it writes a kind of event that this release does not know, after each effect, and
its language has one more member.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from eventsourcing.utils import register_topic

import schemas
from consumers.core import Core
from domain.events import EffectDone
from domain.events.base import Event
from domain.evolve import FOLDS
from domain.quick import quick

GRAMS = 7


class EffectWeighed(Event):
    """What an effect weighed: nothing follows from it yet."""

    TOPIC: ClassVar[str] = "effect.weighed"
    effect: str
    grams: int


def _weighed(commitment: Any, event: Any) -> None:
    """The fold: the weight is not kept."""


def _weighing(decide: Any) -> Any:
    def decide_and_weigh(*args: Any, ctx: Any, **more: Any) -> Any:
        decided = decide(*args, ctx=ctx, **more)
        done = [e for e in decided.events if isinstance(e, EffectDone) and e.kind == "do"]
        if not done or decided.state.is_over:
            return decided
        last = decided.events[-1]
        weighed: Any = EffectWeighed
        event = weighed(
            originator_id=last.originator_id, originator_version=last.originator_version + 1,
            timestamp=last.timestamp, ctx=ctx, effect=done[0].effect, grams=GRAMS,
        )  # fmt: skip
        state = event.mutate(decided.state)
        return replace(decided, events=[*decided.events, event], state=state)

    return decide_and_weigh


register_topic(EffectWeighed.TOPIC, quick(EffectWeighed))
FOLDS[EffectWeighed] = _weighed
_defaults: Any = Core.__init__.__kwdefaults__
_defaults["decide"] = _weighing(_defaults["decide"])
schemas.load("definition.v1.json")["properties"]["mood"] = {"type": "string"}
